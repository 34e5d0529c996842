#pragma once

#include <cstdint>
#include <cstdio>

#include "absl/status/statusor.h"
#include "sim/plan.h"
#include "sim/run.h"

namespace tidemark::sim {

struct ShrinkOptions {
  // When they are over the smallest so far is the result.
  double seconds = 120;
  uint64_t runs_max = 20'000;
  // A line now and then; null: none.
  std::FILE* progress = nullptr;
};

struct Shrunk {
  // Recorded; fails by the same oracle as what it came from.
  Plan plan;
  RunResult result;
  // What it came from.
  RunResult original;
  size_t original_decisions = 0;
  uint64_t runs = 0;
  // Whether nothing was left to be tried.
  bool complete = false;
};

// The smallest scenario found that still fails by the oracle that `plan` fails by: first with every
// field of the scenario that does not matter set to its plain value, fewer nodes and clients, less
// time and smaller batches, then with every decision taken away that is not needed (delta
// debugging: halves, quarters, ..., single ones), and so on until neither helps. Every candidate
// runs in a process of its own. What bounds the time to heal is left alone: a shorter one would
// find failures of its own.
//   Errors  kFailedPrecondition: `plan` does not fail.
//   Source  Zeller & Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.
absl::StatusOr<Shrunk> Shrink(const Plan& plan, const ShrinkOptions& options);

}  // namespace tidemark::sim
