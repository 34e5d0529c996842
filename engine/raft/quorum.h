#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"
#include "engine/raft/node_set.h"

// The arithmetic of quorums, apart from everything that uses it: pure functions of who said what,
// without allocation. A majority decides; during a change of members two majorities must, that of
// the incoming and that of the outgoing voters.
//   Source  thesis 3.4, 3.6 (majorities), 4.3 (joint consensus). That no voters at all agree to
//           everything, so that half a joint configuration behaves like the other half, is the
//           convention of etcd-io/raft, package quorum.

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

// What no voters have reached: beyond everything, so that a minimum with it changes nothing.
inline constexpr LogIndex kReachedByNobody{std::numeric_limits<uint64_t>::max()};

// The result of two majorities that must both agree.
VoteResult Both(VoteResult a, VoteResult b);

// A set of voters that decides by majority.
class MajorityConfig {
 public:
  MajorityConfig() = default;
  // `voters` ascending, without repetition, at most kNodesMax.
  //   Checks  dies otherwise.
  explicit MajorityConfig(std::vector<NodeId> voters) : voters_(std::move(voters)) {}

  const NodeSet& voters() const { return voters_; }
  NodeSet& voters() { return voters_; }
  bool Contains(NodeId node) const { return voters_.Contains(node); }

  // The highest index that a majority holds durably; kReachedByNobody without voters.
  // `acked(NodeId) -> LogIndex` is what each voter is known to hold, 0 if nothing is known.
  template <typename Acked>
  LogIndex CommittedIndex(const Acked& acked) const {
    return Reached(acked, kReachedByNobody);
  }

  // The latest instant at or after which a majority was heard; Never() without voters.
  // `heard(NodeId) -> Instant`.
  template <typename Heard>
  Instant HeardAt(const Heard& heard) const {
    return Reached(heard, Instant::Never());
  }

  // The result of an election, won without voters. `vote(NodeId) -> Vote`.
  template <typename VoteOf>
  VoteResult Result(const VoteOf& vote) const {
    size_t granted = 0;
    size_t refused = 0;
    for (const NodeId voter : voters_) {
      const Vote answer = vote(voter);
      granted += answer == Vote::kGranted ? 1 : 0;
      refused += answer == Vote::kRefused ? 1 : 0;
    }
    return Decide(granted, refused);
  }

  friend bool operator==(const MajorityConfig&, const MajorityConfig&) = default;

 private:
  VoteResult Decide(size_t granted, size_t refused) const;
  // The largest value that a majority has reached; `values` is not empty, its order not kept.
  static LogIndex ReachedByMajority(std::span<LogIndex> values);
  static Instant ReachedByMajority(std::span<Instant> values);

  // By value, unlike the standard ones: compilers make conditional moves of them.
  template <typename Value>
  static Value Lesser(Value a, Value b) {
    return b < a ? b : a;
  }
  template <typename Value>
  static Value Greater(Value a, Value b) {
    return a < b ? b : a;
  }

  template <typename Value, typename ValueOf>
  Value Reached(const ValueOf& value_of, Value of_nobody) const {
    const size_t count = voters_.size();
    if (count == 0) return of_nobody;
    // Most groups: the middle one of three, without a branch to mispredict.
    if (count == 3) {
      const Value a = value_of(voters_[0]);
      const Value b = value_of(voters_[1]);
      const Value c = value_of(voters_[2]);
      return Greater(Lesser(a, b), Lesser(Greater(a, b), c));
    }
    if (count <= kReplicasMax) return ReachedOf<kReplicasMax, Value>(value_of);
    return ReachedOf<kNodesMax, Value>(value_of);
  }

  template <size_t kMost, typename Value, typename ValueOf>
  Value ReachedOf(const ValueOf& value_of) const {
    std::array<Value, kMost> values;
    for (size_t i = 0; i < voters_.size(); ++i) values[i] = value_of(voters_[i]);
    return ReachedByMajority(std::span<Value>(values.data(), voters_.size()));
  }

  NodeSet voters_;
};

// Two sets of voters that must both agree; with an empty `outgoing`, an ordinary majority.
struct JointConfig {
  MajorityConfig incoming;
  MajorityConfig outgoing;

  bool joint() const { return !outgoing.voters().empty(); }
  bool Contains(NodeId node) const { return incoming.Contains(node) || outgoing.Contains(node); }
  // The voters of either half.
  NodeSet Voters() const;

  // As in MajorityConfig.
  template <typename Acked>
  LogIndex CommittedIndex(const Acked& acked) const {
    return std::min(incoming.CommittedIndex(acked), outgoing.CommittedIndex(acked));
  }
  template <typename Heard>
  Instant HeardAt(const Heard& heard) const {
    return std::min(incoming.HeardAt(heard), outgoing.HeardAt(heard));
  }
  template <typename VoteOf>
  VoteResult Result(const VoteOf& vote) const {
    return Both(incoming.Result(vote), outgoing.Result(vote));
  }

  friend bool operator==(const JointConfig&, const JointConfig&) = default;
};

}  // namespace tidemark::raft
