#include "sim/explore/explorer.h"

#include <algorithm>

#include "engine/base/check.h"

namespace tidemark::sim::explore {
namespace {

// A record is the members, the network, the witness, the budgets (two words), and how it was come
// to: from which record, by which event (two words).
constexpr size_t kRest = 4;
constexpr size_t kOrigin = 3;
constexpr uint32_t kNoParent = HashIndex::kNone;
// How many states are expanded before somebody is asked whether to go on.
constexpr uint32_t kBetweenQuestions = 1 << 12;

}  // namespace

Explorer::Explorer(const Options& options)
    : space_(options), records_(options.nodes + kRest + kOrigin) {
  State state = space_.Initial();
  uint32_t number = Add(state, kNoParent, {});
  const uint64_t budgets = state.budgets;
  for (const Event& event : space_.Prelude()) {
    State to;
    state.budgets = ~uint64_t{0};
    TIDEMARK_CHECK(space_.Step(state, event, to, verdict_) == Space::Result::kStep);
    state = to;
    state.budgets = budgets;
    number = Add(state, number, event);
  }
  root_ = number;
}

void Explorer::Run(const Limits& limits) {
  const uint64_t depth_max = space_.options().depth;
  stats_.states = 1;
  stats_.by_depth = {1};
  uint32_t next = root_;
  while (stats_.depth < depth_max && verdict_.ok()) {
    const uint32_t end = records_.size();
    stats_.by_depth.push_back(0);
    for (; next < end; ++next) {
      if (!Expand(next, limits.reduce)) return;
      if (next % kBetweenQuestions == 0 && limits.over && limits.over()) {
        stats_.stopped = true;
        return;
      }
    }
    ++stats_.depth;
    if (limits.deeper) limits.deeper();
    if (records_.size() == end) {
      stats_.by_depth.pop_back();
      stats_.exhausted = true;
      return;
    }
  }
}

// False if an oracle spoke.
bool Explorer::Expand(uint32_t number, bool reduce) {
  const State from = StateOf(number);
  const bool first = number == root_;
  const bool alike = first && !space_.options().elected &&
                     space_.options().initial_voters() == space_.options().nodes;
  const State parent = first ? from : StateOf(ParentOf(number));
  const Event last = EventOf(number);
  space_.ForEachEvent(from, [&](const Event& event) {
    if (!verdict_.ok()) return;
    if ((alike && event.node != 1) ||
        (reduce && !first && event.node < last.node && space_.Commutes(parent, last, event))) {
      ++stats_.commuting;
      return;
    }
    Try(number, from, event);
  });
  return verdict_.ok();
}

void Explorer::Try(uint32_t number, const State& from, const Event& event) {
  from_ = number;
  trying_ = event;
  State to;
  const Space::Result result = space_.Step(from, event, to, verdict_);
  if (result == Space::Result::kNothing) {
    ++stats_.idle;
    return;
  }
  if (result == Space::Result::kBeyond) {
    ++stats_.beyond;
    return;
  }
  ++stats_.transitions;
  const uint32_t before = records_.size();
  Add(to, number, event);
  if (records_.size() == before) return;
  ++stats_.states;
  ++stats_.by_depth.back();
}

void Explorer::Encode(const State& state) {
  scratch_.assign(state.locals.begin(),
                  state.locals.begin() + static_cast<ptrdiff_t>(space_.options().nodes));
  scratch_.push_back(state.network);
  scratch_.push_back(state.witness);
  scratch_.push_back(static_cast<uint32_t>(state.budgets));
  scratch_.push_back(static_cast<uint32_t>(state.budgets >> 32));
}

std::span<const uint32_t> Explorer::KeyOf(uint32_t number) const {
  return records_[number].first(space_.options().nodes + kRest);
}

uint32_t Explorer::Add(const State& state, uint32_t parent, const Event& event) {
  Encode(state);
  const uint64_t hash = HashOf(scratch_);
  const uint32_t known = index_.Find(hash, [&](uint32_t number) {
    const std::span<const uint32_t> key = KeyOf(number);
    return std::equal(key.begin(), key.end(), scratch_.begin());
  });
  if (known != HashIndex::kNone) return known;
  const uint32_t number = records_.size();
  scratch_.push_back(parent);
  scratch_.push_back(static_cast<uint32_t>(event.kind) << 8 | event.node);
  scratch_.push_back(event.arg);
  records_.Add(scratch_);
  index_.Add(hash, number, [this](uint32_t each) { return HashOf(KeyOf(each)); });
  return number;
}

State Explorer::StateOf(uint32_t number) const {
  const std::span<const uint32_t> record = records_[number];
  const size_t nodes = space_.options().nodes;
  State state;
  std::copy(record.begin(), record.begin() + static_cast<ptrdiff_t>(nodes), state.locals.begin());
  state.network = record[nodes];
  state.witness = record[nodes + 1];
  state.budgets = record[nodes + 2] | uint64_t{record[nodes + 3]} << 32;
  return state;
}

uint32_t Explorer::ParentOf(uint32_t number) const {
  return records_[number][space_.options().nodes + kRest];
}

Event Explorer::EventOf(uint32_t number) const {
  const std::span<const uint32_t> record = records_[number];
  const size_t at = space_.options().nodes + kRest + 1;
  return {.kind = static_cast<Event::Kind>(record[at] >> 8),
          .node = record[at] & 0xff,
          .arg = record[at + 1]};
}

std::vector<Event> Explorer::Path() const {
  std::vector<Event> events = {trying_};
  for (uint32_t number = from_; ParentOf(number) != kNoParent; number = ParentOf(number)) {
    events.push_back(EventOf(number));
  }
  std::reverse(events.begin(), events.end());
  return events;
}

}  // namespace tidemark::sim::explore
