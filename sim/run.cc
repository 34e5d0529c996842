#include "sim/run.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim/checkers/progress.h"

namespace tidemark::sim {
namespace {

std::string& UnderWay() {
  static std::string* const command = new std::string;
  return *command;
}

std::function<void(std::string_view)>& LastWords() {
  static auto* const words = new std::function<void(std::string_view)>;
  return *words;
}

constexpr Duration kFaultsBegin = Duration::Millis(300);
constexpr Duration kLook = Duration::Millis(100);
// All must stay well this long: leaders that come and go are no progress.
constexpr Duration kStable = Duration::Millis(500);
// Of the time to heal, as long as snapshots come.
constexpr int64_t kHealBoundsAtMost = 20;
// In which groups in which nothing happens go quiet.
constexpr int64_t kQuietAfter = 12;  // heartbeats
// Within this time, its pauses, and what its rate makes of the bytes that there are, every scrubber
// has looked at everything twice. Beside other reads it reaches about half of its rate.
constexpr Duration kScrubBound = Duration::Seconds(60);
constexpr uint64_t kScrubReadsOfAll = 4;

uint64_t BytesOn(const Disk& disk) {
  const std::unique_ptr<DirectoryView> view = disk.View();
  uint64_t bytes = 0;
  for (const GroupId group : view->Groups()) {
    for (const FileId& file : view->List(group)) {
      const absl::StatusOr<uint64_t> size = view->Size(file);
      if (size.ok()) bytes += *size;
    }
  }
  return bytes;
}

Duration ScrubBound(const World& world) {
  uint64_t bytes = 0;
  for (size_t node = 0; node < world.nodes(); ++node) {
    bytes = std::max(bytes, BytesOn(world.disk(node)));
  }
  const uint64_t millis = bytes * kScrubReadsOfAll * 1000 / world.scenario().scrub_bytes_per_second;
  return kScrubBound + world.scenario().scrub_pause * 3 +
         Duration::Millis(static_cast<int64_t>(millis));
}

Decisions DecisionsOf(const Plan& plan, DecisionLog* log) {
  Decisions decisions = plan.script.has_value() ? Decisions(*plan.script) : Decisions(plan.seed);
  decisions.LogTo(log);
  return decisions;
}

}  // namespace

const std::string& ReplayCommandUnderWay() { return UnderWay(); }

void SetLastWords(std::function<void(std::string_view)> words) { LastWords() = std::move(words); }

void SayLastWords(std::string_view check) {
  // Once: words may fail a check themselves.
  if (const auto words = std::exchange(LastWords(), {})) words(check);
}

std::string RunResult::Line() const {
  return absl::StrFormat("seed %d hash %016x %s", seed, hash,
                         ok() ? "ok" : absl::StrCat("FAILED ", oracle, ": ", what));
}

Execution::Execution(Plan plan, const Watchers& watchers)
    : plan_(std::move(plan)),
      log_(watchers.log),
      story_(watchers.story, watchers.timeline),
      world_(plan_.scenario, DecisionsOf(plan_, watchers.log), &story_),
      workload_(&world_),
      operator_(&world_),
      faults_(&world_) {
  UnderWay() = ReplayCommandOf(plan_);
  story_.Tell("seed ", plan_.seed, ": ", plan_.scenario.Summary());
  world_.ListenWith(watchers.listener);
  if (watchers.history != nullptr) {
    history_.emplace(watchers.history, plan_.seed);
    history_->OnBegin(plan_);
    world_.RecordTo(&*history_);
  }
  world_.Boot();
  workload_.Start();
  until_ = Instant() + kFaultsBegin;
}

bool Execution::Advance() {
  if (phase_ == Phase::kOver) return false;
  if (log_ != nullptr) log_->SetTasks(world_.scheduler().executed() + 1);
  if (world_.RunNext(until_)) return true;
  Turn();
  return phase_ != Phase::kOver;
}

void Execution::Turn() {
  if (!world_.verdict().ok()) {
    Finish();
    return;
  }
  switch (phase_) {
    case Phase::kBeforeFaults:
      phase_ = Phase::kFaults;
      faults_.Start();
      operator_.Start();
      until_ = Instant() + plan_.scenario.fault_phase;
      break;
    case Phase::kFaults:
      Heal();
      break;
    case Phase::kWithoutSome:
    case Phase::kHealing:
      LookForProgress();
      break;
    case Phase::kRepairing:
    case Phase::kScrubbing:
      LookForRot();
      break;
    case Phase::kOver:
      break;
  }
  if (!world_.verdict().ok()) Finish();
}

void Execution::Heal() {
  story_.SetTime(world_.now());
  story_.Tell("the last fault is over");
  story_.timeline().Phase("the last fault is over");
  faults_.Stop();
  operator_.Stop();
  world_.Calm();
  workload_.Stop();
  BeginHealing(KeepSomeAway() ? Phase::kWithoutSome : Phase::kHealing);
}

void Execution::BeginHealing(Phase phase) {
  phase_ = phase;
  well_since_.reset();
  healing_since_ = world_.now();
  deadline_ = world_.now() + plan_.scenario.heal_bound;
  until_ = world_.now() + kLook;
}

bool Execution::KeepSomeAway() {
  const Scenario& scenario = plan_.scenario;
  const size_t founders = scenario.nodes.size();
  const size_t copies = std::min<size_t>(founders, scenario.replication_factor);
  const size_t dispensable = (copies - 1) / 2;
  if (!scenario.minority_away || dispensable == 0 || !world_.MayKeepAway()) return false;
  // Without a decision: nobody.
  const uint64_t first = world_.decisions().Below(Site::kAwayNode, 0, founders + 1);
  if (first == 0) return false;
  for (size_t i = 0; i < dispensable; ++i) world_.KeepAway((first - 1 + i) % founders);
  // Who asked those that are gone must find the others.
  workload_.AskForMore();
  return true;
}

bool Execution::RestartQuietly() {
  const Scenario& scenario = plan_.scenario;
  if (restarts_ == scenario.quiet_restarts) return false;
  if (world_.now() - *well_since_ < kStable + scenario.heartbeat_interval * kQuietAfter)
    return true;
  const uint32_t ordinal = restarts_++;
  Decisions& decisions = world_.decisions();
  const uint64_t node = decisions.Below(Site::kQuietRestartNode, ordinal, world_.nodes() + 1);
  if (node == 0) return restarts_ < scenario.quiet_restarts;
  const bool power_loss = decisions.Below(Site::kQuietRestartPower, ordinal, 2) == 1;
  // Most are back before anybody misses them.
  const Duration down = decisions.Between(Site::kQuietRestartDown, ordinal, Duration::Millis(1),
                                          scenario.election_timeout * 3 / 2);
  story_.SetTime(world_.now());
  world_.RestartQuietly(node - 1, power_loss, down);
  BeginHealing(Phase::kHealing);
  return true;
}

void Execution::LookForProgress() {
  ClusterFacts facts = world_.Facts();
  workload_.AddTo(facts);
  operator_.AddTo(facts);
  const std::string unwell = WhatIsUnwell(facts);
  std::map<GroupId, std::pair<NodeId, Term>> present;
  for (const ClusterFacts::Member& member : facts.members) {
    for (const auto& [group, state] : member.groups) {
      if (state.leads) present[group] = {member.id, state.term};
    }
  }
  if (!unwell.empty() || present != leaders_) well_since_.reset();
  leaders_ = std::move(present);
  if (unwell.empty() && !well_since_.has_value()) well_since_ = world_.now();
  until_ = world_.now() + kLook;
  if (well_since_.has_value() && world_.now() - *well_since_ >= kStable) {
    if (phase_ == Phase::kWithoutSome) {
      world_.BringBack();
      BeginHealing(Phase::kHealing);
      return;
    }
    if (RestartQuietly()) return;
    // What has rotted meanwhile is repaired first, if anybody comes by; nobody was in a hurry.
    if (plan_.scenario.scrub_bytes_per_second > 0 && !world_.RotLeft().empty()) {
      phase_ = Phase::kRepairing;
      scrub_bound_ = ScrubBound(world_);
      deadline_ = world_.now() + scrub_bound_;
      return;
    }
    world_.Finish();
    if (!world_.verdict().ok() || plan_.scenario.scrub_bytes_per_second == 0) {
      Finish();
      return;
    }
    world_.RotSomewhere();
    phase_ = Phase::kScrubbing;
    scrub_bound_ = ScrubBound(world_);
    deadline_ = world_.now() + scrub_bound_;
    LookForRot();
    return;
  }
  if (GrantMoreTime(facts)) return;
  if (world_.now() >= deadline_) {
    world_.verdict().Fail(
        "progress", absl::StrCat(plan_.scenario.heal_bound.millis(), " ms after the last fault: ",
                                 unwell.empty() ? "leaders keep changing" : unwell));
  }
}

// Hundreds of tiny segments, each of several flushes, take their time: not while more of them come,
// though there is an end to that, too.
bool Execution::GrantMoreTime(const ClusterFacts& facts) {
  std::map<std::pair<NodeId, GroupId>, uint64_t> received;
  bool more = false;
  for (const ClusterFacts::Member& member : facts.members) {
    for (const auto& [group, state] : member.groups) {
      if (state.received_bytes == 0) continue;
      received[{member.id, group}] = state.received_bytes;
      const auto before = received_.find({member.id, group});
      more = more || before == received_.end() || before->second < state.received_bytes;
    }
  }
  received_ = std::move(received);
  const Duration bound = plan_.scenario.heal_bound;
  if (!more || world_.now() - healing_since_ >= bound * kHealBoundsAtMost) return false;
  deadline_ = world_.now() + bound;
  return true;
}

void Execution::LookForRot() {
  const std::string missing = world_.RotLeft();
  if (missing.empty() && phase_ == Phase::kRepairing) {
    BeginHealing(Phase::kHealing);
    return;
  }
  if (missing.empty()) {
    Finish();
    return;
  }
  if (world_.now() >= deadline_) {
    world_.verdict().Fail("scrub", absl::StrCat(missing, " within ", scrub_bound_.millis(), " ms"));
  }
  until_ = world_.now() + kLook;
}

void Execution::Finish() {
  if (phase_ == Phase::kOver) return;
  phase_ = Phase::kOver;
  story_.SetTime(world_.now());
  if (story_.on()) story_.Tell(Result().Line());
  if (history_.has_value()) history_->OnEnd(world_.now(), world_.verdict().oracle());
  story_.timeline().Finish(world_.verdict().oracle(), world_.verdict().what());
}

RunResult Execution::Result() const {
  return {.seed = plan_.seed,
          .hash = world_.Hash(),
          .simulated = world_.now() - Instant(),
          .tasks = world_.scheduler().executed(),
          .batches = world_.observer().ledger().acked(),
          .oracle = world_.verdict().oracle(),
          .what = world_.verdict().what(),
          .coverage = world_.coverage()};
}

RunResult RunPlan(Plan plan, const Watchers& watchers) {
  Execution run(std::move(plan), watchers);
  while (run.Advance()) {
  }
  return run.Result();
}

RunResult RunSeed(uint64_t seed, const Watchers& watchers) {
  return RunPlan(PlanOf(seed), watchers);
}

}  // namespace tidemark::sim
