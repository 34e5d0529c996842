#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/node/event.h"
#include "engine/node/node.h"
#include "engine/node/request.h"
#include "sim/checkers/entry_fact.h"
#include "sim/scheduler.h"
#include "sim/timeline/mark.h"

namespace tidemark::sim {

// Names a mark whose end is still to come; 0: there is none (the timeline is off).
using MarkId = uint32_t;

// Everything that happened in one run, as data, for a page that shows it (page.h). Only looks:
// a run is the same with and without it. Off, each call costs one branch.
//   Units   `node` is the dense index that World and Network use, `actor` the number of a client.
class Timeline {
 public:
  struct Lane {
    std::string name;
    bool is_node = false;
  };

  explicit Timeline(bool on = false) : on_(on), texts_(1) {}

  bool on() const { return on_; }

  // Before anything else: whose clock it is (which must outlive all calls but the const ones), and
  // the lanes of the nodes.
  void Begin(const Scheduler* clock, const std::vector<NodeId>& nodes);
  // A client's lane; clients of one name share theirs.
  void AddClient(uint32_t actor, std::string_view name);
  void NameGroups(const TopicInfo& topic);

  // Groups, as seen after a step. State: role, term and the leader, in `peer`, when they change.
  void State(NodeId id, const GroupView& view) {
    if (on_) AddState(id, view);
  }
  // An entry comes into a node's log: found there at a start, or appended. Entries that follow each
  // other at one moment share a mark, here and in Committed.
  void Appended(NodeId id, GroupId group, const EntryFact& entry, bool found) {
    if (on_) AddEntry(found ? MarkKind::kFound : MarkKind::kAppended, id, group, entry);
  }
  void Committed(NodeId id, GroupId group, const EntryFact& entry) {
    if (on_) AddEntry(MarkKind::kCommitted, id, group, entry);
  }
  // The entries [from, from + count) are cut from the end of a node's log.
  void Cut(NodeId id, GroupId group, LogIndex from, uint64_t count);
  // kTrimmed (the log begins at `first` now), kReopened, kRemoved.
  void OfGroup(MarkKind kind, NodeId id, GroupId group, LogIndex first = {});

  // What is sent; the mark ends with Ends. kUnderWay until then.
  MarkId Sends(size_t from, size_t to, const PeerMessage& message) {
    return on_ ? AddMessage(from, to, message) : 0;
  }
  MarkId Gossips(size_t from, size_t to, size_t bytes) {
    return on_ ? AddGossip(from, to, bytes) : 0;
  }
  MarkId Asks(uint32_t actor, size_t node, std::string_view what) {
    return on_ ? AddCall(MarkKind::kRequest, actor, node, what) : 0;
  }
  MarkId Answers(size_t node, uint32_t actor, std::string_view what) {
    return on_ ? AddCall(MarkKind::kAnswer, actor, node, what) : 0;
  }
  // It is over, now. A second end is the arrival of a repetition, a mark of its own.
  void Ends(MarkId mark, Outcome outcome = Outcome::kDone) {
    if (mark != 0) AddEnd(mark, outcome);
  }

  // A producer's batch: from its submission to its acknowledgement.
  struct Batch {
    uint64_t number = 0;
    GroupId group;
    uint64_t records = 0;
    uint64_t bytes = 0;
  };
  void Submits(uint32_t actor, const Batch& batch);
  void Acked(uint32_t actor, uint64_t number, Offset base_offset);
  void Refused(uint32_t actor, GroupId group, std::string_view reason);
  void Delivered(uint32_t actor, GroupId group, Offset offset, uint64_t offsets);

  // A flush of `bytes`; ends with Ends.
  MarkId Flushes(size_t node, const Flush& flush) { return on_ ? AddFlush(node, flush) : 0; }

  // Something that happens to a node, with words of its own if there are any.
  void OnNode(MarkKind kind, size_t node, std::string_view text = {});
  void Pauses(size_t node, Duration length);
  // kBlock, kLinkUp, kLinkDown: of the way from one node to another.
  void OnLink(MarkKind kind, size_t from, size_t to);
  void Heals();
  void Phase(std::string_view text);

  // The run is over. `oracle`: empty if all is well.
  void Finish(std::string_view oracle, std::string_view what);

  const std::vector<Lane>& lanes() const { return lanes_; }
  // After Finish by begin, at equal times in the order of their making.
  const std::vector<Mark>& marks() const { return marks_; }
  // Mark::text of each; the first is empty.
  const std::vector<std::string>& texts() const { return texts_; }
  const std::map<GroupId, std::string>& groups() const { return groups_; }
  const std::string& oracle() const { return oracle_; }
  const std::string& what() const { return what_; }
  Instant end() const { return end_; }

 private:
  struct Known {
    raft::Role role = raft::Role::kFollower;
    Term term;
    NodeId leader;
    bool failed = false;
    friend bool operator==(const Known&, const Known&) = default;
  };

  void AddState(NodeId id, const GroupView& view);
  void AddEntry(MarkKind kind, NodeId id, GroupId group, const EntryFact& entry);
  MarkId AddMessage(size_t from, size_t to, const PeerMessage& message);
  MarkId AddGossip(size_t from, size_t to, size_t bytes);
  MarkId AddCall(MarkKind kind, uint32_t actor, size_t node, std::string_view what);
  MarkId AddFlush(size_t node, const Flush& flush);
  void AddEnd(MarkId mark, Outcome outcome);

  // A mark that begins now and is over at once.
  Mark& Add(MarkKind kind, LaneId lane);
  Mark& AddOf(MarkKind kind, LaneId lane, GroupId group);
  MarkId Open(Mark& mark);
  LaneId LaneOf(NodeId id) const;
  LaneId LaneOfActor(uint32_t actor) const;
  uint32_t TextOf(std::string_view text);

  bool on_;
  const Scheduler* clock_ = nullptr;
  std::vector<NodeId> nodes_;
  std::vector<Lane> lanes_;
  std::map<uint32_t, LaneId> clients_;
  std::map<GroupId, std::string> groups_;
  std::vector<Mark> marks_;
  std::vector<std::string> texts_;
  std::map<std::string, uint32_t, std::less<>> text_ids_;
  std::map<std::pair<LaneId, GroupId>, Known> known_;
  std::map<std::pair<uint32_t, uint64_t>, MarkId> batches_;  // by actor and number
  std::string oracle_;
  std::string what_;
  Instant end_;
};

}  // namespace tidemark::sim
