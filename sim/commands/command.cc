#include "sim/commands/command.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "sim/plan.h"

namespace tidemark::sim {
namespace {

int VersionCommand(const Args& args) {
  if (!args.empty()) return Usage("version takes no arguments");
  std::printf("tidemark-sim %s\n", std::string(Version()).c_str());
  return 0;
}

constexpr Command kCommands[] = {
    {"run",
     "run --seeds A..B | --minutes M [--profile P] [--jobs N] [--keep-going]\n"
     "                   [--failures DIR] [--history FILE] [--hashes FILE] [--canary]\n"
     "                   [--mute ORACLE]\n",
     RunCommand},
    {"replay",
     "replay --seed N [--profile P] [--canary] [--mute ORACLE] | SCENARIO.json\n"
     "                      [--until STEP] [--verbose] [--trace FILE] [--history FILE] [--save "
     "FILE]\n"
     "                      | EXPLORATION.json\n",
     ReplayCommand},
    {"explore",
     "explore [--nodes N] [--voters V] [--depth D] [--terms T] [--fifo] [--elected]\n"
     "                       [--appends A] [--crashes C] [--timeouts T] [--beats B] [--drops D]\n"
     "                       [--duplicates D] [--changes C] [--transfers T] [--reads R]\n"
     "                       [--no-pre-vote] [--no-check-quorum] [--no-noop] [--canary]\n"
     "                       [--no-reduction] [--minutes M] [--memory MIB] [--bug-out FILE]\n"
     "                       | --replay EXPLORATION.json\n",
     ExploreCommand},
    {"shrink",
     "shrink --seed N [--profile P] [--canary] [--mute ORACLE] | SCENARIO.json\n"
     "                      [-o FILE] [--seconds S]\n",
     ShrinkCommand},
    {"audit", "audit --seeds A..B [--profile P] [--canary] | A.json [B.json]\n", AuditCommand},
    {"timeline",
     "timeline --seed N [--profile P] [--canary] [--mute ORACLE] | SCENARIO.json\n"
     "                        -o FILE.html\n",
     TimelineCommand},
    {"replay-journal", "replay-journal DIR [--explain] [--until STEP]\n", ReplayJournalCommand},
    {"version", "version\n", VersionCommand},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

std::string UsageText() {
  std::string text = "usage:\n";
  for (const Command& command : Commands()) {
    absl::StrAppend(&text, "  tidemark-sim ", std::string(command.usage));
  }
  return text;
}

int Usage(std::string_view problem) {
  std::fputs(absl::StrCat("tidemark-sim: ", std::string(problem), "\n", UsageText()).c_str(),
             stderr);
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

}  // namespace tidemark::sim
