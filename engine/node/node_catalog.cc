#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

namespace tidemark {
namespace {

Duration MillisOf(uint64_t millis) {
  return Duration::Millis(static_cast<int64_t>(std::min(millis, kRetentionMillisMax)));
}

RetentionPolicy RetentionOf(const CatalogTopic& topic) {
  RetentionPolicy policy;
  if (!topic.cleanup.deletes()) return policy;
  if (topic.retention_bytes != 0) policy.bytes = topic.retention_bytes;
  if (topic.retention_ms != 0) {
    policy.age = MillisOf(topic.retention_ms);
  }
  return policy;
}

std::optional<CompactionSetting> CompactionOf(const CatalogTopic& topic) {
  if (!topic.cleanup.compacts()) return std::nullopt;
  const uint64_t tombstones = topic.cleanup.tombstone_retention_ms;
  return CompactionSetting{
      .min_lag = MillisOf(topic.cleanup.min_compaction_lag_ms),
      .tombstone_retention = MillisOf(tombstones == 0 ? kTombstoneMillisDefault : tombstones)};
}

}  // namespace

void Node::Impl::ProposeCommand(Now now, RequestId request, const CatalogCommand& command,
                                Effects& out) {
  const Record record{.key = std::nullopt,
                      .value = EncodeCatalogCommand(command),
                      .headers = {},
                      .timestamp_ms = now.wall.millis()};
  absl::StatusOr<std::string> batch = EncodeBatch(std::span(&record, 1));
  if (!batch.ok()) {
    if (request == RequestId()) return;
    Refuse(request,
           {.code = absl::StatusCode::kInvalidArgument,
            .reason = "INVALID_TOPIC",
            .message = std::string(batch.status().message()),
            .metadata = {}},
           out);
    return;
  }
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(*batch);
  TIDEMARK_CHECK(header.ok());
  agenda.Touch(kCatalogGroup);
  LogIndex index;
  if (std::optional<RpcError> refusal =
          catalog_replica().Propose(now, *header, *std::move(batch), RequestId(), &index)) {
    if (request != RequestId()) Refuse(request, WithLeaderAddress(*std::move(refusal)), out);
    return;
  }
  if (request == RequestId()) return;
  catalog_term = catalog_replica().raft().term();
  catalog_waiting.emplace(index, request);
}

void Node::Impl::LoadCatalog() {
  std::optional<CatalogSnapshot> loaded = catalog_replica().TakeCatalog();
  if (!loaded.has_value()) return;
  catalog = std::move(loaded->catalog);
  catalog_applied = loaded->applied;
  for (const auto& [node, incarnation] : catalog.incarnations()) {
    standing.OnRecorded(node, incarnation);
  }
  reconcile = true;
}

void Node::Impl::ApplyCommitted(Now now, Effects& out) {
  bool changed = false;
  LoadCatalog();
  for (const Entry& entry : catalog_replica().TakeCommitted()) {
    absl::Status applied;
    std::string topic;
    bool moved = false;
    catalog_applied = entry.index;
    if (entry.kind == EntryKind::kData) {
      const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(entry.frame.view());
      applied = records.status();
      const std::vector<DecodedRecord> none;
      for (const DecodedRecord& decoded : records.ok() ? *records : none) {
        const absl::StatusOr<CatalogCommand> command =
            DecodeCatalogCommand(decoded.record.value.value_or(""));
        if (!command.ok()) {
          applied = command.status();
          continue;
        }
        applied = catalog.Apply(*command);
        changed = true;
        if (const auto* record = std::get_if<RecordNodeCommand>(&*command)) {
          standing.OnRecorded(record->node, catalog.IncarnationOf(record->node));
        }
        moved = std::holds_alternative<MovePartitionCommand>(*command);
        if (const auto* create = std::get_if<CreateTopicCommand>(&*command)) topic = create->name;
        if (const auto* move = std::get_if<MovePartitionCommand>(&*command)) topic = move->topic;
      }
    }
    const auto [begin, end] = catalog_waiting.equal_range(entry.index);
    for (auto at = begin; at != end; ++at) {
      if (entry.term != catalog_term) continue;  // another leader's entry; answered below
      if (!applied.ok()) {
        const bool exists = absl::IsAlreadyExists(applied);
        Refuse(at->second,
               {.code = applied.code(),
                .reason = exists                      ? "TOPIC_ALREADY_EXISTS"
                          : absl::IsNotFound(applied) ? "TOPIC_NOT_FOUND"
                                                      : "INVALID_TOPIC",
                .message = std::string(applied.message()),
                .metadata = {}},
               out);
      } else if (const CatalogTopic* created = topic.empty() ? nullptr : catalog.Find(topic)) {
        if (moved) {
          out.push_back(Reply{at->second, MovePartitionResponse{Describe(*created)}});
        } else {
          out.push_back(Reply{at->second, CreateTopicResponse{Describe(*created)}});
        }
      } else {
        out.push_back(Reply{at->second, DeleteTopicResponse{}});
      }
      at->second = RequestId();
    }
    std::erase_if(catalog_waiting,
                  [](const auto& waiting) { return waiting.second == RequestId(); });
  }
  // What was cut can never be applied; what the disk lost comes again.
  if (!catalog_replica().lacks()) {
    catalog_recovered = std::min(catalog_recovered, catalog_replica().log().last_index());
  }
  if (changed || reconcile) ReconcileGroups(now, out);
  const raft::Raft& raft = catalog_replica().raft();
  if (catalog_waiting.empty() ||
      (catalog_replica().failure().empty() && raft.role() == raft::Role::kLeader &&
       raft.term() == catalog_term)) {
    return;
  }
  for (const auto& [index, request] : std::exchange(catalog_waiting, {})) {
    Refuse(request,
           {.code = absl::StatusCode::kUnavailable,
            .reason = "NO_LEADER",
            .message = "leadership of the catalog was lost before the change was committed; look "
                       "whether it happened, then try again",
            .metadata = {}},
           out);
  }
}

void Node::Impl::ReconcileGroups(Now now, Effects& out) {
  // Behind where it was when this node stopped, the catalog may name this node where it has been
  // dropped since, and the reverse: no replica is begun without its files on such hearsay, and none
  // is removed. Nor may a move count that a crash could make this node forget: the files would then
  // look left over, or those that are gone would be missed.
  // Nor before it is where this node was let in: until then the catalog speaks of its former self.
  const bool current =
      catalog_applied >= std::max(catalog_recovered, standing.record().fence_index) &&
      !catalog_replica().lacks();
  const std::set<GroupId> undecided = current ? std::set<GroupId>() : UndecidedGroups();
  const bool lasting = current && catalog_replica().log().durable_index() >= catalog_applied;
  reconcile = false;
  moving.clear();
  astray.clear();
  for (const auto& [name, topic] : catalog.topics()) {
    for (const CatalogPartition& partition : topic.partitions) {
      NoteAstray(partition.group);
      if (!partition.target.empty()) moving.insert(partition.group);
      const auto at = replicas.find(partition.group);
      if (partition.PlacedAt(options.id)) {
        const bool added = partition.admitted.contains(options.id);
        if (at != replicas.end()) continue;
        const bool here = found.contains(partition.group);
        // Of a catalog that has lost its end it is not known what it said.
        const bool decided = !undecided.contains(partition.group) && !catalog_replica().lacks();
        if (here ? decided : (added ? lasting : current)) {
          StartGroup(now, partition.group, topic, partition, out);
        } else {
          reconcile = true;
        }
      } else if (at != replicas.end() || found.contains(partition.group)) {
        if (!lasting) {
          reconcile = true;
        } else if (at != replicas.end()) {
          at->second->Remove(now, out);
          agenda.Touch(partition.group);
        }
      }
    }
  }
  for (const auto& [group, replica] : replicas) {
    if (group != kCatalogGroup && catalog.PlaceOf(group) == nullptr) {
      replica->Remove(now, out);
      agenda.Touch(group);
    }
  }
  RemoveLeftovers(now, lasting, out);
}

std::set<GroupId> Node::Impl::UndecidedGroups() const {
  std::set<GroupId> groups;
  for (const Entry& entry : catalog_replica().unapplied()) {
    if (entry.kind != EntryKind::kData) continue;
    const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(entry.frame.view());
    if (!records.ok()) continue;
    for (const DecodedRecord& decoded : *records) {
      const absl::StatusOr<CatalogCommand> command =
          DecodeCatalogCommand(decoded.record.value.value_or(""));
      const auto* admit = command.ok() ? std::get_if<AdmitReplicaCommand>(&*command) : nullptr;
      if (admit != nullptr && admit->node == options.id) groups.insert(admit->group);
    }
  }
  return groups;
}

void Node::Impl::RemoveLeftovers(Now now, bool lasting, Effects& out) {
  // Of topics whose deletion was committed while this node was down or half done, and of partitions
  // that have moved away.
  for (auto at = found.begin(); at != found.end();) {
    const GroupId group = at->first;
    const CatalogPartition* place = catalog.PlaceOf(group);
    const bool elsewhere = place != nullptr && !place->PlacedAt(options.id) && lasting;
    if (group >= catalog.next_group() || (place != nullptr && !elsewhere)) {
      ++at;
      continue;
    }
    RemoveGroup(now, group, std::move(at->second), out);
    at = found.erase(at);
  }
}

void Node::Impl::RemoveGroup(Now now, GroupId group, RecoveredGroup recovered, Effects& out) {
  Replica::Options replica_options{.group = group, .raft = {.self = options.id}};
  auto replica = std::make_unique<Replica>(std::move(replica_options), std::move(recovered),
                                           &shared, prng.Fork());
  replica->Remove(now, out);
  replicas.emplace(group, std::move(replica));
  agenda.Touch(group);
}

void Node::Impl::StartGroup(Now now, GroupId group, const CatalogTopic& topic,
                            const CatalogPartition& partition, Effects& out) {
  RecoveredGroup recovered;
  const auto at = found.find(group);
  if (at != found.end()) {
    recovered = std::move(at->second);
    found.erase(at);
  }
  if (recovered.removed()) {
    // The catalog is not yet back at the deletion that this node had already heard of.
    RemoveGroup(now, group, std::move(recovered), out);
    return;
  }
  const bool fresh = recovered.hard_state.term == Term();
  if (!recovered.log.has_value()) recovered = EmptyGroup(group, options.log);
  recovered.members.SetOrigin(partition.origin);
  // Only the catalog knows a topic's own options, and files are recovered before it is.
  if (topic.segment_bytes != 0) recovered.log->SetSegmentBytes(topic.segment_bytes);
  Replica::Options replica_options{.group = group,
                                   .raft = {.self = options.id,
                                            .election_timeout = options.election_timeout,
                                            .heartbeat_interval = options.heartbeat_interval,
                                            .pre_vote = options.pre_vote,
                                            .check_quorum = options.check_quorum,
                                            .append_bytes_max = options.append_bytes_max,
                                            .append_entries_max = options.append_entries_max,
                                            .paced_catch_up = options.catch_up_bytes_per_second > 0,
                                            .lease_reads = options.lease_reads,
                                            .lease_drift_permille = options.lease_drift_permille,
                                            .quiet = options.quiet_groups,
                                            .aligned_heartbeats = true},
                                   .origin = partition.origin,
                                   .retention = RetentionOf(topic),
                                   .retention_interval = options.retention_interval,
                                   .compaction = CompactionOf(topic)};
  const auto admitted = partition.admitted.find(options.id);
  if (admitted != partition.admitted.end()) {
    replica_options.fence = {.term = admitted->second.term, .index = admitted->second.index};
  }
  // Only a node that has something to compact looks for it.
  if (replica_options.compaction.has_value()) compaction_deadline = now.instant;
  // The first of the list is the preferred first leader: a new partition need not wait for a
  // timeout, and leaders spread over the nodes.
  replica_options.raft.campaign_at_start =
      fresh && admitted == partition.admitted.end() && partition.replicas.front() == options.id;
  auto replica = std::make_unique<Replica>(std::move(replica_options), std::move(recovered),
                                           &shared, prng.Fork());
  replica->Start(now, out);
  replicas.emplace(group, std::move(replica));
  agenda.Touch(group);
}

std::vector<std::vector<NodeId>> Node::Impl::Place(uint32_t partitions,
                                                   uint32_t replication_factor) const {
  // Round robin over the voters, going on where the last topic ended.
  const raft::NodeSet& nodes = voters();
  const size_t start = catalog.next_group().value() - 1;
  std::vector<std::vector<NodeId>> placement(partitions);
  for (uint32_t partition = 0; partition < partitions; ++partition) {
    for (uint32_t replica = 0; replica < replication_factor; ++replica) {
      placement[partition].push_back(nodes[(start + partition + replica) % nodes.size()]);
    }
  }
  return placement;
}

}  // namespace tidemark
