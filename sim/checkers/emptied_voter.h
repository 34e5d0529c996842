#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/raft/node_set.h"
#include "engine/raft/types.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// Whoever came back with an empty disk has forgotten what it promised. In a group of which it was a
// member it says nothing, no vote, candidacy, acknowledgement or sign of life, before its former
// self was removed from the members, which is committed: with one vote more there could be two
// leaders of a term, and with one acknowledgement more a commit without a majority. Let in again,
// it neither votes nor campaigns before it has that removal on its disk: as far as the log has told
// it, it is the voter of before, and each candidacy would depose who leads. Speaks of the message
// or the candidacy itself, before any harm has come of it.
class EmptiedVoter {
 public:
  explicit EmptiedVoter(Verdict* verdict) : verdict_(verdict) {}
  // The copy of `group` at `node` is gone; so much had been committed there by then.
  void OnWiped(GroupId group, NodeId node, LogIndex committed);
  // These are the members after the entries up to `applied`. Returns whose former selves are gone.
  std::vector<NodeId> OnMembers(GroupId group, LogIndex applied, const raft::NodeSet& members);
  // What the replica of `node` is after a step, and how much of its log is durable there.
  void OnState(GroupId group, NodeId node, raft::Role role, LogIndex durable);
  // `message` leaves its node.
  void OnSent(GroupId group, const raft::Message& message);

 private:
  Verdict* verdict_;
  using Key = std::pair<GroupId, NodeId>;
  void Fail(const Key& key, std::string_view what);
  std::map<Key, LogIndex> lost_;
  // Whose former self was removed, and in which entry at the latest.
  std::map<Key, LogIndex> returning_;
};

}  // namespace tidemark::sim
