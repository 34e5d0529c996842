#pragma once

#include <type_traits>

#include "absl/status/status.h"
#include "engine/base/endpoint.h"
#include "engine/log/file.h"
#include "engine/log/log.h"
#include "engine/log/scrub.h"
#include "engine/node/node.h"
#include "engine/node/request.h"
#include "proto/journal/archive.h"

// The fields of the engine's structs, in the order they are written. Each list takes a struct apart
// by a structured binding: a field that is added and forgotten here does not compile.

namespace tidemark::journal {

template <typename A, typename T>
using Of = std::conditional_t<A::kReading, T, const T>;

template <>
inline constexpr FileKind kEnumMax<FileKind> = FileKind::kNodeMeta;
template <>
inline constexpr FetchRequest::Start kEnumMax<FetchRequest::Start> =
    FetchRequest::Start::kAppendTime;
template <>
inline constexpr Consistency kEnumMax<Consistency> = Consistency::kBounded;
template <>
inline constexpr Cleanup kEnumMax<Cleanup> = Cleanup::kCompactAndDelete;

#define TIDEMARK_FIELDS(type, ...)        \
  template <typename A>                   \
  void Fields(A& a, Of<A, type>& value) { \
    auto& [__VA_ARGS__] = value;          \
    All(a, __VA_ARGS__);                  \
  }

TIDEMARK_FIELDS(Endpoint, host, port)
TIDEMARK_FIELDS(FileId, group, kind, number)
TIDEMARK_FIELDS(FileRange, file, pos, length, first_index, first_offset, sparse, min_term, max_term,
                end_offset)

// --- What a node is made of ----------------------------------------------------------------------

TIDEMARK_FIELDS(LogOptions, segment_bytes, index_interval_bytes, cache_bytes, checkpoint_bytes,
                index_memory_bytes)
TIDEMARK_FIELDS(ScrubOptions, bytes_per_second, pause)
TIDEMARK_FIELDS(NodeOptions, id, cluster_id, advertise, voters, seeds, version, tags, acl_model,
                acl_policy, acl_allow_all, gossip_keys, log, scrub, election_timeout,
                heartbeat_interval, pre_vote, check_quorum, lease_reads, lease_drift_permille,
                append_bytes_max, append_entries_max, gossip_speed, snapshot_bytes_per_second,
                catch_up_bytes_per_second, catalog_snapshot_entries, retention_interval,
                compaction_interval, quiet_groups, disk_stall_timeout, disk_headroom_bytes,
                reopen_delay_min, reopen_delay_max, shutdown_timeout)

// --- Requests ------------------------------------------------------------------------------------

TIDEMARK_FIELDS(TopicCleanup, policy, min_compaction_lag_ms, tombstone_retention_ms)
TIDEMARK_FIELDS(ProduceRequest, topic, partition, batch)
TIDEMARK_FIELDS(FetchRequest, topic, partition, start, offset, append_time, max_bytes, wait,
                consistency, max_staleness)
TIDEMARK_FIELDS(CreateTopicRequest, name, partitions, replication_factor, segment_bytes,
                retention_bytes, retention_ms, cleanup)
TIDEMARK_FIELDS(DeleteTopicRequest, name)
TIDEMARK_FIELDS(DescribeTopicRequest, name)
TIDEMARK_FIELDS(AddMemberRequest, node)
TIDEMARK_FIELDS(RemoveMemberRequest, node)
TIDEMARK_FIELDS(MovePartitionRequest, topic, partition, replicas)
TIDEMARK_FIELDS(TransferLeadershipRequest, topic, partition, to)
template <typename A>
void Fields(A&, Of<A, GetMembersRequest>&) {
  static_assert(std::is_empty_v<GetMembersRequest>);
}
template <typename A>
void Fields(A&, Of<A, ListTopicsRequest>&) {
  static_assert(std::is_empty_v<ListTopicsRequest>);
}
template <typename A>
void Fields(A&, Of<A, GetServersRequest>&) {
  static_assert(std::is_empty_v<GetServersRequest>);
}
template <typename A>
void Fields(A&, Of<A, GetStatusRequest>&) {
  static_assert(std::is_empty_v<GetStatusRequest>);
}

// --- Answers: digested, never read ---------------------------------------------------------------

TIDEMARK_FIELDS(RpcError, code, reason, message, metadata)
TIDEMARK_FIELDS(ProduceResponse, base_offset, record_count, term, duplicate)
TIDEMARK_FIELDS(FetchResponse, range, from, limit, start_offset, compacted, staleness)
TIDEMARK_FIELDS(PartitionInfo, partition, group, replicas, target, voters, learners, leader,
                leader_address, leader_term, start_offset, high_watermark)
TIDEMARK_FIELDS(TopicInfo, name, id, partitions, segment_bytes, retention_bytes, retention_ms,
                cleanup)
TIDEMARK_FIELDS(CreateTopicResponse, topic)
TIDEMARK_FIELDS(ListTopicsResponse, topics)
TIDEMARK_FIELDS(DescribeTopicResponse, topic)
TIDEMARK_FIELDS(ServerInfo, id, address, is_leader, role, state, tags)
TIDEMARK_FIELDS(GetServersResponse, cluster_id, servers, leader)
TIDEMARK_FIELDS(GroupInfo, group, topic, partition, role, term, leader, first_index, last_index,
                commit_index, durable_index, start_offset, high_watermark, replicas, failure,
                repair, lag_entries, snapshot_index, snapshot_bytes)
TIDEMARK_FIELDS(GetStatusResponse, node, cluster_id, version, address, members, groups, disk_full,
                disk_stalled, shutting_down)
TIDEMARK_FIELDS(MemberInfo, id, address, role, is_leader, state, lag_entries, partitions, note)
TIDEMARK_FIELDS(GetMembersResponse, cluster_id, leader, leader_address, from_leader, members)
TIDEMARK_FIELDS(MovePartitionResponse, topic)
TIDEMARK_FIELDS(TransferLeadershipResponse, leader)
template <typename A>
void Fields(A&, Of<A, DeleteTopicResponse>&) {
  static_assert(std::is_empty_v<DeleteTopicResponse>);
}
template <typename A>
void Fields(A&, Of<A, AddMemberResponse>&) {
  static_assert(std::is_empty_v<AddMemberResponse>);
}
template <typename A>
void Fields(A&, Of<A, RemoveMemberResponse>&) {
  static_assert(std::is_empty_v<RemoveMemberResponse>);
}

// --- Effects: digested, never read ---------------------------------------------------------------

TIDEMARK_FIELDS(CreateFile, file, zero_bytes)
TIDEMARK_FIELDS(WriteFile, file, pos, data)
TIDEMARK_FIELDS(TruncateFile, file, size)
TIDEMARK_FIELDS(RemoveFile, file)
TIDEMARK_FIELDS(RenameFile, from, to)
TIDEMARK_FIELDS(SetPeerAddress, node, address)
TIDEMARK_FIELDS(SendDatagram, to, bytes)
TIDEMARK_FIELDS(SendGossipStream, to, bytes)
TIDEMARK_FIELDS(ReadRange, token, file, pos, length)
TIDEMARK_FIELDS(ReopenGroup, token, group, committed)

#undef TIDEMARK_FIELDS

}  // namespace tidemark::journal
