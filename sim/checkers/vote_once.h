#pragma once

#include <map>
#include <utility>

#include "engine/base/ids.h"
#include "engine/raft/types.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// A node votes at most once in a term, never goes back to an earlier one, and remembers after a
// crash whatever it has promised to others: terms and votes that left on the wire. (What it had
// only in memory a crash may take.) With its disk it may forget terms, not that it has voted: in
// one term one vote leaves it, whatever the incarnation.
class VoteOnce {
 public:
  explicit VoteOnce(Verdict* verdict) : verdict_(verdict) {}
  // The hard state of `node` as it is in memory.
  void OnHardState(GroupId group, NodeId node, const raft::HardState& state);
  // `node` let `message` out.
  void OnSent(GroupId group, const raft::Message& message);
  // `node` comes back with what its disk holds.
  void OnRestart(NodeId node);
  // `node` comes back with an empty disk.
  void OnWiped(NodeId node);
  // The former self of `node`, whose disk was lost, is no member any more, which is committed. None
  // of the quorum that says so voted as the former self did; nobody without that entry gets their
  // votes, nor, therefore, enough of them.
  void OnLetIn(GroupId group, NodeId node);
  // `node` has read its files of `group` again.
  void OnReopened(GroupId group, NodeId node);
  // Its files of the group are removed, as it is no member of it. Whatever it had promised then, it
  // has promised to nobody who can still be elected.
  void Forget(GroupId group, NodeId node);

 private:
  using Key = std::pair<NodeId, GroupId>;
  void Promise(GroupId group, NodeId node, Term term, NodeId vote);

  Verdict* verdict_;
  std::map<Key, raft::HardState> seen_;
  std::map<Key, raft::HardState> promised_;
  // What it had promised when its disk was lost.
  std::map<Key, raft::HardState> lost_;
};

}  // namespace tidemark::sim
