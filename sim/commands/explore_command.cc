#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim/commands/command.h"
#include "sim/explore/exploration_file.h"
#include "sim/explore/explorer.h"
#include "sim/run.h"

namespace tidemark::sim {
namespace {

using explore::ExplorationFile;
using explore::Explorer;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kMebibyte = 1 << 20;

struct ExploreArgs {
  explore::Options options;
  uint64_t minutes = 0;
  uint64_t memory_mib = 2048;
  std::string bug_path = "exploration.json";
  std::string replay_path;
  bool no_reduction = false;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What this process has in memory.
uint64_t MemoryMib() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / kMebibyte;
}

absl::Status Parse(const Args& args, ExploreArgs& to) {
  Flags flags;
  // Those that are on by themselves are switched off.
  std::vector<std::pair<bool*, std::unique_ptr<bool>>> off;
  VisitOptions(
      to.options,
      [&](std::string_view name, uint64_t& value) {
        flags.Number(absl::StrCat("--", std::string(name)), 0, &value);
      },
      [&](std::string_view name, bool& value) {
        if (!value) {
          flags.Switch(absl::StrCat("--", std::string(name)), &value);
          return;
        }
        off.emplace_back(&value, std::make_unique<bool>(false));
        flags.Switch(absl::StrCat("--no-", std::string(name)), off.back().second.get());
      });
  absl::Status status = flags.Number("--minutes", 1, &to.minutes)
                            .Number("--memory", 64, &to.memory_mib)
                            .Text("--bug-out", &to.bug_path)
                            .Text("--replay", &to.replay_path)
                            .Switch("--no-reduction", &to.no_reduction)
                            .Parse(args);
  for (const auto& [value, is_off] : off) {
    if (*is_off) *value = false;
  }
  if (status.ok()) status = to.options.Validate();
  return status;
}

// Where the path went wrong, as a file.
void WriteBug(Explorer& explorer, const std::string& path, const std::string& oracle,
              const std::string& what) {
  ExplorationFile file = FileOf(explorer.space().options(), explorer.space(), explorer.Path());
  file.oracle = oracle;
  file.what = what;
  std::printf("%s: %s\nafter %zu steps:\n", oracle.c_str(), what.c_str(), file.steps.size());
  for (const std::string& step : file.steps) std::printf("  %s\n", step.c_str());
  std::ofstream out(path);
  out << Encode(file);
  out.close();
  if (!out) {
    std::fprintf(stderr, "tidemark-sim: cannot write %s\n", path.c_str());
    return;
  }
  std::printf("tidemark-sim replay %s\n", path.c_str());
}

void PrintDepth(const explore::Stats& stats) {
  if (stats.by_depth.size() <= stats.depth) return;
  std::fputs(absl::StrFormat("depth %3d: %10d new, %11d distinct of %12d states\n", stats.depth,
                             stats.by_depth[stats.depth], stats.states, stats.transitions + 1)
                 .c_str(),
             stdout);
}

void PrintSummary(Explorer& explorer, double seconds) {
  const explore::Stats& stats = explorer.stats();
  const auto rate = [&](uint64_t count) {
    return static_cast<uint64_t>(static_cast<double>(count) / std::max(seconds, 1e-3));
  };
  std::fputs(absl::StrFormat(
                 "%d states, %d distinct, complete to depth %d%s\n"
                 "not followed: %d that commute, %d that change nothing, %d beyond the last term; "
                 "%d messages too old to matter\n"
                 "%d members, %d messages and %d networks; the production code made %d steps\n"
                 "%.1f s: %d states/s, %d distinct/s; %d MiB\n",
                 stats.transitions + 1, stats.states, stats.depth,
                 stats.exhausted ? ": there is nothing beyond" : "", stats.commuting, stats.idle,
                 stats.beyond, explorer.space().expired(), explorer.space().cache().locals(),
                 explorer.space().cache().messages(), explorer.space().networks(),
                 explorer.space().cache().steps(), seconds, rate(stats.transitions),
                 rate(stats.states), MemoryMib())
                 .c_str(),
             stdout);
}

int Explore(const ExploreArgs& args) {
  Explorer explorer(args.options);
  // A check of the product ends the process: what led to it goes out first.
  SetLastWords([&](std::string_view check) {
    WriteBug(explorer, args.bug_path, "check", std::string(check));
    std::fflush(stdout);
  });
  const Clock::time_point start = Clock::now();
  bool full = false;
  explorer.Run({.reduce = !args.no_reduction,
                .over =
                    [&] {
                      full = MemoryMib() > args.memory_mib;
                      return full ||
                             (args.minutes > 0 &&
                              SecondsSince(start) >= 60.0 * static_cast<double>(args.minutes));
                    },
                .deeper = [&] { PrintDepth(explorer.stats()); }});
  SetLastWords({});
  PrintSummary(explorer, SecondsSince(start));
  const Verdict& verdict = explorer.verdict();
  if (!verdict.ok()) {
    WriteBug(explorer, args.bug_path, verdict.oracle(), verdict.what());
    return 1;
  }
  const uint64_t within = explorer.stats().depth + 1;
  if (full) {
    std::fprintf(stderr,
                 "tidemark-sim: the memory is full (--memory %llu MiB) within depth %llu: give "
                 "more, or less to explore\n",
                 static_cast<unsigned long long>(args.memory_mib),
                 static_cast<unsigned long long>(within));
    return 2;
  }
  if (explorer.stats().stopped) {
    std::printf("time is up within depth %llu\n", static_cast<unsigned long long>(within));
  }
  return 0;
}

}  // namespace

int ReplayExploration(const std::string& path) {
  const absl::StatusOr<ExplorationFile> file = explore::ReadExploration(path);
  if (!file.ok()) return Usage(file.status());
  const absl::StatusOr<Verdict> verdict = explore::Replay(*file, [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  });
  if (!verdict.ok()) {
    std::fprintf(stderr, "tidemark-sim: %s: %s\n", path.c_str(),
                 std::string(verdict.status().message()).c_str());
    return 2;
  }
  if (file->oracle != verdict->oracle()) {
    std::printf("%s spoke when it was written\n",
                file->oracle.empty() ? "no oracle" : file->oracle.c_str());
  }
  if (verdict->ok()) {
    std::printf("all is well\n");
    return 0;
  }
  std::printf("%s: %s\n", verdict->oracle().c_str(), verdict->what().c_str());
  return 1;
}

int ExploreCommand(const Args& args) {
  ExploreArgs to;
  const absl::Status parsed = Parse(args, to);
  if (!parsed.ok()) return Usage(parsed);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (!to.replay_path.empty()) return ReplayExploration(to.replay_path);
  return Explore(to);
}

}  // namespace tidemark::sim
