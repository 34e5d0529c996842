#pragma once

#include <span>

#include "engine/base/ids.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// A new leader holds everything that was committed in earlier terms (what was committed in its own
// term or a later one it may still lack). Source: raft, figure 3.
class LeaderCompleteness {
 public:
  LeaderCompleteness(const StateMachine* committed, Verdict* verdict)
      : committed_(committed), verdict_(verdict) {}
  // `node` became leader in `term` with `log`, by index - 1.
  void OnElected(GroupId group, NodeId node, Term term, std::span<const EntryFact> log);

 private:
  const StateMachine* committed_;
  Verdict* verdict_;
};

}  // namespace tidemark::sim
