#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sim/commands/flags.h"
#include "sim/commands/plan_args.h"
#include "sim/coverage.h"

namespace tidemark::sim {

// One word after `tidemark-sim`. Its result is the exit code: 0 all is well, 1 something was found,
// 2 it was asked for what makes no sense.
struct Command {
  std::string_view name;
  // Its lines of the usage, without the program's name.
  std::string_view usage;
  int (*run)(const Args& args);
};

// All of them, in the order of the usage.
std::span<const Command> Commands();

// How the program is used, lines.
std::string UsageText();

// Says on stderr what is wrong and how the program is used; 2.
int Usage(std::string_view problem);
int Usage(const absl::Status& problem);

// What was injected and what was reached, two lines on stdout.
void PrintCoverage(const Coverage& coverage);

int RunCommand(const Args& args);
int AuditCommand(const Args& args);
int ExploreCommand(const Args& args);
int ReplayCommand(const Args& args);
// The path in the file at `path`, as ExploreCommand wrote it, step by step.
int ReplayExploration(const std::string& path);
int ReplayJournalCommand(const Args& args);
int ShrinkCommand(const Args& args);
int TimelineCommand(const Args& args);

}  // namespace tidemark::sim
