#pragma once

#include <map>
#include <vector>

#include "engine/base/ids.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// What is committed at an index stays there, on every node, for ever. Holds the one committed log
// of every group, which the other oracles compare against. Source: raft, figure 3.
class StateMachine {
 public:
  explicit StateMachine(Verdict* verdict) : verdict_(verdict) {}

  struct Committed {
    EntryFact entry;
    // The term of the node that was the first to be seen with it committed.
    Term in_term;
  };

  // `node`, in `term`, has committed `entry` (called for each index in order, from any node).
  // True if no node had before.
  bool OnCommitted(GroupId group, NodeId node, Term term, const EntryFact& entry);

  // By index - 1.
  const std::vector<Committed>& LogOf(GroupId group) const;
  // The committed batch with records that holds `offset`; nullptr if there is none.
  const EntryFact* At(GroupId group, Offset offset) const;
  Offset EndOffset(GroupId group) const;

 private:
  Verdict* verdict_;
  std::map<GroupId, std::vector<Committed>> logs_;
};

}  // namespace tidemark::sim
