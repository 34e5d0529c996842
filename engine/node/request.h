#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/gossip/member.h"
#include "engine/log/log.h"
#include "engine/node/topic_cleanup.h"
#include "engine/raft/types.h"

// What clients ask of a node and what it answers: proto/tidemark/v1 as plain structs
// (proto/convert.h translates). Field comments there hold here.

namespace tidemark {

struct ProduceRequest {
  std::string topic;
  PartitionId partition;
  // One whole RecordBatch v2, owned: the engine patches offset and term in place, no copy is made.
  std::string batch;
};

struct ProduceResponse {
  Offset base_offset;
  uint32_t record_count = 0;
  Term term;
  bool duplicate = false;
};

// What a read must show.
enum class Consistency : uint8_t {
  // What the replica that answers knows to be committed, however old that is.
  kCommitted,
  // Whatever was acknowledged, to anybody, before the read was asked for; and whatever such a read
  // has shown before.
  kLinearizable,
  // Whatever was acknowledged longer than `max_staleness` before the answer.
  kBounded,
};

struct FetchRequest {
  enum class Start : uint8_t { kOffset, kEarliest, kLatest, kAppendTime };
  std::string topic;
  PartitionId partition;
  Start start = Start::kOffset;
  Offset offset;         // kOffset
  WallTime append_time;  // kAppendTime
  uint32_t max_bytes = 1u << 20;
  // At the end of the log: wait for records instead of answering with none. The wait of a bounded
  // read ends when what is known becomes too old and nobody tells more.
  bool wait = false;
  Consistency consistency = Consistency::kCommitted;
  Duration max_staleness = {};  // kBounded
};

struct FetchResponse {
  // Where the frames are; the driver reads them and cuts them with ConsumerFrames(range, bytes,
  // from, limit). nullopt: nothing to read now.
  std::optional<FileRange> range;
  // The offset the request resolved to, and the first offset that must not be shown.
  Offset from;
  Offset limit;
  Offset start_offset;
  // Compaction removes records of this topic: what is not among the frames up to the next offset
  // was removed.
  bool compacted = false;
  // Whatever was acknowledged, to anybody, longer than this before the answer is before `limit`, if
  // this node's clock is as good as fresh_reads.h says. nullopt: not known.
  std::optional<Duration> staleness = std::nullopt;
};

struct CreateTopicRequest {
  std::string name;
  uint32_t partitions = 0;
  uint32_t replication_factor = 0;
  uint64_t segment_bytes = 0;
  uint64_t retention_bytes = 0;
  uint64_t retention_ms = 0;
  TopicCleanup cleanup = {};
};
struct DeleteTopicRequest {
  std::string name;
};
struct ListTopicsRequest {};
struct DescribeTopicRequest {
  std::string name;
};
struct GetMembersRequest {};
struct AddMemberRequest {
  NodeId node;
};
struct RemoveMemberRequest {
  NodeId node;
};
struct MovePartitionRequest {
  std::string topic;
  PartitionId partition;
  std::vector<NodeId> replicas;
};
struct TransferLeadershipRequest {
  std::string topic;  // empty: the catalog
  PartitionId partition;
  NodeId to;  // kNoNode: whoever is most up to date
};
struct GetServersRequest {};
struct GetStatusRequest {};

struct PartitionInfo {
  PartitionId partition;
  GroupId group;
  std::vector<NodeId> replicas;
  // Where it moves to; empty: it stays. And who is a member now, as this node knows.
  std::vector<NodeId> target = {};
  std::vector<NodeId> voters = {};
  std::vector<NodeId> learners = {};
  NodeId leader;
  std::optional<Endpoint> leader_address;
  Term leader_term;
  Offset start_offset;
  Offset high_watermark;
};

struct TopicInfo {
  std::string name;
  TopicId id;
  std::vector<PartitionInfo> partitions;
  uint64_t segment_bytes = 0;
  uint64_t retention_bytes = 0;
  uint64_t retention_ms = 0;
  TopicCleanup cleanup = {};
};

struct CreateTopicResponse {
  TopicInfo topic;
};
struct DeleteTopicResponse {};
struct ListTopicsResponse {
  std::vector<TopicInfo> topics;
};
struct DescribeTopicResponse {
  TopicInfo topic;
};

struct ServerInfo {
  NodeId id;
  std::optional<Endpoint> address;
  bool is_leader = false;
  std::string role;
  // nullopt: a configured voter that gossip has not met.
  std::optional<gossip::MemberState> state;
  std::map<std::string, std::string> tags;
};

struct MemberInfo {
  NodeId id;
  std::optional<Endpoint> address;
  // "voter", "learner" (becomes a voter once it has caught up), "leaving" (a change that removes it
  // is under way), "observer" (seen by gossip, no member).
  std::string role;
  bool is_leader = false;
  std::optional<gossip::MemberState> state;
  // Entries of the catalog it lacks; only the leader knows.
  std::optional<uint64_t> lag_entries;
  // Partitions with a replica there.
  uint32_t partitions = 0;
  // Why it is what it is, for people.
  std::string note;
};

struct GetMembersResponse {
  std::string cluster_id;
  NodeId leader;
  std::optional<Endpoint> leader_address;
  // Of the node that answers.
  bool from_leader = false;
  std::vector<MemberInfo> members;
};
struct AddMemberResponse {};
struct RemoveMemberResponse {};
struct MovePartitionResponse {
  TopicInfo topic;
};
struct TransferLeadershipResponse {
  NodeId leader;
};

struct GetServersResponse {
  std::string cluster_id;
  std::vector<ServerInfo> servers;
  NodeId leader;
};

struct GroupInfo {
  GroupId group;
  std::string topic;
  PartitionId partition;
  raft::Role role = raft::Role::kFollower;
  Term term;
  NodeId leader;
  LogIndex first_index;
  LogIndex last_index;
  LogIndex commit_index;
  LogIndex durable_index;
  Offset start_offset;
  Offset high_watermark;
  std::vector<NodeId> replicas;
  std::string failure;
  // Damage that is being repaired, and how far that is; empty: none is known.
  std::string repair;
  std::map<NodeId, uint64_t> lag_entries;
  // Of the catalog: its newest snapshot stands for the entries before this one, in so many bytes;
  // 0: there is none.
  LogIndex snapshot_index;
  uint64_t snapshot_bytes = 0;
};

struct GetStatusResponse {
  NodeId node;
  std::string cluster_id;
  std::string version;
  Endpoint address;
  std::vector<ServerInfo> members;
  std::vector<GroupInfo> groups;
  bool disk_full = false;
  bool disk_stalled = false;  // a write has not ended for too long: this node leads nothing
  bool shutting_down = false;
};

using Request = std::variant<ProduceRequest, FetchRequest, CreateTopicRequest, DeleteTopicRequest,
                             ListTopicsRequest, DescribeTopicRequest, GetServersRequest,
                             GetStatusRequest, GetMembersRequest, AddMemberRequest,
                             RemoveMemberRequest, MovePartitionRequest, TransferLeadershipRequest>;

// A refusal or failure. `reason` is one of the stable names in proto/tidemark/v1/log.proto; message
// is one sentence for people that says what to do.
struct RpcError {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string reason;
  std::string message;
  std::map<std::string, std::string> metadata;
};

using Response =
    std::variant<RpcError, ProduceResponse, FetchResponse, CreateTopicResponse, DeleteTopicResponse,
                 ListTopicsResponse, DescribeTopicResponse, GetServersResponse, GetStatusResponse,
                 GetMembersResponse, AddMemberResponse, RemoveMemberResponse, MovePartitionResponse,
                 TransferLeadershipResponse>;

}  // namespace tidemark
