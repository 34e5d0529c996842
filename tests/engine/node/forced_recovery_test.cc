#include "engine/node/forced_recovery.h"

#include <gtest/gtest.h>

#include "tests/engine/node/cluster_world.h"

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const NodeId kFour{4};

void Force(ClusterWorld& world, NodeId node) {
  ClusterWorld::Slot& slot = world.slots_.at(node);
  for (const GroupId group : slot.disk.Groups()) {
    absl::StatusOr<RecoveredGroup> recovered = RecoverGroup(group, slot.options.log, slot.disk);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    const ForcedRecovery plan =
        PlanForcedRecovery(group, node, *std::move(recovered), world.now_.wall);
    EXPECT_GE(plan.last, plan.committed);
    slot.disk.Execute(plan.batch);
  }
}

TEST(ForcedRecovery, LastNodeGoesOnAloneAndTheClusterGrowsAgain) {
  ClusterWorld world(3);
  ASSERT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) != kNoNode; }));
  world.Run(Duration::Seconds(3));
  ASSERT_TRUE(world.Succeeds<CreateTopicResponse>(CreateTopicRequest{.name = "t"}));
  world.Run(Duration::Seconds(3));
  for (const NodeId node : {kOne, kTwo, kThree}) world.Crash(node);
  world.Boot(kTwo);
  world.Run(Duration::Seconds(10));
  ASSERT_EQ(world.Leader(kCatalogGroup), kNoNode) << "no majority";
  world.Crash(kTwo);

  Force(world, kTwo);
  world.Boot(kTwo);
  ASSERT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) == kTwo; }));
  EXPECT_TRUE(world.RunUntil([&] { return world.Leader(GroupId(1)) == kTwo; }));
  // Its word outlives a restart, and those who join learn it from the log.
  world.Crash(kTwo);
  world.Boot(kTwo);
  ASSERT_TRUE(world.RunUntil([&] { return world.Leader(kCatalogGroup) == kTwo; }));
  world.slots_.erase(kOne);
  world.slots_.erase(kThree);
  world.slots_.at(kTwo).options.seeds.clear();
  world.Join(kFour);
  world.slots_.at(kFour).options.seeds = {world.slots_.at(kTwo).options.advertise};
  world.Crash(kFour);
  world.Boot(kFour);
  world.Run(Duration::Seconds(3));
  ASSERT_TRUE(world.Succeeds<AddMemberResponse>(AddMemberRequest{kFour}));
  EXPECT_TRUE(world.RunUntil(
      [&] { return world.VotersAt(kFour, kCatalogGroup) == std::vector<NodeId>{kTwo, kFour}; }));
}

}  // namespace
}  // namespace tidemark
