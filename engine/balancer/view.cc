#include "engine/balancer/view.h"

#include <algorithm>
#include <tuple>

#include "engine/base/limits.h"

namespace tidemark::balancer {

ClusterView::ClusterView(std::vector<std::string> seeds) : seeds_(std::move(seeds)) {}

void ClusterView::UpdateServers(const std::vector<ServerInfo>& servers) {
  std::map<NodeId, ServerInfo> fresh;
  for (const ServerInfo& server : servers) {
    if (server.id == kNoNode || fresh.size() == kNodesMax) continue;
    ServerInfo& entry = fresh[server.id];
    entry = server;
    // A node that has not met this one yet does not unlearn its address.
    if (entry.address.empty()) entry.address = AddressOf(server.id);
  }
  if (!fresh.empty()) servers_ = std::move(fresh);
}

void ClusterView::UpdateTopic(const std::string& topic,
                              const std::vector<PartitionInfo>& partitions) {
  size_t taken = 0;
  for (const PartitionInfo& info : partitions) {
    if (++taken > kPartitionsPerTopicMax) return;
    Partition& known = partitions_[TopicPartition{topic, info.partition}];
    if (info.group < known.group) continue;
    if (info.group > known.group) {
      // A first description keeps what hints told before it; a re-created topic starts over.
      if (known.group != GroupId(0)) known = Partition{};
      known.group = info.group;
    }
    if (!info.replicas.empty()) {
      known.replicas = info.replicas;
      known.replicas.resize(std::min(known.replicas.size(), kReplicasMax));
    }
    if (info.leader == kNoNode) continue;
    if (info.leader_term > known.term ||
        (info.leader_term == known.term && known.leader == kNoNode)) {
      known.term = info.leader_term;
      known.leader = info.leader;
      known.leader_address = info.leader_address;
      LearnAddress(info.leader, info.leader_address);
    }
  }
}

bool ClusterView::OnNotLeader(const TopicPartition& where, const Target& from,
                              const LeaderHint& hint) {
  const std::optional<Target> before = Leader(where);
  Partition& known = partitions_[where];
  if (before.has_value() && *before == from) {
    known.leader = kNoNode;
    known.leader_address.clear();
  }
  const bool names_one = hint.node != kNoNode || !hint.address.empty();
  const bool names_itself = hint.address == from.address && !hint.address.empty();
  // A hint without a term is only good enough to fill a gap.
  const bool newer = hint.term > known.term;
  const bool fills = known.leader == kNoNode && known.leader_address.empty() &&
                     (hint.term == known.term || hint.term == Term(0));
  if (names_one && !names_itself && (newer || fills)) {
    if (newer) known.term = hint.term;
    known.leader = hint.node;
    known.leader_address = hint.address;
    if (hint.node != kNoNode) LearnAddress(hint.node, hint.address);
  }
  const std::optional<Target> after = Leader(where);
  return after.has_value() && !(*after == from);
}

void ClusterView::OnUnreachable(const TopicPartition& where, const Target& from) {
  const std::optional<Target> leader = Leader(where);
  if (!leader.has_value() || !(*leader == from)) return;
  Partition& known = partitions_[where];
  known.leader = kNoNode;
  known.leader_address.clear();
}

std::optional<Target> ClusterView::Leader(const TopicPartition& where) const {
  const auto it = partitions_.find(where);
  if (it == partitions_.end()) return std::nullopt;
  const Partition& known = it->second;
  if (known.leader == kNoNode && known.leader_address.empty()) return std::nullopt;
  std::string address = known.leader == kNoNode ? "" : AddressOf(known.leader);
  if (address.empty()) address = known.leader_address;
  if (address.empty()) return std::nullopt;
  return Target{known.leader, std::move(address)};
}

Term ClusterView::LeaderTerm(const TopicPartition& where) const {
  const auto it = partitions_.find(where);
  return it == partitions_.end() ? Term(0) : it->second.term;
}

std::vector<Target> ClusterView::Followers(const TopicPartition& where) const {
  std::vector<Target> followers;
  const auto it = partitions_.find(where);
  if (it == partitions_.end()) return followers;
  const std::optional<Target> leader = Leader(where);
  for (const NodeId node : it->second.replicas) {
    Target target{node, AddressOf(node)};
    if (target.address.empty() || node == it->second.leader) continue;
    if (leader.has_value() && *leader == target) continue;
    followers.push_back(std::move(target));
  }
  std::sort(followers.begin(), followers.end(), [](const Target& a, const Target& b) {
    return std::tie(a.node, a.address) < std::tie(b.node, b.address);
  });
  return followers;
}

std::vector<Target> ClusterView::AllTargets() const {
  std::vector<Target> targets;
  for (const auto& [id, server] : servers_) {
    if (!server.address.empty()) targets.push_back(Target{id, server.address});
  }
  for (const std::string& seed : seeds_) {
    const Target target{kNoNode, seed};
    if (std::find(targets.begin(), targets.end(), target) == targets.end()) {
      targets.push_back(target);
    }
  }
  return targets;
}

std::optional<Target> ClusterView::CatalogLeader() const {
  for (const auto& [id, server] : servers_) {
    if (server.is_leader && !server.address.empty()) return Target{id, server.address};
  }
  return std::nullopt;
}

void ClusterView::LearnAddress(NodeId node, const std::string& address) {
  if (address.empty()) return;
  const auto it = servers_.find(node);
  if (it != servers_.end()) {
    it->second.address = address;
  } else if (servers_.size() < kNodesMax) {
    servers_[node] = ServerInfo{.id = node, .address = address, .role = "", .is_leader = false};
  }
}

std::string ClusterView::AddressOf(NodeId node) const {
  const auto it = servers_.find(node);
  return it == servers_.end() ? std::string() : it->second.address;
}

}  // namespace tidemark::balancer
