#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "sim/campaign.h"
#include "sim/run.h"

// tidemark-sim: runs the production node in a simulated world, seed after seed.

namespace tidemark::sim {
namespace {

constexpr std::string_view kUsage =
    "usage:\n"
    "  tidemark-sim run --seeds A..B [--jobs N] [--hashes FILE] [--keep-going]\n"
    "  tidemark-sim replay --seed N [--verbose]\n"
    "  tidemark-sim version\n";

int Usage(std::string_view problem) {
  std::fprintf(stderr, "tidemark-sim: %s\n%s", std::string(problem).c_str(),
               std::string(kUsage).c_str());
  return 2;
}

double Seconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void PrintCoverage(const Coverage& coverage) {
  for (const bool faults : {true, false}) {
    std::printf("%s", faults ? "faults: " : "states: ");
    for (size_t i = 0; i < kProbes; ++i) {
      const Probe probe = static_cast<Probe>(i);
      if ((probe < kFirstState) != faults) continue;
      std::printf(" %s=%llu", std::string(NameOf(probe)).c_str(),
                  static_cast<unsigned long long>(coverage[probe]));
    }
    std::printf("\n");
  }
}

bool ParseSeeds(std::string_view text, CampaignOptions& options) {
  const std::vector<std::string> ends = absl::StrSplit(std::string(text), "..");
  if (ends.size() == 1) {
    return absl::SimpleAtoi(ends[0], &options.first) && absl::SimpleAtoi(ends[0], &options.last);
  }
  return ends.size() == 2 && absl::SimpleAtoi(ends[0], &options.first) &&
         absl::SimpleAtoi(ends[1], &options.last) && options.first <= options.last;
}

int Run(const std::vector<std::string>& args) {
  CampaignOptions options;
  bool seeds = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (args[i] == "--seeds" && more) {
      if (!ParseSeeds(args[++i], options)) return Usage("--seeds wants A..B with A <= B");
      seeds = true;
    } else if (args[i] == "--jobs" && more) {
      if (!absl::SimpleAtoi(args[++i], &options.jobs) || options.jobs < 1) {
        return Usage("--jobs wants a number of processes");
      }
    } else if (args[i] == "--hashes" && more) {
      options.hashes_path = args[++i];
    } else if (args[i] == "--keep-going") {
      options.keep_going = true;
    } else {
      return Usage("do not understand " + args[i]);
    }
  }
  if (!seeds) return Usage("which seeds?");
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

int Replay(const std::vector<std::string>& args) {
  uint64_t seed = 0;
  bool have_seed = false;
  bool verbose = false;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--seed" && i + 1 < args.size()) {
      have_seed = absl::SimpleAtoi(args[++i], &seed);
    } else if (args[i] == "--verbose") {
      verbose = true;
    } else {
      return Usage("do not understand " + args[i]);
    }
  }
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

int Main(const std::vector<std::string>& args) {
  if (args.empty()) return Usage("what to do?");
  const std::vector<std::string> rest(args.begin() + 1, args.end());
  if (args[0] == "run") return Run(rest);
  if (args[0] == "replay") return Replay(rest);
  if (args[0] == "version") {
    std::printf("tidemark-sim %s\n", TIDEMARK_VERSION);
    return 0;
  }
  return Usage("do not understand " + args[0]);
}

}  // namespace
}  // namespace tidemark::sim

int main(int argc, char** argv) {
  return tidemark::sim::Main(std::vector<std::string>(argv + 1, argv + argc));
}
