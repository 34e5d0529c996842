#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// Reads show what they promise. A linearizable one that begins after an append was acknowledged, to
// anybody, shows it, and no less than any linearizable read that was answered before it began. A
// bounded one that states the age A shows whatever was acknowledged earlier than A before its
// answer, and A is within its bound.
//
// Exact: all of it is seen where it happens, at the nodes, in virtual time: a read begins when its
// node is given it, an append is acknowledged when its leader answers. What clients see of that
// takes longer on both sides, so that nothing is asked of a read that is not promised.
class Reads {
 public:
  explicit Reads(Verdict* verdict) : verdict_(verdict) {}

  // A leader answered that the records before `end` are committed.
  void OnAcked(GroupId group, Offset end, Instant now);

  // What a linearizable read of `group` that begins now must show.
  Offset Floor(GroupId group) const;
  // It was answered, at `node`, or refused by telling an end: `end` is the first offset not shown.
  void OnLinearizable(NodeId node, GroupId group, Offset floor, Offset end);
  void OnBounded(NodeId node, GroupId group, Instant now, Duration age, Duration bound, Offset end);

 private:
  struct Group {
    // Whenever the highest acknowledged end rose.
    std::vector<std::pair<Instant, Offset>> acked;
    Offset shown;  // by linearizable reads
  };

  Verdict* verdict_;
  std::map<GroupId, Group> groups_;
};

}  // namespace tidemark::sim
