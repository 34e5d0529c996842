#include "engine/raft/quorum.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace tidemark::raft {
namespace {

template <typename Value>
Value Reached(std::span<Value> values) {
  if (values.empty()) return Value();
  const auto at = values.begin() + static_cast<ptrdiff_t>(MajorityOf(values.size()) - 1);
  std::nth_element(values.begin(), at, values.end(), std::greater<Value>());
  return *at;
}

}  // namespace

LogIndex ReachedByMajority(std::span<LogIndex> values) { return Reached(values); }
Instant ReachedByMajority(std::span<Instant> values) { return Reached(values); }

VoteResult Tally(std::span<const Vote> votes) {
  if (votes.empty()) return VoteResult::kLost;
  const size_t majority = MajorityOf(votes.size());
  const auto granted = std::count(votes.begin(), votes.end(), Vote::kGranted);
  const auto refused = std::count(votes.begin(), votes.end(), Vote::kRefused);
  if (static_cast<size_t>(granted) >= majority) return VoteResult::kWon;
  if (votes.size() - static_cast<size_t>(refused) < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

MajorityConfig::MajorityConfig(std::vector<NodeId> voters) : voters_(std::move(voters)) {
  TIDEMARK_CHECK_LE(voters_.size(), kNodesMax);
  for (size_t i = 0; i < voters_.size(); ++i) {
    TIDEMARK_CHECK_NE(voters_[i], kNoNode);
    if (i > 0) TIDEMARK_CHECK_LT(voters_[i - 1], voters_[i]);
  }
}

bool MajorityConfig::Contains(NodeId node) const {
  return std::binary_search(voters_.begin(), voters_.end(), node);
}

}  // namespace tidemark::raft
