#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

// What leaders do by themselves about members: learners of the catalog's group become voters once
// they have caught up, and partitions move to where the catalog wants them. The leader of a group
// works from what the catalog and the group's log say alone, so that the next one can go on.
//
// A move: the nodes that are new join as learners; the catalog admits them, on which their replicas
// begin; when all keep pace, one joint change makes the group what is wanted; then the catalog is
// told, and on that dropped replicas remove their files.

namespace tidemark {
namespace {

using raft::Change;
using raft::ConfChange;

std::string NodesText(const raft::NodeSet& nodes) {
  return absl::StrJoin(nodes, ",",
                       [](std::string* out, NodeId node) { absl::StrAppend(out, node.value()); });
}

raft::NodeSet SetOf(const std::vector<NodeId>& nodes) {
  raft::NodeSet set;
  for (const NodeId node : nodes) set.Insert(node);
  return set;
}

}  // namespace

void Node::Impl::DriveMembers(Now now, Effects& out) {
  const auto leads = [&](GroupId group) {
    const auto at = replicas.find(group);
    return at != replicas.end() && at->second->failure().empty() && !at->second->removing() &&
           at->second->raft().serving();
  };
  std::erase_if(new_voters, [&](const auto& each) {
    const bool wanted =
        each.first == kCatalogGroup || moving.contains(each.first) || astray.contains(each.first);
    return !wanted || !leads(each.first);
  });
  if (shutting_down) return;
  if (leads(kCatalogGroup)) DriveCatalogMembers(now, out);
  for (const GroupId group : moving) {
    if (!leads(group)) continue;
    agenda.Touch(group);
    DriveMove(now, *replicas.at(group), *catalog.PlaceOf(group), out);
  }
  for (const GroupId group : astray) {
    if (!leads(group)) continue;
    agenda.Touch(group);
    CatalogPartition place = *catalog.PlaceOf(group);
    place.target = place.replicas;
    DriveMove(now, *replicas.at(group), place, out);
  }
}

// A leader that has not heard yet that a move is finished may take a step back, and nobody is to
// finish it a second time.
void Node::Impl::NoteAstray(GroupId group) {
  const CatalogPartition* const place = catalog.PlaceOf(group);
  const auto at = replicas.find(group);
  bool is = false;
  if (place != nullptr && place->target.empty() && at != replicas.end()) {
    const raft::Raft& raft = at->second->raft();
    const raft::Membership& membership = raft.membership();
    is = raft.role() == raft::Role::kLeader &&
         (membership.joint() || !membership.learners.empty() ||
          membership.voters.incoming.voters() != SetOf(place->replicas));
  }
  if (is) {
    astray.insert(group);
  } else {
    astray.erase(group);
  }
}

bool Node::Impl::CaughtUp(Now now, const Replica& replica, NodeId node) {
  CatchUp& progress = new_voters[replica.group()].catch_up[node];
  progress.Observe(now.instant,
                   {.last = replica.log().last_index(),
                    .match = replica.raft().MatchOf(node),
                    .active = replica.raft().PeerActive(now.instant, node)},
                   options.election_timeout, options.heartbeat_interval);
  return progress.done();
}

void Node::Impl::DriveCatalogMembers(Now now, Effects& out) {
  Replica& replica = catalog_replica();
  const raft::Membership& membership = replica.raft().membership();
  // Whoever is removed and joins again, perhaps with an empty disk, has to catch up again.
  if (const auto at = new_voters.find(kCatalogGroup); at != new_voters.end()) {
    std::erase_if(at->second.catch_up,
                  [&](const auto& each) { return !membership.learners.Contains(each.first); });
  }
  if (membership.joint() || membership.learners.empty()) return;
  agenda.Touch(kCatalogGroup);
  for (const NodeId learner : raft::NodeSet(membership.learners)) {
    if (!CaughtUp(now, replica, learner)) continue;
    // Refused while another change is under way: the next step tries again.
    (void)replica.ProposeConfChange(now, {.changes = {{Change::Kind::kAddVoter, learner}}}, out);
    return;
  }
}

void Node::Impl::DriveMove(Now now, Replica& replica, const CatalogPartition& place, Effects& out) {
  const raft::Membership& membership = replica.raft().membership();
  if (membership.joint()) return;
  const raft::NodeSet target = SetOf(place.target);
  const bool placed = std::all_of(place.target.begin(), place.target.end(),
                                  [&](NodeId node) { return place.PlacedAt(node); });
  if (placed && membership.voters.incoming.voters() == target && membership.learners.empty()) {
    // On hearing of it those who have left remove their files.
    if (!replica.SealMembers(now, out)) return;
    Report(now, place.group, FinishMoveCommand{place.group, place.target}, out);
  } else if (const std::optional<ConfChange> change = NextChange(now, replica, place, out)) {
    (void)replica.ProposeConfChange(now, *change, out);
  }
}

std::optional<ConfChange> Node::Impl::NextChange(Now now, Replica& replica,
                                                 const CatalogPartition& place, Effects& out) {
  const raft::Raft& raft = replica.raft();
  const raft::Membership& membership = raft.membership();
  const raft::NodeSet& present = membership.voters.incoming.voters();
  const raft::NodeSet target = SetOf(place.target);
  for (const NodeId node : present) {
    // Its disk was lost: what is known of it is about another copy.
    if (!target.Contains(node) || place.PlacedAt(node)) continue;
    if (node == options.id || !CanGoOnWithout(now, raft, node)) return std::nullopt;
    return ConfChange{.changes = {{Change::Kind::kRemove, node}}};
  }
  NewVoters& joining = new_voters[place.group];
  for (const NodeId learner : membership.learners) {
    // The same of a learner, unless it was added since.
    const auto former = place.admitted.find(learner);
    const bool lost = former != place.admitted.end() && former->second.lost() &&
                      joining.absent_at[learner] <= former->second.index;
    if (lost || !target.Contains(learner))
      return ConfChange{.changes = {{Change::Kind::kRemove, learner}}};
  }
  ConfChange change{.transition = ConfChange::Transition::kJointImplicit};
  bool ready = true;
  for (const NodeId node : target) {
    if (present.Contains(node)) continue;
    if (!membership.learners.Contains(node)) {
      joining.catch_up.erase(node);
      joining.absent_at[node] = raft.applied();
      return ConfChange{.changes = {{Change::Kind::kAddLearner, node}}};
    }
    if (!place.PlacedAt(node)) {
      // Applied, so committed: the addition is at or before the commit index.
      Report(now, place.group,
             AdmitReplicaCommand{.group = place.group,
                                 .node = node,
                                 .admission = {.term = raft.term(), .index = raft.commit()},
                                 .absent_at = joining.absent_at[node]},
             out);
    }
    ready = CaughtUp(now, replica, node) && place.PlacedAt(node) && ready;
    change.changes.push_back({Change::Kind::kAddVoter, node});
  }
  if (!ready) return std::nullopt;
  for (const NodeId node : present) {
    if (!target.Contains(node)) change.changes.push_back({Change::Kind::kRemove, node});
  }
  // Never into a configuration that cannot commit.
  const auto alive = std::count_if(target.begin(), target.end(), [&](NodeId node) {
    return node == options.id || raft.PeerActive(now.instant, node);
  });
  if (static_cast<size_t>(alive) < raft::MajorityOf(target.size())) return std::nullopt;
  if (target.Contains(options.id)) return change;
  // Whoever leaves hands over first, if there is somebody among those who stay.
  for (const NodeId node : present) {
    if (!target.Contains(node) || !raft.PeerActive(now.instant, node)) continue;
    (void)replica.TransferLeadershipTo(now, node, out);
    return std::nullopt;
  }
  return change;
}

void Node::Impl::Report(Now now, GroupId group, const CatalogCommand& command, Effects& out) {
  NewVoters& state = new_voters[group];
  if (now.instant < state.report_at) return;
  const NodeId leader = catalog_replica().raft().leader();
  if (leader == kNoNode) return;
  state.report_at = now.instant + Duration::Millis(kMoveReportMillis);
  if (leader == options.id) {
    ProposeCommand(now, RequestId(), command, out);
    return;
  }
  PeerMessage message{
      .group = kCatalogGroup,
      .message = {.from = options.id,
                  .to = leader,
                  .term = catalog_replica().raft().term(),
                  .body = raft::TimeoutNow{}},
      .command = std::make_shared<const std::string>(EncodeCatalogCommand(command))};
  out.push_back(SendPeer{leader, std::move(message)});
}

void Node::Impl::OnForwardedCommand(Now now, NodeId from, const std::string& bytes, Effects& out) {
  const absl::StatusOr<CatalogCommand> command = DecodeCatalogCommand(bytes);
  if (!command.ok() || !catalog_replica().raft().serving()) return;
  GroupId group;
  const auto* admit = std::get_if<AdmitReplicaCommand>(&*command);
  const auto* finish = std::get_if<FinishMoveCommand>(&*command);
  if (admit != nullptr) group = admit->group;
  if (finish != nullptr) group = finish->group;
  const CatalogPartition* place = catalog.PlaceOf(group);
  // Only who may lead the group knows, and what is done already need not be done again.
  if (place == nullptr || place->target.empty() || !place->PlacedAt(from)) return;
  if (admit != nullptr && place->PlacedAt(admit->node)) return;
  ProposeCommand(now, RequestId(), *command, out);
}

void Node::Impl::NoteMembers(const Replica& replica, Effects& out) {
  const raft::Membership& membership = replica.raft().membership();
  out.push_back(Note{Note::Level::kInfo,
                     "members",
                     {{"group", absl::StrCat(replica.group().value())},
                      {"voters", NodesText(membership.voters.incoming.voters())},
                      {"leaving", NodesText(membership.voters.outgoing.voters())},
                      {"learners", NodesText(membership.learners)}}});
  if (replica.group() != kCatalogGroup) return;
  const bool member = membership.voters.incoming.Contains(options.id) ||
                      membership.learners.Contains(options.id) ||
                      membership.learners_next.Contains(options.id);
  // What is replayed before the node was let in is about its former self.
  const bool current = replica.raft().applied() >= standing.record().fence_index;
  if (std::exchange(was_member, member) && !member && current) {
    out.push_back(Note{Note::Level::kWarning,
                       "removed_from_cluster",
                       {{"node", absl::StrCat(options.id.value())},
                        {"hint",
                         "an operator removed this node: it takes no further part. Stop it, or let "
                         "it back with `tidemark cluster add`"}}});
  }
}

}  // namespace tidemark
