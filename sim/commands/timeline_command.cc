#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "sim/commands/command.h"
#include "sim/commands/plan_args.h"
#include "sim/run.h"
#include "sim/scenario_file.h"
#include "sim/timeline/page.h"
#include "sim/timeline/timeline.h"

namespace tidemark::sim {
namespace {

bool Save(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

// The scenario file, if it is one: who decides by a script cannot be run again by its seed alone.
std::string NameOf(const Plan& plan, const Args& args) {
  if (!plan.script.has_value()) return absl::StrCat("seed ", plan.seed);
  for (const std::string& arg : args) {
    if (arg.ends_with(".json")) return arg;
  }
  return absl::StrCat("seed ", plan.seed, ", changed");
}

}  // namespace

int TimelineCommand(const Args& args) {
  PlanArgs which;
  std::string out;
  Flags flags;
  which.AddTo(flags);
  const absl::Status parsed = flags.Text("-o", &out).Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  const absl::StatusOr<ScenarioFile> file = which.Read();
  if (!file.ok()) return Usage(file.status());
  if (out.empty()) return Usage("-o wants the name of the page to write");

  const Plan& plan = file->plan;
  const std::string name = NameOf(plan, args);
  Timeline timeline(true);
  PageTitle title{.run = name,
                  .summary = plan.scenario.Summary(),
                  .replay = plan.script.has_value() ? absl::StrCat("tidemark-sim replay ", name)
                                                    : ReplayCommandOf(plan)};
  const auto write = [&] {
    if (Save(out, Page(PageData(title, timeline)))) {
      std::printf("%s shows %zu marks\n", out.c_str(), timeline.marks().size());
      return true;
    }
    std::fprintf(stderr, "tidemark-sim: cannot write %s\n", out.c_str());
    return false;
  };
  SetLastWords([&](std::string_view check) {
    timeline.Finish("check", check);
    write();
    std::fflush(stdout);
  });
  const RunResult result = RunPlan(plan, {.timeline = &timeline});
  SetLastWords({});
  title.hash = result.hash;
  std::printf("%s\n", result.Line().c_str());
  return write() && result.ok() ? 0 : 1;
}

}  // namespace tidemark::sim
