#include <gtest/gtest.h>

#include "tests/engine/raft/cluster.h"
#include "tests/engine/raft/member.h"

// Mirrors engine/raft/commit.cc.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

// SCENARIOS R6; thesis 3.6.2 and figure 3.7.
TEST(Commit, S3_6_2_R6_EntriesOfAnEarlierTermAreNeverCommittedByCounting) {
  Config config = TestConfig();
  config.noop_at_election = false;
  Member member({.config = config, .state = {.term = Term{2}}, .log = {1, 2}});
  member.Elect();
  member.Receive(kTwo, 3, Ack(2));
  member.Receive(kThree, 3, Ack(2));
  EXPECT_EQ(member.raft().commit(), LogIndex{0});
  EXPECT_FALSE(member.raft().serving());
  // An entry of its own term commits them all.
  member.Propose("own");
  member.Persist();
  const Effects acked = member.Receive(kTwo, 3, Ack(3, 2));
  EXPECT_EQ(acked.commit, LogIndex{3});
  EXPECT_TRUE(member.raft().serving());
}

TEST(Commit, S10_2_1_TheLeadersOwnDiskCountsOnlyWhenItIsDurable) {
  Member member({.nodes = 5});
  member.Elect();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{0});
  const Effects written = member.Persist();
  EXPECT_EQ(written.commit, LogIndex{1});
}

TEST(Commit, S10_2_1_AMajorityOfOthersCommitsWithoutTheLeadersDisk) {
  Member member({});
  member.Elect();
  member.Receive(kTwo, 1, Ack(1));
  const Effects acked = member.Receive(kThree, 1, Ack(1));
  EXPECT_EQ(acked.commit, LogIndex{1});
  EXPECT_EQ(member.log().durable_index(), LogIndex{0});
}

TEST(Commit, WhatEveryVoterHasDurableIsTheLowestMatchTheLeadersOwnIncluded) {
  Member member({});
  member.Elect();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(1));
  EXPECT_EQ(member.raft().all_durable(), LogIndex{0}) << "the leader's own disk lags";
  member.Persist();
  EXPECT_EQ(member.raft().all_durable(), LogIndex{1});
  member.Propose("a");
  member.Persist();
  member.Receive(kTwo, 1, Ack(2, 2));
  EXPECT_EQ(member.raft().commit(), LogIndex{2});
  EXPECT_EQ(member.raft().all_durable(), LogIndex{1}) << "one voter lags";
}

TEST(Commit, FollowersLearnWhatEveryVoterHasAndForgetNothingOfIt) {
  Cluster cluster({.config = TestConfig()});
  ASSERT_NE(cluster.WaitForLeader(), kNoNode);
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  const LogIndex last = cluster.log(kTwo).last_index();
  ASSERT_TRUE(cluster.RunUntilTrue(
      [&] {
        for (const NodeId id : cluster.ids()) {
          if (cluster.raft(id).all_durable() < last) return false;
        }
        return true;
      },
      Duration::Seconds(5)));
  // With one voter down it stays where it was, on whoever leads.
  const NodeId leader = cluster.leader();
  const NodeId down = leader == kTwo ? kThree : kTwo;
  cluster.Crash(down);
  ASSERT_TRUE(cluster.Propose(leader, "b").has_value());
  cluster.RunFor(Duration::Seconds(2));
  for (const NodeId id : cluster.ids()) {
    if (id == down) continue;
    EXPECT_GT(cluster.raft(id).commit(), last);
    EXPECT_EQ(cluster.raft(id).all_durable(), last);
  }
  EXPECT_TRUE(cluster.failures().empty());
}

TEST(Commit, HalfOfAnEvenNumberIsNotEnough) {
  Member member({.nodes = 4});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{0});
  member.Receive(kThree, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{1});
}

TEST(Commit, OnePeerAnsweringTwiceCountsOnce) {
  Member member({.nodes = 5});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kTwo, 1, Ack(1));
  EXPECT_EQ(member.raft().commit(), LogIndex{0});
}

// SCENARIOS R8: reads wait for an entry of the own term.
TEST(Commit, R8_ALeaderServesOnlyAfterItsNoopIsCommitted) {
  Member member({.state = {.term = Term{1}}, .log = {1}, .commit = LogIndex{1}});
  member.Elect();
  EXPECT_TRUE(member.raft().accepts_proposals());
  EXPECT_FALSE(member.raft().serving());
  member.Persist();
  member.Receive(kTwo, 2, Ack(2));
  EXPECT_TRUE(member.raft().serving());
}

TEST(Commit, AnIdlePeerIsToldOfACommitAtOnce) {
  Member member({});
  member.Elect();
  member.Persist();
  const Effects acked = member.Receive(kTwo, 1, Ack(1));
  ASSERT_EQ(acked.commit, LogIndex{1});
  const auto* told = Find<AppendRequest>(acked.messages, kTwo);
  ASSERT_NE(told, nullptr);
  EXPECT_TRUE(told->entries.empty());
  EXPECT_EQ(told->commit, LogIndex{1});
  // Once.
  EXPECT_TRUE(member.Receive(kTwo, 1, Ack(1, told->sequence)).messages.empty());
}

TEST(Commit, NewsOfACommitRidesOnAppendsInFlight) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Propose("a");
  member.Persist();
  member.Propose("b");
  // Entry 2 commits while 3 is in flight to the peer: no message of its own.
  const Effects acked = member.Receive(kTwo, 1, Ack(2, 4));
  EXPECT_EQ(acked.commit, LogIndex{2});
  EXPECT_EQ(Find<AppendRequest>(acked.messages, kTwo), nullptr);
  const Effects proposed = member.Propose("c");
  EXPECT_EQ(Find<AppendRequest>(proposed.messages, kTwo)->commit, LogIndex{2});
}

TEST(Commit, AnAcknowledgementThatCommitsAndFreesThePipelineSendsTheEntriesOnly) {
  Config config = TestConfig();
  config.inflight_messages_max = 1;
  Member member({.config = config});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Propose("a");
  member.Propose("b");
  member.Persist();
  const Effects acked = member.Receive(kTwo, 1, Ack(2, 3));
  EXPECT_EQ(acked.commit, LogIndex{2});
  const auto* append = Find<AppendRequest>(acked.messages, kTwo);  // one message
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->commit, LogIndex{2});
  EXPECT_EQ(append->entries.size(), 1u);
}

TEST(Commit, S6_2_ALeaderThatHearsNoQuorumStepsDownWithinAnElectionTimeout) {
  Member member({.nodes = 5});
  member.Elect();
  member.Persist();
  const Instant elected = member.now();
  member.Advance(Duration::Millis(50));
  member.Receive(kTwo, 1, Ack(1));  // one of five (with the leader two) is no quorum
  while (member.raft().role() == Role::kLeader) {
    ASSERT_LE(member.now() - elected, Duration::Millis(150));
    member.Timeout();
  }
  EXPECT_GE(member.now() - elected, Duration::Millis(100));
  EXPECT_EQ(member.raft().leader(), kNoNode);
  EXPECT_EQ(member.raft().counters().quorum_losses, 1u);
  // The vote is not forgotten, the term not raised.
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{1}, .vote = kOne}));
}

TEST(Commit, S6_2_ALeaderThatHearsAQuorumStays) {
  Member member({});
  member.Elect();
  member.Persist();
  for (int i = 0; i < 100; ++i) {
    member.Timeout();
    member.Receive(kTwo, 1, Ack(1));
  }
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_TRUE(member.raft().PeerActive(member.now(), kTwo));
  EXPECT_FALSE(member.raft().PeerActive(member.now(), kThree));
}

TEST(Commit, WithoutCheckQuorumALeaderStaysAlone) {
  Config config = TestConfig();
  config.check_quorum = false;
  Member member({.config = config});
  member.Elect();
  for (int i = 0; i < 100; ++i) member.Timeout();
  EXPECT_EQ(member.raft().role(), Role::kLeader);
}

TEST(Commit, S6_2_ByRoundsAQuorumHeardInOneRoundIsMissedAtTheEndOfTheNext) {
  Config config = TestConfig();
  config.quorum_rounds = true;
  Member member({.config = config});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  EXPECT_TRUE(member.raft().PeerActive(member.now(), kTwo));
  const Instant elected = member.now();
  while (member.raft().role() == Role::kLeader) {
    ASSERT_LE(member.now() - elected, Duration::Millis(200));
    member.Timeout();
  }
  EXPECT_EQ(member.now() - elected, Duration::Millis(200));
}

}  // namespace
}  // namespace tidemark::raft
