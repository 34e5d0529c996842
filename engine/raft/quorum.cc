#include "engine/raft/quorum.h"

#include <algorithm>
#include <functional>

#include "engine/base/check.h"

namespace tidemark::raft {
namespace {

template <typename Value>
Value NthLargest(std::span<Value> values, size_t n) {
  TIDEMARK_CHECK_LE(n, values.size());
  // For as few values as voters this is faster than std::nth_element.
  std::sort(values.begin(), values.end(), std::greater<Value>());
  return values[n - 1];
}

}  // namespace

LogIndex MajorityConfig::ReachedByMajority(std::span<LogIndex> values) {
  return NthLargest(values, MajorityOf(values.size()));
}

Instant MajorityConfig::ReachedByMajority(std::span<Instant> values) {
  return NthLargest(values, MajorityOf(values.size()));
}

VoteResult MajorityConfig::Decide(size_t granted, size_t refused) const {
  if (voters_.empty()) return VoteResult::kWon;
  const size_t majority = MajorityOf(voters_.size());
  if (granted >= majority) return VoteResult::kWon;
  if (voters_.size() - refused < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

VoteResult Both(VoteResult a, VoteResult b) {
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  if (a == VoteResult::kWon && b == VoteResult::kWon) return VoteResult::kWon;
  return VoteResult::kPending;
}

NodeSet JointConfig::Voters() const {
  NodeSet all = incoming.voters();
  for (const NodeId voter : outgoing.voters()) all.Insert(voter);
  return all;
}

}  // namespace tidemark::raft
