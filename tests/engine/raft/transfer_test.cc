#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/transfer.cc; thesis 3.10.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

struct Transferred {
  absl::Status status;
  Effects effects;
};

Transferred Transfer(Member& member, NodeId to) {
  Transferred result;
  result.status = member.raft().TransferLeadership(member.now(), to, result.effects);
  return result;
}

TEST(Transfer, S3_10_ATargetThatIsUpToDateIsToldAtOnce) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  const Transferred result = Transfer(member, kTwo);
  EXPECT_TRUE(result.status.ok());
  EXPECT_NE(Find<TimeoutNow>(result.effects.messages, kTwo), nullptr);
}

TEST(Transfer, S3_10_ATargetThatIsBehindIsBroughtUpToDateFirst) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Propose("a");
  const Transferred result = Transfer(member, kTwo);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(Find<TimeoutNow>(result.effects.messages, kTwo), nullptr);
  const Effects acked = member.Receive(kTwo, 1, Ack(2, 2));
  EXPECT_NE(Find<TimeoutNow>(acked.messages, kTwo), nullptr);
}

TEST(Transfer, S3_10_NoProposalsAndNoReadsMeanwhileAndBothAgainAfterATimeout) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  ASSERT_TRUE(member.raft().serving());
  EXPECT_TRUE(Transfer(member, kThree).status.ok());
  EXPECT_FALSE(member.raft().accepts_proposals());
  EXPECT_FALSE(member.raft().serving());
  const Instant begun = member.now();
  while (!member.raft().accepts_proposals()) {
    ASSERT_LE(member.now() - begun, Duration::Millis(100));
    member.Receive(kTwo, 1, Ack(1));
    member.Timeout();
  }
  EXPECT_TRUE(member.raft().serving());
  EXPECT_EQ(member.raft().counters().transfers_aborted, 1u);
}

TEST(Transfer, WithoutATargetTheMostUpToDatePeerThatAnswersIsChosen) {
  Member member({.nodes = 4});
  member.Elect();
  member.Persist();
  member.Propose("a");
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(2, 1));
  const Transferred result = Transfer(member, kNoNode);
  EXPECT_NE(Find<TimeoutNow>(result.effects.messages, kThree), nullptr);
}

TEST(Transfer, IsRefusedWithAReasonWhereItMakesNoSense) {
  Member follower({});
  EXPECT_EQ(Transfer(follower, kTwo).status.code(), absl::StatusCode::kFailedPrecondition);
  Member leader({});
  leader.Elect();
  EXPECT_EQ(Transfer(leader, NodeId{77}).status.code(), absl::StatusCode::kFailedPrecondition);
  Member alone({.nodes = 1});
  alone.Persist();
  EXPECT_EQ(Transfer(alone, kNoNode).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Transfer, S3_10_TimeoutNowStartsARealElectionWithoutAPreVote) {
  Member member({.state = {.term = Term{2}}});
  member.Receive(kTwo, 2, AppendRequest{.sequence = 1});
  member.Receive(kTwo, 2, TimeoutNow{});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  const Effects written = member.Persist();
  ASSERT_NE(Find<VoteRequest>(written.messages, kTwo), nullptr);
  EXPECT_TRUE(Find<VoteRequest>(written.messages, kTwo)->leadership_transfer);
}

TEST(Transfer, TimeoutNowOfSomebodyWhoDoesNotLeadIsIgnored) {
  Member member({.state = {.term = Term{2}}});
  member.Receive(kTwo, 2, AppendRequest{.sequence = 1});
  member.Receive(kThree, 2, TimeoutNow{});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Transfer, S3_10_MovesLeadershipWithoutWaitingForAnElectionTimeout) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 3});
  const NodeId before = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  const NodeId target = before == kThree ? kOne : kThree;
  const Instant begun = cluster.now();
  (void)cluster.Transfer(before, target);
  ASSERT_TRUE(
      cluster.RunUntilTrue([&] { return cluster.leader() == target; }, Duration::Millis(500)));
  EXPECT_LT(cluster.now() - begun, Duration::Millis(20));
  EXPECT_TRUE(cluster.ProposeAndSettle("b"));
  EXPECT_TRUE(cluster.failures().empty());
}

}  // namespace
}  // namespace tidemark::raft
