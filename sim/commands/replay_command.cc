#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "sim/commands/command.h"
#include "sim/explore/exploration_file.h"
#include "sim/run.h"
#include "sim/scenario_file.h"
#include "sim/trace_writer.h"

namespace tidemark::sim {
namespace {

// How many decisions of a kind are shown one by one.
constexpr size_t kShownMax = 10;

struct Options {
  PlanArgs plan;
  uint64_t until = 0;
  bool verbose = false;
  std::string trace_path;
  std::string history_path;
  std::string save_path;
};

void PrintSome(std::string_view title, std::span<const Decision> decisions) {
  if (decisions.empty()) return;
  std::string text = absl::StrFormat("%d %s:\n", decisions.size(), std::string(title));
  for (size_t i = 0; i < std::min(decisions.size(), kShownMax); ++i) {
    absl::StrAppendFormat(&text, "  %s\n", Describe(decisions[i]));
  }
  if (decisions.size() > kShownMax) absl::StrAppendFormat(&text, "  ...\n");
  std::fputs(text.c_str(), stdout);
}

// What each node knows at this moment.
void PrintNodes(const World& world) {
  for (size_t node = 0; node < world.nodes(); ++node) {
    std::string text = absl::StrFormat("node %d", world.id(node).value());
    if (!world.up(node)) {
      std::printf("%s is down\n", text.c_str());
      continue;
    }
    for (const GroupView& view : world.node(node).Groups()) {
      if (view.failure != nullptr) {
        absl::StrAppendFormat(&text, "\n  group %d has failed: %s", view.group.value(),
                              *view.failure);
        continue;
      }
      absl::StrAppendFormat(&text,
                            "\n  group %d: %s in term %d, follows %d, log %d..%d, durable to %d, "
                            "commit %d",
                            view.group.value(),
                            view.raft->role() == raft::Role::kLeader     ? "leader"
                            : view.raft->role() == raft::Role::kFollower ? "follower"
                                                                         : "candidate",
                            view.raft->term().value(), view.raft->leader().value(),
                            view.log->first_index().value(), view.log->last_index().value(),
                            view.log->durable_index().value(), view.raft->commit().value());
    }
    std::printf("%s\n", text.c_str());
  }
}

// How this run compares with what the file says came of it.
void PrintComparison(const ScenarioFile& file, const RunResult& result) {
  if (!file.oracle.empty() && file.oracle != result.oracle) {
    std::printf("%s spoke when it was written, now %s\n", file.oracle.c_str(),
                result.ok() ? "all is well" : result.oracle.c_str());
  }
  if (file.hash.has_value() && *file.hash != result.hash) {
    std::printf("its trace hash was %016llx (version %s): the program does something else now\n",
                static_cast<unsigned long long>(*file.hash), file.version.c_str());
  }
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Null if there is no path; lines are written at once: what leads to a failed check must be out by
// then.
absl::StatusOr<File> Open(const std::string& path) {
  File file(path.empty() ? nullptr : std::fopen(path.c_str(), "w"), &std::fclose);
  if (path.empty()) return file;
  if (file == nullptr) return absl::UnavailableError("cannot write " + path);
  std::setvbuf(file.get(), nullptr, _IOLBF, 0);
  return file;
}

int Replay(const ScenarioFile& file, const Options& options) {
  const absl::StatusOr<File> trace = Open(options.trace_path);
  if (!trace.ok()) return Usage(trace.status());
  const absl::StatusOr<File> history = Open(options.history_path);
  if (!history.ok()) return Usage(history.status());
  std::optional<TraceWriter> writer;
  if (*trace != nullptr) writer.emplace(trace->get());
  DecisionLog log;
  const bool logs = options.verbose || !options.save_path.empty();
  Execution run(file.plan, {.story = stdout,
                            .log = logs ? &log : nullptr,
                            .listener = writer.has_value() ? &*writer : nullptr,
                            .history = history->get()});
  bool over = false;
  const Scheduler& scheduler = std::as_const(run).world().scheduler();
  while (!over && (options.until == 0 || scheduler.executed() < options.until)) {
    if (writer.has_value()) writer->BeginTask(scheduler.executed() + 1);
    over = !run.Advance();
  }
  const RunResult result = run.Result();
  if (!over) std::printf("stopped at step %llu\n", static_cast<unsigned long long>(result.tasks));
  if (!over || options.verbose) PrintNodes(run.world());
  if (over) PrintComparison(file, result);
  const Decisions& decisions = std::as_const(run).world().decisions();
  if (over) PrintSome("recorded decisions are not come to any more", decisions.Unreached());
  PrintSome("recorded decisions are out of range, the nearest is taken", decisions.out_of_range());
  if (options.verbose) {
    std::printf("decisions that are not their default:\n");
    for (const Decision& decision : log.decisions()) {
      std::printf("  %s\n", Describe(decision).c_str());
    }
    PrintCoverage(result.coverage);
  }
  if (!options.save_path.empty()) {
    ScenarioFile saved{.plan = file.plan,
                       .oracle = result.oracle,
                       .what = result.what,
                       .hash = result.hash,
                       .version = std::string(Version())};
    saved.plan.script.emplace(log.decisions().begin(), log.decisions().end());
    const absl::Status written = WriteScenario(options.save_path, saved);
    if (!written.ok()) {
      std::fprintf(stderr, "tidemark-sim: %s\n", std::string(written.message()).c_str());
      return 2;
    }
  }
  return result.ok() ? 0 : 1;
}

}  // namespace

int ReplayCommand(const Args& args) {
  if (args.size() == 1 && explore::IsExplorationFile(args[0])) return ReplayExploration(args[0]);
  Options options;
  Flags flags;
  options.plan.AddTo(flags);
  const absl::Status parsed = flags.Number("--until", 1, &options.until)
                                  .Switch("--verbose", &options.verbose)
                                  .Text("--trace", &options.trace_path)
                                  .Text("--history", &options.history_path)
                                  .Text("--save", &options.save_path)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  const absl::StatusOr<ScenarioFile> file = options.plan.Read();
  if (!file.ok()) return Usage(file.status());
  // A failed check ends the process: what came before it must be out by then.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return Replay(*file, options);
}

}  // namespace tidemark::sim
