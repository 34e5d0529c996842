#include "sim/shrink.h"

#include <algorithm>
#include <ctime>
#include <functional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/child.h"
#include "sim/decision_log.h"
#include "sim/scenario_fields.h"

namespace tidemark::sim {
namespace {

// A candidate that takes much longer than what it came from fails in another way, if at all.
constexpr uint64_t kTasksFactor = 3;
constexpr uint64_t kTasksLeast = 20'000;
constexpr double kProgressSeconds = 5;

double Seconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Sets the fields [begin, end) of a scenario, in the order of VisitFields, to those of another one.
class CopyFields {
 public:
  CopyFields(size_t begin, size_t end) : begin_(begin), end_(end) {}

  void Group(std::string_view) {}
  template <typename T>
  void Field(std::string_view, T& field) {
    const size_t index = next_++;
    if (index < begin_ || index >= end_) return;
    T& plain = *static_cast<T*>(source_[index - begin_]);
    changes_ = changes_ || field != plain;
    field = plain;
  }

  // True if that made a difference.
  static bool Do(Scenario& from, Scenario& to, size_t begin, size_t end) {
    CopyFields copy(begin, end);
    Collect collect{copy};
    VisitFields(collect, from);
    VisitFields(copy, to);
    return copy.changes_;
  }

 private:
  struct Collect {
    CopyFields& copy;
    size_t next = 0;
    void Group(std::string_view) {}
    template <typename T>
    void Field(std::string_view, T& field) {
      if (next >= copy.begin_ && next < copy.end_) copy.source_.push_back(&field);
      ++next;
    }
  };

  size_t begin_;
  size_t end_;
  size_t next_ = 0;
  std::vector<void*> source_;
  bool changes_ = false;
};

struct CountFields {
  std::vector<size_t> group_begins;
  size_t fields = 0;
  void Group(std::string_view) { group_begins.push_back(fields); }
  template <typename T>
  void Field(std::string_view, T&) {
    ++fields;
  }
};

class Shrinker {
 public:
  explicit Shrinker(const ShrinkOptions& options)
      : options_(options), began_(Seconds()), next_progress_(kProgressSeconds) {}

  absl::StatusOr<Shrunk> Run(const Plan& plan) {
    log_.Clear();
    shrunk_.original = RunInChild(plan, &log_);
    if (shrunk_.original.ok()) {
      return absl::FailedPreconditionError("nothing to shrink: all is well in this run");
    }
    Accept(plan, shrunk_.original);
    shrunk_.original_decisions = shrunk_.plan.script->size();
    // Written down it must fail as well, or what follows would shrink another run.
    if (!Try(shrunk_.plan)) {
      return absl::InternalError("the run fails of its seed and not of its recorded decisions");
    }
    bool smaller = true;
    while (smaller && !Exhausted()) {
      smaller = ShrinkScenario();
      smaller = ShrinkDecisions() || smaller;
    }
    shrunk_.complete = !smaller;
    Progress(true);
    return shrunk_;
  }

 private:
  using Script = std::vector<Decision>;

  bool Exhausted() const {
    return shrunk_.runs >= options_.runs_max || Seconds() - began_ >= options_.seconds;
  }

  void Accept(Plan plan, RunResult result) {
    shrunk_.plan = std::move(plan);
    // As it went: without what nobody came to any more.
    shrunk_.plan.script.emplace(log_.decisions().begin(), log_.decisions().end());
    shrunk_.result = std::move(result);
  }

  // Whether `candidate` fails like the original; then it is the smallest so far.
  bool Try(Plan candidate) {
    if (Exhausted() || !candidate.scenario.Validate().ok()) return false;
    ++shrunk_.runs;
    log_.Clear();
    RunResult result =
        RunInChild(candidate, &log_,
                   {.cpu_seconds = 60,
                    .tasks_max = std::max(kTasksLeast, shrunk_.original.tasks * kTasksFactor)});
    Progress(false);
    if (result.oracle != shrunk_.original.oracle || !log_.complete()) return false;
    Accept(std::move(candidate), std::move(result));
    return true;
  }

  void Progress(bool now) {
    if (options_.progress == nullptr) return;
    if (!now && Seconds() - began_ < next_progress_) return;
    next_progress_ = Seconds() - began_ + kProgressSeconds;
    std::fprintf(options_.progress, "run %llu: %zu decisions, %zu nodes, %llu events\n",
                 static_cast<unsigned long long>(shrunk_.runs), shrunk_.plan.script->size(),
                 shrunk_.plan.scenario.nodes.size(),
                 static_cast<unsigned long long>(shrunk_.result.tasks));
  }

  bool TryChange(const std::function<bool(Scenario&)>& change) {
    Plan candidate = shrunk_.plan;
    return change(candidate.scenario) && Try(std::move(candidate));
  }

  // The plain scenario, except for what has its own way of becoming smaller.
  static Scenario PlainestOf(const Scenario& s) {
    Scenario plain;
    plain.nodes.clear();
    for (uint64_t i = 1; i <= s.nodes.size(); ++i) plain.nodes.push_back(NodeId{i});
    // Those who come later keep their ids: they are other ones.
    plain.newcomers = s.newcomers;
    plain.replication_factor = s.replication_factor;
    plain.producers = s.producers;
    plain.consumers = s.consumers;
    plain.partitions = s.partitions;
    plain.batches_in_flight = s.batches_in_flight;
    plain.records_max = s.records_max;
    plain.record_bytes_max = s.record_bytes_max;
    plain.fault_phase = s.fault_phase;
    return plain;
  }

  // As many fields as possible become plain: groups of them, then each.
  bool MakePlain() {
    CountFields count;
    Scenario plain = PlainestOf(shrunk_.plan.scenario);
    VisitFields(count, plain);
    std::vector<std::pair<size_t, size_t>> ranges;
    for (size_t i = 0; i < count.group_begins.size(); ++i) {
      const bool last = i + 1 == count.group_begins.size();
      ranges.emplace_back(count.group_begins[i], last ? count.fields : count.group_begins[i + 1]);
    }
    for (size_t i = 0; i < count.fields; ++i) ranges.emplace_back(i, i + 1);
    bool smaller = false;
    for (const auto& [begin, end] : ranges) {
      smaller |= TryChange([&, first = begin, last = end](Scenario& s) {
        return CopyFields::Do(plain, s, first, last);
      });
    }
    return smaller;
  }

  bool ShrinkScenario() {
    bool smaller = TryChange([](Scenario& s) {
      if (s.nodes.size() <= 1) return false;
      s.nodes.pop_back();
      const uint32_t nodes = static_cast<uint32_t>(s.nodes.size());
      s.replication_factor = std::min(s.replication_factor, nodes);
      return true;
    });
    smaller |= TryChange([](Scenario& s) {
      if (s.newcomers.empty()) return false;
      s.newcomers.pop_back();
      return true;
    });
    // What is over when the oracle speaks does not matter.
    smaller |= TryChange([&](Scenario& s) {
      const Duration end = shrunk_.result.simulated;
      const Duration length =
          std::max(Duration::Millis(300), Duration::Millis(end.millis() / 100 * 100 + 100));
      if (s.fault_phase <= length) return false;
      s.fault_phase = length;
      return true;
    });
    smaller |= TryChange([](Scenario& s) {
      const Duration half = Duration::Millis(s.fault_phase.millis() / 2);
      if (half < Duration::Millis(300)) return false;
      s.fault_phase = half;
      return true;
    });
    const auto lower = [&](auto Scenario::* field, auto to) {
      return TryChange([&](Scenario& s) {
        if (s.*field <= to) return false;
        s.*field = to;
        return true;
      });
    };
    smaller |= lower(&Scenario::producers, 1u);
    smaller |= lower(&Scenario::consumers, 0u);
    smaller |= lower(&Scenario::consumers, 1u);
    smaller |= lower(&Scenario::partitions, 1u);
    smaller |= lower(&Scenario::batches_in_flight, 1u);
    smaller |= lower(&Scenario::records_max, 1u);
    smaller |= lower(&Scenario::record_bytes_max, 1u);
    return MakePlain() || smaller;
  }

  bool TryWithout(const std::function<bool(const Decision&)>& goes) {
    Plan candidate = shrunk_.plan;
    return std::erase_if(*candidate.script, goes) > 0 && Try(std::move(candidate));
  }

  bool ShrinkDecisions() {
    if (shrunk_.plan.script->empty()) return false;
    bool smaller = TryWithout([](const Decision&) { return true; });
    std::set<Site> sites;
    for (const Decision& decision : *shrunk_.plan.script) sites.insert(decision.site);
    for (const Site site : sites) {
      smaller |= TryWithout([&](const Decision& decision) { return decision.site == site; });
    }
    size_t chunk = shrunk_.plan.script->size();
    while (chunk > 1 && !Exhausted()) {
      chunk = (chunk + 1) / 2;
      smaller |= TryChunks(chunk);
    }
    return smaller;
  }

  // Takes away `chunk` decisions in a row, wherever that is possible, the last ones first: what
  // came before them stays as it was.
  bool TryChunks(size_t chunk) {
    bool smaller = false;
    size_t end = shrunk_.plan.script->size();
    while (end > 0 && !Exhausted()) {
      const size_t begin = end > chunk ? end - chunk : 0;
      Plan candidate = shrunk_.plan;
      Script& script = *candidate.script;
      script.erase(script.begin() + static_cast<ptrdiff_t>(begin),
                   script.begin() + static_cast<ptrdiff_t>(end));
      smaller |= Try(std::move(candidate));
      end = std::min(begin, shrunk_.plan.script->size());
    }
    return smaller;
  }

  const ShrinkOptions options_;
  const double began_;
  double next_progress_;
  DecisionLog log_;
  Shrunk shrunk_;
};

}  // namespace

absl::StatusOr<Shrunk> Shrink(const Plan& plan, const ShrinkOptions& options) {
  return Shrinker(options).Run(plan);
}

}  // namespace tidemark::sim
