#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/engine/raft/member.h"

// Members that get everything and decide nothing, thesis 4.2.1: wherever raft counts or asks.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

Config WithLearners(std::vector<NodeId> learners) {
  Config config = TestConfig();
  config.learners = std::move(learners);
  return config;
}

// Node 1 of the voters 1, 2 and 3, with the learners 4 and 5.
Member VoterBesideLearners() {
  return Member({.nodes = 3, .config = WithLearners({kFour, kFive})});
}

TEST(Learner, IsNotAskedForItsVote) {
  Member member = VoterBesideLearners();
  const Effects timeout = member.Timeout();
  EXPECT_NE(Find<VoteRequest>(timeout.messages, kTwo), nullptr);
  EXPECT_EQ(Find<VoteRequest>(timeout.messages, kFour), nullptr);
  EXPECT_EQ(Find<VoteRequest>(member.PeerReset(kFour).messages, kFour), nullptr);
}

TEST(Learner, ItsVoteDoesNotCount) {
  Member member = VoterBesideLearners();
  member.Timeout();
  member.Receive(kFour, 1, VoteReply{.pre_vote = true, .granted = true});
  member.Receive(kFive, 1, VoteReply{.pre_vote = true, .granted = true});
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
}

// It may be a voter already, as those know who have applied more.
TEST(Learner, VotesWhenItIsAskedButNeverCampaigns) {
  TestLog log;
  Config config = WithLearners({kFour});
  config.self = kFour;
  config.voters = {kOne, kTwo, kThree};
  Raft raft(config, {}, {}, &log, Prng(1));
  Effects effects;
  raft.Start(Instant::FromNanos(1), effects);
  EXPECT_EQ(raft.next_deadline(), Instant::Never());
  EXPECT_EQ(raft.Campaign(Instant::FromNanos(1), effects).code(),
            absl::StatusCode::kFailedPrecondition);
  raft.OnMessage(Instant::FromNanos(2),
                 Message{.from = kOne, .to = kFour, .term = Term{1}, .body = VoteRequest{}},
                 effects);
  EXPECT_NE(Find<VoteReply>(effects.messages_after_persist, kOne), nullptr);
}

TEST(Learner, GetsEntriesButDoesNotCountTowardsCommit) {
  Member member = VoterBesideLearners();
  const Effects elected = member.Elect();
  EXPECT_NE(Find<AppendRequest>(elected.messages, kFour), nullptr);
  member.Persist();
  member.Receive(kFour, 1, Ack(1));
  member.Receive(kFive, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{0});
  EXPECT_EQ(member.raft().MatchOf(kFour), LogIndex{1});
  member.Receive(kTwo, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{1});
}

TEST(Learner, StillNeedsWhatAllVotersHave) {
  Member member = VoterBesideLearners();
  member.Elect();
  member.Persist();
  for (const NodeId peer : {kTwo, kThree, kFour}) member.Receive(peer, 1, Ack(1));
  EXPECT_EQ(member.raft().all_durable(), LogIndex{0});
  member.Receive(kFive, 1, Ack(1));
  EXPECT_EQ(member.raft().all_durable(), LogIndex{1});
}

TEST(Learner, CannotBeHandedTheLeadership) {
  Member member = VoterBesideLearners();
  member.Elect();
  member.Persist();
  member.Receive(kFour, 1, Ack(1));
  Effects effects;
  EXPECT_EQ(member.raft().TransferLeadership(member.now(), kFour, effects).code(),
            absl::StatusCode::kFailedPrecondition);
  // The most up-to-date one is a learner, so a voter that is behind is brought up to date.
  EXPECT_TRUE(member.raft().TransferLeadership(member.now(), kNoNode, effects).ok());
  EXPECT_EQ(Find<TimeoutNow>(effects.messages, kFour), nullptr);
}

TEST(Learner, DoesNotKeepALeaderWithoutVotersInOffice) {
  Member member = VoterBesideLearners();
  member.Elect();
  member.Persist();
  for (int i = 0; i < 50 && member.raft().role() == Role::kLeader; ++i) {
    member.Receive(kFour, 1, Ack(1));
    member.Receive(kFive, 1, Ack(1));
    member.Advance(Duration::Millis(10));
  }
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().counters().quorum_losses, 1u);
}

TEST(LearnerDeathTest, NobodyIsVoterAndLearner) {
  EXPECT_DEATH(Member({.nodes = 3, .config = WithLearners({kTwo})}), "check failed");
}

}  // namespace
}  // namespace tidemark::raft
