#include "proto/convert.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace tidemark {
namespace {

Record ToRecord(v1::Record&& from, int64_t now_ms) {
  Record to;
  if (from.has_key()) to.key = std::move(*from.mutable_key());
  if (from.has_value()) to.value = std::move(*from.mutable_value());
  to.headers.reserve(static_cast<size_t>(from.headers_size()));
  for (v1::Header& header : *from.mutable_headers()) {
    RecordHeader& added = to.headers.emplace_back();
    added.key = std::move(*header.mutable_key());
    if (header.has_value()) added.value = std::move(*header.mutable_value());
  }
  to.timestamp_ms = from.timestamp_ms() == 0 ? now_ms : from.timestamp_ms();
  return to;
}

void FromRecord(DecodedRecord&& from, v1::Record& to) {
  if (from.record.key.has_value()) to.set_key(*std::move(from.record.key));
  if (from.record.value.has_value()) to.set_value(*std::move(from.record.value));
  for (RecordHeader& header : from.record.headers) {
    v1::Header& added = *to.add_headers();
    added.set_key(std::move(header.key));
    if (header.value.has_value()) added.set_value(*std::move(header.value));
  }
  to.set_timestamp_ms(from.record.timestamp_ms);
  to.set_offset(from.offset.value());
}

v1::Role FromRole(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return v1::ROLE_FOLLOWER;
    case raft::Role::kPreCandidate:
    case raft::Role::kCandidate:
      return v1::ROLE_CANDIDATE;
    case raft::Role::kLeader:
      return v1::ROLE_LEADER;
  }
  return v1::ROLE_UNSPECIFIED;
}

v1::MemberState FromMemberState(std::optional<gossip::MemberState> state) {
  if (!state.has_value()) return v1::MEMBER_STATE_UNKNOWN;
  switch (*state) {
    case gossip::MemberState::kAlive:
      return v1::MEMBER_STATE_ALIVE;
    case gossip::MemberState::kSuspect:
      return v1::MEMBER_STATE_SUSPECT;
    case gossip::MemberState::kDead:
      return v1::MEMBER_STATE_FAILED;
    case gossip::MemberState::kLeft:
      return v1::MEMBER_STATE_LEFT;
  }
  return v1::MEMBER_STATE_UNSPECIFIED;
}

void FromServer(const ServerInfo& from, v1::Server& to) {
  to.set_id(from.id.value());
  if (from.address.has_value()) to.set_address(from.address->ToString());
  to.set_is_leader(from.is_leader);
  to.set_role(from.role);
  to.set_state(FromMemberState(from.state));
  for (const auto& [key, value] : from.tags) (*to.mutable_tags())[key] = value;
}

void FromGroup(const GroupInfo& from, v1::GroupStatus& to) {
  to.set_group(from.group.value());
  to.set_topic(from.topic);
  to.set_partition(from.partition.value());
  to.set_role(FromRole(from.role));
  to.set_term(from.term.value());
  to.set_leader_id(from.leader.value());
  to.set_first_index(from.first_index.value());
  to.set_last_index(from.last_index.value());
  to.set_commit_index(from.commit_index.value());
  to.set_durable_index(from.durable_index.value());
  to.set_start_offset(from.start_offset.value());
  to.set_high_watermark(from.high_watermark.value());
  for (const NodeId replica : from.replicas) to.add_replicas(replica.value());
  to.set_failure(from.failure);
  to.set_repair(from.repair);
  to.set_snapshot_index(from.snapshot_index.value());
  to.set_snapshot_bytes(from.snapshot_bytes);
  for (const auto& [node, lag] : from.lag_entries) {
    (*to.mutable_lag_entries())[node.value()] = lag;
  }
}

RpcError TooLarge(std::string message) {
  return RpcError{.code = absl::StatusCode::kResourceExhausted,
                  .reason = "BATCH_TOO_LARGE",
                  .message = std::move(message),
                  .metadata = {{"max_bytes", absl::StrCat(kBatchBytesMax)}}};
}

OrRpcError<std::string> BatchOf(v1::Records&& from, int64_t now_ms) {
  if (from.records_size() == 0) {
    return InvalidRequest("INVALID_BATCH", "the request has no records; send at least one");
  }
  std::vector<Record> records;
  records.reserve(static_cast<size_t>(from.records_size()));
  for (v1::Record& record : *from.mutable_records()) {
    records.push_back(ToRecord(std::move(record), now_ms));
  }
  absl::StatusOr<std::string> batch = EncodeBatch(records);
  if (batch.ok()) return *std::move(batch);
  const std::string message(batch.status().message());
  if (batch.status().code() == absl::StatusCode::kResourceExhausted) return TooLarge(message);
  return InvalidRequest("INVALID_BATCH", message);
}

// Calls `visit` with each whole frame of `bytes`.
template <typename Visitor>
absl::Status ForEachFrame(std::string_view bytes, Visitor visit) {
  while (!bytes.empty()) {
    TIDEMARK_ASSIGN_OR_RETURN(const BatchHeader header, DecodeBatchHeader(bytes));
    if (header.total_bytes() > bytes.size()) {
      return absl::DataLossError("a batch of the log is cut short");
    }
    TIDEMARK_RETURN_IF_ERROR(visit(header, bytes.substr(0, header.total_bytes())));
    bytes.remove_prefix(header.total_bytes());
  }
  return absl::OkStatus();
}

// What the enum does not have becomes something that the node refuses.
Cleanup ToCleanup(v1::CleanupPolicy from) {
  return static_cast<Cleanup>(from < 0 || from > UINT8_MAX ? UINT8_MAX : from);
}

}  // namespace

RpcError InvalidRequest(std::string reason, std::string message) {
  return RpcError{.code = absl::StatusCode::kInvalidArgument,
                  .reason = std::move(reason),
                  .message = std::move(message),
                  .metadata = {}};
}

OrRpcError<ProduceRequest> ToProduce(v1::ProduceRequest&& from, int64_t now_ms) {
  ProduceRequest to;
  to.topic = std::move(*from.mutable_topic());
  to.partition = PartitionId(from.partition());
  switch (from.payload_case()) {
    case v1::ProduceRequest::kBatch:
      to.batch = std::move(*from.mutable_batch());
      break;
    case v1::ProduceRequest::kRecords: {
      OrRpcError<std::string> batch = BatchOf(std::move(*from.mutable_records()), now_ms);
      if (auto* error = std::get_if<RpcError>(&batch)) return std::move(*error);
      to.batch = std::get<std::string>(std::move(batch));
      break;
    }
    case v1::ProduceRequest::PAYLOAD_NOT_SET:
      return InvalidRequest("INVALID_BATCH",
                            "the request has no payload; set either `batch` or `records`");
  }
  if (to.batch.size() > kBatchBytesMax) {
    return TooLarge(absl::StrCat("the batch has ", to.batch.size(), " bytes, at most ",
                                 kBatchBytesMax, " are accepted; send smaller batches"));
  }
  return to;
}

FetchRequest ToFetch(const v1::ConsumeRequest& from) {
  FetchRequest to;
  to.topic = from.topic();
  to.partition = PartitionId(from.partition());
  switch (from.start_case()) {
    case v1::ConsumeRequest::kOffset:
      to.start = FetchRequest::Start::kOffset;
      to.offset = Offset(from.offset());
      break;
    case v1::ConsumeRequest::kAppendTimeMs:
      to.start = FetchRequest::Start::kAppendTime;
      to.append_time = WallTime::FromMillis(from.append_time_ms());
      break;
    case v1::ConsumeRequest::kBoundary:
    case v1::ConsumeRequest::START_NOT_SET:
      to.start = from.boundary() == v1::BOUNDARY_LATEST ? FetchRequest::Start::kLatest
                                                        : FetchRequest::Start::kEarliest;
      break;
  }
  if (from.max_bytes() != 0) {
    to.max_bytes =
        static_cast<uint32_t>(std::min(size_t{from.max_bytes()}, size_t{kFetchBytesMax}));
  }
  switch (from.consistency()) {
    case v1::CONSISTENCY_COMMITTED:
      break;
    case v1::CONSISTENCY_BOUNDED:
      to.consistency = Consistency::kBounded;
      to.max_staleness = Duration::Micros(
          static_cast<int64_t>(std::min(from.max_staleness_us(), kStalenessMicrosMax)));
      break;
    default:
      // Also what a newer client may ask for: this promises most.
      to.consistency = Consistency::kLinearizable;
      break;
  }
  return to;
}

CreateTopicRequest ToCreateTopic(const v1::CreateTopicRequest& from) {
  return CreateTopicRequest{.name = from.name(),
                            .partitions = from.partitions(),
                            .replication_factor = from.replication_factor(),
                            .segment_bytes = from.segment_bytes(),
                            .retention_bytes = from.retention_bytes(),
                            .retention_ms = from.retention_ms(),
                            .cleanup = {.policy = ToCleanup(from.cleanup_policy()),
                                        .min_compaction_lag_ms = from.min_compaction_lag_ms(),
                                        .tombstone_retention_ms = from.tombstone_retention_ms()}};
}

v1::ProduceResponse FromProduce(const ProduceResponse& from) {
  v1::ProduceResponse to;
  to.set_base_offset(from.base_offset.value());
  to.set_record_count(from.record_count);
  to.set_durability(v1::DURABILITY_QUORUM_SYNCED);
  to.set_duplicate(from.duplicate);
  to.set_leader_term(from.term.value());
  return to;
}

v1::Topic FromTopic(const TopicInfo& from) {
  v1::Topic to;
  to.set_name(from.name);
  to.set_id(from.id.value());
  to.set_segment_bytes(from.segment_bytes);
  to.set_retention_bytes(from.retention_bytes);
  to.set_retention_ms(from.retention_ms);
  to.set_cleanup_policy(static_cast<v1::CleanupPolicy>(from.cleanup.policy));
  to.set_min_compaction_lag_ms(from.cleanup.min_compaction_lag_ms);
  to.set_tombstone_retention_ms(from.cleanup.tombstone_retention_ms);
  for (const PartitionInfo& partition : from.partitions) {
    v1::Partition& added = *to.add_partitions();
    added.set_partition(partition.partition.value());
    added.set_group(partition.group.value());
    for (const NodeId replica : partition.replicas) added.add_replicas(replica.value());
    for (const NodeId node : partition.target) added.add_target(node.value());
    for (const NodeId voter : partition.voters) added.add_voters(voter.value());
    for (const NodeId learner : partition.learners) added.add_learners(learner.value());
    added.set_leader_id(partition.leader.value());
    if (partition.leader_address.has_value()) {
      added.set_leader_address(partition.leader_address->ToString());
    }
    added.set_leader_term(partition.leader_term.value());
    added.set_start_offset(partition.start_offset.value());
    added.set_high_watermark(partition.high_watermark.value());
  }
  return to;
}

v1::GetServersResponse FromServers(const GetServersResponse& from) {
  v1::GetServersResponse to;
  to.set_cluster_id(from.cluster_id);
  to.set_leader_id(from.leader.value());
  for (const ServerInfo& server : from.servers) FromServer(server, *to.add_servers());
  return to;
}

v1::GetMembersResponse FromMembers(const GetMembersResponse& from) {
  v1::GetMembersResponse to;
  to.set_cluster_id(from.cluster_id);
  to.set_leader_id(from.leader.value());
  if (from.leader_address.has_value()) to.set_leader_address(from.leader_address->ToString());
  to.set_from_leader(from.from_leader);
  for (const MemberInfo& member : from.members) {
    v1::Member& added = *to.add_members();
    added.set_id(member.id.value());
    if (member.address.has_value()) added.set_address(member.address->ToString());
    added.set_role(member.role);
    added.set_is_leader(member.is_leader);
    added.set_state(FromMemberState(member.state));
    if (member.lag_entries.has_value()) added.set_lag_entries(*member.lag_entries);
    added.set_partitions(member.partitions);
    added.set_note(member.note);
  }
  return to;
}

MovePartitionRequest ToMovePartition(const v1::MovePartitionRequest& from) {
  MovePartitionRequest to{
      .topic = from.topic(), .partition = PartitionId(from.partition()), .replicas = {}};
  for (const uint64_t replica : from.replicas()) to.replicas.push_back(NodeId(replica));
  return to;
}

v1::GetStatusResponse FromStatus(const GetStatusResponse& from) {
  v1::GetStatusResponse to;
  to.set_node_id(from.node.value());
  to.set_cluster_id(from.cluster_id);
  to.set_version(from.version);
  if (!from.address.empty()) to.set_address(from.address.ToString());
  for (const ServerInfo& member : from.members) FromServer(member, *to.add_members());
  for (const GroupInfo& group : from.groups) FromGroup(group, *to.add_groups());
  to.set_disk_full(from.disk_full);
  to.set_disk_stalled(from.disk_stalled);
  to.set_shutting_down(from.shutting_down);
  return to;
}

absl::StatusOr<v1::ConsumeResponse> FromFetch(const FetchResponse& fetch,
                                              std::span<const Bytes> frames,
                                              v1::ConsumeFormat format) {
  v1::ConsumeResponse to;
  uint64_t next_offset = fetch.from.value();
  size_t bytes = 0;
  for (const Bytes& slice : frames) bytes += slice.size();
  std::string& batches = *to.mutable_batches();
  if (format == v1::CONSUME_FORMAT_BATCHES) batches.reserve(bytes);
  for (const Bytes& slice : frames) {
    TIDEMARK_RETURN_IF_ERROR(
        ForEachFrame(slice.view(), [&](const BatchHeader& header, std::string_view frame) {
          next_offset = std::max(next_offset, header.base_offset.value() + header.offset_span());
          if (format != v1::CONSUME_FORMAT_RECORDS) return absl::OkStatus();
          TIDEMARK_ASSIGN_OR_RETURN(std::vector<DecodedRecord> records, DecodeBatch(frame));
          for (DecodedRecord& record : records) {
            if (record.offset < fetch.from) continue;
            FromRecord(std::move(record), *to.add_records());
          }
          return absl::OkStatus();
        }));
    if (format == v1::CONSUME_FORMAT_BATCHES) batches.append(slice.view());
  }
  to.set_next_offset(next_offset);
  to.set_high_watermark(fetch.limit.value());
  to.set_start_offset(fetch.start_offset.value());
  to.set_compacted(fetch.compacted);
  // Rounded up.
  if (fetch.staleness.has_value()) {
    to.set_staleness_us((static_cast<uint64_t>(fetch.staleness->nanos()) + 999) / 1000);
  }
  return to;
}

v1::StreamError FromError(const RpcError& from) {
  v1::StreamError to;
  to.set_code(static_cast<int>(from.code));
  to.set_reason(from.reason);
  to.set_message(from.message);
  for (const auto& [key, value] : from.metadata) (*to.mutable_metadata())[key] = value;
  return to;
}

RpcError ToError(const v1::StreamError& from) {
  RpcError to;
  to.code = static_cast<absl::StatusCode>(from.code());
  to.reason = from.reason();
  to.message = from.message();
  for (const auto& [key, value] : from.metadata()) to.metadata[key] = value;
  return to;
}

std::string EncodeErrorDetails(const RpcError& error) {
  google::rpc::ErrorInfo info;
  info.set_reason(error.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : error.metadata) (*info.mutable_metadata())[key] = value;
  google::rpc::LocalizedMessage message;
  message.set_locale("en");
  message.set_message(error.message);

  google::rpc::Status status;
  status.set_code(static_cast<int>(error.code));
  status.set_message(error.message);
  status.add_details()->PackFrom(info);
  status.add_details()->PackFrom(message);
  return status.SerializeAsString();
}

RpcError DecodeErrorDetails(int code, std::string_view message, std::string_view details) {
  RpcError error;
  error.code = static_cast<absl::StatusCode>(code);
  error.message = std::string(message);
  google::rpc::Status status;
  if (!status.ParseFromArray(details.data(), static_cast<int>(details.size()))) return error;
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::ErrorInfo info;
    if (!detail.Is<google::rpc::ErrorInfo>() || !detail.UnpackTo(&info)) continue;
    if (info.domain() != kErrorDomain) continue;
    error.reason = info.reason();
    for (const auto& [key, value] : info.metadata()) error.metadata[key] = value;
  }
  return error;
}

}  // namespace tidemark
