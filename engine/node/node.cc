#include "engine/node/node.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/acl/default_model.h"
#include "engine/base/check.h"
#include "engine/base/status_macros.h"
#include "engine/log/node_meta.h"
#include "engine/node/node_impl.h"

namespace tidemark {
namespace {

absl::Status CheckOptions(const NodeOptions& options) {
  if (options.id == kNoNode) return absl::InvalidArgumentError("the node id must be 1 or more");
  if (options.cluster_id.empty()) {
    return absl::InvalidArgumentError("the cluster id must not be empty");
  }
  if (!options.voters.empty() && options.voters.front() == kNoNode) {
    return absl::InvalidArgumentError("a voter's node id must be 1 or more");
  }
  if (options.lease_drift_permille >= 1000 || (options.lease_reads && !options.check_quorum)) {
    return absl::InvalidArgumentError(
        "leases need check_quorum, and a drift of less than 1000 thousandths");
  }
  if (options.heartbeat_interval <= Duration() ||
      options.election_timeout <= options.heartbeat_interval) {
    return absl::InvalidArgumentError(
        "the election timeout must be longer than the heartbeat interval, and both positive");
  }
  if (!std::is_sorted(options.voters.begin(), options.voters.end()) ||
      std::adjacent_find(options.voters.begin(), options.voters.end()) != options.voters.end()) {
    return absl::InvalidArgumentError("the voters must be distinct node ids in ascending order");
  }
  if (options.disk_stall_timeout <= Duration()) {
    return absl::InvalidArgumentError(
        "the time after which a disk is taken to hang is 1 ms or more");
  }
  if (options.voters.empty()) {
    if (!options.seeds.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "there are no voters and nobody to join; list the voters of a new cluster, or name a node "
        "of the one to join");
  }
  if (!std::binary_search(options.voters.begin(), options.voters.end(), options.id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "node ", options.id.value(),
        " is not among the voters; list every founder of a new cluster, this node included, or "
        "none in order to join one"));
  }
  if (options.voters.size() > kReplicasMax) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", kReplicasMax, " voters"));
  }
  return absl::OkStatus();
}

absl::StatusOr<acl::Enforcer> LoadAcl(const NodeOptions& options) {
  const std::string_view model =
      options.acl_model.empty() ? std::string_view(acl::kDefaultModel) : options.acl_model;
  return acl::Enforcer::Load(model, options.acl_policy);
}

}  // namespace

raft::Config CatalogRaftConfig(const NodeOptions& options) {
  return {.self = options.id,
          .election_timeout = options.election_timeout,
          .heartbeat_interval = options.heartbeat_interval,
          .pre_vote = options.pre_vote,
          .check_quorum = options.check_quorum,
          .append_bytes_max = options.append_bytes_max,
          .append_entries_max = options.append_entries_max,
          .paced_catch_up = options.catch_up_bytes_per_second > 0,
          .quiet = options.quiet_groups,
          .aligned_heartbeats = true};
}

absl::StatusOr<Node> Node::Recover(NodeOptions options, const DirectoryView& directory, Now now,
                                   Prng prng) {
  TIDEMARK_RETURN_IF_ERROR(CheckOptions(options));
  TIDEMARK_RETURN_IF_ERROR(GossipConfig(options).Check());
  TIDEMARK_ASSIGN_OR_RETURN(acl::Enforcer enforcer, LoadAcl(options));
  TIDEMARK_ASSIGN_OR_RETURN(
      std::optional<FileBatch> identity,
      CheckNodeMeta(directory,
                    {.cluster_id = options.cluster_id, .node = options.id, .created = now.wall}));

  TIDEMARK_ASSIGN_OR_RETURN(NodeStanding standing, ReadStanding(directory));
  const bool drawn = standing.generation == 0;
  if (drawn) {
    // Of a copy: the stream of this node's draws is the same whether it is new or not.
    Prng draw = prng;
    standing.incarnation = Incarnation(
        1 + Mix64(draw.Next() ^ static_cast<uint64_t>(now.wall.millis())) % (UINT64_MAX >> 1));
  }
  NodeAddresses remembered = ReadAddresses(directory);
  // Those who were to be asked first may be gone for good.
  for (const auto& [node, address] : remembered.of) {
    if (std::find(options.seeds.begin(), options.seeds.end(), address) == options.seeds.end()) {
      options.seeds.push_back(address);
    }
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(enforcer), now, prng.Fork());
  impl->addresses = remembered.of;
  impl->remembered = std::move(remembered);
  impl->standing = Standing(impl->options.id, impl->options.voters, std::move(standing));
  if (drawn) {
    FileBatch batch = std::move(identity).value_or(FileBatch());
    AppendStanding(impl->standing.BeginWrite(), batch);
    identity = std::move(batch);
  }
  impl->identity = std::move(identity);
  TIDEMARK_ASSIGN_OR_RETURN(RecoveredGroup catalog,
                            RecoverGroup(kCatalogGroup, impl->options.log, directory));
  impl->catalog_recovered = std::max(catalog.log->last_index(), catalog.hard_state.lost.index);
  for (const GroupId group : directory.Groups()) {
    if (group == kCatalogGroup) continue;
    TIDEMARK_ASSIGN_OR_RETURN(RecoveredGroup found,
                              RecoverGroup(group, impl->options.log, directory));
    // Nobody else has anything of it.
    if (!found.given_up.empty() && impl->options.voters.size() < 2) {
      return absl::DataLossError(found.given_up);
    }
    impl->found.emplace(group, std::move(found));
  }
  if (!catalog.given_up.empty() && impl->options.voters.size() < 2) {
    return absl::DataLossError(catalog.given_up);
  }
  impl->replicas.emplace(kCatalogGroup, impl->MakeCatalog(std::move(catalog)));
  // Groups begin with what it says, as soon as the node does.
  impl->LoadCatalog();
  impl->was_member =
      raft::MembersOf(impl->catalog_replica().raft().membership()).Contains(impl->options.id);
  impl->agenda.Touch(kCatalogGroup);
  return Node(std::move(impl));
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;

void Node::Start(Now now, Effects& out) { impl_->Start(now, out); }

void Node::Step(Now now, std::span<Event> events, Effects& out) { impl_->Step(now, events, out); }

Instant Node::next_deadline() const { return impl_->deadline; }

const NodeOptions& Node::options() const { return impl_->options; }

const Catalog& Node::catalog() const { return impl_->catalog; }

LogIndex Node::catalog_applied() const { return impl_->catalog_applied; }

const NodeCounters& Node::counters() const { return impl_->shared.counters; }

const gossip::Swim& Node::gossip() const { return impl_->swim; }

ScrubProgress Node::scrub_progress() const {
  return impl_->scrub.has_value() ? impl_->scrub->scrubber.progress() : ScrubProgress{};
}

std::vector<GroupView> Node::Groups() const {
  std::vector<GroupView> views;
  Groups(views);
  return views;
}

void Node::Groups(std::vector<GroupView>& views) const {
  views.clear();
  views.reserve(impl_->replicas.size());
  for (const auto& [group, replica] : impl_->replicas) {
    views.push_back({.group = group,
                     .raft = &replica->raft(),
                     .log = &replica->log(),
                     .failure = replica->failure().empty() ? nullptr : &replica->failure(),
                     .removing = replica->removing(),
                     .kept_from = replica->kept_from(),
                     .received_bytes = replica->received_bytes()});
  }
}

GetStatusResponse Node::Status(Now now) const { return impl_->Status(now); }

bool Node::healthy() const { return impl_->healthy(); }

bool Node::settled() const { return impl_->standing.settled(); }

std::string Node::lost_disk() const { return impl_->StandingText(); }

void Node::Impl::Start(Now now, Effects& out) {
  if (identity.has_value()) catalog_replica().StageNodeFiles(*std::exchange(identity, {}));
  // What is written with the identity is on the disk before anything else.
  if (standing.record().settled) catalog_replica().Start(now, out);
  StartGossip(now, out);
  StartScrub(now);
  Settle(now, out);
}

void Node::Impl::Step(Now now, std::span<Event> events, Effects& out) {
  for (Event& event : events) Dispatch(now, event, out);
  WatchNodes(now, out);
  agenda.TouchDue(now.instant);
  for (const GroupId group : agenda.Touched()) {
    const auto at = replicas.find(group);
    if (at != replicas.end()) at->second->OnTimer(now, out);
  }
  if (now.instant >= swim.next_deadline()) {
    gossip::Effects fx;
    swim.OnTimer(now, fx);
    AbsorbGossip(std::move(fx), out);
  }
  Settle(now, out);
}

void Node::Impl::Dispatch(Now now, Event& event, Effects& out) {
  std::visit(
      [&](auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, PeerReceived>) {
          ++shared.counters.peer_messages_in;
          const auto at = replicas.find(e.message.group);
          if (e.message.introduction != nullptr) {
            OnIntroduction(now, e.from, *e.message.introduction, out);
            return;
          }
          if (e.message.beats != nullptr) {
            OnBeats(now, e.from, *e.message.beats, out);
            return;
          }
          if (e.message.command != nullptr) {
            OnForwardedCommand(now, e.from, *e.message.command, out);
            return;
          }
          // Unknown: deleted here, or created and not yet applied here. Raft repeats itself.
          if (at == replicas.end() || e.message.message.from != e.from) return;
          agenda.Touch(at->first);
          if (e.message.snapshot != nullptr) {
            at->second->OnSnapshotMessage(now, e.from, *e.message.snapshot, out);
          } else {
            at->second->OnMessage(now, e.message.message, out);
          }
        } else if constexpr (std::is_same_v<E, PeerLink>) {
          for (const auto& [group, replica] : replicas) {
            replica->OnPeerLink(now, e.peer, e.up, out);
          }
          TouchAll();
          if (e.up && standing.durable().generation > 0) {
            Introduce(e.peer, /*asks=*/!standing.settled(), out);
          }
        } else if constexpr (std::is_same_v<E, DatagramReceived>) {
          gossip::Effects fx;
          swim.OnDatagram(now, e.from, e.bytes.view(), fx);
          AbsorbGossip(std::move(fx), out);
        } else if constexpr (std::is_same_v<E, GossipStreamReceived>) {
          gossip::Effects fx;
          swim.OnStream(now, e.bytes.view(), fx);
          AbsorbGossip(std::move(fx), out);
        } else if constexpr (std::is_same_v<E, RequestReceived>) {
          OnRequest(now, std::move(e), out);
        } else if constexpr (std::is_same_v<E, RequestCancelled>) {
          for (const auto& [group, replica] : replicas) {
            if (replica->CancelFetch(e.id)) break;
          }
        } else if constexpr (std::is_same_v<E, IoDone> || std::is_same_v<E, ReadDone> ||
                             std::is_same_v<E, GroupReopened>) {
          const GroupId group = shared.TakeToken(e.token);
          const auto at = replicas.find(group);
          agenda.Touch(group);
          if constexpr (std::is_same_v<E, ReadDone>) {
            if (scrub.has_value() && scrub->token == e.token) {
              OnScrubRead(now, group, e.bytes, out);
              return;
            }
          }
          if (at == replicas.end()) return;
          if constexpr (std::is_same_v<E, IoDone>) {
            if (at->second->OnCompactionFlushed(now, e.token, e.status, out)) return;
            if (at->second->OnSnapshotFlushed(now, e.token, e.status, out)) return;
            at->second->OnFlushed(now, e.status, out);
          } else if constexpr (std::is_same_v<E, GroupReopened>) {
            OnGroupReopened(now, *at->second, std::move(e), out);
          } else {
            if (at->second->OnCompactionRead(now, e.token, e.bytes, out)) return;
            at->second->OnRead(now, e.token, std::move(e.bytes), out);
          }
        } else if constexpr (std::is_same_v<E, DiskSpace>) {
          OnDiskSpace(now, e, out);
        } else if constexpr (std::is_same_v<E, DamageFound>) {
          const auto at = replicas.find(e.file.group);
          if (at == replicas.end()) return;
          agenda.Touch(at->first);
          at->second->OnDamage(now, e.file, out);
        } else if constexpr (std::is_same_v<E, ShutdownRequested>) {
          BeginShutdown(now, out);
        } else {
          static_assert(std::is_same_v<E, TimerFired>);
        }
      },
      event);
}

void Node::Impl::OnDiskSpace(Now now, const DiskSpace& space, Effects& out) {
  shared.written_bytes = 0;
  JudgeSpace(now, space, out);
}

// Between two measurements a fast producer could take all of the headroom. What is written may
// overwrite space that was taken before; the next measurement puts that right.
void Node::Impl::CountSpace(Now now, Effects& out) {
  const uint64_t written = std::exchange(shared.written_bytes, 0);
  if (written == 0 || disk_space.total_bytes == 0) return;
  JudgeSpace(now,
             {.free_bytes = disk_space.free_bytes - std::min(disk_space.free_bytes, written),
              .total_bytes = disk_space.total_bytes},
             out);
}

void Node::Impl::JudgeSpace(Now now, const DiskSpace& space, Effects& out) {
  const uint64_t headroom = options.disk_headroom_bytes;
  // Bounds are lower on the way down than on the way up, or every batch removed would open the
  // gates.
  const auto lacks = [&](bool lacked, uint64_t bound) {
    return space.free_bytes < bound + (lacked ? headroom / kHeadroomHysteresisParts : 0);
  };
  const bool full = lacks(disk_full, headroom);
  const bool had_room = !shared.no_room;
  shared.no_room = lacks(shared.no_room, headroom / kFollowerHeadroomParts);
  if (had_room == shared.no_room) TouchAll();
  if (full != disk_full) {
    out.push_back(Note{full ? Note::Level::kError : Note::Level::kInfo,
                       full ? "disk_full" : "disk_space_back",
                       {{"free_bytes", absl::StrCat(space.free_bytes)},
                        {"headroom_bytes", absl::StrCat(headroom)}}});
  }
  const bool back = disk_full && !full;
  disk_full = full;
  disk_space = space;
  if (!back) return;
  for (const auto& [group, replica] : replicas) replica->OnSpaceBack(now);
  TouchAll();
}

void Node::Impl::OnGroupReopened(Now now, Replica& replica, GroupReopened reopened, Effects& out) {
  PartitionId partition;
  const CatalogTopic* topic = catalog.TopicOf(replica.group(), &partition);
  if (reopened.recovered.ok() && topic != nullptr && topic->segment_bytes != 0) {
    (*reopened.recovered)->log->SetSegmentBytes(topic->segment_bytes);
  }
  replica.OnReopened(now, std::move(reopened.recovered), out);
}

void Node::Impl::TouchAll() {
  for (const auto& [group, replica] : replicas) agenda.Touch(group);
}

void Node::Impl::Settle(Now now, Effects& out) {
  CountSpace(now, out);
  JudgeDisk(now, out);
  DriveStanding(now, out);
  RememberAddresses();
  DriveReturns(now, kNoNode, out);
  DriveMembers(now, out);
  if (shutting_down) TouchAll();
  const std::vector<GroupId>& touched = agenda.Touched();
  if (!touched.empty() && touched.front() == kCatalogGroup) {
    catalog_replica().Settle(now, out);
    SealRemovals(now, out);
    ApplyCommitted(now, out);
  }
  DecideCompaction(now);
  for (const GroupId group : agenda.Touched()) {
    const auto at = replicas.find(group);
    if (at == replicas.end()) continue;
    Replica& replica = *at->second;
    replica.DriveInstall(now, out);
    replica.DriveCompaction(now, out);
    replica.DriveRepair(now, out);
    if (group != kCatalogGroup) replica.Settle(now, out);
    for (auto& [request, error] : replica.TakeRefusedReads()) {
      Refuse(request, WithLeaderAddress(std::move(error)), out);
    }
    const bool leadership_changed = replica.leadership_changed();
    const bool membership_changed = replica.membership_changed();
    if (leadership_changed || membership_changed) NoteAstray(group);
    if (leadership_changed) {
      out.push_back(Note{Note::Level::kInfo,
                         "leadership",
                         {{"group", absl::StrCat(group.value())},
                          {"role", raft::NameOf(replica.raft().role())},
                          {"term", absl::StrCat(replica.raft().term().value())},
                          {"leader", absl::StrCat(replica.raft().leader().value())}}});
    }
    if (membership_changed) {
      addresses_changed |= group == kCatalogGroup;
      NoteMembers(replica, out);
      Tie(now, group, &replica, /*members_changed=*/true);
    }
    // It may be wanted here again.
    reconcile |= replica.removed();
    if (replica.removed()) replicas.erase(at);
  }
  while (const std::optional<CatchUpPace::Turn> turn = shared.catch_up.Next(now.instant)) {
    const auto at = replicas.find(turn->group);
    if (at != replicas.end()) {
      at->second->ReadForLagging(*turn, out);
    } else {
      shared.catch_up.OnRead(*turn, 0);
    }
  }
  AnswerMemberWaits(now, out);
  Scrub(now, out);
  if (shutting_down) ContinueShutdown(now, out);
  FileDeadlines(now);
  SendBeats(now, out);
  deadline = std::min(deadline, liveness.next_deadline());
}

void Node::Impl::FileDeadlines(Now now) {
  std::vector<GroupId> again;
  for (const GroupId group : agenda.Touched()) {
    const auto at = replicas.find(group);
    agenda.File(group, at == replicas.end() ? Instant::Never() : at->second->next_deadline());
    Tie(now, group, at == replicas.end() ? nullptr : at->second.get(), /*members_changed=*/false);
    if (at != replicas.end() && at->second->wants_settling()) again.push_back(group);
  }
  agenda.EndStep(again);
  if (reconcile) agenda.Touch(kCatalogGroup);
  deadline = std::min({agenda.next_deadline(), swim.next_deadline(), ScrubDeadline(),
                       shared.catch_up.next_deadline()});
  // The end of a pass, which an event brings, is when the next one is looked for.
  if (compacting == kCatalogGroup && !shutting_down) {
    deadline = std::min(deadline, compaction_deadline);
  }
  if (!standing.settled() && standing.durable().generation > 0 && !shutdown_done) {
    deadline = std::min(deadline, ask_at);
  }
  for (const MemberWait& wait : member_waits) deadline = std::min(deadline, wait.deadline);
  if (shutting_down && !shutdown_done) deadline = std::min(deadline, shutdown_deadline);
}

void Node::Impl::BeginShutdown(Now now, Effects& out) {
  if (shutting_down) return;
  shutting_down = true;
  shutdown_deadline = now.instant + options.shutdown_timeout;
  out.push_back(Note{Note::Level::kInfo, "shutdown_begins", {}});
  gossip::Effects fx;
  swim.Leave(now, fx);
  AbsorbGossip(std::move(fx), out);
  for (const auto& [group, replica] : replicas) {
    replica->CancelCompaction();
    replica->TransferLeadership(now, out);
  }
}

void Node::Impl::ContinueShutdown(Now now, Effects& out) {
  if (shutdown_done) return;
  bool finished = true;
  const auto look = [&] {
    for (const auto& [group, replica] : replicas) {
      const bool leads = replica->raft().role() == raft::Role::kLeader &&
                         raft::MembersOf(replica->raft().membership()).size() > 1 &&
                         replica->failure().empty();
      finished = finished && !leads && replica->idle_disk();
    }
  };
  look();
  if (finished && !shutdown_checkpoints) {
    shutdown_checkpoints = true;
    for (const auto& [group, replica] : replicas) replica->PrepareShutdown(now, out);
    look();
  }
  if (!finished && now.instant < shutdown_deadline) return;
  shutdown_done = true;
  const RpcError error{.code = absl::StatusCode::kUnavailable,
                       .reason = "SHUTTING_DOWN",
                       .message = "this node is shutting down; go on with another one",
                       .metadata = {}};
  for (const auto& [group, replica] : replicas) replica->FailWaiting(error, out);
  for (const auto& [index, request] : std::exchange(catalog_waiting, {})) {
    out.push_back(Reply{request, error});
  }
  for (const MemberWait& wait : std::exchange(member_waits, {})) {
    out.push_back(Reply{wait.request, error});
  }
  out.push_back(ShutdownComplete{});
}

}  // namespace tidemark
