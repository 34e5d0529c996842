#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/node/node.h"
#include "sim/checkers/access.h"
#include "sim/checkers/acked_durability.h"
#include "sim/checkers/canary.h"
#include "sim/checkers/catalog_state.h"
#include "sim/checkers/commit_rules.h"
#include "sim/checkers/compaction.h"
#include "sim/checkers/consumer_order.h"
#include "sim/checkers/durable_quorum.h"
#include "sim/checkers/election_safety.h"
#include "sim/checkers/leader_completeness.h"
#include "sim/checkers/log_matching.h"
#include "sim/checkers/progress.h"
#include "sim/checkers/retention.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"
#include "sim/checkers/vote_once.h"
#include "sim/coverage.h"
#include "sim/disk.h"
#include "sim/story.h"

namespace tidemark::sim {

// Looks into every node after every step, turns what changed into facts and feeds the oracles.
// Costs O(groups) when nothing changed.
class Observer {
 public:
  Observer(Verdict* verdict, Coverage* coverage, Story* story);

  // After each step, before its effects are executed.
  void AfterStep(NodeId id, const Node& node, const Disk& disk, WallTime wall);
  void OnCrash(NodeId id);
  // `id` has read its files of `group` again after a failure.
  void OnReopened(NodeId id, GroupId group);
  // A message leaves its node.
  void OnSent(const PeerMessage& message) {
    if (message.snapshot != nullptr) return;
    if (!deleted_.contains(message.group)) votes_.OnSent(message.group, message.message);
  }
  // `id` removes its files of `group`: its topic was deleted, which is committed, and from here on
  // the group owes nobody anything. (A node that restarts may start it anew, empty, until its
  // catalog comes to the deletion.)
  void OnRemoved(NodeId id, GroupId group);
  // Groups whose entries must all come from the clients' ledger.
  void ProducedTo(GroupId group) { ledger_groups_.insert(group); }

  // Reads back every replica's log from its disk and compares it with the committed one.
  void Finish(NodeId id, const Node& node, const Disk& disk);
  // The node's part of ClusterFacts.
  ClusterFacts::Member FactsOf(NodeId id, const Node& node, Now now) const;

  AckedDurability& ledger() { return acked_; }
  const AckedDurability& ledger() const { return acked_; }
  ConsumerOrder& consumers() { return consumers_; }
  DurableQuorum& durable() { return durable_; }
  Retention& retention() { return retention_; }
  Canary& canary() { return canary_; }
  Compaction& compaction() { return compaction_; }
  Access& access() { return access_; }
  const StateMachine& committed() const { return committed_; }

 private:
  // All that Absorb goes by: where none of it has changed there is nothing to look at. (An index
  // and a term name an entry, and with it all before.)
  struct Seen {
    raft::HardState hard_state;
    raft::Role role = raft::Role::kFollower;
    LogIndex commit;
    LogIndex first;
    LogIndex last;
    Term last_term;
    LogIndex kept_from;
    uint64_t compaction_passes = 0;
    uint64_t records_compacted = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  // What is known of one group on one node.
  struct Replica {
    std::optional<Seen> seen;
    std::vector<EntryFact> log;  // by index - 1
    bool primed = false;
    LogIndex first{1};  // where its log begins
    LogIndex found_to;  // the last entry that recovery found
    LogIndex commit;
    Term leads;  // the term this node was last seen to lead
    // Who voted as of the step before: what commits in this one was counted among them.
    raft::JointConfig voters;
    CompactionTotals compacted;
  };

  static Seen Look(const GroupView& view);
  void Absorb(NodeId id, const GroupView& view, const Disk& disk, WallTime wall);
  // Brings `replica.log` up to date with the node's.
  void ReadLog(NodeId id, const GroupView& view, const Disk& disk, WallTime wall, Replica& replica);
  // A log whose prefix is gone begins with what was committed there.
  void BeginAt(NodeId id, GroupId group, LogIndex first, std::vector<EntryFact>& known);
  void CheckRetention(NodeId id, const GroupView& view, WallTime wall, Replica& replica);
  void CountPrefix(NodeId id, const GroupView& view, Replica& replica);
  void CheckCatalog(NodeId id, const Node& node);
  void CountCompaction(NodeId id, const GroupView& view, Replica& replica);
  // Hands what is left of a compacted log, as a reader gets it from the disk, to its oracle.
  void CheckCompacted(NodeId id, const GroupView& view, const Disk& disk);
  void OnLeads(NodeId id, const GroupView& view, Replica& replica);
  void AdvanceCommit(NodeId id, const GroupView& view, Replica& replica);
  static std::vector<Entry> EntriesFrom(const Log& log, const Disk& disk, LogIndex first,
                                        bool from_disk);

  Verdict* verdict_;
  Coverage* coverage_;
  Story* story_;
  ElectionSafety elections_;
  LogMatching matching_;
  StateMachine committed_;
  LeaderCompleteness completeness_;
  CommitRules commits_;
  VoteOnce votes_;
  DurableQuorum durable_;
  CatalogStates catalogs_;
  AckedDurability acked_;
  ConsumerOrder consumers_;
  Retention retention_;
  Compaction compaction_;
  Access access_;
  Canary canary_;
  std::set<GroupId> ledger_groups_;
  std::set<GroupId> deleted_;
  std::map<std::pair<NodeId, GroupId>, Replica> replicas_;
  std::map<GroupId, NodeId> last_leader_;
  // Of each node's catalog, since it was started: how far it was seen, and what was counted.
  struct SeenCatalog {
    LogIndex applied;
    uint64_t made = 0;
    uint64_t loaded = 0;
    uint64_t installed = 0;
  };
  std::map<NodeId, SeenCatalog> seen_catalogs_;
};

}  // namespace tidemark::sim
