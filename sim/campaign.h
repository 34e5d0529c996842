#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "sim/coverage.h"
#include "sim/profile.h"
#include "sim/run.h"

namespace tidemark::sim {

struct CampaignOptions {
  // Seeds [first, last].
  uint64_t first = 0;
  uint64_t last = 0;
  Profile profile = Profile::kSwarm;
  bool canary = false;
  std::string mute;  // Scenario::mute
  int jobs = 1;
  bool keep_going = false;
  // If not 0: no seed is waited for after this time.
  double seconds = 0;
  // If not empty: "seed hash" lines, by seed, to compare two builds by.
  std::string hashes_path;
  // If not empty: what clients did, of all seeds that ended (history.h).
  std::string history_path;
  // If not empty: a folder for the decisions of failed seeds, made if it is not there.
  std::string failures_path;
};

struct CampaignFailure {
  // A run that died has an oracle too (child.h).
  RunResult result;
  // Where its decisions are; empty if they were not written.
  std::string file;
};

struct CampaignResult {
  uint64_t seeds = 0;
  uint64_t batches = 0;
  uint64_t tasks = 0;
  int64_t simulated_nanos = 0;
  double elapsed_seconds = 0;
  Coverage coverage;
  // Those with the fewest events first: they are the easiest to understand.
  std::vector<CampaignFailure> failures;
  // What the campaign itself could not do; empty if nothing.
  std::string problem;
  // Faults and states that a campaign of at least kProbesDueAfter seeds never saw.
  std::vector<std::string> missing;

  bool ok() const { return failures.empty() && missing.empty() && problem.empty(); }
};

inline constexpr uint64_t kProbesDueAfter = 100;

// The plan that the campaign runs for `seed`.
Plan PlanOf(const CampaignOptions& options, uint64_t seed);

// Runs the seeds in `jobs` child processes, so that a failed check of the product costs its seed
// and not the campaign. Prints progress to stderr.
CampaignResult RunCampaign(const CampaignOptions& options);

}  // namespace tidemark::sim
