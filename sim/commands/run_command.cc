#include <cstdio>
#include <string>

#include "sim/campaign.h"
#include "sim/commands/command.h"

namespace tidemark::sim {

int RunCommand(const Args& args) {
  CampaignOptions options;
  bool seeds = false;
  uint64_t jobs = 1;
  const absl::Status parsed = Flags()
                                  .Value("--seeds",
                                         [&](const std::string& text) {
                                           seeds = true;
                                           SeedRange range;
                                           absl::Status status = ParseSeeds(text, range);
                                           options.first = range.first;
                                           options.last = range.last;
                                           return status;
                                         })
                                  .Number("--jobs", 1, &jobs)
                                  .Text("--hashes", &options.hashes_path)
                                  .Switch("--keep-going", &options.keep_going)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (!seeds) return Usage("which seeds?");
  options.jobs = static_cast<int>(jobs);
  const double began = Seconds();
  const CampaignResult result = RunCampaign(options);
  const double elapsed = Seconds() - began;
  PrintCoverage(result.coverage);
  const double simulated = static_cast<double>(result.simulated_nanos) / 1e9;
  std::printf(
      "%llu seeds in %.1f s: %.1f seeds/s (%.0f a minute), %.0f simulated s per wall s, "
      "%llu batches acknowledged, %llu events\n",
      static_cast<unsigned long long>(result.seeds), elapsed,
      static_cast<double>(result.seeds) / elapsed, static_cast<double>(result.seeds) / elapsed * 60,
      simulated / elapsed, static_cast<unsigned long long>(result.batches),
      static_cast<unsigned long long>(result.tasks));
  for (const auto& [seed, line] : result.failures) {
    std::printf("%s\n  tidemark-sim replay --seed %llu\n", line.c_str(),
                static_cast<unsigned long long>(seed));
  }
  for (const std::string& probe : result.missing) {
    std::printf("FAILED coverage: %s never happened\n", probe.c_str());
  }
  std::printf("%s\n", result.ok() ? "all well" : "FAILED");
  return result.ok() ? 0 : 1;
}

}  // namespace tidemark::sim
