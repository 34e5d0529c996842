#include "tests/scenario/raft/run.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/scenario/raft/diff.h"
#include "tests/scenario/raft/script.h"
#include "tests/scenario/raft/world.h"

namespace tidemark::scenario {

Outcome RunScenario(std::string_view name, std::string_view text) {
  const std::string file(name);
  std::vector<Step> steps = ParseScript(text);
  World world;
  for (Step& step : steps) step.output.clear();
  for (Step& step : steps) {
    if (step.statement.empty()) continue;
    absl::StatusOr<std::vector<std::string>> output = world.Run(step.statement);
    if (output.ok()) {
      step.output = *std::move(output);
      continue;
    }
    const bool unreadable = absl::IsInvalidArgument(output.status());
    const std::string report = absl::StrCat(file, ":", step.line, ": ", step.statement, ": ",
                                            output.status().message(), "\n");
    // How it came to that.
    steps.resize(static_cast<size_t>(&step - steps.data()) + 1);
    return {.kind = unreadable ? Outcome::Kind::kUnreadable : Outcome::Kind::kBroken,
            .report = unreadable ? report : absl::StrCat(RenderScript(steps), report),
            .recorded = {}};
  }
  Outcome outcome{.recorded = RenderScript(steps)};
  outcome.report = UnifiedDiff(name, text, outcome.recorded);
  if (!outcome.report.empty()) outcome.kind = Outcome::Kind::kDiffers;
  return outcome;
}

}  // namespace tidemark::scenario
