#include <gtest/gtest.h>

#include "tests/engine/node/cluster_world.h"

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const NodeId kFour{4};
using Nodes = std::vector<NodeId>;

ClusterWorld Founded() {
  ClusterWorld world(3);
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
  world.Run(Duration::Seconds(3));  // gossip
  return world;
}

void JoinFour(ClusterWorld& world) {
  world.Join(kFour);
  world.Run(Duration::Seconds(3));
  EXPECT_TRUE(world.Succeeds<AddMemberResponse>(AddMemberRequest{kFour}));
}

bool AllSee(ClusterWorld& world, const Nodes& at, const Nodes& voters) {
  for (const NodeId node : at) {
    if (world.VotersAt(node, kCatalogGroup) != voters) return false;
  }
  return true;
}

TEST(NodeMembership, AddedNodeCatchesUpAndBecomesVoterByItself) {
  ClusterWorld world = Founded();
  JoinFour(world);
  EXPECT_TRUE(world.RunUntil(
      [&] { return AllSee(world, {kOne, kTwo, kThree, kFour}, {kOne, kTwo, kThree, kFour}); }));
  EXPECT_TRUE(world.Succeeds<AddMemberResponse>(AddMemberRequest{kFour})) << "asked again";
}

TEST(NodeMembership, MembersOutliveARestartOfEveryNode) {
  ClusterWorld world = Founded();
  JoinFour(world);
  const Nodes all = {kOne, kTwo, kThree, kFour};
  ASSERT_TRUE(world.RunUntil([&] { return AllSee(world, all, all); }));
  for (const NodeId node : all) world.Crash(node);
  for (const NodeId node : all) world.Boot(node);
  ASSERT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
  EXPECT_TRUE(world.RunUntil([&] { return AllSee(world, all, all); }));
}

TEST(NodeMembership, NodeThatIsNotThereIsNotAdded) {
  ClusterWorld world = Founded();
  EXPECT_EQ(world.ReasonOf(AddMemberRequest{kFour}), "NODE_UNKNOWN");
}

TEST(NodeMembership, LearnerThatIsDownIsNotPromoted) {
  ClusterWorld world = Founded();
  JoinFour(world);
  world.Crash(kFour);
  world.Run(Duration::Seconds(30));
  EXPECT_TRUE(AllSee(world, {kOne, kTwo, kThree}, {kOne, kTwo, kThree}));
  world.Boot(kFour);
  EXPECT_TRUE(
      world.RunUntil([&] { return AllSee(world, {kOne, kFour}, {kOne, kTwo, kThree, kFour}); }));
}

TEST(NodeMembership, NodeThatJoinsAgainHasToCatchUpAgain) {
  ClusterWorld world = Founded();
  JoinFour(world);
  const Nodes founders = {kOne, kTwo, kThree};
  ASSERT_TRUE(world.RunUntil([&] { return AllSee(world, founders, {kOne, kTwo, kThree, kFour}); }));
  ASSERT_TRUE(world.Succeeds<RemoveMemberResponse>(RemoveMemberRequest{kFour}));
  ASSERT_TRUE(world.RunUntil([&] { return AllSee(world, founders, founders); }));
  ASSERT_TRUE(world.Succeeds<AddMemberResponse>(AddMemberRequest{kFour}));
  // Its rounds of before count no more.
  world.Run(Duration::Millis(200));
  EXPECT_TRUE(AllSee(world, founders, founders));
  EXPECT_TRUE(world.RunUntil([&] { return AllSee(world, founders, {kOne, kTwo, kThree, kFour}); }));
}

TEST(NodeMembership, NodesThatStartAgainFindEachOtherWithoutTheOneTheyJoinedBy) {
  ClusterWorld world = Founded();
  for (const NodeId node : {kOne, kTwo, kThree}) world.Crash(node);
  world.Boot(kTwo);
  world.Boot(kThree);
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
}

TEST(NodeMembership, RemovedNodeMayBeTakenAwayWhateverHappensToTheOthers) {
  ClusterWorld world(2);
  ASSERT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
  world.Run(Duration::Seconds(3));
  ASSERT_TRUE(world.Succeeds<RemoveMemberResponse>(RemoveMemberRequest{kTwo}));
  // At once: that all was committed nobody had to write down.
  world.Crash(kTwo);
  world.Crash(kOne);
  world.Boot(kOne);
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) == kOne; }));
  EXPECT_EQ(world.ReasonOf(RemoveMemberRequest{kTwo}), "NOT_A_MEMBER");
}

TEST(NodeMembership, RemovedNodeSaysSoAndMayComeBack) {
  ClusterWorld world = Founded();
  ASSERT_TRUE(world.Succeeds<RemoveMemberResponse>(RemoveMemberRequest{kThree}));
  EXPECT_TRUE(world.RunUntil([&] { return world.Noted(kThree, "removed_from_cluster"); }));
  EXPECT_TRUE(AllSee(world, {kOne, kTwo}, {kOne, kTwo}));
  // It reads of its removal again before it hears that it is back.
  world.Crash(kThree);
  world.Boot(kThree);
  world.Run(Duration::Seconds(5));
  ASSERT_TRUE(world.Succeeds<AddMemberResponse>(AddMemberRequest{kThree}));
  const Nodes all = {kOne, kTwo, kThree};
  EXPECT_TRUE(world.RunUntil([&] { return AllSee(world, all, all); }));
  world.Crash(kThree);
  world.Boot(kThree);
  EXPECT_TRUE(world.RunUntil([&] { return AllSee(world, all, all); }));
}

TEST(NodeMembership, LeaderThatIsToBeRemovedHandsOverFirst) {
  ClusterWorld world = Founded();
  const NodeId leader = world.Leader(kCatalogGroup);
  ASSERT_TRUE(world.Succeeds<RemoveMemberResponse>(RemoveMemberRequest{leader}));
  EXPECT_NE(world.Leader(kCatalogGroup), leader);
}

TEST(NodeMembership, M4AFailureThatGossipSeesRemovesNobody) {
  ClusterWorld world = Founded();
  const Nodes all = {kOne, kTwo, kThree};
  const NodeId leader = world.Leader(kCatalogGroup);
  const NodeId down = leader == kThree ? kTwo : kThree;
  world.Crash(down);
  ASSERT_TRUE(world.RunUntil([&] { return world.Noted(leader, "member_failed"); }));
  world.Run(Duration::Seconds(60 * 60));
  const NodeId other = leader == kOne ? (down == kTwo ? kThree : kTwo) : kOne;
  EXPECT_TRUE(AllSee(world, {leader, other}, all));
  // Whoever must not miss it counts: without a second one nothing is decided.
  world.Crash(other);
  world.Run(Duration::Seconds(30));
  EXPECT_EQ(world.Leader(kCatalogGroup), kNoNode);
  world.Boot(down);
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
}

// SCENARIOS R5.
TEST(NodeMembership, RemovalThatLeavesNoLivingMajorityIsRefused) {
  ClusterWorld world = Founded();
  const NodeId leader = world.Leader(kCatalogGroup);
  const NodeId down = leader == kThree ? kTwo : kThree;
  const NodeId other = leader == kOne ? (down == kTwo ? kThree : kTwo) : kOne;
  world.Crash(down);
  world.Run(Duration::Seconds(3));
  EXPECT_EQ(world.ReasonOf(RemoveMemberRequest{other}), "UNSAFE_REMOVAL");
  EXPECT_TRUE(world.Succeeds<RemoveMemberResponse>(RemoveMemberRequest{down}));
}

TEST(NodeMembership, NodeThatHoldsPartitionsIsNotRemoved) {
  ClusterWorld world = Founded();
  ASSERT_TRUE(world.Succeeds<CreateTopicResponse>(CreateTopicRequest{.name = "t"}));
  EXPECT_EQ(world.ReasonOf(RemoveMemberRequest{kThree}), "HAS_PARTITIONS");
}

TEST(NodeMembership, LeadershipGoesToTheNodeThatIsNamed) {
  ClusterWorld world = Founded();
  const NodeId leader = world.Leader(kCatalogGroup);
  const NodeId next = leader == kTwo ? kThree : kTwo;
  EXPECT_TRUE(world.Succeeds<TransferLeadershipResponse>(TransferLeadershipRequest{.to = next}));
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) == next; }));
  EXPECT_EQ(world.ReasonOf(TransferLeadershipRequest{.to = NodeId(9)}), "NOT_A_VOTER");
}

TEST(NodeMembership, MembersShowRolesAndLag) {
  ClusterWorld world = Founded();
  world.Join(kFour);
  world.Run(Duration::Seconds(3));
  const Response response = world.AskLeader(GetMembersRequest{});
  const auto* members = std::get_if<GetMembersResponse>(&response);
  ASSERT_NE(members, nullptr);
  ASSERT_EQ(members->members.size(), 4u);
  EXPECT_TRUE(members->from_leader);
  EXPECT_EQ(members->members[0].role, "voter");
  EXPECT_EQ(members->members[0].lag_entries, 0u);
  EXPECT_EQ(members->members[3].role, "observer");
  EXPECT_FALSE(members->members[3].lag_entries.has_value());
}

}  // namespace
}  // namespace tidemark
