#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "sim/coverage.h"
#include "sim/run.h"

namespace tidemark::sim {

struct CampaignOptions {
  // Seeds [first, last].
  uint64_t first = 0;
  uint64_t last = 0;
  int jobs = 1;
  bool keep_going = false;
  // If not empty: "seed hash" lines, by seed, to compare two builds by.
  std::string hashes_path;
};

struct CampaignResult {
  uint64_t seeds = 0;
  uint64_t batches = 0;
  uint64_t tasks = 0;
  int64_t simulated_nanos = 0;
  Coverage coverage;
  // RunResult::Line of each failed seed; a seed whose process died says so.
  std::vector<std::pair<uint64_t, std::string>> failures;
  // Faults and states that a campaign of at least kProbesDueAfter seeds never saw.
  std::vector<std::string> missing;

  bool ok() const { return failures.empty() && missing.empty(); }
};

inline constexpr uint64_t kProbesDueAfter = 100;

// Runs the seeds in `jobs` child processes, so that a failed check of the product costs its seed
// and not the campaign. Prints progress to stderr.
CampaignResult RunCampaign(const CampaignOptions& options);

}  // namespace tidemark::sim
