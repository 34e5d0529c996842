#include "engine/node/standing.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/quorum.h"

namespace tidemark {

Standing::Standing(NodeId self, std::vector<NodeId> founders, NodeStanding record)
    : self_(self), founders_(std::move(founders)), record_(std::move(record)) {
  if (record_.generation > 0) durable_ = record_;
  Vouch();
}

const NodeStanding& Standing::BeginWrite() {
  TIDEMARK_CHECK(!writing_.has_value());
  ++record_.generation;
  writing_ = record_;
  return *writing_;
}

void Standing::OnWritten() {
  TIDEMARK_CHECK(writing_.has_value());
  durable_ = *std::exchange(writing_, std::nullopt);
}

void Standing::OnIntroduction(NodeId from, const Introduction& message) {
  if (from == self_ || message.incarnation == Incarnation()) return;
  if (record_.known.size() < kNodesMax) {
    record_.known.try_emplace(
        from, KnownNode{.incarnation = message.incarnation, .founding = !record_.settled});
  }
  if (record_.settled) return;
  if (message.known == record_.incarnation) {
    vouched_[from] = message.founding;
  } else if (message.known != Incarnation()) {
    vouched_.erase(from);
    refused_by_.insert(from);
  }
  if (message.admitted == record_.incarnation) {
    record_.settled = true;
    record_.fence_term = message.fence_term;
    record_.fence_index = message.fence_index;
    for (const auto& [node, incarnation] : message.others) {
      if (node != self_ && record_.known.size() < kNodesMax)
        record_.known[node] = {.incarnation = incarnation};
    }
    return;
  }
  Vouch();
}

void Standing::Vouch() {
  if (record_.settled || !refused_by_.empty() ||
      !std::binary_search(founders_.begin(), founders_.end(), self_))
    return;
  size_t founding = 1;
  size_t others = 0;
  for (const auto& [node, since_founding] : vouched_) {
    if (!std::binary_search(founders_.begin(), founders_.end(), node)) continue;
    ++others;
    if (since_founding) ++founding;
  }
  const size_t rest = founders_.size() - 1;
  record_.settled = founding >= raft::MajorityOf(founders_.size()) ||
                    (rest > 0 && others >= raft::MajorityOf(rest));
}

void Standing::OnRecorded(NodeId node, Incarnation incarnation) {
  if (node == self_) return;
  const auto at = record_.known.find(node);
  if (at != record_.known.end()) {
    if (at->second.incarnation != incarnation) {
      at->second = {.incarnation = incarnation, .recorded = true};
    }
  } else if (record_.known.size() < kNodesMax) {
    record_.known.emplace(node, KnownNode{.incarnation = incarnation});
  }
}

Incarnation Standing::KnownOf(NodeId node) const {
  const auto at = durable_.known.find(node);
  return at == durable_.known.end() ? Incarnation() : at->second.incarnation;
}

bool Standing::MayVouchFor(NodeId node) const {
  const auto at = durable_.known.find(node);
  return at != durable_.known.end() && !at->second.recorded;
}

bool Standing::MetFounding(NodeId node) const {
  const auto at = durable_.known.find(node);
  return at != durable_.known.end() && at->second.founding;
}

Introduction Standing::Introduce(NodeId to, bool asks) const {
  TIDEMARK_CHECK_GT(durable_.generation, 0u);
  return {.incarnation = durable_.incarnation,
          .settled = record_.settled,
          .refused = refused(),
          .asks = asks,
          .known = MayVouchFor(to) ? KnownOf(to) : Incarnation(),
          .founding = MetFounding(to),
          .admitted = {},
          .fence_term = {},
          .fence_index = {},
          .others = {}};
}

}  // namespace tidemark
