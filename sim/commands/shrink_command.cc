#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "sim/commands/command.h"
#include "sim/scenario_file.h"
#include "sim/shrink.h"

namespace tidemark::sim {
namespace {

// Decisions of what is left that are shown one by one.
constexpr size_t kShownMax = 40;

std::string Describe(const Shrunk& shrunk) {
  const Scenario& s = shrunk.plan.scenario;
  std::string text = absl::StrFormat(
      "%s: %s\n%d runs%s: from %d decisions and %d events to %d decisions and %d events; %d "
      "nodes, %d producer(s), %d consumer(s), %d ms of faults\n",
      shrunk.result.oracle, shrunk.result.what, shrunk.runs,
      shrunk.complete ? "" : " (there may be less; --seconds gives it longer)",
      shrunk.original_decisions, shrunk.original.tasks, shrunk.plan.script->size(),
      shrunk.result.tasks, s.nodes.size(), s.producers, s.consumers, s.fault_phase.millis());
  if (shrunk.plan.script->size() > kShownMax) return text;
  for (const Decision& decision : *shrunk.plan.script) {
    absl::StrAppendFormat(&text, "  %s\n", Describe(decision));
  }
  return text;
}

}  // namespace

int ShrinkCommand(const Args& args) {
  PlanArgs plan;
  std::string path = "scenario.json";
  uint64_t seconds = 120;
  Flags flags;
  plan.AddTo(flags);
  const absl::Status parsed = flags.Text("-o", &path).Number("--seconds", 1, &seconds).Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  const absl::StatusOr<ScenarioFile> from = plan.Read();
  if (!from.ok()) return Usage(from.status());
  const absl::StatusOr<Shrunk> shrunk =
      Shrink(from->plan, {.seconds = static_cast<double>(seconds), .progress = stderr});
  if (!shrunk.ok()) {
    std::fprintf(stderr, "tidemark-sim: %s\n", std::string(shrunk.status().message()).c_str());
    return 1;
  }
  std::fputs(Describe(*shrunk).c_str(), stdout);
  const absl::Status written = WriteScenario(path, {.plan = shrunk->plan,
                                                    .oracle = shrunk->result.oracle,
                                                    .what = shrunk->result.what,
                                                    .hash = shrunk->result.hash,
                                                    .version = std::string(Version())});
  if (!written.ok()) {
    std::fprintf(stderr, "tidemark-sim: %s\n", std::string(written.message()).c_str());
    return 2;
  }
  std::printf("tidemark-sim replay %s\n", path.c_str());
  return 0;
}

}  // namespace tidemark::sim
