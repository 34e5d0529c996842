#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "sim/checkers/progress.h"
#include "sim/coverage.h"
#include "sim/decisions.h"
#include "sim/faults.h"
#include "sim/history.h"
#include "sim/operator.h"
#include "sim/plan.h"
#include "sim/story.h"
#include "sim/timeline/timeline.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace tidemark::sim {

// What one run came to.
struct RunResult {
  uint64_t seed = 0;
  uint64_t hash = 0;
  Duration simulated;
  uint64_t tasks = 0;  // scheduled things that happened
  uint64_t batches = 0;
  // Empty if all is well; else the oracle that spoke, and what it said.
  std::string oracle;
  std::string what;
  Coverage coverage;

  bool ok() const { return oracle.empty(); }
  // "seed 7 hash 0123456789abcdef ok" or the oracle and its words.
  std::string Line() const;
};

// Who watches a run. All may be null; they must outlive it.
struct Watchers {
  std::FILE* story = nullptr;  // gets a readable account
  DecisionLog* log = nullptr;
  StepListener* listener = nullptr;
  std::FILE* history = nullptr;  // gets what clients do (history.h)
  Timeline* timeline = nullptr;  // is finished when the run is over
};

// One run, a step at a time: faults for the scenario's fault phase, then calm until everything is
// well again (or has not become so in time).
class Execution {
 public:
  explicit Execution(Plan plan, const Watchers& watchers = {});

  // Does the next thing that is due; false when the run is over.
  bool Advance();
  // What it came to, or has come to so far.
  RunResult Result() const;

  const Plan& plan() const { return plan_; }
  World& world() { return world_; }
  const World& world() const { return world_; }

 private:
  enum class Phase : uint8_t {
    kBeforeFaults,
    kFaults,
    kWithoutSome,
    kHealing,
    kRepairing,
    kScrubbing,
    kOver
  };

  // The present stretch of time is over: begins the next one.
  void Turn();
  void Heal();
  void BeginHealing(Phase phase);
  // Whether some nodes are away from now on.
  bool KeepSomeAway();
  // All is well: restarts one more process, if any is to be, once nothing has happened for a while.
  // False: none is.
  bool RestartQuietly();
  // The quiet phase: waits until everything is well and stays so, with the same leaders.
  void LookForProgress();
  // Whether some snapshot has come further, so that the phase may take longer.
  bool GrantMoreTime(const ClusterFacts& facts);
  // The very end: a byte of each disk rots, and each node's scrubber must notice, and the others
  // help.
  void LookForRot();
  void Finish();

  const Plan plan_;
  DecisionLog* const log_;
  Story story_;
  std::optional<History> history_;
  World world_;
  Workload workload_;
  Operator operator_;
  Faults faults_;
  Phase phase_ = Phase::kBeforeFaults;
  Instant until_;     // the present stretch ends here
  Instant deadline_;  // of the present phase
  Instant healing_since_;
  // What of snapshots had come when it was last looked.
  std::map<std::pair<NodeId, GroupId>, uint64_t> received_;
  Duration scrub_bound_;
  std::optional<Instant> well_since_;
  uint32_t restarts_ = 0;  // when all was quiet
  std::map<GroupId, std::pair<NodeId, Term>> leaders_;
};

// Runs to the end.
RunResult RunPlan(Plan plan, const Watchers& watchers = {});
// The swarm's `seed`.
RunResult RunSeed(uint64_t seed, const Watchers& watchers = {});

// ReplayCommandOf the plan that is being run: what a failed check says.
const std::string& ReplayCommandUnderWay();

// `words` is told about a check of the product that fails, with the run still as it was, before the
// process ends.
void SetLastWords(std::function<void(std::string_view check)> words);
void SayLastWords(std::string_view check);

}  // namespace tidemark::sim
