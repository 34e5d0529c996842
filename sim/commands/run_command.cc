#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "sim/campaign.h"
#include "sim/commands/command.h"
#include "sim/commands/plan_args.h"

namespace tidemark::sim {
namespace {

void PrintResult(const CampaignOptions& options, const CampaignResult& result) {
  PrintCoverage(result.coverage);
  const double elapsed = result.elapsed_seconds;
  const double simulated = static_cast<double>(result.simulated_nanos) / 1e9;
  const double seeds = static_cast<double>(result.seeds);
  std::string text = absl::StrFormat(
      "%d seeds in %.1f s: %.1f seeds/s (%.0f a minute), %.0f s simulated, %.0f simulated s per "
      "wall s, %d batches acknowledged, %d events\n",
      result.seeds, elapsed, seeds / elapsed, seeds / elapsed * 60, simulated, simulated / elapsed,
      result.batches, result.tasks);
  // The shortest one last, where it is seen.
  for (auto failure = result.failures.rbegin(); failure != result.failures.rend(); ++failure) {
    absl::StrAppendFormat(&text, "%s\n", failure->result.Line());
    if (!failure->file.empty()) {
      absl::StrAppendFormat(&text, "  its decisions: tidemark-sim replay %s\n", failure->file);
    }
    absl::StrAppendFormat(&text, "  %s  # version %s, trace hash %016x, %d events\n",
                          ReplayCommandOf(PlanOf(options, failure->result.seed)),
                          std::string(Version()), failure->result.hash, failure->result.tasks);
  }
  for (const std::string& probe : result.missing) {
    absl::StrAppendFormat(&text, "FAILED coverage: %s never happened\n", probe);
  }
  if (!result.problem.empty()) absl::StrAppendFormat(&text, "FAILED: %s\n", result.problem);
  std::fputs((text + (result.ok() ? "all well\n" : "FAILED\n")).c_str(), stdout);
}

}  // namespace

int RunCommand(const Args& args) {
  CampaignOptions options;
  SeedRange seeds{.first = 1, .last = UINT64_MAX / 2};
  bool have_seeds = false;
  uint64_t minutes = 0;
  uint64_t jobs = 1;
  options.failures_path = "sim-failures";
  const absl::Status parsed = Flags()
                                  .Value("--seeds",
                                         [&](const std::string& text) {
                                           have_seeds = true;
                                           return ParseSeeds(text, seeds);
                                         })
                                  .Number("--minutes", 1, &minutes)
                                  .Value("--profile", ProfileTo(&options.profile))
                                  .Number("--jobs", 1, &jobs)
                                  .Switch("--keep-going", &options.keep_going)
                                  .Switch("--canary", &options.canary)
                                  .Value("--mute", OracleTo(&options.mute))
                                  .Text("--failures", &options.failures_path)
                                  .Text("--history", &options.history_path)
                                  .Text("--hashes", &options.hashes_path)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (!have_seeds && minutes == 0) return Usage("which seeds, or for how many minutes?");
  options.first = seeds.first;
  options.last = seeds.last;
  options.jobs = static_cast<int>(jobs);
  options.seconds = static_cast<double>(minutes) * 60;
  const CampaignResult result = RunCampaign(options);
  PrintResult(options, result);
  return result.ok() ? 0 : 1;
}

}  // namespace tidemark::sim
