#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/gossip/member.h"
#include "sim/checkers/verdict.h"
#include "sim/coverage.h"

namespace tidemark::sim {

// What nodes believe of each other goes forward only. A member alone raises its incarnation, so
// nobody knows a higher one than it ever had; in one node's eyes, until that node restarts, an
// incarnation never falls and within one incarnation only bad news is news: whoever was given up is
// back when it has said so itself, not because an old rumour was late. And no node believes that it
// has failed itself. Source: SWIM (DSN 2002) section 4.2.
//
// Whether news arrives at all is for `progress` to say.
class GossipViews {
 public:
  GossipViews(Verdict* verdict, Coverage* coverage) : verdict_(verdict), coverage_(coverage) {}
  // What `node` believes; to be called when that has changed.
  void OnView(NodeId node, const std::vector<gossip::Member>& members);
  // `node` has forgotten what it believed.
  void OnRestart(NodeId node);

 private:
  struct Belief {
    uint64_t incarnation = 0;
    gossip::MemberState state = gossip::MemberState::kAlive;
  };
  void OnSelf(const gossip::Member& self);
  void OnOther(NodeId node, const gossip::Member& member);

  Verdict* verdict_;
  Coverage* coverage_;
  // The highest incarnation that each member had, whatever became of it.
  std::map<NodeId, uint64_t> highest_;
  // By who believes it, and of whom. What a node forgets (gossip::Config::reclaim_after) stays.
  std::map<std::pair<NodeId, NodeId>, Belief> beliefs_;
};

}  // namespace tidemark::sim
