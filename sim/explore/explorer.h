#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/explore/space.h"
#include "sim/explore/tables.h"

namespace tidemark::sim::explore {

// How an exploration goes; it decides when it ends, never what it finds up to there.
struct Limits {
  // Off to see that the reduction loses nothing.
  bool reduce = true;
  // Asked now and then; true ends it. Empty: nobody is asked.
  std::function<bool()> over;
  // Told after each depth. Empty: nobody is.
  std::function<void()> deeper;
};

struct Stats {
  // Steps made and compared, and the different states that they led to, the first included.
  uint64_t transitions = 0;
  uint64_t states = 0;
  // All states up to here were visited and what follows from them was seen.
  uint64_t depth = 0;
  // Nothing is left that could happen.
  bool exhausted = false;
  bool stopped = false;
  // Events that were not followed: those that lead to what another order leads to, those that lead
  // to nothing that was not possible before, and those beyond the last term.
  uint64_t commuting = 0;
  uint64_t idle = 0;
  uint64_t beyond = 0;
  // By depth: new states.
  std::vector<uint64_t> by_depth;
};

// Visits every state of a space up to a depth, breadth first: what is found first is shortest.
//   Reduction  of two events at different members that could happen in either order only one order
//           is followed. A state remembers one event that led to it; what could have happened
//           before it, at a member of a lower number, is left to the other order. No state is lost:
//           where the order that is left to is itself left to another, the last event of each is of
//           a higher member than that of the one before, so one of them is followed, and all are as
//           long. Source: the sleep sets of Godefroid, "Partial-Order Methods for the Verification
//           of Concurrent Systems" (1996), of which this is the part that needs no memory.
//           The members are alike in the beginning: the first event is at member 1.
class Explorer {
 public:
  explicit Explorer(const Options& options);

  // Until the depth is reached, nothing is left, an oracle speaks, or it has to end.
  void Run(const Limits& limits);

  const Stats& stats() const { return stats_; }
  const Verdict& verdict() const { return verdict_; }
  Space& space() { return space_; }
  // The events from Space::Initial() to what the verdict is about; while Run is in a step, to that
  // step and with it.
  std::vector<Event> Path() const;

 private:
  bool Expand(uint32_t number, bool reduce);
  void Try(uint32_t number, const State& from, const Event& event);
  uint32_t Add(const State& state, uint32_t parent, const Event& event);
  State StateOf(uint32_t number) const;
  uint32_t ParentOf(uint32_t number) const;
  Event EventOf(uint32_t number) const;
  void Encode(const State& state);
  std::span<const uint32_t> KeyOf(uint32_t number) const;

  Space space_;
  Records records_;
  HashIndex index_;
  Stats stats_;
  Verdict verdict_;
  // Where the exploration begins, behind the prelude.
  uint32_t root_ = 0;
  // What is being tried.
  uint32_t from_ = 0;
  Event trying_;
  std::vector<uint32_t> scratch_;
};

}  // namespace tidemark::sim::explore
