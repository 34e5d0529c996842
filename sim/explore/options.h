#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace tidemark::sim::explore {

// What is in short supply on a path: each is an event that the world may do to the members so many
// times, and without a bound the space would have no end.
enum class Budget : uint8_t {
  kAppend,     // a client's record at a leader
  kCrash,      // a member crashes and starts again with what its disk kept
  kTimeout,    // an election timeout passes at a member
  kBeat,       // a leader's heartbeat is due
  kDrop,       // a message is lost with its connection, which the sender is told
  kDuplicate,  // a message arrives and stays under way
  kChange,     // a change of members is proposed
  kTransfer,   // leadership is handed over
  kRead,       // a linearizable read
};
inline constexpr size_t kBudgets = 9;
inline constexpr uint64_t kBudgetMax = 7;

std::string_view NameOf(Budget budget);

inline constexpr uint64_t kMembersMax = 5;

// What is explored. Everything here decides the result; how long and how much memory it may take
// does not (Limits in explorer.h).
struct Options {
  uint64_t nodes = 3;
  // The first of them that vote in the beginning; the others are no members yet. 0: all.
  uint64_t voters = 0;
  // Events on a path.
  uint64_t depth = 12;
  // No member goes to a term beyond.
  uint64_t terms = 3;
  std::array<uint64_t, kBudgets> budgets = {1, 0, 3, 0, 0, 0, 0, 0, 0};
  // Messages of one sender to one receiver arrive in order, as on a connection. Otherwise in any.
  bool fifo = false;
  // Begin with member 1 as the leader of all, its no-op committed, instead of with nothing.
  bool elected = false;
  bool pre_vote = true;
  bool check_quorum = true;
  bool noop = true;
  // Disks that lose what they had synced: an oracle must speak.
  bool canary = false;

  uint64_t& of(Budget budget) { return budgets[static_cast<size_t>(budget)]; }
  uint64_t of(Budget budget) const { return budgets[static_cast<size_t>(budget)]; }
  uint64_t initial_voters() const { return voters == 0 ? nodes : voters; }

  // Errors  kInvalidArgument, with what is out of range and its bounds.
  absl::Status Validate() const;
  friend bool operator==(const Options&, const Options&) = default;
};

// All the numbers and switches by their names in flags ("--NAME") and files.
template <typename Self, typename Number, typename Switch>
void VisitOptions(Self& options, const Number& number, const Switch& flag) {
  number("nodes", options.nodes);
  number("voters", options.voters);
  number("depth", options.depth);
  number("terms", options.terms);
  for (size_t i = 0; i < kBudgets; ++i) {
    number(NameOf(static_cast<Budget>(i)), options.budgets[i]);
  }
  flag("fifo", options.fifo);
  flag("elected", options.elected);
  flag("pre-vote", options.pre_vote);
  flag("check-quorum", options.check_quorum);
  flag("noop", options.noop);
  flag("canary", options.canary);
}

}  // namespace tidemark::sim::explore
