#include "engine/raft/node_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace tidemark::raft {
namespace {

RC_GTEST_PROP(NodeSetProperty, HoldsWhatASetHolds, ()) {
  const auto steps = *rc::gen::container<std::vector<std::pair<bool, uint64_t>>>(
      rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange<uint64_t>(1, 8)));
  NodeSet nodes;
  std::set<NodeId> model;
  for (const auto& [insert, id] : steps) {
    if (insert) {
      RC_ASSERT(nodes.Insert(NodeId{id}) == model.insert(NodeId{id}).second);
    } else {
      RC_ASSERT(nodes.Erase(NodeId{id}) == (model.erase(NodeId{id}) == 1));
    }
    RC_ASSERT(std::vector<NodeId>(nodes.begin(), nodes.end()) ==
              std::vector<NodeId>(model.begin(), model.end()));
    RC_ASSERT(nodes.Contains(NodeId{id}) == insert);
  }
}

TEST(NodeSetDeathTest, RefusesNobodyAndMoreThanTheMost) {
  NodeSet nodes;
  EXPECT_DEATH(nodes.Insert(kNoNode), "check failed");
  for (uint64_t id = 1; id <= kNodesMax; ++id) nodes.Insert(NodeId{id});
  EXPECT_FALSE(nodes.Insert(NodeId{kNodesMax}));
  EXPECT_DEATH(nodes.Insert(NodeId{kNodesMax + 1}), "check failed");
}

}  // namespace
}  // namespace tidemark::raft
