#include <cstdio>

#include "sim/commands/command.h"
#include "sim/run.h"

namespace tidemark::sim {

int ReplayCommand(const Args& args) {
  uint64_t seed = 0;
  bool have_seed = false;
  bool verbose = false;
  const absl::Status parsed = Flags()
                                  .Value("--seed",
                                         [&](const std::string& text) {
                                           have_seed = true;
                                           SeedRange range;
                                           absl::Status status = ParseSeeds(text, range);
                                           seed = range.first;
                                           return status;
                                         })
                                  .Switch("--verbose", &verbose)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (!have_seed) return Usage("which seed?");
  // A failed check ends the process: what came before it must be out by then.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const RunResult result = RunSeed(seed, stdout);
  if (verbose) {
    std::printf("decisions that made it so:\n");
    for (const Decision& decision : result.faults) {
      std::printf("  %s\n", Describe(decision).c_str());
    }
    PrintCoverage(result.coverage);
  }
  return result.ok() ? 0 : 1;
}

}  // namespace tidemark::sim
