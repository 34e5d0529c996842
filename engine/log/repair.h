#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/log/file.h"
#include "engine/log/verify.h"

// What can be done about damage without other replicas. Pure: the plan is batches of file
// operations; whoever executes it keeps copies of what it changes first.

namespace tidemark {

struct RepairPlan {
  // To be executed one after the other, each durable before the next: segments go last, as what
  // they replaced would come back without them.
  std::vector<FileBatch> batches;
  // Files that the batches change or remove and that exist: to be copied before.
  std::vector<FileId> changed;
  // What it does, a line each.
  std::vector<std::string> steps;
};

// Plans the repair of what `verification`, which is of the files in `directory` as they are,
// reports.
//   - Stale sidecars are made anew from the frames; nothing is lost by that.
//   - Rot, missing files and torn tails end the log before the first of them. `accepted` must be
//     exactly verification.cut->ranges: all bytes that are given up. Hard state and sidecar stop
//     vouching for what is gone; term and vote stay.
// A crash while a batch is executed leaves damage of the same kind: verify and repair again.
//   Result  an empty plan: there is nothing to do.
//   Errors  kFailedPrecondition: `accepted` is not what would be lost (the message says what is),
//           or the hard state is lost, which nothing can replace.
absl::StatusOr<RepairPlan> PlanRepair(const GroupVerification& verification,
                                      const DirectoryView& directory,
                                      std::span<const LostRange> accepted);

}  // namespace tidemark
