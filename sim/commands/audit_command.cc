
#include <cstdio>
#include <optional>
#include <string>

#include "sim/audit.h"
#include "sim/commands/command.h"

namespace tidemark::sim {
namespace {

int Report(const Plan& a, const Plan& b, const std::string& name) {
  const std::optional<Divergence> parted = Compare(a, b);
  if (!parted.has_value()) return 0;
  std::printf("%s: two worlds part at step %llu\n%s\n", name.c_str(),
              static_cast<unsigned long long>(parted->task), parted->what.c_str());
  return 1;
}

}  // namespace

int AuditCommand(const Args& args) {
  SeedRange seeds;
  bool have_seeds = false;
  bool canary = false;
  Profile profile = Profile::kSwarm;
  std::vector<std::string> paths;
  const absl::Status parsed = Flags()
                                  .Value("--seeds",
                                         [&](const std::string& text) {
                                           have_seeds = true;
                                           return ParseSeeds(text, seeds);
                                         })
                                  .Value("--profile", ProfileTo(&profile))
                                  .Switch("--canary", &canary)
                                  .Rest(2, &paths)
                                  .Parse(args);
  if (!parsed.ok()) return Usage(parsed);
  if (have_seeds == !paths.empty()) return Usage("which seeds, or which scenario files?");
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (!paths.empty()) {
    const absl::StatusOr<ScenarioFile> a = ReadScenario(paths.front());
    const absl::StatusOr<ScenarioFile> b = ReadScenario(paths.back());
    if (!a.ok()) return Usage(a.status());
    if (!b.ok()) return Usage(b.status());
    const int found = Report(a->plan, b->plan, paths.front() + " and " + paths.back());
    if (found == 0) std::printf("two worlds, one run\n");
    return found;
  }
  int found = 0;
  for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    Plan plan = PlanOf(seed, profile);
    plan.scenario.canary = canary;
    found |= Report(plan, plan, ReplayCommandOf(plan));
  }
  if (found == 0) {
    const uint64_t count = seeds.last - seeds.first + 1;
    std::printf("%llu seeds, each in two worlds: every step and every byte the same\n",
                static_cast<unsigned long long>(count));
  }
  return found;
}

}  // namespace tidemark::sim
