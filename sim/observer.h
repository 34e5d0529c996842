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
#include "sim/checkers/configuration.h"
#include "sim/checkers/consumer_order.h"
#include "sim/checkers/contact.h"
#include "sim/checkers/disk_files.h"
#include "sim/checkers/durable_quorum.h"
#include "sim/checkers/election_safety.h"
#include "sim/checkers/emptied_voter.h"
#include "sim/checkers/gossip_views.h"
#include "sim/checkers/leader_completeness.h"
#include "sim/checkers/log_matching.h"
#include "sim/checkers/progress.h"
#include "sim/checkers/reads.h"
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

  // After each step, before its effects are executed. `ran_since`: when the node started, or was
  // paused last.
  void AfterStep(NodeId id, const Node& node, const Disk& disk, WallTime wall, Instant now,
                 Instant ran_since);
  void OnCrash(NodeId id);
  // `id` goes down, and has an empty disk from here on.
  void OnWiped(NodeId id);
  // `id` has read its files of `group` again after a failure.
  void OnReopened(NodeId id, GroupId group);
  // A message leaves its node.
  void OnSent(const PeerMessage& message);
  // `id` removes its files of `group`. Either its topic was deleted, which is committed, and from
  // here on the group owes nobody anything. (A node that restarts may start it anew, empty, until
  // its catalog comes to the deletion.) Or the group has moved away: if it comes back this node
  // begins with nothing.
  void OnRemoved(NodeId id, GroupId group);
  // The disk of `id`, which is no member of anything, is emptied.
  void OnEmptied(NodeId id);
  // Groups whose entries must all come from the clients' ledger.
  void ProducedTo(GroupId group) { ledger_groups_.insert(group); }

  // Reads back every replica's log from its disk and compares it with the committed one.
  // `rotten`: is damaged there, and nobody could repair it; null: nothing is.
  void Finish(NodeId id, const Node& node, const Disk& disk, const SealedSegment* rotten);
  // The node's part of ClusterFacts.
  ClusterFacts::Member FactsOf(NodeId id, const Node& node, Now now) const;

  AckedDurability& ledger() { return acked_; }
  const AckedDurability& ledger() const { return acked_; }
  ConsumerOrder& consumers() { return consumers_; }
  DurableQuorum& durable() { return durable_; }
  Retention& retention() { return retention_; }
  Reads& reads() { return reads_; }
  Canary& canary() { return canary_; }
  Contact& contact() { return contact_; }
  // Since when the replica at `id` counts these voters, as far as was seen.
  Instant VotersSince(NodeId id, GroupId group) const {
    const auto found = replicas_.find({id, group});
    return found == replicas_.end() ? Instant() : found->second.voters_since;
  }
  Compaction& compaction() { return compaction_; }
  // The catalog that the committed entries of group 0 amount to.
  const Catalog& catalog() const { return catalogs_.committed(); }
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
    uint64_t quieted = 0;
    uint64_t woken = 0;
    bool disk_stalled = false;
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
    Instant voters_since;
    CompactionTotals compacted;
  };

  static Seen Look(const GroupView& view);
  void Absorb(NodeId id, const GroupView& view, const Disk& disk, WallTime wall, Instant instant,
              Replica& replica);
  // Brings `replica.log` up to date with the node's.
  void ReadLog(NodeId id, const GroupView& view, const Disk& disk, WallTime wall, Replica& replica);
  // A log whose prefix is gone begins with what was committed there.
  void BeginAt(NodeId id, GroupId group, LogIndex first, std::vector<EntryFact>& known);
  void CheckRetention(NodeId id, const GroupView& view, WallTime wall, Replica& replica);
  void CountPrefix(NodeId id, const GroupView& view, Replica& replica);
  void CheckCatalog(NodeId id, const Node& node);
  void CheckGossip(NodeId id, const Node& node);
  void CountCompaction(NodeId id, const GroupView& view, Replica& replica);
  // Hands what is left of a compacted log, as a reader gets it from the disk, to its oracle.
  void CheckCompacted(NodeId id, const GroupView& view, const Disk& disk);
  void OnLeads(NodeId id, const GroupView& view, Replica& replica);
  void AdvanceCommit(NodeId id, const GroupView& view, Replica& replica);
  // Before what the step has committed is known, and after it.
  void CheckLeader(NodeId id, const GroupView& view, const Replica& replica);
  void CheckMembers(NodeId id, const GroupView& view, const Replica& replica);
  // What is known of a replica that is no more.
  void Forget(NodeId id, GroupId group);
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
  EmptiedVoter emptied_;
  CatalogStates catalogs_;
  Configuration configuration_;
  AckedDurability acked_;
  ConsumerOrder consumers_;
  Retention retention_;
  Compaction compaction_;
  Reads reads_;
  Access access_;
  GossipViews gossip_;
  Contact contact_;
  DiskFiles disk_files_;
  Canary canary_;
  std::set<GroupId> ledger_groups_;
  std::set<GroupId> deleted_;
  std::map<std::pair<NodeId, GroupId>, Replica> replicas_;
  std::vector<GroupView> views_;  // empty between steps; for its capacity
  std::map<GroupId, NodeId> last_leader_;
  // Of each node's catalog, since it was started: how far it was seen, and what was counted.
  struct SeenCatalog {
    LogIndex applied;
    uint64_t made = 0;
    uint64_t loaded = 0;
    uint64_t installed = 0;
    uint64_t catch_up_turns = 0;
  };
  // And of its other counters.
  std::map<NodeId, SeenCatalog> seen_catalogs_;
  // The revision of its view of the others at which each node was looked at.
  std::map<NodeId, uint64_t> seen_gossip_;
};

}  // namespace tidemark::sim
