#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/node/membership_log.h"
#include "engine/raft/conf_entry.h"
#include "engine/raft/types.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// Whether any quorum of `a` has a node in common with any quorum of `b`; a quorum of a joint
// configuration is a majority of either half. Tries them all.
//   Checks  dies if there are more than 20 voters.
bool QuorumsMeet(const raft::JointConfig& a, const raft::JointConfig& b);

// What `change` makes of `from` by the rules of thesis 4, in a few lines of their own: what the
// engine must come to. nullopt: it may not be made, and changes nothing.
std::optional<raft::Membership> Changed(const raft::Membership& from,
                                        const raft::ConfChange& change);

// Who is a member of a group is what its committed log says, nothing else:
//   - whoever has applied the log up to an index has the members that the entries up to it amount
//     to, and what nobody has committed nobody has applied;
//   - from one configuration to the next, quorums meet;
//   - a leader begins a change only once the one before is committed, and something of its own term
//     is (Ongaro's bug of 2015; leaving a joint configuration is no new change); neither does it
//     say who votes while a change is under way;
//   - a leader has votes of a quorum of its configuration, and what it commits is held by a quorum:
//     learners, those who have left and those who have not come yet count for nothing;
//   - a voter does not remove its files.
// Source: thesis 4.1 to 4.3; https://groups.google.com/g/raft-dev/c/t4xj6dJTP6E.
class Configuration {
 public:
  Configuration(const StateMachine* committed, Verdict* verdict)
      : committed_(committed), verdict_(verdict) {}

  // A replica of `group` is seen, with these members. The first ones are those it begins with.
  void OnFound(GroupId group, const raft::Membership& membership);
  // `node` has `entry` in its log, of which `frame` is all of the bytes.
  void OnEntry(GroupId group, NodeId node, const EntryFact& entry, std::string_view frame);
  // `entry` is committed: once for each index, ascending.
  void OnCommitted(GroupId group, const EntryFact& entry);

  // What a step left behind at one replica.
  struct State {
    NodeId node;
    raft::Role role = raft::Role::kFollower;
    Term term;
    LogIndex commit;
    LogIndex applied;
    std::span<const EntryFact> log;  // by index - 1
  };
  // After OnCommitted of what the step has committed. What was begun in it is judged.
  void OnState(GroupId group, const State& state, const raft::Membership& membership);
  // A message leaves its node.
  void OnSent(GroupId group, const raft::Message& message);
  // `node` leads `term`; its voters were `before` when the step began, and are `now`.
  void OnLeader(GroupId group, NodeId node, Term term, const raft::JointConfig& before,
                const raft::JointConfig& now);
  // A leader has raised its commit index to `commit`, with `voters` all along; `holds(NodeId)` is
  // up to where it believes each to have the log durably.
  void OnLeaderCommits(GroupId group, NodeId node, LogIndex commit, const raft::JointConfig& voters,
                       const std::function<LogIndex(NodeId)>& holds);
  // `node` removes its files of `group`, which goes on elsewhere.
  void OnDropped(GroupId group, NodeId node);

  // Whether `node` has voted in `group` since the group began.
  bool FromTheBeginning(GroupId group, NodeId node) const;

 private:
  struct Change {
    LogIndex index;
    // One of them.
    std::optional<raft::ConfChange> change;
    std::optional<Roster> roster;
  };
  struct Group {
    // By the index of the entry that made them what they are; the first is at 0.
    std::map<LogIndex, raft::Membership> members;
    std::optional<LogIndex> roster;      // the first one that is committed
    std::map<uint64_t, Change> changes;  // in anybody's log, by the digest up to and with it
    std::vector<EntryFact> begun;        // in this step
  };

  void Fail(GroupId group, const std::string& what);
  static const raft::Membership& At(const Group& group, LogIndex index);
  void JudgeBegun(GroupId id, const Group& group, const State& state, const EntryFact& entry);

  const StateMachine* committed_;
  Verdict* verdict_;
  std::map<GroupId, Group> groups_;
  // Who has granted a vote, by group, term and candidate.
  std::map<std::tuple<GroupId, Term, NodeId>, std::set<NodeId>> granted_;
};

}  // namespace tidemark::sim
