#include <gtest/gtest.h>

#include "engine/log/batch.h"
#include "tests/engine/node/cluster_world.h"

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const NodeId kFour{4};
const GroupId kGroup{1};  // the first topic's only partition
using Nodes = std::vector<NodeId>;

class NodeMoves : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kCatalogGroup) != kNoNode; }));
    world_.Run(Duration::Seconds(3));
    ASSERT_TRUE(world_.Succeeds<CreateTopicResponse>(CreateTopicRequest{.name = "t"}));
    world_.Join(kFour);
    world_.Run(Duration::Seconds(3));
    ASSERT_TRUE(world_.Succeeds<AddMemberResponse>(AddMemberRequest{kFour}));
    ASSERT_TRUE(world_.RunUntil(
        [&] { return world_.VotersAt(kFour, kCatalogGroup) == Nodes{kOne, kTwo, kThree, kFour}; }));
    ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; }));
  }

  bool Produce(const std::string& value) {
    const std::vector<Record> records = {{.value = value, .timestamp_ms = 1}};
    const NodeId leader = world_.Leader(kGroup);
    if (leader == kNoNode) return false;
    const RequestId name =
        world_.Ask(leader, ProduceRequest{"t", PartitionId(0), *EncodeBatch(records)});
    const auto& answers = world_.slots_.at(leader).answers;
    world_.RunUntil([&] { return answers.contains(name); }, Duration::Seconds(5));
    return answers.contains(name) && std::holds_alternative<ProduceResponse>(answers.at(name));
  }
  bool MoveTo(const Nodes& nodes) {
    return world_.Succeeds<MovePartitionResponse>(MovePartitionRequest{"t", PartitionId(0), nodes});
  }
  // As the catalog at `at` says; empty while it moves.
  Nodes Place(NodeId at) {
    const RequestId name = world_.Ask(at, DescribeTopicRequest{"t"});
    const auto* described =
        std::get_if<DescribeTopicResponse>(&world_.slots_.at(at).answers.at(name));
    if (described == nullptr || !described->topic.partitions[0].target.empty()) return {};
    return described->topic.partitions[0].replicas;
  }
  Offset EndAt(NodeId node) {
    const GroupView* view = world_.GroupAt(node, kGroup);
    return view == nullptr ? Offset(0) : view->log->EndOffsetOf(view->raft->commit());
  }

  ClusterWorld world_{3};
};

TEST_F(NodeMoves, PartitionMovesWithItsRecordsAndTheOldReplicaGoes) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Produce("before"));
  const Nodes target = {kOne, kTwo, kFour};
  ASSERT_TRUE(MoveTo(target));
  ASSERT_TRUE(Produce("meanwhile"));
  ASSERT_TRUE(world_.RunUntil([&] { return Place(kOne) == target; }));
  EXPECT_TRUE(MoveTo(target)) << "asked again";
  EXPECT_EQ(world_.VotersAt(world_.Leader(kGroup), kGroup), target);
  EXPECT_TRUE(world_.RunUntil([&] { return !world_.HasFiles(kThree, kGroup); }));
  ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; }));
  EXPECT_TRUE(Produce("after"));
  EXPECT_TRUE(world_.RunUntil([&] { return EndAt(kFour) == Offset(22); }));
}

TEST_F(NodeMoves, PartitionMovesBackToANodeThatForgotIt) {
  ASSERT_TRUE(Produce("a"));
  ASSERT_TRUE(MoveTo({kOne, kTwo, kFour}));
  ASSERT_TRUE(world_.RunUntil([&] { return !world_.HasFiles(kThree, kGroup); }));
  const Nodes back = {kOne, kTwo, kThree};
  ASSERT_TRUE(MoveTo(back));
  ASSERT_TRUE(world_.RunUntil([&] { return Place(kOne) == back; }));
  EXPECT_TRUE(world_.RunUntil([&] { return EndAt(kThree) == Offset(1); }));
  // The catalog is replayed: neither dropping node 3 nor node 4 may hurt who is there now.
  for (const NodeId node : {kOne, kTwo, kThree, kFour}) world_.Crash(node);
  for (const NodeId node : {kOne, kTwo, kThree, kFour}) world_.Boot(node);
  ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; }));
  EXPECT_TRUE(world_.RunUntil([&] { return world_.VotersAt(kThree, kGroup) == back; }));
  EXPECT_EQ(EndAt(kThree), Offset(1));
  EXPECT_FALSE(world_.HasFiles(kFour, kGroup));
}

TEST_F(NodeMoves, PartitionMovesToEntirelyOtherNodes) {
  ASSERT_TRUE(Produce("a"));
  ASSERT_TRUE(MoveTo({kFour}));
  EXPECT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) == kFour; }));
  EXPECT_TRUE(world_.RunUntil([&] { return Place(kOne) == Nodes{kFour}; }));
  EXPECT_TRUE(Produce("b"));
  EXPECT_TRUE(world_.RunUntil([&] {
    return !world_.HasFiles(kOne, kGroup) && !world_.HasFiles(kTwo, kGroup) &&
           !world_.HasFiles(kThree, kGroup);
  }));
  EXPECT_EQ(EndAt(kFour), Offset(2));
}

TEST_F(NodeMoves, WhatHasMovedToOneNodeNeedsNobodyElseAfterALossOfPower) {
  ASSERT_TRUE(MoveTo({kFour}));
  ASSERT_TRUE(world_.RunUntil([&] { return !world_.HasFiles(kOne, kGroup); }));
  world_.Crash(kFour);
  world_.Boot(kFour);
  EXPECT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) == kFour; }));
  EXPECT_TRUE(Produce("a"));
}

TEST_F(NodeMoves, MoveGoesOnUnderTheNextLeader) {
  ASSERT_TRUE(Produce("a"));
  const NodeId first = world_.Leader(kGroup);
  const Nodes target = {kTwo, kThree, kFour};
  ASSERT_TRUE(MoveTo(target));
  world_.Crash(kFour);
  world_.Run(Duration::Seconds(2));
  ASSERT_EQ(Place(first), Nodes{}) << "it moves";
  world_.Crash(first);
  world_.Boot(kFour);
  ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; }));
  world_.Boot(first);
  EXPECT_TRUE(world_.RunUntil([&] { return Place(kFour) == target; }));
}

TEST_F(NodeMoves, MoveIsUndoneByAskingForThePresentPlace) {
  ASSERT_TRUE(MoveTo({kOne, kTwo, kFour}));
  ASSERT_TRUE(MoveTo({kOne, kTwo, kThree}));
  EXPECT_TRUE(world_.RunUntil([&] { return Place(kOne) == Nodes{kOne, kTwo, kThree}; }));
  EXPECT_TRUE(world_.RunUntil([&] { return !world_.HasFiles(kFour, kGroup); }));
}

TEST_F(NodeMoves, PlacesWithoutAMemberAreRefused) {
  const auto reason = [&](const Nodes& nodes) {
    return world_.ReasonOf(MovePartitionRequest{"t", PartitionId(0), nodes});
  };
  EXPECT_EQ(reason({kOne, NodeId(9)}), "NOT_A_MEMBER");
  EXPECT_EQ(reason({kOne, kOne}), "INVALID_MEMBER");
  EXPECT_EQ(reason({}), "INVALID_MEMBER");
  EXPECT_EQ(world_.ReasonOf(MovePartitionRequest{"none", PartitionId(0), {kOne}}),
            "TOPIC_NOT_FOUND");
}

}  // namespace
}  // namespace tidemark
