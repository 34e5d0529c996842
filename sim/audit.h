#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/plan.h"

namespace tidemark::sim {

// Where two runs part.
struct Divergence {
  // The first scheduled thing after which they differ; 0: they differ from the start.
  uint64_t task = 0;
  // What differs, for a person: what each of the two did in that step, or which file of which disk
  // is another one at the end.
  std::string what;
};

// Runs `a` and `b` in two worlds in one process, step by step, and compares after each one all that
// nodes were told and decided, virtual time, and the latest decision; at the end the disks, byte by
// byte. Two runs of one plan never part: if they do, something outside the plan had a say (an
// address, a hash order, uninitialised memory), and the step says where to look.
//   Returns  where they part; nullopt if they do not.
std::optional<Divergence> Compare(const Plan& a, const Plan& b);

}  // namespace tidemark::sim
