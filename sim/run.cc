#include "sim/run.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim/checkers/progress.h"
#include "sim/faults.h"
#include "sim/scenario.h"
#include "sim/story.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace tidemark::sim {
namespace {

uint64_t seed_under_way = 0;
std::function<void(std::string_view)> last_words;

constexpr Duration kFaultsBegin = Duration::Millis(300);
constexpr Duration kLook = Duration::Millis(50);
// All must stay well this long: leaders that come and go are no progress.
constexpr Duration kStable = Duration::Millis(500);
// Within this time every scrubber has looked at everything twice.
constexpr Duration kScrubBound = Duration::Seconds(30);

// The quiet phase: waits until everything is well and stays so, with the same leaders.
void AwaitProgress(World& world, const Workload& workload) {
  const Instant deadline = world.now() + world.scenario().heal_bound;
  std::string unwell;
  std::optional<Instant> well_since;
  std::map<GroupId, std::pair<NodeId, Term>> leaders;
  while (world.verdict().ok()) {
    world.RunUntil(world.now() + kLook);
    ClusterFacts facts = world.Facts();
    workload.AddTo(facts);
    unwell = WhatIsUnwell(facts);
    std::map<GroupId, std::pair<NodeId, Term>> present;
    for (const ClusterFacts::Member& member : facts.members) {
      for (const auto& [group, state] : member.groups) {
        if (state.leads) present[group] = {member.id, state.term};
      }
    }
    if (!unwell.empty() || present != leaders) well_since.reset();
    leaders = std::move(present);
    if (unwell.empty() && !well_since.has_value()) well_since = world.now();
    if (well_since.has_value() && world.now() - *well_since >= kStable) return;
    if (world.now() >= deadline) {
      world.verdict().Fail(
          "progress",
          absl::StrCat(world.scenario().heal_bound.millis(), " ms after the last fault: ",
                       unwell.empty() ? "leaders keep changing" : unwell));
    }
  }
}

// The very end: a byte of each disk rots, and each node's scrubber notices.
void AwaitScrub(World& world) {
  world.RotSomewhere();
  const Instant deadline = world.now() + kScrubBound;
  while (world.verdict().ok()) {
    const std::string missing = world.RotNotFound();
    if (missing.empty()) return;
    if (world.now() >= deadline) {
      world.verdict().Fail(
          "scrub", absl::StrCat(missing, " is not found within ", kScrubBound.millis(), " ms"));
    }
    world.RunUntil(world.now() + kLook);
  }
}

}  // namespace

uint64_t SeedUnderWay() { return seed_under_way; }

void SetLastWords(std::function<void(std::string_view)> words) { last_words = std::move(words); }

void SayLastWords(std::string_view check) {
  // Once: words may fail a check themselves.
  if (const auto words = std::exchange(last_words, {})) words(check);
}

std::string RunResult::Line() const {
  return absl::StrFormat("seed %d hash %016x %s", seed, hash,
                         ok() ? "ok" : absl::StrCat("FAILED ", oracle, ": ", what));
}

RunResult RunSeed(uint64_t seed, std::FILE* story_out, Timeline* timeline) {
  seed_under_way = seed;
  const Scenario scenario = ScenarioOf(seed);
  Story story(story_out, timeline);
  story.Tell("seed ", seed, ": ", scenario.Summary());
  World world(scenario, seed, &story);
  Workload workload(&world);
  Faults faults(&world);
  world.Boot();
  workload.Start();
  world.RunUntil(Instant() + kFaultsBegin);
  faults.Start();
  world.RunUntil(Instant() + scenario.fault_phase);
  if (world.verdict().ok()) {
    story.SetTime(world.now());
    story.Tell("the last fault is over");
    story.timeline().Phase("the last fault is over");
    faults.Stop();
    world.Calm();
    workload.Stop();
    AwaitProgress(world, workload);
  }
  if (world.verdict().ok()) world.Finish();
  if (world.verdict().ok() && scenario.scrub_bytes_per_second > 0) AwaitScrub(world);
  story.SetTime(world.now());

  RunResult result{.seed = seed,
                   .hash = world.Hash(),
                   .simulated = world.now() - Instant(),
                   .tasks = world.scheduler().executed(),
                   .batches = world.observer().ledger().acked(),
                   .oracle = world.verdict().oracle(),
                   .what = world.verdict().what(),
                   .coverage = world.coverage(),
                   .faults = world.decisions().faults()};
  story.Tell(result.Line());
  story.timeline().Finish(result.oracle, result.what);
  return result;
}

}  // namespace tidemark::sim
