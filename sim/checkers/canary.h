#pragma once

#include <map>
#include <set>

#include "engine/base/ids.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// An oracle that is wrong on purpose: it demands that a group which has changed its leader
// acknowledges no more batches. A scenario switches it on to have a failure at will: from the
// report over the recorded decisions to the smallest scenario, all of it can be shown to work.
// Source: the canary of TigerBeetle's VOPR.
class Canary {
 public:
  explicit Canary(Verdict* verdict) : verdict_(verdict) {}
  void Enable() { enabled_ = true; }

  void OnLeader(GroupId group, NodeId node);
  void OnAcked(GroupId group);

 private:
  Verdict* verdict_;
  bool enabled_ = false;
  std::map<GroupId, NodeId> first_leader_;
  std::set<GroupId> changed_;
};

}  // namespace tidemark::sim
