#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"

// The arithmetic of majorities, apart from everything that uses it: pure functions of who said
// what. A joint configuration is two of these whose answers are combined (the minimum of two
// committed indexes, the conjunction of two votes), so nothing here assumes that there is only one.

namespace tidemark::raft {

// What is known of one voter in one election.
enum class Vote : uint8_t { kUnknown, kGranted, kRefused };

enum class VoteResult : uint8_t {
  kPending,  // the voters still unknown can decide it either way
  kWon,      // a majority granted
  kLost,     // a majority can no longer be reached
};

// Voters that must agree: more than half of `voters`, for even numbers too.
constexpr size_t MajorityOf(size_t voters) { return voters / 2 + 1; }

// The largest value that a majority has reached, given one value per voter; the order of `values`
// is not kept. A default-constructed value (index 0, the earliest instant) when there are no
// voters.
//   Source  thesis 3.6: the index replicated on a majority is the median from below.
LogIndex ReachedByMajority(std::span<LogIndex> values);
Instant ReachedByMajority(std::span<Instant> values);

// The result of an election. Nobody wins an election without voters.
VoteResult Tally(std::span<const Vote> votes);

// The voters of one configuration.
class MajorityConfig {
 public:
  // `voters` ascending, without repetition, at most kNodesMax.
  //   Checks  dies otherwise.
  explicit MajorityConfig(std::vector<NodeId> voters);

  const std::vector<NodeId>& voters() const { return voters_; }
  bool Contains(NodeId node) const;

  // The highest index that a majority holds durably. `acked(NodeId) -> LogIndex` is what each voter
  // is known to hold.
  template <typename Acked>
  LogIndex CommittedIndex(const Acked& acked) const {
    return Reached<LogIndex>(acked);
  }

  // The latest instant at or after which a majority was heard. `heard(NodeId) -> Instant`.
  template <typename Heard>
  Instant HeardAt(const Heard& heard) const {
    return Reached<Instant>(heard);
  }

  // `vote(NodeId) -> Vote`.
  template <typename VoteOf>
  VoteResult Result(const VoteOf& vote) const {
    std::array<Vote, kNodesMax> votes;
    for (size_t i = 0; i < voters_.size(); ++i) votes[i] = vote(voters_[i]);
    return Tally(std::span<const Vote>(votes.data(), voters_.size()));
  }

 private:
  template <typename Value, typename ValueOf>
  Value Reached(const ValueOf& value_of) const {
    std::array<Value, kNodesMax> values;
    for (size_t i = 0; i < voters_.size(); ++i) values[i] = value_of(voters_[i]);
    return ReachedByMajority(std::span<Value>(values.data(), voters_.size()));
  }

  std::vector<NodeId> voters_;
};

}  // namespace tidemark::raft
