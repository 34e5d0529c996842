#include "engine/node/membership_state.h"

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"

namespace tidemark {
namespace {

constexpr uint32_t kStateVersion = 2;

template <typename Number>
std::optional<Number> Take(std::string_view& state) {
  if (state.size() < sizeof(Number)) return std::nullopt;
  const Number number = LoadLittle<Number>(state.data());
  state.remove_prefix(sizeof(Number));
  return number;
}

void AppendNodes(const raft::NodeSet& nodes, std::string& out) {
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(nodes.size()));
  for (const NodeId node : nodes) AppendLittle<uint64_t>(out, node.value());
}

bool TakeNodes(std::string_view& state, raft::NodeSet& nodes) {
  const std::optional<uint16_t> count = Take<uint16_t>(state);
  if (!count.has_value() || *count > kNodesMax) return false;
  std::vector<NodeId> taken;
  for (uint16_t i = 0; i < *count; ++i) {
    const std::optional<uint64_t> node = Take<uint64_t>(state);
    if (!node.has_value() || *node <= (taken.empty() ? 0 : taken.back().value())) return false;
    taken.push_back(NodeId(*node));
  }
  nodes = raft::NodeSet(std::move(taken));
  return true;
}

}  // namespace

std::optional<raft::ConfChange> ChangeInFrame(std::string_view frame) {
  const absl::StatusOr<std::string_view> payload = ControlPayload(frame);
  if (!payload.ok() || !raft::IsConfChange(*payload)) return std::nullopt;
  absl::StatusOr<raft::ConfChange> change = raft::DecodeConfChange(*payload);
  if (!change.ok()) return std::nullopt;
  return *std::move(change);
}

raft::Membership After(raft::Membership membership, const LoggedChanges& changes) {
  for (const auto& [index, change] : changes) membership = raft::AppliedTo(membership, change);
  return membership;
}

void AppendMembership(const raft::Membership& membership, std::string& out) {
  AppendLittle<uint32_t>(out, kStateVersion);
  AppendLittle<uint8_t>(out, membership.auto_leave ? 1 : 0);
  AppendNodes(membership.voters.incoming.voters(), out);
  AppendNodes(membership.voters.outgoing.voters(), out);
  AppendNodes(membership.learners, out);
  AppendNodes(membership.learners_next, out);
}

std::optional<raft::Membership> TakeMembership(std::string_view& state) {
  if (Take<uint32_t>(state) != kStateVersion) return std::nullopt;
  const std::optional<uint8_t> auto_leave = Take<uint8_t>(state);
  if (!auto_leave.has_value() || *auto_leave > 1) return std::nullopt;
  raft::Membership who{.auto_leave = *auto_leave == 1};
  raft::NodeSet& incoming = who.voters.incoming.voters();
  raft::NodeSet& outgoing = who.voters.outgoing.voters();
  if (!TakeNodes(state, incoming) || !TakeNodes(state, outgoing) ||
      !TakeNodes(state, who.learners) || !TakeNodes(state, who.learners_next)) {
    return std::nullopt;
  }
  if (incoming.size() + outgoing.size() + who.learners.size() > kNodesMax) return std::nullopt;
  if (!raft::CheckTracker(raft::TrackerOf(who)).ok()) return std::nullopt;
  return who;
}

}  // namespace tidemark
