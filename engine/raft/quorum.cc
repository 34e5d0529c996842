#include "engine/raft/quorum.h"

#include <algorithm>
#include <functional>

#include "engine/base/check.h"

namespace tidemark::raft {
namespace {

template <typename Value>
Value NthLargest(std::span<Value> values, size_t n) {
  TIDEMARK_CHECK_LE(n, values.size());
  const auto at = values.begin() + static_cast<ptrdiff_t>(n - 1);
  std::nth_element(values.begin(), at, values.end(), std::greater<Value>());
  return *at;
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
