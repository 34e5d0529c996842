#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "sim/checkers/verdict.h"
#include "sim/explore/step_cache.h"
#include "sim/explore/tables.h"

namespace tidemark::sim::explore {

// What the oracles remember of a path: who led which term, and what is committed for ever. It is
// part of the state, and does not depend on the order of events that commute.
//   Judges  election_safety, leader_completeness, state_machine, log_matching, commit_rules and
//           durable_quorum, as the checkers of the same names do in runs (sim/checkers). Each is
//           a fact about one state, so an order of events that is left out hides none.
class Witness {
 public:
  Witness(const StepCache* cache, const Options& options);

  // The number of what is remembered in the beginning.
  static uint32_t Initial() { return 0; }
  // Entries that are committed.
  uint32_t Committed(uint32_t number) const {
    return static_cast<uint32_t>(history_[number].committed.size());
  }

  // `locals` are the members after a step of the one at `at`, which was `before`; `crashed` if the
  // step was a crash. What is remembered after `number`.
  uint32_t After(uint32_t number, uint32_t before, std::span<const uint32_t> locals, size_t at,
                 bool crashed, Verdict& verdict);

 private:
  struct CommittedEntry {
    uint64_t code = 0;
    // The lowest term of a member that knew.
    uint32_t in_term = 0;
  };
  struct History {
    // By term - 1: who led; 0 nobody.
    std::vector<uint32_t> leaders;
    std::vector<CommittedEntry> committed;
  };

  void NoteLeader(const Local& local, uint32_t node, History& history, Verdict& verdict) const;
  void NoteCommit(const Local& local, uint32_t node, History& history, Verdict& verdict) const;
  void CheckCompleteness(std::span<const uint32_t> locals, const History& history,
                         Verdict& verdict) const;
  void CheckMatching(std::span<const uint32_t> locals, size_t at, Verdict& verdict) const;
  // Of the entries from `from` on: durable in one of the groups.
  void CheckDurable(std::span<const uint32_t> locals, const History& history, size_t from,
                    std::initializer_list<const raft::JointConfig*> groups, Verdict& verdict) const;
  uint32_t Intern(const History& history);

  const StepCache* cache_;
  bool members_change_;
  Sequences numbers_;
  std::vector<History> history_;
  std::vector<uint32_t> scratch_;
};

}  // namespace tidemark::sim::explore
