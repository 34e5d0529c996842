#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"

namespace tidemark::raft {

// Nodes in ascending order, each once: few and read often, so a sorted array. Never holds kNoNode,
// nor more than kNodesMax nodes.
class NodeSet {
 public:
  NodeSet() = default;
  // `nodes` ascending, without repetition.
  //   Checks  dies otherwise.
  explicit NodeSet(std::vector<NodeId> nodes) : nodes_(std::move(nodes)) {
    TIDEMARK_CHECK_LE(nodes_.size(), kNodesMax);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      TIDEMARK_CHECK_NE(nodes_[i], kNoNode);
      if (i > 0) TIDEMARK_CHECK_LT(nodes_[i - 1], nodes_[i]);
    }
  }

  bool Contains(NodeId node) const {
    return std::binary_search(nodes_.begin(), nodes_.end(), node);
  }
  bool empty() const { return nodes_.empty(); }
  size_t size() const { return nodes_.size(); }
  NodeId operator[](size_t i) const { return nodes_[i]; }
  std::vector<NodeId>::const_iterator begin() const { return nodes_.begin(); }
  std::vector<NodeId>::const_iterator end() const { return nodes_.end(); }

  // Whether `node` is new.
  //   Checks  dies if it is kNoNode, or new and the set full.
  bool Insert(NodeId node) {
    TIDEMARK_CHECK_NE(node, kNoNode);
    const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), node);
    if (at != nodes_.end() && *at == node) return false;
    TIDEMARK_CHECK_LT(nodes_.size(), kNodesMax);
    nodes_.insert(at, node);
    return true;
  }

  // Whether `node` was there.
  bool Erase(NodeId node) {
    const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), node);
    if (at == nodes_.end() || *at != node) return false;
    nodes_.erase(at);
    return true;
  }

  void Clear() { nodes_.clear(); }

  friend bool operator==(const NodeSet&, const NodeSet&) = default;

 private:
  std::vector<NodeId> nodes_;
};

}  // namespace tidemark::raft
