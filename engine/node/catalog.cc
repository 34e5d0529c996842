#include "engine/node/catalog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/node/catalog_fields.h"

namespace tidemark {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kVersionWithRetention = 2;
constexpr uint8_t kVersionWithCleanup = 3;
constexpr uint8_t kVersionWithMoves = 4;
constexpr uint8_t kVersionWithIncarnations = 5;
constexpr uint8_t kVersionWithAbsence = 6;
constexpr uint8_t kCreateTopic = 1;
constexpr uint8_t kDeleteTopic = 2;
constexpr uint8_t kMovePartition = 3;
constexpr uint8_t kAdmitReplica = 4;
constexpr uint8_t kFinishMove = 5;
constexpr uint8_t kRecordNode = 6;

absl::Status Malformed() {
  return absl::DataLossError(
      "a catalog entry is malformed: it was written by a newer version or damaged");
}

absl::StatusOr<CatalogCommand> DecodeCreate(CatalogReader& reader, uint8_t version) {
  CreateTopicCommand create;
  create.name = reader.Text();
  create.segment_bytes = reader.Integer<uint64_t>();
  if (version >= kVersionWithRetention) {
    create.retention_bytes = reader.Integer<uint64_t>();
    create.retention_ms = reader.Integer<uint64_t>();
  }
  if (version >= kVersionWithCleanup) {
    create.cleanup.policy = static_cast<Cleanup>(reader.Integer<uint8_t>());
    create.cleanup.min_compaction_lag_ms = reader.Integer<uint64_t>();
    create.cleanup.tombstone_retention_ms = reader.Integer<uint64_t>();
    if (create.cleanup.policy > Cleanup::kCompactAndDelete) return Malformed();
  }
  const uint32_t partitions = reader.Integer<uint32_t>();
  if (reader.broken() || partitions > kPartitionsPerTopicMax) return Malformed();
  for (uint32_t i = 0; i < partitions; ++i) {
    create.replicas.push_back(reader.Nodes());
    if (reader.broken()) return Malformed();
  }
  if (!reader.done()) return Malformed();
  return create;
}

absl::StatusOr<CatalogCommand> DecodeMove(CatalogReader& reader, uint8_t version, uint8_t kind) {
  CatalogCommand command;
  if (version == kVersionWithAbsence && kind != kAdmitReplica) return Malformed();
  if (kind == kMovePartition) {
    MovePartitionCommand move;
    move.topic = reader.Text();
    move.partition = PartitionId(reader.Integer<uint32_t>());
    move.replicas = reader.Nodes();
    command = std::move(move);
  } else if (kind == kAdmitReplica) {
    AdmitReplicaCommand admit;
    admit.group = GroupId(reader.Integer<uint64_t>());
    admit.node = NodeId(reader.Integer<uint64_t>());
    admit.admission.term = Term(reader.Integer<uint64_t>());
    admit.admission.index = LogIndex(reader.Integer<uint64_t>());
    if (admit.admission.lost()) return Malformed();
    if (version == kVersionWithAbsence) {
      admit.absent_at = LogIndex(reader.Integer<uint64_t>());
      if (admit.absent_at == LogIndex(0)) return Malformed();
    }
    command = admit;
  } else if (kind == kFinishMove) {
    FinishMoveCommand finish;
    finish.group = GroupId(reader.Integer<uint64_t>());
    finish.replicas = reader.Nodes();
    command = std::move(finish);
  } else {
    return Malformed();
  }
  if (!reader.done()) return Malformed();
  return command;
}

absl::StatusOr<CatalogCommand> DecodeRecord(CatalogReader& reader, uint8_t kind) {
  RecordNodeCommand record;
  record.node = NodeId(reader.Integer<uint64_t>());
  record.incarnation = Incarnation(reader.Integer<uint64_t>());
  record.step = static_cast<RecordNodeCommand::Step>(reader.Integer<uint8_t>());
  if (!reader.done() || kind != kRecordNode || record.node == kNoNode ||
      record.incarnation == Incarnation() || record.step > RecordNodeCommand::Step::kKnown) {
    return Malformed();
  }
  return CatalogCommand(record);
}

std::string EncodeRecord(const RecordNodeCommand& record) {
  std::string out;
  AppendLittle<uint8_t>(out, kVersionWithIncarnations);
  AppendLittle<uint8_t>(out, kRecordNode);
  AppendLittle<uint64_t>(out, record.node.value());
  AppendLittle<uint64_t>(out, record.incarnation.value());
  AppendLittle<uint8_t>(out, static_cast<uint8_t>(record.step));
  return out;
}

std::string EncodeMove(const CatalogCommand& command) {
  std::string out;
  const auto* admitted = std::get_if<AdmitReplicaCommand>(&command);
  const bool absence = admitted != nullptr && admitted->absent_at > LogIndex(0);
  AppendLittle<uint8_t>(out, absence ? kVersionWithAbsence : kVersionWithMoves);
  if (const auto* move = std::get_if<MovePartitionCommand>(&command)) {
    AppendLittle<uint8_t>(out, kMovePartition);
    AppendText(out, move->topic);
    AppendLittle<uint32_t>(out, move->partition.value());
    AppendNodes(out, move->replicas);
  } else if (const auto* admit = std::get_if<AdmitReplicaCommand>(&command)) {
    AppendLittle<uint8_t>(out, kAdmitReplica);
    AppendLittle<uint64_t>(out, admit->group.value());
    AppendLittle<uint64_t>(out, admit->node.value());
    AppendLittle<uint64_t>(out, admit->admission.term.value());
    AppendLittle<uint64_t>(out, admit->admission.index.value());
    if (absence) AppendLittle<uint64_t>(out, admit->absent_at.value());
  } else {
    const auto& finish = std::get<FinishMoveCommand>(command);
    AppendLittle<uint8_t>(out, kFinishMove);
    AppendLittle<uint64_t>(out, finish.group.value());
    AppendNodes(out, finish.replicas);
  }
  return out;
}

std::vector<NodeId> Sorted(std::vector<NodeId> nodes) {
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

std::string EncodeCatalogCommand(const CatalogCommand& command) {
  std::string out;
  if (const auto* create = std::get_if<CreateTopicCommand>(&command)) {
    const bool cleanup = create->cleanup.compacts();
    const bool retention = cleanup || create->retention_bytes != 0 || create->retention_ms != 0;
    AppendLittle<uint8_t>(out, cleanup     ? kVersionWithCleanup
                               : retention ? kVersionWithRetention
                                           : kVersion);
    AppendLittle<uint8_t>(out, kCreateTopic);
    AppendText(out, create->name);
    AppendLittle<uint64_t>(out, create->segment_bytes);
    if (retention) {
      AppendLittle<uint64_t>(out, create->retention_bytes);
      AppendLittle<uint64_t>(out, create->retention_ms);
    }
    if (cleanup) {
      AppendLittle<uint8_t>(out, static_cast<uint8_t>(create->cleanup.policy));
      AppendLittle<uint64_t>(out, create->cleanup.min_compaction_lag_ms);
      AppendLittle<uint64_t>(out, create->cleanup.tombstone_retention_ms);
    }
    AppendLittle<uint32_t>(out, static_cast<uint32_t>(create->replicas.size()));
    for (const std::vector<NodeId>& replicas : create->replicas) AppendNodes(out, replicas);
  } else if (const auto* remove = std::get_if<DeleteTopicCommand>(&command)) {
    AppendLittle<uint8_t>(out, kVersion);
    AppendLittle<uint8_t>(out, kDeleteTopic);
    AppendText(out, remove->name);
  } else if (const auto* record = std::get_if<RecordNodeCommand>(&command)) {
    return EncodeRecord(*record);
  } else {
    return EncodeMove(command);
  }
  return out;
}

absl::StatusOr<CatalogCommand> DecodeCatalogCommand(std::string_view bytes) {
  CatalogReader reader(bytes);
  const uint8_t version = reader.Integer<uint8_t>();
  const uint8_t kind = reader.Integer<uint8_t>();
  if (reader.broken() || version < kVersion || version > kVersionWithAbsence) {
    return Malformed();
  }
  if (version == kVersionWithIncarnations) return DecodeRecord(reader, kind);
  if (version == kVersionWithMoves || version == kVersionWithAbsence) {
    return DecodeMove(reader, version, kind);
  }
  if (kind == kCreateTopic) return DecodeCreate(reader, version);
  if (kind != kDeleteTopic || version != kVersion) return Malformed();
  DeleteTopicCommand remove{.name = reader.Text()};
  if (!reader.done()) return Malformed();
  return CatalogCommand(std::move(remove));
}

absl::Status CheckTopicName(std::string_view name) {
  bool sane = !name.empty() && name.size() <= kTopicNameBytesMax && name != "." && name != "..";
  for (const char c : name) {
    sane = sane && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-');
  }
  if (sane) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a topic name has 1 to ", kTopicNameBytesMax,
                   " characters of a-z A-Z 0-9 . _ - and is not \".\" or \"..\""));
}

bool CatalogPartition::PlacedAt(NodeId node) const {
  if (std::find(replicas.begin(), replicas.end(), node) != replicas.end()) return true;
  const auto at = admitted.find(node);
  return at != admitted.end() && !at->second.lost();
}

absl::Status Catalog::Apply(const CatalogCommand& command) {
  if (const auto* create = std::get_if<CreateTopicCommand>(&command)) return ApplyCreate(*create);
  if (const auto* remove = std::get_if<DeleteTopicCommand>(&command)) return ApplyDelete(*remove);
  if (const auto* move = std::get_if<MovePartitionCommand>(&command)) return ApplyMove(*move);
  if (const auto* admit = std::get_if<AdmitReplicaCommand>(&command)) return ApplyAdmit(*admit);
  if (const auto* record = std::get_if<RecordNodeCommand>(&command)) return ApplyRecord(*record);
  return ApplyFinish(std::get<FinishMoveCommand>(command));
}

absl::Status Catalog::ApplyDelete(const DeleteTopicCommand& remove) {
  const auto found = topics_.find(remove.name);
  if (found == topics_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no topic \"", remove.name, "\""));
  }
  for (const CatalogPartition& partition : found->second.partitions) {
    groups_.erase(partition.group);
  }
  topics_.erase(found);
  return absl::OkStatus();
}

absl::Status Catalog::ApplyCreate(const CreateTopicCommand& create) {
  if (topics_.contains(create.name)) {
    return absl::AlreadyExistsError(absl::StrCat("topic \"", create.name, "\" already exists"));
  }
  if (topics_.size() >= kTopicsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the cluster already has ", kTopicsMax, " topics, its limit; delete some"));
  }
  CatalogTopic topic{.name = create.name,
                     .id = next_topic_,
                     .segment_bytes = create.segment_bytes,
                     .retention_bytes = create.retention_bytes,
                     .retention_ms = create.retention_ms,
                     .cleanup = create.cleanup,
                     .partitions = {}};
  ++next_topic_;
  for (size_t i = 0; i < create.replicas.size(); ++i) {
    topic.partitions.push_back({.group = next_group_,
                                .replicas = create.replicas[i],
                                .origin = Sorted(create.replicas[i]),
                                .target = {},
                                .admitted = {}});
    groups_[next_group_] = {create.name, PartitionId(static_cast<uint32_t>(i))};
    ++next_group_;
  }
  topics_.emplace(create.name, std::move(topic));
  return absl::OkStatus();
}

absl::Status Catalog::ApplyMove(const MovePartitionCommand& move) {
  const auto found = topics_.find(move.topic);
  if (found == topics_.end() || move.partition.value() >= found->second.partitions.size()) {
    return absl::NotFoundError(absl::StrCat("there is no partition ", move.partition.value(),
                                            " of topic \"", move.topic, "\""));
  }
  CatalogPartition& place = found->second.partitions[move.partition.value()];
  if (place.target.empty() && Sorted(move.replicas) == Sorted(place.replicas)) {
    return absl::OkStatus();
  }
  place.target = move.replicas;
  return absl::OkStatus();
}

absl::Status Catalog::ApplyAdmit(const AdmitReplicaCommand& admit) {
  CatalogPartition* place = FindPlace(admit.group);
  if (place == nullptr) return absl::NotFoundError("the partition is gone");
  if (std::find(place->target.begin(), place->target.end(), admit.node) == place->target.end()) {
    return absl::FailedPreconditionError("the partition does not move there any more");
  }
  // Who has a replica keeps it, and what it started with.
  if (place->PlacedAt(admit.node)) return absl::OkStatus();
  const auto former = place->admitted.find(admit.node);
  if (former != place->admitted.end() && admit.absent_at <= former->second.index) {
    return absl::FailedPreconditionError("its former self may be a member still");
  }
  place->admitted[admit.node] = admit.admission;
  return absl::OkStatus();
}

absl::Status Catalog::ApplyFinish(const FinishMoveCommand& finish) {
  CatalogPartition* place = FindPlace(finish.group);
  if (place == nullptr) return absl::NotFoundError("the partition is gone");
  if (place->target.empty() || Sorted(place->target) != Sorted(finish.replicas)) {
    return absl::FailedPreconditionError("the partition does not move there any more");
  }
  // A disk was lost since the leader looked.
  if (!std::all_of(place->target.begin(), place->target.end(),
                   [&](NodeId node) { return place->PlacedAt(node); })) {
    return absl::FailedPreconditionError("a replica is not there any more");
  }
  place->replicas = std::move(place->target);
  place->target.clear();
  std::erase_if(place->admitted, [&](const auto& each) {
    return std::find(place->replicas.begin(), place->replicas.end(), each.first) ==
           place->replicas.end();
  });
  return absl::OkStatus();
}

absl::Status Catalog::ApplyRecord(const RecordNodeCommand& record) {
  using Step = RecordNodeCommand::Step;
  const absl::Status late =
      absl::FailedPreconditionError("the node has gone on since, or has another incarnation");
  const auto back = returning_.find(record.node);
  const auto at = incarnations_.find(record.node);
  const bool same = at != incarnations_.end() && at->second == record.incarnation;
  if (at == incarnations_.end() && incarnations_.size() >= kNodesMax) {
    return absl::ResourceExhaustedError("as many nodes as there may be have been recorded");
  }
  switch (record.step) {
    case Step::kLost:
      if (same) return late;
      incarnations_[record.node] = record.incarnation;
      returning_[record.node] = false;
      break;
    case Step::kRemoved:
      if (!same || back == returning_.end()) return late;
      back->second = true;
      return absl::OkStatus();
    case Step::kKnown:
      if (back != returning_.end() && !(same && back->second)) return late;
      incarnations_[record.node] = record.incarnation;
      returning_.erase(record.node);
      return absl::OkStatus();
  }
  // Whoever leads such a partition moves it to where it is supposed to be.
  for (auto& [name, topic] : topics_) {
    for (CatalogPartition& place : topic.partitions) {
      if (!place.PlacedAt(record.node)) continue;
      if (place.target.empty()) place.target = place.replicas;
      std::erase(place.replicas, record.node);
      const auto admitted = place.admitted.find(record.node);
      if (admitted != place.admitted.end()) admitted->second.term = Term();
    }
  }
  return absl::OkStatus();
}

Incarnation Catalog::IncarnationOf(NodeId node) const {
  const auto found = incarnations_.find(node);
  return found == incarnations_.end() ? Incarnation() : found->second;
}

CatalogPartition* Catalog::FindPlace(GroupId group) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return nullptr;
  return &topics_.find(found->second.first)->second.partitions[found->second.second.value()];
}

const CatalogPartition* Catalog::PlaceOf(GroupId group) const {
  return const_cast<Catalog*>(this)->FindPlace(group);
}

std::vector<std::pair<std::string, PartitionId>> Catalog::PartitionsAt(NodeId node) const {
  std::vector<std::pair<std::string, PartitionId>> at;
  for (const auto& [name, topic] : topics_) {
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      const CatalogPartition& place = topic.partitions[i];
      const bool wanted =
          std::find(place.target.begin(), place.target.end(), node) != place.target.end();
      if (wanted || place.PlacedAt(node)) {
        at.emplace_back(name, PartitionId(static_cast<uint32_t>(i)));
      }
    }
  }
  return at;
}

const CatalogTopic* Catalog::Find(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

const CatalogTopic* Catalog::TopicOf(GroupId group, PartitionId* partition) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return nullptr;
  *partition = found->second.second;
  return Find(found->second.first);
}

}  // namespace tidemark
