#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/explore/options.h"
#include "sim/explore/step_cache.h"
#include "sim/explore/tables.h"
#include "sim/explore/witness.h"

namespace tidemark::sim::explore {

// A cluster at one moment: numbers of what the space knows.
struct State {
  std::array<uint32_t, kMembersMax> locals = {};
  // The messages under way.
  uint32_t network = 0;
  // What the oracles remember.
  uint32_t witness = 0;
  // Four bits a budget: what is left.
  uint64_t budgets = 0;

  uint64_t left(Budget budget) const {
    return budgets >> (static_cast<unsigned>(budget) * 4) & 0xf;
  }
  friend bool operator==(const State&, const State&) = default;
};

// All that may happen in a cluster, one event after another.
class Space {
 public:
  explicit Space(const Options& options);

  const Options& options() const { return cache_.options(); }
  const StepCache& cache() const { return cache_; }
  size_t networks() const { return networks_.size(); }

  // Nothing has happened.
  State Initial() const;
  // With Options::elected, the events that make member 1 the leader of all; else none.
  std::vector<Event> Prelude();

  // Calls `visit(const Event&)` for everything that may happen in `state`, in a fixed order.
  //   Lives   `visit` may make steps.
  template <typename Visit>
  void ForEachEvent(const State& state, const Visit& visit);

  enum class Result : uint8_t {
    kStep,
    kNothing,  // it cannot happen, or what it leads to can do nothing that `from` cannot
    kBeyond,   // a term beyond Options::terms
  };
  // `event` in `from`. With kStep `to` is what comes of it and `verdict` what the oracles say.
  Result Step(const State& from, const Event& event, State& to, Verdict& verdict);
  // Messages that came to nothing by being too old, so far.
  uint64_t expired() const { return expired_; }

  // Whether `event`, which may happen after `last`, could have happened before, in `parent`, and
  // the other then, with the same result.
  bool Commutes(const State& parent, const Event& last, const Event& event) const;

  // For people; different for different events of one state.
  std::string Text(const Event& event) const;
  // A line a member, and one with what is under way.
  std::string Text(const State& state) const;
  std::string LocalText(const State& state, uint32_t node) const;

 private:
  bool IsHead(std::span<const uint32_t> network, uint32_t message) const;
  uint32_t Channel(uint32_t message) const;
  uint32_t Deliver(const State& from, const Event& event, const State& to,
                   std::span<const uint32_t> sent, bool aged);
  bool Expired(const State& to, uint32_t message);
  void Put(uint32_t message);

  StepCache cache_;
  Witness witness_;
  Sequences networks_;
  uint64_t expired_ = 0;
  std::vector<uint32_t> scratch_;
  std::vector<uint32_t> sent_;
  std::vector<uint32_t> visited_;
};

template <typename Visit>
void Space::ForEachEvent(const State& state, const Visit& visit) {
  for (uint32_t node = 1; node <= options().nodes; ++node) {
    // By number: a step may move the locals.
    const uint32_t number = state.locals[node - 1];
    for (size_t i = 0; i < cache_.local(number).events.size(); ++i) {
      const Event event = cache_.local(number).events[i];
      const std::optional<Budget> budget = BudgetOf(event.kind);
      if (!budget.has_value() || state.left(*budget) > 0) visit(event);
    }
    if (state.left(Budget::kRead) > 0) {
      visit(Event{
          .kind = Event::Kind::kRead, .node = node, .arg = witness_.Committed(state.witness)});
    }
  }
  const std::span<const uint32_t> under_way = networks_[state.network];
  std::vector<uint32_t> messages(under_way.begin(), under_way.end());
  for (size_t i = 0; i < messages.size(); ++i) {
    const uint32_t message = messages[i];
    if (i > 0 && messages[i - 1] == message) continue;
    const StepCache::Address address = cache_.address(message);
    if (!options().fifo || IsHead(messages, message)) {
      visit(Event{.kind = Event::Kind::kDeliver, .node = address.to, .arg = message});
      if (state.left(Budget::kDuplicate) > 0) {
        visit(Event{.kind = Event::Kind::kDuplicate, .node = address.to, .arg = message});
      }
    }
    if (state.left(Budget::kDrop) > 0) {
      visit(Event{.kind = Event::Kind::kDrop, .node = address.from, .arg = message});
    }
  }
}

}  // namespace tidemark::sim::explore
