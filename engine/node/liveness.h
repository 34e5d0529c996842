#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/beat.h"

namespace tidemark {

// Which other nodes are there, in the place of heartbeats of every group: quiet groups
// (engine/raft/quiet.cc) send none. Pure bookkeeping; the node sends, and wakes groups.
//
// A *tie* is what a group at this node rests on: a leader that has told its followers that they
// may sleep is tied to the nodes of all members; a sleeping follower to its leader's node. Two
// nodes with a tie tell each other once per heartbeat interval that they are there, in which
// process (`session`), and which groups they lead no more (`released`).
//
// The argument. A follower F sleeps in group g by the word of leader L in term t. Then at any time
//   - L leads g in t: it sends heartbeats, or is quiet, by which it knows that F sleeps. The nodes
//     hear each other, or each notices within an election timeout that it does not, and wakes: F
//     campaigns unless L is heard again, L looks for its quorum. (Asymmetric: whichever side is
//     deaf wakes, tells the other if it can, and what follows is raft's.) Or
//   - L's process is gone: its node is silent, or another session speaks for it. F wakes. Or
//   - L does not lead g in t any more, whatever the reason (a higher term, its storage failed, F
//     was removed, g was deleted): then g is released to F, in every message until F has
//     acknowledged it. F wakes.
// So none sleeps for longer than an election timeout, and the time until a message gets through,
// after its leader stopped; and a message that is lost, repeated, late or out of order changes
// nothing: a session that is not the one last heard wakes, be it the older one, and a release
// counts up to its term only. A session is told with every heartbeat, so whoever falls asleep knows
// by whose word.
class Liveness {
 public:
  struct Options {
    uint64_t session = 0;  // not 0
    Duration heartbeat_interval;
    // A node not heard for so long is not there.
    Duration election_timeout;
  };
  explicit Liveness(Options options) : options_(options) {}

  // What group rests on; the other nodes ascending.
  struct Tie {
    Term term;
    bool leads = false;
    std::vector<NodeId> nodes;
  };
  const Tie* Find(GroupId group) const;
  // Takes the place of the tie before, nullopt: none. Whom a leader is tied to no more, or not in
  // this term, the group is released to.
  void Set(Instant now, GroupId group, std::optional<Tie> tie);

  // What a message says that groups must be told.
  struct News {
    bool new_session = false;  // all groups tied to the node wake, before its beats count
    std::vector<Release> released;
  };
  News OnMessage(Instant now, NodeId from, const BeatMessage& message);

  // Nodes to which a message is due: all with ties, at every multiple of the interval on this
  // node's clock; at once those whose releases were heeded.
  std::vector<NodeId> Due(Instant now);
  // With which every message to `to` begins.
  BeatMessage Begin(NodeId to);
  // Nodes with ties that have become silent, each once per silence.
  std::vector<NodeId> TakeSilent(Instant now);
  // When Due and TakeSilent have to be asked again at the latest.
  Instant next_deadline() const { return next_tick_; }

  // When a message of `node` last came; the beginning of time if never.
  Instant Heard(NodeId node) const;
  size_t ties() const { return ties_.size(); }

 private:
  struct Peer {
    uint64_t session = 0;  // last heard; 0: never
    Instant heard;
    bool silent = false;    // and it was said so
    bool owes_ack = false;  // releases came
    size_t ties = 0;
    uint64_t seen = 0;  // of its releases
    // Of this node's: what it has not acknowledged, by number, and the number of each group.
    uint64_t last_release = 0;
    std::map<uint64_t, Release> releases;
    std::map<GroupId, uint64_t> numbers;
  };
  void ReleaseTo(NodeId node, GroupId group, Term term);
  // Whether `peer` is to be sent something at every tick.
  bool Wanted(const Peer& peer, Instant now) const;
  void Arm(Instant now);

  Options options_;
  std::map<GroupId, Tie> ties_;
  std::map<NodeId, Peer> peers_;
  Instant next_tick_ = Instant::Never();
};

}  // namespace tidemark
