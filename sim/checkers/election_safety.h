#pragma once

#include <map>
#include <utility>

#include "engine/base/ids.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// At most one leader per group and term. Source: raft, figure 3.
class ElectionSafety {
 public:
  explicit ElectionSafety(Verdict* verdict) : verdict_(verdict) {}
  void OnLeader(GroupId group, Term term, NodeId node);

 private:
  Verdict* verdict_;
  std::map<std::pair<GroupId, Term>, NodeId> leaders_;
};

}  // namespace tidemark::sim
