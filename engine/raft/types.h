#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/entry.h"
#include "engine/raft/confchange.h"

// What raft peers say to each other and what a raft group must remember.

namespace tidemark::raft {

enum class Role : uint8_t { kFollower = 0, kPreCandidate = 1, kCandidate = 2, kLeader = 3 };

// "follower", "pre-candidate", "candidate" or "leader".
constexpr const char* NameOf(Role role) {
  constexpr const char* kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<size_t>(role)];
}

// The durable promise of a voter. Lowering either is forgetting a promise.
struct HardState {
  Term term;
  NodeId vote;  // kNoNode: not voted in `term`
  friend bool operator==(const HardState&, const HardState&) = default;
};

// A linearizable read, chosen by the caller; unique among those it has under way at one node.
using ReadId = StrongInt<struct ReadIdTag>;

// RequestVote, and its rehearsal (thesis 9.6): a pre-vote changes nothing at either side.
struct VoteRequest {
  bool pre_vote = false;
  LogIndex last_index;
  Term last_term;
  // Set when the leader asked for it (TimeoutNow): overrides the receiver's leader stickiness.
  bool leadership_transfer = false;
  // The sender's commit index and the term of the entry there: who has that entry, too, knows by it
  // that it is committed.
  LogIndex commit = LogIndex{0};
  Term commit_term = Term{0};
};

struct VoteReply {
  bool pre_vote = false;
  bool granted = false;
  // As in VoteRequest. A candidate that is refused may lack nothing but this to see that the voter
  // is none any more.
  LogIndex commit = LogIndex{0};
  Term commit_term = Term{0};
};

// AppendEntries; without entries it is a probe, or tells of a commit.
struct AppendRequest {
  LogIndex prev_index;
  Term prev_term;
  LogIndex commit;
  EntryList entries;
  // Every member has the entries up to here durable, as the sender knows: none of them will be
  // asked of anybody again. Lower than before tells nothing.
  LogIndex all_durable;
  // Rises with every append and snapshot of a sender to one receiver, from 1. Echoed in the reply:
  // tells a late reply of an earlier session or probe from a current one.
  uint64_t sequence = 0;
};

// The answer to an append or a snapshot.
struct AppendReply {
  bool success = false;
  // Success: last index known to match and durable here. Refusal: a hint, the highest index at
  // which the logs may still agree.
  LogIndex match;
  // Refusal: term of the entry at the hint (lets the leader skip whole terms).
  Term hint_term;
  // Refusal: the prev_index that was refused.
  LogIndex refused;
  // Success: the latest message that is answered; with Config::cumulative_acks one reply stands for
  // all before. Refusal: the message refused. 0: the message was of an older term, and the reply
  // says nothing but the present one.
  uint64_t sequence = 0;
  // The sender has no room for more records: send it none, until it says otherwise.
  bool no_room = false;
};

// That the leader is there, and what it may say without naming a place in the log: the same for
// every group of two nodes but for `commit`.
struct Heartbeat {
  // The lower of the leader's commit index and what the receiver is known to have.
  LogIndex commit;
  // The latest round of reads that waits for an answer; 0 none.
  uint64_t context = 0;
  // As in AppendRequest.
  LogIndex all_durable;
  // The leader's clock when this was sent: echoed, so that a lease is counted from before the
  // receiver heard of it. Means nothing to the receiver.
  Instant sent;
  // Of the voters that are there and could lead, the highest (Config::priority).
  uint32_t priority = 0;
  // The group may go quiet (Config::quiet): whoever has nothing but what is committed up to
  // `commit` stops expecting heartbeats.
  bool quiet = false;
};

struct HeartbeatReply {
  uint64_t context = 0;  // echoed
  Instant sent;          // echoed
  bool no_room = false;  // as in AppendReply
  // The leader told of a commit beyond what this node knows to agree with its log, as after a
  // restart: an append would tell.
  bool unverified = false;
  LogIndex installing;    // of the snapshot that is being installed here; 0 none
  uint32_t priority = 0;  // of this node
  // It expects no more heartbeats. Otherwise, and also unasked, that it does.
  bool quiet = false;
};

// What the entries up to `index` add up to, without the bytes.
struct SnapshotMeta {
  LogIndex index;
  Term term;  // of the entry at `index`
  Membership membership;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

// The receiver needs entries that the leader's log does not have any more.
struct InstallSnapshot {
  SnapshotMeta meta;
  uint64_t sequence = 0;  // as in AppendRequest
};

// Leadership transfer, thesis 3.10: campaign at once.
struct TimeoutNow {};

// A follower asks the leader for an index to read at.
struct ReadIndexRequest {
  ReadId id;
};

struct ReadIndexReply {
  ReadId id;
  // nullopt: not now (no leader, or one that is handing over); ask again.
  std::optional<LogIndex> index;
};

struct Message {
  NodeId from;
  NodeId to;
  // The sender's term (for a pre-vote request, and for the reply that grants it: the term the
  // sender of the request would campaign in).
  Term term;
  std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, TimeoutNow, Heartbeat,
               HeartbeatReply, InstallSnapshot, ReadIndexRequest, ReadIndexReply>
      body;
};

// What a leader knows of one member, itself included.
struct PeerStatus {
  enum class State : uint8_t {
    kProbe,      // one message at a time until it is answered
    kReplicate,  // streamed to
    kSnapshot,   // waits for a snapshot to be installed
  };
  NodeId id;
  State state = State::kProbe;
  bool is_learner = false;
  LogIndex match;  // durable there
  LogIndex next;   // first index to send; of the leader itself, to become durable
  // No appends until it answers something.
  bool paused = false;
  // Heard from in this leadership, within an election timeout.
  bool active = false;
  size_t inflight_messages = 0;
  bool inflight_full = false;
  LogIndex pending_snapshot;  // 0: none
};

}  // namespace tidemark::raft
