#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/heartbeat.cc.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

TEST(Heartbeat, TellsEachPeerNoMoreThanItIsKnownToHave) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  ASSERT_EQ(member.raft().commit(), LogIndex{1});
  const Effects beat = member.Advance(TestConfig().heartbeat_interval);
  EXPECT_EQ(Find<Heartbeat>(beat.messages, kTwo)->commit, LogIndex{1});
  EXPECT_EQ(Find<Heartbeat>(beat.messages, kThree)->commit, LogIndex{0});
}

TEST(Heartbeat, CommitsWhatIsKnownToAgreeAndAsksForTheRest) {
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 1}});
  // As after a restart: what this leader verified before is forgotten.
  const Effects unknown = member.Receive(kTwo, 2, Heartbeat{.commit = LogIndex{3}});
  EXPECT_FALSE(unknown.commit.has_value());
  EXPECT_TRUE(Find<HeartbeatReply>(unknown.messages, kTwo)->unverified);
  member.Receive(kTwo, 2,
                 AppendRequest{.prev_index = LogIndex{3}, .prev_term = Term{1}, .sequence = 1});
  const Effects known = member.Receive(kTwo, 2, Heartbeat{.commit = LogIndex{3}});
  EXPECT_EQ(known.commit, LogIndex{3});
  EXPECT_FALSE(Find<HeartbeatReply>(known.messages, kTwo)->unverified);
}

TEST(Heartbeat, ALeaderThatIsAskedSendsAnAppendToAPeerThatHasEverything) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  EXPECT_TRUE(member.Receive(kTwo, 1, HeartbeatReply{}).messages.empty());
  const Effects asked = member.Receive(kTwo, 1, HeartbeatReply{.unverified = true});
  ASSERT_NE(Find<AppendRequest>(asked.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendRequest>(asked.messages, kTwo)->commit, LogIndex{1});
}

TEST(Heartbeat, IsAnsweredAtOnceThoughTheDiskHangs) {
  Member member({.state = {.term = Term{1}}});
  const Effects heard = member.Receive(kTwo, 5, Heartbeat{.context = 7});
  EXPECT_TRUE(heard.persist.has_value());
  ASSERT_NE(Find<HeartbeatReply>(heard.messages, kTwo), nullptr);
  EXPECT_EQ(Find<HeartbeatReply>(heard.messages, kTwo)->context, 7u);
  EXPECT_EQ(member.raft().leader(), kTwo);
}

TEST(Heartbeat, ACandidateLearnsByItThatItLost) {
  Member member({.state = {.term = Term{1}}});
  member.Timeout();
  ASSERT_EQ(member.raft().role(), Role::kPreCandidate);
  member.Receive(kTwo, 1, Heartbeat{});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Heartbeat, OfAnOlderTermIsAnsweredWithTheNewOneIfVotesCannotTell) {
  for (const bool nets : {true, false}) {
    Config config = TestConfig();
    config.pre_vote = config.check_quorum = nets;
    Member member({.config = config, .state = {.term = Term{5}}});
    const Effects heard = member.Receive(kTwo, 3, Heartbeat{});
    EXPECT_EQ(heard.messages.size(), nets ? 1u : 0u);
  }
}

TEST(Heartbeat, AForgottenLeaderIsKnownAgainAndTheTimerRunsOn) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Heartbeat{});
  const Instant deadline = member.raft().next_deadline();
  Effects effects;
  member.raft().ForgetLeader(member.now(), effects);
  EXPECT_EQ(member.raft().leader(), kNoNode);
  EXPECT_EQ(member.raft().next_deadline(), deadline);
  // Now it helps whoever campaigns.
  member.Receive(kThree, 2, VoteRequest{});
  EXPECT_EQ(member.raft().hard_state().vote, kThree);
}

TEST(Heartbeat, ALeaderThatLeasesRestOnIsNotForgotten) {
  Config config = TestConfig();
  config.lease_reads = true;
  Member member({.config = config, .state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Heartbeat{});
  Effects effects;
  member.raft().ForgetLeader(member.now(), effects);
  EXPECT_EQ(member.raft().leader(), kTwo);
}

}  // namespace
}  // namespace tidemark::raft
