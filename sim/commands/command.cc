#include "sim/commands/command.h"

#include <cstdio>
#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

int VersionCommand(const Args& args) {
  if (!args.empty()) return Usage("version takes no arguments");
  std::printf("tidemark-sim %s\n", TIDEMARK_VERSION);
  return 0;
}

constexpr Command kCommands[] = {
    {"run", "run --seeds A..B [--jobs N] [--hashes FILE] [--keep-going]\n", RunCommand},
    {"replay", "replay --seed N [--verbose]\n", ReplayCommand},
    {"replay-journal", "replay-journal DIR [--explain] [--until STEP]\n", ReplayJournalCommand},
    {"version", "version\n", VersionCommand},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

int Usage(std::string_view problem) {
  std::string text = absl::StrCat("tidemark-sim: ", std::string(problem), "\nusage:\n");
  for (const Command& command : Commands()) {
    absl::StrAppend(&text, "  tidemark-sim ", std::string(command.usage));
  }
  std::fputs(text.c_str(), stderr);
  return 2;
}

int Usage(const absl::Status& problem) { return Usage(std::string(problem.message())); }

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

double Seconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace tidemark::sim
