#include "engine/raft/raft.h"

#include <gtest/gtest.h>

#include "tests/engine/raft/cluster.h"

namespace tidemark::raft {
namespace {

TEST(RaftCluster, ElectsOneLeaderThatServesAndReplicates) {
  for (size_t nodes = 1; nodes <= 5; ++nodes) {
    Cluster cluster({.nodes = nodes, .config = TestConfig(), .seed = nodes});
    ASSERT_NE(cluster.WaitForLeader(), kNoNode) << nodes;
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(cluster.ProposeAndSettle("record " + std::to_string(i)));
    }
    EXPECT_EQ(cluster.committed().size(), 21u) << nodes;
    EXPECT_TRUE(cluster.failures().empty()) << cluster.failures().front();
  }
}

}  // namespace
}  // namespace tidemark::raft
