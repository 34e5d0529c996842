#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/node/node_impl.h"

namespace tidemark {
namespace {

RpcError TopicNotFound(const std::string& topic) {
  return {.code = absl::StatusCode::kNotFound,
          .reason = "TOPIC_NOT_FOUND",
          .message = absl::StrCat("there is no topic \"", topic,
                                  "\"; create it with `tidemark topic create`"),
          .metadata = {{"topic", topic}}};
}

std::string TopicObject(const std::string& topic) { return absl::StrCat("topic:", topic); }

}  // namespace

void Node::Impl::OnRequest(Now now, RequestReceived request, Effects& out) {
  ++shared.counters.requests;
  if (shutting_down) {
    Refuse(request.id,
           {.code = absl::StatusCode::kUnavailable,
            .reason = "SHUTTING_DOWN",
            .message = "this node is shutting down; go on with another one",
            .metadata = {}},
           out);
    return;
  }
  std::visit(
      [&](auto& r) {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, ProduceRequest>) {
          Produce(now, request, std::move(r), out);
        } else if constexpr (std::is_same_v<R, FetchRequest>) {
          Fetch(now, request, r, out);
        } else if constexpr (std::is_same_v<R, CreateTopicRequest>) {
          CreateTopic(now, request, r, out);
        } else if constexpr (std::is_same_v<R, DeleteTopicRequest>) {
          DeleteTopic(now, request, r, out);
        } else if constexpr (std::is_same_v<R, ListTopicsRequest>) {
          ListTopics(request, out);
        } else if constexpr (std::is_same_v<R, DescribeTopicRequest>) {
          DescribeTopic(request, r, out);
        } else if constexpr (std::is_same_v<R, GetServersRequest>) {
          if (Allowed(request, "cluster", "describe", out)) {
            out.push_back(Reply{request.id, Servers()});
          }
        } else if constexpr (std::is_same_v<R, GetMembersRequest>) {
          if (Allowed(request, "cluster", "describe", out)) {
            out.push_back(Reply{request.id, DescribeMembers(now)});
          }
        } else if constexpr (std::is_same_v<R, AddMemberRequest>) {
          AddMember(now, request, r.node, out);
        } else if constexpr (std::is_same_v<R, RemoveMemberRequest>) {
          RemoveMember(now, request, r.node, out);
        } else if constexpr (std::is_same_v<R, MovePartitionRequest>) {
          MovePartition(now, request, r, out);
        } else if constexpr (std::is_same_v<R, TransferLeadershipRequest>) {
          TransferLeadership(now, request, r, out);
        } else {
          static_assert(std::is_same_v<R, GetStatusRequest>);
          if (Allowed(request, "cluster", "describe", out)) {
            out.push_back(Reply{request.id, Status(now)});
          }
        }
      },
      request.request);
}

void Node::Impl::Refuse(RequestId id, RpcError error, Effects& out) {
  out.push_back(Reply{id, std::move(error)});
}

RpcError Node::Impl::DiskFull() const {
  return {.code = absl::StatusCode::kResourceExhausted,
          .reason = "DISK_FULL",
          .message = absl::StrCat("the disk of node ", options.id.value(), " has ",
                                  disk_space.free_bytes, " of ", disk_space.total_bytes,
                                  " bytes free, less than the ", options.disk_headroom_bytes,
                                  " kept as headroom: topics it leads are read-only. Free space or "
                                  "delete topics; writing resumes by itself"),
          .metadata = {{"free_bytes", absl::StrCat(disk_space.free_bytes)},
                       {"headroom_bytes", absl::StrCat(options.disk_headroom_bytes)}}};
}

RpcError Node::Impl::WithLeaderAddress(RpcError error) const {
  const auto leader = error.metadata.find("leader_id");
  if (leader == error.metadata.end()) return error;
  for (const auto& [node, address] : addresses) {
    if (absl::StrCat(node.value()) == leader->second) {
      error.metadata["leader_address"] = address.ToString();
      error.message =
          absl::StrCat(error.message, " (node ", leader->second, " at ", address.ToString(), ")");
    }
  }
  return error;
}

bool Node::Impl::Allowed(const RequestReceived& request, const std::string& object,
                         const std::string& action, Effects& out) {
  if (options.acl_allow_all) return true;
  const acl::Decision decision = enforcer.Enforce(request.principal, object, action);
  if (decision.allowed) return true;
  ++shared.counters.requests_denied;
  const std::string who = request.principal.empty() ? "a client without a certificate"
                                                    : absl::StrCat("\"", request.principal, "\"");
  Refuse(request.id,
         {.code = absl::StatusCode::kPermissionDenied,
          .reason = "PERMISSION_DENIED",
          .message = absl::StrCat(who, " may not ", action, " ", object, ": ", decision.reason,
                                  ". Ask for a policy line: p, ", request.principal, ", ", object,
                                  ", ", action),
          .metadata = {{"principal", request.principal},
                       {"object", object},
                       {"action", action},
                       {"rule", decision.reason}}},
         out);
  return false;
}

bool Node::Impl::catalog_loaded() const {
  const raft::Raft& raft = catalog_replica().raft();
  return raft.leader() != kNoNode && raft.commit() > LogIndex(0) &&
         raft.commit() >= catalog_recovered && !catalog_replica().lacks();
}

RpcError Node::Impl::NoSuchTopic(const std::string& topic) const {
  if (catalog_loaded()) return TopicNotFound(topic);
  if (!StandingText().empty()) return LostDisk();
  // This node may just not have heard of it yet.
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "NO_LEADER",
          .message = absl::StrCat("topic \"", topic,
                                  "\" is not known here, but this node has not caught up with the "
                                  "catalog; try again shortly"),
          .metadata = {}};
}

Replica* Node::Impl::ReplicaFor(RequestId id, const std::string& topic_name, PartitionId partition,
                                Effects& out) {
  const CatalogTopic* topic = catalog.Find(topic_name);
  if (topic == nullptr) {
    Refuse(id, NoSuchTopic(topic_name), out);
    return nullptr;
  }
  if (partition.value() >= topic->partitions.size()) {
    Refuse(id,
           {.code = absl::StatusCode::kNotFound,
            .reason = "PARTITION_NOT_FOUND",
            .message = absl::StrCat("topic \"", topic_name, "\" has partitions 0 to ",
                                    topic->partitions.size() - 1, ", not ", partition.value()),
            .metadata = {}},
           out);
    return nullptr;
  }
  const CatalogPartition& place = topic->partitions[partition.value()];
  const auto at = replicas.find(place.group);
  if (at != replicas.end() && !at->second->removing()) return at->second.get();
  std::string nodes;
  for (const NodeId node : place.replicas) {
    absl::StrAppend(&nodes, nodes.empty() ? "" : ",", node.value());
  }
  Refuse(id,
         {.code = absl::StatusCode::kFailedPrecondition,
          .reason = "NOT_A_REPLICA",
          .message = absl::StrCat("this node holds no replica of partition ", partition.value(),
                                  " of \"", topic_name, "\"; nodes ", nodes, " do"),
          .metadata = {{"replicas", nodes}}},
         out);
  return nullptr;
}

void Node::Impl::Produce(Now now, const RequestReceived& request, ProduceRequest produce,
                         Effects& out) {
  if (!Allowed(request, TopicObject(produce.topic), "produce", out)) return;
  Replica* replica = ReplicaFor(request.id, produce.topic, produce.partition, out);
  if (replica == nullptr) return;
  const absl::StatusOr<BatchHeader> header = ValidateClientBatch(produce.batch);
  if (!header.ok()) {
    const bool large = absl::IsResourceExhausted(header.status());
    Refuse(request.id,
           {.code = header.status().code(),
            .reason = large ? "BATCH_TOO_LARGE" : "INVALID_BATCH",
            .message = std::string(header.status().message()),
            .metadata = {{"max_bytes", absl::StrCat(kBatchBytesMax)}}},
           out);
    return;
  }
  const CatalogTopic* topic = catalog.Find(produce.topic);
  if (topic != nullptr && topic->cleanup.compacts()) {
    if (const absl::Status keys = CheckHasKeys(*header, produce.batch); !keys.ok()) {
      Refuse(request.id,
             {.code = absl::StatusCode::kInvalidArgument,
              .reason = "INVALID_RECORD",
              .message = std::string(keys.message()),
              .metadata = {{"topic", produce.topic}}},
             out);
      return;
    }
  }
  // Others know who leads.
  if (disk_full && replica->raft().accepts_proposals()) {
    Refuse(request.id, DiskFull(), out);
    return;
  }
  agenda.Touch(replica->group());
  LogIndex index;
  if (std::optional<RpcError> refusal =
          replica->Propose(now, *header, std::move(produce.batch), request.id, &index)) {
    Refuse(request.id, WithLeaderAddress(*std::move(refusal)), out);
  }
}

void Node::Impl::Fetch(Now now, const RequestReceived& request, const FetchRequest& fetch,
                       Effects& out) {
  if (!Allowed(request, TopicObject(fetch.topic), "consume", out)) return;
  Replica* replica = ReplicaFor(request.id, fetch.topic, fetch.partition, out);
  if (replica == nullptr) return;
  size_t parked = 0;
  if (fetch.wait) {
    for (const auto& [group, each] : replicas) parked += each->parked_fetches();
  }
  if (parked >= kParkedFetchesMax) {
    Refuse(request.id,
           {.code = absl::StatusCode::kResourceExhausted,
            .reason = "TOO_MANY_CONSUMERS",
            .message = absl::StrCat("this node already has ", kParkedFetchesMax,
                                    " waiting consumers; use another replica"),
            .metadata = {}},
           out);
    return;
  }
  if (fetch.consistency == Consistency::kBounded &&
      fetch.max_staleness < Duration::Micros(kStalenessMicrosMin)) {
    Refuse(
        request.id,
        {.code = absl::StatusCode::kInvalidArgument,
         .reason = "INVALID_CONSISTENCY",
         .message = absl::StrCat("a bounded read must allow a staleness of ", kStalenessMicrosMin,
                                 " us or more; for less, ask for a linearizable one"),
         .metadata = {}},
        out);
    return;
  }
  if (fetch.consistency != Consistency::kCommitted) agenda.Touch(replica->group());
  replica->Fetch(now, request.id, fetch, out);
}

void Node::Impl::CreateTopic(Now now, const RequestReceived& request,
                             const CreateTopicRequest& create, Effects& out) {
  if (!Allowed(request, TopicObject(create.name), "create", out)) return;
  const uint32_t partitions = create.partitions == 0 ? 1 : create.partitions;
  const uint32_t nodes = static_cast<uint32_t>(voters().size());
  const uint32_t factor =
      create.replication_factor == 0 ? std::min<uint32_t>(3, nodes) : create.replication_factor;
  if (nodes == 0) {
    (void)LeadsCatalog(request.id, out);
    return;
  }
  std::string problem(CheckTopicName(create.name).message());
  if (partitions > kPartitionsPerTopicMax) {
    problem = absl::StrCat("a topic has at most ", kPartitionsPerTopicMax, " partitions");
  } else if (factor > nodes) {
    problem =
        absl::StrCat("replication factor ", factor, " needs as many nodes; there are ", nodes);
  } else if (create.segment_bytes != 0 &&
             (create.segment_bytes < kSegmentBytesMin || create.segment_bytes > kSegmentBytesMax)) {
    problem =
        absl::StrCat("segment_bytes must be between ", kSegmentBytesMin, " and ", kSegmentBytesMax);
  } else if (create.retention_ms > kRetentionMillisMax) {
    problem = absl::StrCat("retention_ms must be between 1 and ", kRetentionMillisMax,
                           " (100 years), or 0 to keep records for ever");
  }
  if (problem.empty()) {
    const bool has_retention = create.retention_bytes != 0 || create.retention_ms != 0;
    problem = std::string(CheckCleanup(create.cleanup, has_retention).message());
  }
  if (!problem.empty()) {
    Refuse(request.id,
           {.code = absl::StatusCode::kInvalidArgument,
            .reason = "INVALID_TOPIC",
            .message = problem,
            .metadata = {}},
           out);
    return;
  }
  if (catalog.Find(create.name) != nullptr && catalog_replica().raft().serving()) {
    Refuse(request.id,
           {.code = absl::StatusCode::kAlreadyExists,
            .reason = "TOPIC_ALREADY_EXISTS",
            .message = absl::StrCat("topic \"", create.name, "\" already exists"),
            .metadata = {}},
           out);
    return;
  }
  if (disk_full && catalog_replica().raft().accepts_proposals()) {
    Refuse(request.id, DiskFull(), out);
    return;
  }
  // Who is to be removed gets nothing new.
  if (catalog_replica().raft().change_pending()) return Refuse(request.id, CatalogPending(), out);
  ProposeCommand(now, request.id,
                 CreateTopicCommand{.name = create.name,
                                    .segment_bytes = create.segment_bytes,
                                    .retention_bytes = create.retention_bytes,
                                    .retention_ms = create.retention_ms,
                                    .cleanup = create.cleanup,
                                    .replicas = Place(partitions, factor)},
                 out);
}

void Node::Impl::DeleteTopic(Now now, const RequestReceived& request,
                             const DeleteTopicRequest& remove, Effects& out) {
  if (!Allowed(request, TopicObject(remove.name), "delete", out)) return;
  ProposeCommand(now, request.id, DeleteTopicCommand{.name = remove.name}, out);
}

void Node::Impl::ListTopics(const RequestReceived& request, Effects& out) {
  // Each topic needs its own permission; what may not be described is not shown to exist.
  ListTopicsResponse response;
  for (const auto& [name, topic] : catalog.topics()) {
    if (options.acl_allow_all ||
        enforcer.Enforce(request.principal, TopicObject(name), "describe").allowed) {
      response.topics.push_back(Describe(topic));
    }
  }
  out.push_back(Reply{request.id, std::move(response)});
}

void Node::Impl::DescribeTopic(const RequestReceived& request, const DescribeTopicRequest& describe,
                               Effects& out) {
  if (!Allowed(request, TopicObject(describe.name), "describe", out)) return;
  const CatalogTopic* topic = catalog.Find(describe.name);
  if (topic == nullptr) {
    Refuse(request.id, NoSuchTopic(describe.name), out);
    return;
  }
  out.push_back(Reply{request.id, DescribeTopicResponse{Describe(*topic)}});
}

}  // namespace tidemark
