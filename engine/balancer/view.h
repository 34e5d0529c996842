#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/ids.h"

// What a client knows of the cluster: the servers, and who leads which partition. Pure data with
// rules about which news replaces which; the client library and the simulator's clients feed it.

namespace tidemark::balancer {

// Where a call goes. Two targets are the same when their addresses are.
struct Target {
  // kNoNode for a seed whose identity is not known yet.
  NodeId node;
  // "host:port".
  std::string address;

  friend bool operator==(const Target& a, const Target& b) { return a.address == b.address; }
};

struct TopicPartition {
  std::string topic;
  PartitionId partition;

  auto operator<=>(const TopicPartition&) const = default;
};

// One row of a GetServers answer.
struct ServerInfo {
  NodeId id;
  // Empty while unknown: such a server is not picked.
  std::string address;
  // "voter".
  std::string role;
  // Leads the catalog.
  bool is_leader = false;
};

// One row of a DescribeTopic answer.
struct PartitionInfo {
  PartitionId partition;
  // Never reused: a higher group means that the topic was deleted and created again.
  GroupId group;
  std::vector<NodeId> replicas;
  // kNoNode while the answering node knows none.
  NodeId leader;
  std::string leader_address;
  Term leader_term;
};

// The metadata of a NOT_LEADER error. Unknown fields stay at their zero.
struct LeaderHint {
  NodeId node;
  std::string address;
  Term term;
};

// The client's picture of the cluster.
//   Fencing News about a leader is ordered by (group, term). Older news never replaces newer; news
//   of
//           the same term fills in an unknown leader (after the known one was unreachable or denied
//           it), so a wrong picture always heals and a deposed leader cannot come back for good.
//   Bounds  kNodesMax servers; one entry per partition that the client asked about.
//   Lives   returned pointers are valid until the next non-const call.
class ClusterView {
 public:
  // `seeds`: addresses from configuration, tried (in this order) beside the known servers.
  explicit ClusterView(std::vector<std::string> seeds);

  // Replaces the list of servers. An empty answer is ignored (a node that has met nobody yet).
  void UpdateServers(const std::vector<ServerInfo>& servers);

  // Takes in what one node knows of `topic`.
  void UpdateTopic(const std::string& topic, const std::vector<PartitionInfo>& partitions);

  // `from` said that it does not lead `where`. Forgets it as the leader unless newer news came,
  // then takes the hint. True if a leader other than `from` is known now: it may be tried at once.
  bool OnNotLeader(const TopicPartition& where, const Target& from, const LeaderHint& hint);

  // `from` could not be reached: if it is the leader on record, that leader is forgotten (another
  // server's hint may bring it back).
  void OnUnreachable(const TopicPartition& where, const Target& from);

  // The leader, if known with an address.
  std::optional<Target> Leader(const TopicPartition& where) const;
  // The term of the last accepted news; 0 before the first.
  Term LeaderTerm(const TopicPartition& where) const;
  // Replicas of the partition other than the leader, with known addresses, by node id. Empty if the
  // partition was never described.
  std::vector<Target> Followers(const TopicPartition& where) const;
  // Everything that can be asked: the known servers by id, then seeds that are none of them.
  std::vector<Target> AllTargets() const;
  // The catalog's leader as the last GetServers answer named it.
  std::optional<Target> CatalogLeader() const;
  const std::vector<std::string>& seeds() const { return seeds_; }

 private:
  struct Partition {
    GroupId group;
    Term term;
    NodeId leader;
    std::string leader_address;
    std::vector<NodeId> replicas;
  };
  void LearnAddress(NodeId node, const std::string& address);
  std::string AddressOf(NodeId node) const;

  std::vector<std::string> seeds_;
  std::map<NodeId, ServerInfo> servers_;
  std::map<TopicPartition, Partition> partitions_;
};

}  // namespace tidemark::balancer
