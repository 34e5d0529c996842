#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "sim/checkers/durable_quorum.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// What a replica lets go is committed, is durable on every voter at that moment or twice what the
// topic's retention keeps, and is nothing that it keeps; no log begins behind what its replica let
// go. What the other oracles, and consumers, may miss is measured by this one.
class Retention {
 public:
  Retention(const StateMachine* committed, const DurableQuorum* durable, Verdict* verdict)
      : committed_(committed), durable_(durable), verdict_(verdict) {}

  // Groups that nobody speaks of here, until the end, keep everything.
  void OnTopic(GroupId group, const RetentionPolicy& policy) {
    policies_[group] = policy;
    unexplained_.erase(group);
  }
  // A file of it at `node` rots. What is there for laggards alone it may pass over.
  void OnRot(GroupId group, NodeId node) { rotten_.insert({node, group}); }
  // `node` has appended `entry` at `wall`, or found it on its disk.
  void OnAppended(GroupId group, NodeId node, const EntryFact& entry, WallTime wall);
  void OnRecovered(GroupId group, NodeId node, const EntryFact& entry);

  // `node` has another log than before: when others appended what it has now its sidecars tell.
  void OnInstalled(GroupId group, NodeId node) { appended_.erase({node, group}); }

  struct Decision {
    NodeId node;
    // Everything before is let go; the log is `kept_bytes` long without it.
    LogIndex from;
    uint64_t kept_bytes = 0;
    LogIndex commit;
    WallTime now;
  };
  // Called after every step; what was known before is no news. `voters` are those of `group` that
  // must have it.
  void OnDecision(GroupId group, std::span<const NodeId> voters, const Decision& decision);
  // The log of `node` begins at `first`.
  void OnFirstIndex(GroupId group, NodeId node, LogIndex first);
  // `node` removes its files of `group`.
  void Forget(GroupId group, NodeId node);

  // Nobody will speak of another group.
  void Finish();

  // The first offset that every replica still has to have: what some replica let go is before it.
  Offset LetGoBefore(GroupId group) const;

 private:
  using Key = std::pair<NodeId, GroupId>;
  struct Appended {
    Term term;
    WallTime wall;
  };
  void Fail(GroupId group, NodeId node, std::string_view what);

  const StateMachine* committed_;
  const DurableQuorum* durable_;
  Verdict* verdict_;
  std::map<GroupId, RetentionPolicy> policies_;
  std::map<Key, std::map<LogIndex, Appended>> appended_;
  std::map<Key, LogIndex> let_go_;  // everything before
  std::set<Key> rotten_;
  // Decisions of groups that nobody has spoken of: who created one may hear of it late.
  std::map<GroupId, std::pair<NodeId, std::string>> unexplained_;
};

}  // namespace tidemark::sim
