#include <gtest/gtest.h>

#include "tests/engine/node/cluster_world.h"

// Mirrors engine/node/node_liveness.cc.

namespace tidemark {
namespace {

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};
constexpr Duration kTimeout = Duration::Millis(1000);

class NodeLiveness : public ::testing::Test {
 protected:
  void SetUp() override {
    world_.Run(Duration::Seconds(5));
    ASSERT_TRUE(world_.Succeeds<CreateTopicResponse>(
        CreateTopicRequest{.name = "t", .partitions = 20, .replication_factor = 3}));
    ASSERT_TRUE(world_.RunUntil([&] { return AllQuiet({kOne, kTwo, kThree}); }));
  }
  bool AllQuiet(const std::vector<NodeId>& nodes) {
    for (const NodeId node : nodes) {
      const std::vector<GroupView> groups = world_.slots_.at(node).node->Groups();
      if (groups.size() != 21) return false;
      for (const GroupView& view : groups) {
        if (!view.raft->quiet()) return false;
      }
    }
    return true;
  }
  // Whether each group has a leader among `nodes` that serves and that the others follow.
  bool AllLed(const std::vector<NodeId>& nodes) {
    for (uint64_t group = 0; group <= 20; ++group) {
      NodeId leader;
      for (const NodeId node : nodes) {
        const GroupView* view = world_.GroupAt(node, GroupId(group));
        if (view == nullptr) return false;
        if (view->raft->serving()) leader = node;
      }
      if (leader == kNoNode) return false;
      for (const NodeId node : nodes) {
        if (world_.GroupAt(node, GroupId(group))->raft->leader() != leader) return false;
      }
    }
    return true;
  }
  NodeId SomeLeader() { return world_.Leader(GroupId(1)); }
  std::vector<NodeId> Others(NodeId node) {
    std::vector<NodeId> others = {kOne, kTwo, kThree};
    std::erase(others, node);
    return others;
  }

  ClusterWorld world_{3};
};

TEST_F(NodeLiveness, QuietGroupsOfTwoNodesShareOneMessageAnInterval) {
  const uint64_t before = world_.messages_sent_;
  world_.Run(Duration::Seconds(3));
  EXPECT_TRUE(AllQuiet({kOne, kTwo, kThree}));
  // Six directions, an interval of 150 ms.
  EXPECT_LE(world_.messages_sent_ - before, 6u * 21u);
  EXPECT_GE(world_.messages_sent_ - before, 6u * 19u);
}

TEST_F(NodeLiveness, GroupsWhoseLeadersNodeIsGoneGetAnother) {
  const NodeId gone = SomeLeader();
  world_.Crash(gone);
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed(Others(gone)); }, kTimeout * 4));
}

TEST_F(NodeLiveness, GroupsWhoseLeaderForgotThatItLedGetAnother) {
  const NodeId restarted = SomeLeader();
  world_.Crash(restarted);
  world_.Boot(restarted);
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed({kOne, kTwo, kThree}); }, kTimeout * 4));
  EXPECT_TRUE(world_.RunUntil([&] { return AllQuiet({kOne, kTwo, kThree}); }));
}

TEST_F(NodeLiveness, AQuietLeaderThatIsCutOffStepsDown) {
  const NodeId alone = SomeLeader();
  for (const NodeId other : Others(alone)) {
    world_.cut_.insert({alone, other});
    world_.cut_.insert({other, alone});
  }
  EXPECT_TRUE(world_.RunUntil([&] { return !world_.GroupAt(alone, GroupId(1))->raft->serving(); },
                              kTimeout * 2));
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed(Others(alone)); }, kTimeout * 4));
  world_.cut_.clear();
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed({kOne, kTwo, kThree}); }, kTimeout * 4));
}

TEST_F(NodeLiveness, ALeaderThatIsNotHeardByItsOwnFollowersIsReplacedThoughItHearsThem) {
  const NodeId mute = SomeLeader();
  for (const NodeId other : Others(mute)) world_.cut_.insert({mute, other});
  EXPECT_TRUE(world_.RunUntil(
      [&] {
        const NodeId leader = world_.Leader(GroupId(1));
        return leader != mute && leader != kNoNode;
      },
      kTimeout * 6));
}

TEST_F(NodeLiveness, AFollowerThatIsDeafWakesAndIsHeardOfAgain) {
  const NodeId leader = SomeLeader();
  const NodeId deaf = Others(leader).front();
  world_.cut_.insert({leader, deaf});
  world_.Run(kTimeout * 2);
  EXPECT_FALSE(world_.GroupAt(deaf, GroupId(1))->raft->quiet());
  world_.cut_.clear();
  EXPECT_TRUE(world_.RunUntil([&] { return AllQuiet({kOne, kTwo, kThree}); }));
}

TEST_F(NodeLiveness, WhoMissedThatItsLeaderLedNoMoreIsToldLater) {
  const NodeId leader = SomeLeader();
  const NodeId to = Others(leader).front();
  const NodeId deaf = Others(leader).back();
  // It hears the old leader, not the new one, and not of the change.
  world_.cut_.insert({to, deaf});
  world_.cut_.insert({leader, deaf});
  ASSERT_TRUE(world_.Succeeds<TransferLeadershipResponse>(
      TransferLeadershipRequest{.topic = "t", .partition = PartitionId(0), .to = to}));
  world_.cut_.erase({leader, deaf});
  EXPECT_TRUE(world_.RunUntil([&] { return !world_.GroupAt(deaf, GroupId(1))->raft->quiet(); },
                              kTimeout * 2));
}

TEST_F(NodeLiveness, ANodeWhoseDiskHangsLeadsNothingUntilItIsBack) {
  const NodeId hung = SomeLeader();
  world_.hung_.insert(hung);
  // Something to write: whatever it takes, the node may find that out at any of its groups.
  ASSERT_TRUE(world_.Succeeds<CreateTopicResponse>(
      CreateTopicRequest{.name = "u", .partitions = 1, .replication_factor = 3}));
  const Duration bound = world_.slots_.at(hung).node->options().disk_stall_timeout;
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed(Others(hung)); }, bound + kTimeout * 3));
  EXPECT_TRUE(world_.Noted(hung, "disk_stalled"));
  EXPECT_TRUE(world_.slots_.at(hung).node->Status(world_.now_).disk_stalled);
  // Nor any group that it gets meanwhile.
  ASSERT_TRUE(world_.Succeeds<CreateTopicResponse>(
      CreateTopicRequest{.name = "v", .partitions = 1, .replication_factor = 3}));
  EXPECT_TRUE(world_.RunUntil([&] {
    const GroupView* const young = world_.GroupAt(hung, GroupId(3));
    return young != nullptr && young->raft->disk_stalled();
  }));
  for (const GroupView& view : world_.slots_.at(hung).node->Groups()) {
    EXPECT_NE(view.raft->role(), raft::Role::kLeader);
  }
  world_.EndHang(hung);
  EXPECT_TRUE(world_.Noted(hung, "disk_stall_over"));
  EXPECT_FALSE(world_.slots_.at(hung).node->Status(world_.now_).disk_stalled);
  EXPECT_TRUE(world_.RunUntil([&] { return AllLed({kOne, kTwo, kThree}); }, kTimeout * 4));
}

}  // namespace
}  // namespace tidemark
