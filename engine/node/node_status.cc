#include <algorithm>
#include <utility>

#include "engine/node/node_impl.h"

namespace tidemark {

bool Node::Impl::healthy() const {
  return !shutting_down && catalog_replica().failure().empty() &&
         catalog_replica().raft().leader() != kNoNode;
}

GetStatusResponse Node::Impl::Status(Now) const {
  GetStatusResponse status{.node = options.id,
                           .cluster_id = options.cluster_id,
                           .version = options.version,
                           .address = options.advertise,
                           .members = Members(),
                           .groups = {},
                           .disk_full = disk_full,
                           .disk_stalled = shared.disk_stalled,
                           .shutting_down = shutting_down};
  for (const auto& [group, replica] : replicas) status.groups.push_back(Describe(*replica));
  return status;
}

GetServersResponse Node::Impl::Servers() const {
  return {.cluster_id = options.cluster_id,
          .servers = Members(),
          .leader = catalog_replica().raft().leader()};
}

std::vector<ServerInfo> Node::Impl::Members() const {
  const NodeId leader = catalog_replica().raft().leader();
  std::map<NodeId, ServerInfo> servers;
  const raft::Membership& membership = catalog_replica().raft().membership();
  for (const NodeId node : raft::MembersOf(membership)) {
    const char* const role = membership.voters.incoming.Contains(node) ? "voter"
                             : membership.learners.Contains(node)      ? "learner"
                                                                       : "leaving";
    servers[node] = {.id = node,
                     .address = AddressOf(node),
                     .is_leader = node == leader,
                     .role = role,
                     .state = std::nullopt,
                     .tags = {}};
  }
  for (const gossip::Member& member : swim.members()) {
    if (member.id == kNoNode) continue;
    ServerInfo& server = servers[member.id];
    server.id = member.id;
    server.address = member.endpoint;
    if (server.role.empty()) server.role = "observer";
    server.state = member.state;
    server.tags = member.tags;
  }
  std::vector<ServerInfo> all;
  for (auto& [id, server] : servers) all.push_back(std::move(server));
  return all;
}

GroupInfo Node::Impl::Describe(const Replica& replica) const {
  const raft::Raft& raft = replica.raft();
  const Log& log = replica.log();
  GroupInfo info{.group = replica.group(),
                 .topic = "",
                 .partition = PartitionId(),
                 .role = raft.role(),
                 .term = raft.term(),
                 .leader = raft.leader(),
                 .first_index = log.first_index(),
                 .last_index = log.last_index(),
                 .commit_index = raft.commit(),
                 .durable_index = log.durable_index(),
                 .start_offset = log.start_offset(),
                 .high_watermark = replica.visible_end(),
                 .replicas = {},
                 .failure = replica.failure(),
                 .repair = replica.DescribeRepair(),
                 .lag_entries = {},
                 .snapshot_index = LogIndex(0),
                 .snapshot_bytes = 0};
  if (replica.group() == kCatalogGroup && info.failure.empty()) info.failure = StandingText();
  if (const std::optional<CatalogStateMark> snapshot = replica.DurableCatalog()) {
    info.snapshot_index = snapshot->index;
    info.snapshot_bytes = snapshot->bytes;
  }
  const raft::NodeSet members = raft::MembersOf(raft.membership());
  info.replicas.assign(members.begin(), members.end());
  if (const CatalogTopic* topic = catalog.TopicOf(replica.group(), &info.partition)) {
    info.topic = topic->name;
  }
  if (raft.role() == raft::Role::kLeader) {
    for (const NodeId node : info.replicas) {
      if (node == raft.self()) continue;
      const LogIndex match = std::min(raft.MatchOf(node), log.last_index());
      info.lag_entries[node] = log.last_index() - match;
    }
  }
  return info;
}

TopicInfo Node::Impl::Describe(const CatalogTopic& topic) const {
  TopicInfo info{
      .name = topic.name,
      .id = topic.id,
      .partitions = {},
      .segment_bytes = topic.segment_bytes == 0 ? options.log.segment_bytes : topic.segment_bytes,
      .retention_bytes = topic.retention_bytes,
      .retention_ms = topic.retention_ms,
      .cleanup = topic.cleanup};
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    const CatalogPartition& place = topic.partitions[i];
    PartitionInfo partition{.partition = PartitionId(static_cast<uint32_t>(i)),
                            .group = place.group,
                            .replicas = place.replicas,
                            .target = place.target};
    const auto at = replicas.find(place.group);
    if (at != replicas.end()) {
      const raft::Raft& raft = at->second->raft();
      // One that failed does not know any more, least of all that it leads.
      partition.leader = at->second->failure().empty() ? raft.leader() : kNoNode;
      const raft::NodeSet& voters = raft.membership().voters.incoming.voters();
      const raft::NodeSet& learners = raft.membership().learners;
      partition.voters.assign(voters.begin(), voters.end());
      partition.learners.assign(learners.begin(), learners.end());
      partition.leader_term = raft.term();
      partition.leader_address = AddressOf(partition.leader);
      partition.start_offset = at->second->log().start_offset();
      partition.high_watermark = at->second->visible_end();
    }
    info.partitions.push_back(std::move(partition));
  }
  return info;
}

}  // namespace tidemark
