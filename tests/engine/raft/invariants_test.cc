#include "engine/raft/invariants.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidemark::raft {
namespace {

Facts Follower() {
  return Facts{.self = NodeId{1},
               .role = Role::kFollower,
               .leader = NodeId{2},
               .state = {.term = Term{3}, .vote = NodeId{2}},
               .durable = {.term = Term{3}, .vote = NodeId{2}},
               .commit = LogIndex{4},
               .first_index = LogIndex{1},
               .last_index = LogIndex{6},
               .durable_index = LogIndex{5},
               .last_term = Term{3},
               .verified = LogIndex{6},
               .acked = LogIndex{5},
               .is_voter = true,
               .may_lead = true,
               .peers = {}};
}

Facts Leader() {
  Facts facts = Follower();
  facts.role = Role::kLeader;
  facts.leader = NodeId{1};
  facts.state.vote = facts.durable.vote = NodeId{1};
  facts.verified = facts.acked = LogIndex{0};
  return facts;
}

void CheckOnce(const Facts& facts) { Invariants().Check(facts); }
void CheckTwice(const Facts& before, const Facts& after) {
  Invariants invariants;
  invariants.Check(before);
  invariants.Check(after);
}

TEST(Invariants, AcceptAHealthyFollowerAndLeader) {
  CheckOnce(Follower());
  CheckOnce(Leader());
  CheckTwice(Leader(), Leader());
}

TEST(InvariantsDeathTest, SpeakWhenCommitPassesTheLog) {
  Facts facts = Follower();
  facts.commit = LogIndex{7};
  EXPECT_DEATH(CheckOnce(facts), "f.commit <= f.last_index \\(7 vs 6\\)");
}

TEST(InvariantsDeathTest, SpeakWhenCommitFalls) {
  Facts after = Follower();
  after.commit = LogIndex{3};
  EXPECT_DEATH(CheckTwice(Follower(), after), "f.commit >= commit_");
}

TEST(InvariantsDeathTest, SpeakWhenATermOrVoteIsForgotten) {
  Facts after = Follower();
  after.durable.vote = after.state.vote = kNoNode;
  EXPECT_DEATH(CheckTwice(Follower(), after), "after.vote == before.vote");
  after = Follower();
  after.durable.term = after.state.term = after.last_term = Term{2};
  EXPECT_DEATH(CheckTwice(Follower(), after), "after.term >= before.term");
}

TEST(InvariantsDeathTest, SpeakWhenALeaderIsElectedByAVoteThatIsNotDurable) {
  Facts facts = Leader();
  facts.durable = {.term = Term{2}, .vote = kNoNode};
  EXPECT_DEATH(CheckOnce(facts), "f.durable.term == f.state.term");
}

TEST(InvariantsDeathTest, SpeakWhenALeaderCutsItsLog) {
  Facts after = Leader();
  after.last_index = after.durable_index = LogIndex{5};
  EXPECT_DEATH(CheckTwice(Leader(), after), "f.last_index >= last_index_");
}

TEST(InvariantsDeathTest, SpeakWhenAPeerIsSaidToHaveMoreThanTheLog) {
  Facts facts = Leader();
  std::vector<Progress> peers;
  peers.emplace_back(NodeId{2}, 4, 100);
  peers[0].ResetForTerm(LogIndex{6}, Instant());
  facts.peers = peers;
  CheckOnce(facts);
  peers[0].Acknowledge(LogIndex{7});
  EXPECT_DEATH(CheckOnce(facts), "peer.match <= f.last_index");
}

TEST(InvariantsDeathTest, SpeakWhenMoreIsAcknowledgedThanVerified) {
  Facts facts = Follower();
  facts.verified = LogIndex{4};
  EXPECT_DEATH(CheckOnce(facts), "f.acked <= f.verified");
}

TEST(InvariantsDeathTest, SpeakWhenACandidateDidNotVoteForItself) {
  Facts facts = Follower();
  facts.role = Role::kCandidate;
  facts.leader = kNoNode;
  EXPECT_DEATH(CheckOnce(facts), "f.state.vote == f.self");
}

}  // namespace
}  // namespace tidemark::raft
