#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

// What operators ask about the members of the cluster and of partitions, and what they are told.
// The members of the cluster are those of the catalog's group.

namespace tidemark {
namespace {

constexpr char kCluster[] = "cluster";
constexpr char kAdmin[] = "admin";

RpcError Precondition(std::string reason, std::string message) {
  return {.code = absl::StatusCode::kFailedPrecondition,
          .reason = std::move(reason),
          .message = std::move(message),
          .metadata = {}};
}

RpcError Invalid(std::string message) {
  return {.code = absl::StatusCode::kInvalidArgument,
          .reason = "INVALID_MEMBER",
          .message = std::move(message),
          .metadata = {}};
}

RpcError NotKnown(NodeId node) {
  return Precondition(
      "NODE_UNKNOWN",
      absl::StrCat("node ", node.value(), " is not here; start it with `tidemark server --node-id ",
                   node.value(),
                   " --join HOST:PORT` and try again once `tidemark cluster members` "
                   "shows it alive"));
}

template <typename Nodes>
std::string NodesText(const Nodes& nodes) {
  return absl::StrJoin(nodes, ",",
                       [](std::string* out, NodeId node) { absl::StrAppend(out, node.value()); });
}

bool IsAlive(const gossip::Swim& swim, NodeId node) {
  for (const gossip::Member& member : swim.members()) {
    if (member.id == node) return member.state == gossip::MemberState::kAlive;
  }
  return false;
}

}  // namespace

RpcError CatalogPending() {
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "CHANGE_PENDING",
          .message = "a change of the cluster's members or topics is being decided; try again",
          .metadata = {}};
}

GetMembersResponse Node::Impl::DescribeMembers(Now now) const {
  const raft::Raft& raft = catalog_replica().raft();
  const bool leads = raft.role() == raft::Role::kLeader && catalog_replica().failure().empty();
  GetMembersResponse response{.cluster_id = options.cluster_id,
                              .leader = raft.leader(),
                              .leader_address = AddressOf(raft.leader()),
                              .from_leader = leads,
                              .members = {}};
  for (const ServerInfo& server : Members()) {
    MemberInfo member{.id = server.id,
                      .address = server.address,
                      .role = server.role,
                      .is_leader = server.is_leader,
                      .state = server.state,
                      .lag_entries = std::nullopt,
                      .partitions = static_cast<uint32_t>(catalog.PartitionsAt(server.id).size()),
                      .note = ""};
    if (member.role == "observer") {
      member.note = absl::StrCat("no member; `tidemark cluster add ", member.id.value(), "`");
    }
    if (leads && member.role != "observer") {
      const LogIndex last = catalog_replica().log().last_index();
      const LogIndex match =
          member.id == options.id ? last : std::min(raft.MatchOf(member.id), last);
      member.lag_entries = last - match;
      const bool heard = member.id == options.id || raft.PeerActive(now.instant, member.id);
      if (!heard) {
        member.note = "not heard from by the leader";
      } else if (member.role == "learner") {
        member.note = "catching up; becomes a voter by itself when it keeps pace";
      }
      const auto empty = unsettled.find(member.id);
      if (empty != unsettled.end() && (catalog.returning().contains(member.id) ||
                                       IncarnationOf(member.id) != empty->second.incarnation)) {
        member.note = member.role == "voter"
                          ? "came back with an empty disk; is taken out and let in again by itself "
                            "while a majority of all voters is heard from without it"
                          : "came back with an empty disk; is being let in again";
      }
      if (!heard && member.role == "learner") absl::StrAppend(&member.note, ", so not promoted");
    }
    response.members.push_back(std::move(member));
  }
  return response;
}

bool Node::Impl::LeadsCatalog(RequestId request, Effects& out) {
  std::optional<RpcError> refusal = catalog_replica().RefusalOfProposal();
  if (!refusal.has_value() && catalog_replica().raft().serving()) return true;
  if (!StandingText().empty()) refusal = LostDisk();
  if (!refusal.has_value()) {
    refusal = RpcError{.code = absl::StatusCode::kUnavailable,
                       .reason = "NO_LEADER",
                       .message = "this node has just become the catalog's leader; try again",
                       .metadata = {}};
  }
  Refuse(request, WithLeaderAddress(*std::move(refusal)), out);
  return false;
}

void Node::Impl::AddMember(Now now, const RequestReceived& request, NodeId node, Effects& out) {
  if (!Allowed(request, kCluster, kAdmin, out) || !LeadsCatalog(request.id, out)) return;
  const raft::Membership& membership = catalog_replica().raft().membership();
  if (node == kNoNode) return Refuse(request.id, Invalid("a node's id is 1 or more"), out);
  if (membership.voters.incoming.Contains(node) || membership.learners.Contains(node)) {
    // As far as this node knows: another one may lead by now, and have removed it.
    return Confirm(now, {.kind = MemberWait::Kind::kAdd, .request = request.id, .node = node}, out);
  }
  if (!IsAlive(swim, node)) return Refuse(request.id, NotKnown(node), out);
  if (raft::MembersOf(membership).size() >= kReplicasMax) {
    return Refuse(
        request.id,
        Precondition("TOO_MANY_MEMBERS", absl::StrCat("the cluster has ", kReplicasMax,
                                                      " members, its limit; remove one first")),
        out);
  }
  // One with an empty disk says so: it is this one that is added.
  if (const auto at = unsettled.find(node); at != unsettled.end()) {
    RecordNode(now, node, at->second.incarnation, RecordNodeCommand::Step::kKnown, out);
  }
  // Whoever joins finds in the log who was there before.
  catalog_replica().RecordOrigin(now, out);
  ProposeMembers(now, {.kind = MemberWait::Kind::kAdd, .request = request.id, .node = node},
                 {.changes = {{raft::Change::Kind::kAddLearner, node}}}, out);
}

void Node::Impl::RemoveMember(Now now, const RequestReceived& request, NodeId node, Effects& out) {
  if (!Allowed(request, kCluster, kAdmin, out) || !LeadsCatalog(request.id, out)) return;
  const raft::Raft& raft = catalog_replica().raft();
  const raft::Membership& membership = raft.membership();
  if (!raft::MembersOf(membership).Contains(node)) {
    return Confirm(now, {.kind = MemberWait::Kind::kAbsent, .request = request.id, .node = node},
                   out);
  }
  // A topic that is about to be created may be placed there.
  if (raft.applied() < catalog_replica().log().last_index()) {
    return Refuse(request.id, CatalogPending(), out);
  }
  const auto partitions = catalog.PartitionsAt(node);
  if (!partitions.empty()) {
    const auto& [topic, partition] = partitions.front();
    return Refuse(
        request.id,
        Precondition(
            "HAS_PARTITIONS",
            absl::StrCat("node ", node.value(), " holds replicas of ", partitions.size(),
                         " partitions, the first one partition ", partition.value(), " of \"",
                         topic, "\"; move each away with `tidemark topic move ", topic,
                         " --partition ", partition.value(), " --replicas NODES`, then try again")),
        out);
  }
  if (!membership.voters.Contains(node)) {
    ProposeMembers(now, {.kind = MemberWait::Kind::kRemove, .request = request.id, .node = node},
                   {.changes = {{raft::Change::Kind::kRemove, node}}}, out);
    return;
  }
  raft::NodeSet remaining = membership.voters.incoming.voters();
  remaining.Erase(node);
  const auto alive = std::count_if(remaining.begin(), remaining.end(), [&](NodeId voter) {
    return voter == options.id || raft.PeerActive(now.instant, voter);
  });
  if (static_cast<size_t>(alive) < raft::MajorityOf(remaining.size()) || remaining.empty()) {
    return Refuse(request.id,
                  Precondition("UNSAFE_REMOVAL",
                               absl::StrCat("without node ", node.value(), " the voters are ",
                                            remaining.empty() ? "none" : NodesText(remaining),
                                            ", of which ", alive,
                                            " are heard from: no majority. Bring the others back, "
                                            "or add a node, first")),
                  out);
  }
  if (node == options.id) {
    // The next leader, whom the client finds by trying again, does it.
    agenda.Touch(kCatalogGroup);
    const absl::Status handed = catalog_replica().TransferLeadershipTo(now, kNoNode, out);
    return Refuse(
        request.id,
        {.code = absl::StatusCode::kUnavailable,
         .reason = "NO_LEADER",
         .message = handed.ok() ? "the node to be removed leads and hands over first; try "
                                  "again"
                                : absl::StrCat("the node to be removed leads and cannot "
                                               "hand over yet: ",
                                               handed.message()),
         .metadata = {}},
        out);
  }
  catalog_replica().RecordOrigin(now, out);
  // By way of a joint configuration, in which the node hears that it is leaving.
  ProposeMembers(now, {.kind = MemberWait::Kind::kRemove, .request = request.id, .node = node},
                 {.transition = raft::ConfChange::Transition::kJointImplicit,
                  .changes = {{raft::Change::Kind::kRemove, node}}},
                 out);
}

void Node::Impl::ProposeMembers(Now now, MemberWait wait, const raft::ConfChange& change,
                                Effects& out) {
  agenda.Touch(kCatalogGroup);
  const absl::Status proposed = catalog_replica().ProposeConfChange(now, change, out);
  if (!proposed.ok()) {
    return Refuse(wait.request,
                  {.code = absl::StatusCode::kUnavailable,
                   .reason = "CHANGE_PENDING",
                   .message = std::string(proposed.message()),
                   .metadata = {}},
                  out);
  }
  AwaitCatalog(now, wait, out);
}

void Node::Impl::AwaitCatalog(Now now, MemberWait wait, Effects& out) {
  wait.term = catalog_replica().raft().term();
  wait.deadline = now.instant + options.election_timeout * 4;
  Await(wait, out);
}

void Node::Impl::Confirm(Now now, MemberWait wait, Effects& out) {
  agenda.Touch(kCatalogGroup);
  const std::optional<LogIndex> written = catalog_replica().WriteRoster(now, out);
  if (!written.has_value()) return Refuse(wait.request, CatalogPending(), out);
  wait.after = *written;
  AwaitCatalog(now, wait, out);
}

void Node::Impl::Await(MemberWait wait, Effects& out) {
  if (member_waits.size() < kMemberWaitsMax) {
    member_waits.push_back(wait);
    return;
  }
  Refuse(wait.request,
         {.code = absl::StatusCode::kResourceExhausted,
          .reason = "BACK_PRESSURE",
          .message = "the change has begun, but too many requests wait for such changes; look at "
                     "`tidemark cluster members`",
          .metadata = {}},
         out);
}

std::optional<Response> Node::Impl::AnswerOf(Now now, const MemberWait& wait) const {
  const auto at = replicas.find(wait.group);
  if (at == replicas.end()) {
    return RpcError{absl::StatusCode::kNotFound, "TOPIC_NOT_FOUND", "the topic was deleted", {}};
  }
  const raft::Raft& raft = at->second->raft();
  const raft::Membership& membership = raft.membership();
  const bool member = raft::MembersOf(membership).Contains(wait.node);
  const bool leads = raft.role() == raft::Role::kLeader && raft.term() == wait.term;
  // What this node leads with was the last word only if it still leads.
  const bool confirmed = wait.after == LogIndex() || (leads && raft.commit() >= wait.after);
  if (wait.kind == MemberWait::Kind::kAdd && member && confirmed) return AddMemberResponse{};
  if (wait.kind == MemberWait::Kind::kAbsent && !member && confirmed) {
    return RpcError{.code = absl::StatusCode::kNotFound,
                    .reason = "NOT_A_MEMBER",
                    .message = absl::StrCat("node ", wait.node.value(), " is no member; they are ",
                                            NodesText(raft::MembersOf(membership))),
                    .metadata = {}};
  }
  if (wait.kind == MemberWait::Kind::kRemove && !member && wait.sealed) {
    return RemoveMemberResponse{};
  }
  if (wait.kind == MemberWait::Kind::kTransfer) {
    if (!leads && raft.leader() != kNoNode && raft.leader() != options.id) {
      return TransferLeadershipResponse{raft.leader()};
    }
    if (leads && raft.accepts_proposals()) {
      return Precondition("TRANSFER_FAILED",
                          absl::StrCat("node ", wait.node.value(),
                                       " (0: any) did not take over within an election timeout; is "
                                       "it up, and has it caught up?"));
    }
  } else if (!leads) {
    return RpcError{absl::StatusCode::kUnavailable,
                    "NO_LEADER",
                    "leadership of the catalog was lost before the change was done; try again",
                    {}};
  }
  if (now.instant < wait.deadline) return std::nullopt;
  return RpcError{absl::StatusCode::kDeadlineExceeded,
                  "CHANGE_PENDING",
                  "the change has begun and goes on by itself; look at `tidemark cluster members`",
                  {}};
}

void Node::Impl::SealRemovals(Now now, Effects& out) {
  Replica& replica = catalog_replica();
  bool sealed = false;
  for (MemberWait& wait : member_waits) {
    const raft::Raft& raft = replica.raft();
    if (wait.kind != MemberWait::Kind::kRemove || !raft.serving()) continue;
    if (raft::MembersOf(raft.membership()).Contains(wait.node)) continue;
    wait.sealed = replica.SealMembers(now, out);
    sealed = true;
  }
  if (sealed) replica.Settle(now, out);
}

void Node::Impl::AnswerMemberWaits(Now now, Effects& out) {
  std::erase_if(member_waits, [&](const MemberWait& wait) {
    std::optional<Response> answer = AnswerOf(now, wait);
    if (!answer.has_value()) return false;
    out.push_back(Reply{wait.request, *std::move(answer)});
    return true;
  });
}

void Node::Impl::TransferLeadership(Now now, const RequestReceived& request,
                                    const TransferLeadershipRequest& transfer, Effects& out) {
  if (!Allowed(request, kCluster, kAdmin, out)) return;
  Replica* replica = transfer.topic.empty()
                         ? &catalog_replica()
                         : ReplicaFor(request.id, transfer.topic, transfer.partition, out);
  if (replica == nullptr) return;
  if (std::optional<RpcError> refusal = replica->RefusalOfProposal()) {
    return Refuse(request.id, WithLeaderAddress(*std::move(refusal)), out);
  }
  if (transfer.to == options.id) {
    out.push_back(Reply{request.id, TransferLeadershipResponse{options.id}});
    return;
  }
  const MemberWait wait{.kind = MemberWait::Kind::kTransfer,
                        .request = request.id,
                        .group = replica->group(),
                        .node = transfer.to,
                        .term = replica->raft().term(),
                        .deadline = now.instant + options.election_timeout * 4};
  agenda.Touch(replica->group());
  const absl::Status begun = replica->TransferLeadershipTo(now, transfer.to, out);
  if (!begun.ok()) {
    return Refuse(request.id, Precondition("NOT_A_VOTER", std::string(begun.message())), out);
  }
  Await(wait, out);
}

void Node::Impl::MovePartition(Now now, const RequestReceived& request,
                               const MovePartitionRequest& move, Effects& out) {
  if (!Allowed(request, kCluster, kAdmin, out) || !LeadsCatalog(request.id, out)) return;
  const CatalogTopic* topic = catalog.Find(move.topic);
  if (topic == nullptr) return Refuse(request.id, NoSuchTopic(move.topic), out);
  std::vector<NodeId> sorted = move.replicas;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty() || sorted.size() > kReplicasMax ||
      std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return Refuse(request.id,
                  Invalid(absl::StrCat("a partition has 1 to ", kReplicasMax,
                                       " replicas, each on a node of its own")),
                  out);
  }
  for (const NodeId node : sorted) {
    if (!voters().Contains(node)) {
      return Refuse(
          request.id,
          Precondition("NOT_A_MEMBER",
                       absl::StrCat("node ", node.value(),
                                    " is no voter of the cluster; "
                                    "they are ",
                                    NodesText(voters()), ". Add it with `tidemark cluster add ",
                                    node.value(), "` and wait until it is a voter")),
          out);
    }
    const bool new_there = move.partition.value() < topic->partitions.size() &&
                           !topic->partitions[move.partition.value()].PlacedAt(node);
    if (new_there && node != options.id && !IsAlive(swim, node)) {
      return Refuse(request.id, NotKnown(node), out);
    }
  }
  if (catalog_replica().raft().change_pending()) return Refuse(request.id, CatalogPending(), out);
  ProposeCommand(now, request.id, MovePartitionCommand{move.topic, move.partition, move.replicas},
                 out);
}

}  // namespace tidemark
