#pragma once

#include <cstdint>

#include "sim/plan.h"
#include "sim/run.h"

namespace tidemark::sim {

struct ChildLimits {
  // Seconds of processor time after which the child is taken for one that hangs.
  uint32_t cpu_seconds = 120;
  // Scheduled things after which the run is cut off, all well so far; 0: none.
  uint64_t tasks_max = 0;
};

// Runs `plan` in a process of its own: what kills that is a result like any other. The result of a
// run that died has an oracle too, which names the death and not its circumstances:
// "check engine/raft/raft.cc:120", "signal 11", "hangs"; `what` is what the process said.
//   Lives   `log`, if not null, has the decisions up to the end, whatever that was, and gives the
//           number of scheduled things of a run that died.
RunResult RunInChild(const Plan& plan, DecisionLog* log = nullptr, const ChildLimits& limits = {});

}  // namespace tidemark::sim
