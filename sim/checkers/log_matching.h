#pragma once

#include <map>
#include <vector>

#include "engine/base/ids.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// If two logs of a group hold an entry with the same index and term, they are equal up to there;
// and each log is well formed: indexes without a hole, terms that never fall, offsets without a
// gap. O(1) per appended entry. Source: raft, figure 3.
class LogMatching {
 public:
  explicit LogMatching(Verdict* verdict) : verdict_(verdict) {}
  // `node` holds `entry`, which follows `before` (nullptr at the start of the log).
  void OnEntry(GroupId group, NodeId node, const EntryFact* before, const EntryFact& entry);

 private:
  struct Known {
    Term term;
    uint64_t prefix;
    NodeId node;
  };
  Verdict* verdict_;
  // [group][index - 1]: the entries ever seen there, of different terms.
  std::map<GroupId, std::vector<std::vector<Known>>> known_;
};

}  // namespace tidemark::sim
