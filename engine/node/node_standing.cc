#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

// A node that is new, or whose disk was lost (standing.h): it takes no part until others say which
// of the two it is. And what the catalog's leader does about a voter that came back empty: it is
// recorded in the catalog, on which no partition counts its copy any more; the node is removed from
// the catalog's group and joins again, as a learner without a past; then it is admitted, and what
// makes learners voters and moves partitions does the rest. Each step is taken from what the log
// says alone, so that the next leader can go on.

namespace tidemark {
namespace {

using raft::Change;
using Return = RecordNodeCommand::Step;

constexpr char kRefused[] =
    "its disk came back empty, and it may have promised what it forgot: it takes no part until the "
    "cluster's leader has let it in again, which happens by itself while a majority of all voters "
    "is there without it. Otherwise bring the others back, restore its data directory, or use "
    "`tidemark cluster recover` on the best one";

}  // namespace

std::string Node::Impl::StandingText() const {
  if (standing.settled() || !standing.refused()) return "";
  return kRefused;
}

RpcError Node::Impl::LostDisk() const {
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "NO_LEADER",
          .message =
              absl::StrCat("node ", options.id.value(), ": ", StandingText(), ". Ask another node"),
          .metadata = {}};
}

void Node::Impl::Introduce(NodeId to, bool asks, Effects& out) {
  SendIntroduction(to, standing.Introduce(to, asks), out);
}

void Node::Impl::SendIntroduction(NodeId to, Introduction introduction, Effects& out) {
  PeerMessage message{
      .group = kCatalogGroup,
      .message = {.from = options.id, .to = to, .term = Term(), .body = raft::TimeoutNow{}},
      .introduction = std::make_shared<const Introduction>(std::move(introduction))};
  ++shared.counters.peer_messages_out;
  out.push_back(SendPeer{to, std::move(message)});
}

void Node::Impl::OnIntroduction(Now now, NodeId from, const Introduction& message, Effects& out) {
  if (from == options.id || from == kNoNode) return;
  agenda.Touch(kCatalogGroup);
  const bool was_refused = standing.refused();
  standing.OnIntroduction(from, message);
  if (message.asks && to_answer.size() < kNodesMax) to_answer.insert(from);
  if (message.settled) {
    unsettled.erase(from);
  } else if (unsettled.size() < kNodesMax) {
    unsettled.insert_or_assign(from, message);
  }
  if (!was_refused && standing.refused()) {
    out.push_back(Note{Note::Level::kError,
                       "disk_came_back_empty",
                       {{"node", absl::StrCat(options.id.value())},
                        {"known_to", absl::StrCat(from.value())},
                        {"hint", kRefused}}});
  }
  DriveReturns(now, from, out);
}

void Node::Impl::DriveStanding(Now now, Effects& out) {
  Replica& replica = catalog_replica();
  if (standing.writing() && replica.node_files_durable()) {
    standing.OnWritten();
    agenda.Touch(kCatalogGroup);
  }
  if (standing.dirty() && replica.node_files_durable()) {
    FileBatch batch;
    AppendStanding(standing.BeginWrite(), batch);
    replica.StageNodeFiles(std::move(batch));
    agenda.Touch(kCatalogGroup);
  }
  if (standing.durable().generation == 0) return;
  for (const NodeId node : std::set<NodeId>(to_answer)) {
    // Not before what was heard is on the disk.
    if (standing.KnownOf(node) == Incarnation() && standing.record().known.contains(node)) continue;
    to_answer.erase(node);
    Introduce(node, /*asks=*/false, out);
  }
  if (!standing.settled()) {
    AskAround(now, out);
  } else if (!replica.started() && replica.failure().empty() && replica.idle_disk()) {
    BeginCatalog(now, out);
  }
}

void Node::Impl::AskAround(Now now, Effects& out) {
  if (now.instant < ask_at) return;
  ask_at = now.instant + options.election_timeout / 4;
  std::set<NodeId> nodes(options.voters.begin(), options.voters.end());
  for (const auto& [node, address] : addresses) nodes.insert(node);
  nodes.erase(options.id);
  for (const NodeId node : nodes) Introduce(node, /*asks=*/true, out);
}

void Node::Impl::BeginCatalog(Now now, Effects& out) {
  if (standing.record().fence_index > LogIndex()) {
    // Its founders are those that the log names.
    replicas[kCatalogGroup] = MakeCatalog(EmptyGroup(kCatalogGroup, options.log));
    out.push_back(Note{Note::Level::kInfo,
                       "let_in_by_the_cluster",
                       {{"node", absl::StrCat(options.id.value())},
                        {"index", absl::StrCat(standing.record().fence_index.value())}}});
  }
  for (const auto& [node, address] : addresses) Introduce(node, /*asks=*/false, out);
  catalog_replica().Start(now, out);
  agenda.Touch(kCatalogGroup);
}

std::unique_ptr<Replica> Node::Impl::MakeCatalog(RecoveredGroup recovered) {
  const NodeStanding& record = standing.record();
  const bool admitted = record.fence_index > LogIndex();
  Replica::Options catalog_options{
      .group = kCatalogGroup,
      .raft = CatalogRaftConfig(options),
      .origin = admitted ? std::vector<NodeId>() : options.voters,
      .fence = {.term = record.fence_term, .index = record.fence_index},
      .catalog = &catalog,
      .snapshot_entries = options.catalog_snapshot_entries,
      .catalog_segment_bytes = std::min(options.log.segment_bytes, kCatalogSegmentBytes)};
  recovered.members.SetOrigin(catalog_options.origin);
  return std::make_unique<Replica>(std::move(catalog_options), std::move(recovered), &shared,
                                   prng.Fork());
}

Incarnation Node::Impl::IncarnationOf(NodeId node) const {
  const Incarnation recorded = catalog.IncarnationOf(node);
  return recorded == Incarnation() ? standing.KnownOf(node) : recorded;
}

void Node::Impl::RecordNode(Now now, NodeId node, Incarnation incarnation, Return step,
                            Effects& out) {
  ProposeCommand(now, RequestId(), RecordNodeCommand{node, incarnation, step}, out);
  record_at = now.instant + Duration::Millis(kMoveReportMillis);
}

bool Node::Impl::CanGoOnWithout(Now now, const raft::Raft& raft, NodeId node) const {
  const raft::NodeSet& all = raft.membership().voters.incoming.voters();
  const auto heard = std::count_if(all.begin(), all.end(), [&](NodeId voter) {
    return voter != node && (voter == options.id || raft.PeerActive(now.instant, voter));
  });
  return static_cast<size_t>(heard) >= raft::MajorityOf(all.size());
}

void Node::Impl::DriveReturns(Now now, NodeId heard, Effects& out) {
  if (unsettled.empty() && catalog.returning().empty()) return;
  Replica& replica = catalog_replica();
  if (shutting_down || !replica.failure().empty() || !replica.raft().serving()) return;
  const raft::Membership& membership = replica.raft().membership();
  if (membership.joint()) return;
  const raft::NodeSet members = raft::MembersOf(membership);
  for (const auto& [node, message] : unsettled) {
    if (!members.Contains(node)) continue;
    const Incarnation known = IncarnationOf(node);
    const bool recorded = catalog.IncarnationOf(node) == message.incarnation;
    const bool voter = membership.voters.Contains(node);
    if (recorded && !voter && !catalog.returning().contains(node)) {
      if (node != heard) continue;
      Introduction admission = standing.Introduce(node, /*asks=*/false);
      admission.admitted = message.incarnation;
      admission.fence_term = replica.raft().term();
      // Applied, so committed: the removal and the addition are at or before it.
      admission.fence_index = replica.raft().commit();
      for (const auto& [other, is] : standing.durable().known) {
        if (!is.recorded) admission.others.emplace(other, is.incarnation);
      }
      SendIntroduction(node, std::move(admission), out);
    } else if (now.instant >= record_at && !recorded) {
      const bool lost = known != Incarnation() && (known != message.incarnation || message.refused);
      if (lost && CanGoOnWithout(now, replica.raft(), node)) {
        RecordNode(now, node, message.incarnation, Return::kLost, out);
        out.push_back(Note{Note::Level::kWarning,
                           "member_came_back_empty",
                           {{"node", absl::StrCat(node.value())},
                            {"hint", "it is taken out and let in again as a new member"}}});
      } else if (!lost && !voter && known == message.incarnation) {
        RecordNode(now, node, message.incarnation, Return::kKnown, out);
      }
    }
  }
  for (const auto& [node, removed] : catalog.returning()) {
    agenda.Touch(kCatalogGroup);
    if (!removed && members.Contains(node)) {
      if (membership.voters.Contains(node) && !CanGoOnWithout(now, replica.raft(), node)) continue;
      replica.RecordOrigin(now, out);
      (void)replica.ProposeConfChange(now, {.changes = {{Change::Kind::kRemove, node}}}, out);
    } else if (removed && !members.Contains(node)) {
      new_voters[kCatalogGroup].catch_up.erase(node);
      (void)replica.ProposeConfChange(now, {.changes = {{Change::Kind::kAddLearner, node}}}, out);
    } else if (now.instant >= record_at) {
      RecordNode(now, node, catalog.IncarnationOf(node),
                 removed ? Return::kKnown : Return::kRemoved, out);
    }
  }
}

}  // namespace tidemark
