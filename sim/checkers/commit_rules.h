#pragma once

#include <map>
#include <utility>

#include "engine/base/ids.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// A node's commit index never falls while it runs, never passes its log, and nothing at or below it
// is ever cut; and what a leader commits by counting is of its own term (thesis 3.6.2).
class CommitRules {
 public:
  explicit CommitRules(Verdict* verdict) : verdict_(verdict) {}
  void OnState(GroupId group, NodeId node, LogIndex commit, LogIndex last);
  // `node` has led in `term` since its last state, and its commit index has risen to an entry of
  // term `committed`.
  void OnLeaderCommit(GroupId group, NodeId node, Term term, Term committed);
  // The entries of `node` from `from` on were cut or replaced.
  void OnTruncated(GroupId group, NodeId node, LogIndex from);
  // Commit indexes are not durable: a restarted node begins anew.
  void OnRestart(NodeId node);
  // The same for one group, whose files were read again.
  void OnReopened(GroupId group, NodeId node);

 private:
  Verdict* verdict_;
  std::map<std::pair<NodeId, GroupId>, LogIndex> commits_;
};

}  // namespace tidemark::sim
