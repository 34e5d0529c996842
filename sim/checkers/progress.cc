#include "sim/checkers/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

const ClusterFacts::Member* Find(const ClusterFacts& facts, NodeId node) {
  for (const ClusterFacts::Member& member : facts.members) {
    if (member.id == node) return &member;
  }
  return nullptr;
}

std::string WhatIsUnwellIn(const ClusterFacts& facts, GroupId group,
                           const std::vector<NodeId>& replicas) {
  const std::string name = absl::StrCat("group ", group.value());
  const ClusterFacts::Group* leader = nullptr;
  NodeId leader_id;
  for (const NodeId node : replicas) {
    if (facts.away.contains(node)) continue;
    const ClusterFacts::Member* member = Find(facts, node);
    if (member == nullptr)
      return absl::StrCat(name, " is placed on node ", node.value(), ", which is gone");
    const auto at = member->groups.find(group);
    if (at == member->groups.end()) {
      return absl::StrCat("node ", node.value(), " does not run ", name);
    }
    if (!at->second.failure.empty()) {
      return absl::StrCat(name, " failed on node ", node.value(), ": ", at->second.failure);
    }
    if (!at->second.leads) continue;
    if (leader != nullptr) return absl::StrCat(name, " has more than one leader");
    leader = &at->second;
    leader_id = node;
  }
  if (leader == nullptr) return absl::StrCat(name, " has no leader");
  if (!leader->serving) return absl::StrCat("the leader of ", name, " does not serve");
  if (!std::is_permutation(replicas.begin(), replicas.end(), leader->voters.begin(),
                           leader->voters.end())) {
    return absl::StrCat("of the ", replicas.size(), " nodes with a replica of ", name, " only ",
                        leader->voters.size(), " vote, or others do");
  }
  for (const NodeId node : replicas) {
    if (facts.away.contains(node)) continue;
    const ClusterFacts::Group& replica = Find(facts, node)->groups.at(group);
    if (replica.leader != leader_id || replica.term != leader->term) {
      return absl::StrCat("node ", node.value(), " does not follow node ", leader_id.value(),
                          ", the leader of ", name, " in term ", leader->term.value(),
                          ": it is in term ", replica.term.value(), " and knows node ",
                          replica.leader.value());
    }
    if (replica.last != leader->last || replica.last_prefix != leader->last_prefix) {
      return absl::StrCat("node ", node.value(), " has another log of ", name,
                          " than its leader: up to index ", replica.last.value(), ", not ",
                          leader->last.value());
    }
    if (replica.commit != replica.last || replica.durable != replica.last) {
      return absl::StrCat("node ", node.value(), " has ", name, " committed up to ",
                          replica.commit.value(), " and durable up to ", replica.durable.value(),
                          " of ", replica.last.value());
    }
  }
  return "";
}

}  // namespace

std::string WhatIsUnwell(const ClusterFacts& facts) {
  for (const ClusterFacts::Member& member : facts.members) {
    if (!member.up) return absl::StrCat("node ", member.id.value(), " is down");
  }
  for (const auto& [group, replicas] : facts.placement) {
    std::string unwell = WhatIsUnwellIn(facts, group, replicas);
    if (!unwell.empty()) return unwell;
  }
  for (const ClusterFacts::Member& member : facts.members) {
    for (const auto& [group, state] : member.groups) {
      const auto placed = facts.placement.find(group);
      if (placed == facts.placement.end() || std::find(placed->second.begin(), placed->second.end(),
                                                       member.id) == placed->second.end()) {
        return absl::StrCat("node ", member.id.value(), " still runs group ", group.value(),
                            ", which is not placed there");
      }
    }
    for (const ClusterFacts::Member& other : facts.members) {
      if (std::find(member.alive.begin(), member.alive.end(), other.id) == member.alive.end()) {
        return absl::StrCat("node ", member.id.value(), " does not see node ", other.id.value(),
                            " alive");
      }
    }
  }
  for (const ClusterFacts::Client& client : facts.clients) {
    if (!client.waits_for.empty()) {
      return absl::StrCat(client.name, " waits for ", client.waits_for);
    }
  }
  return "";
}

}  // namespace tidemark::sim
