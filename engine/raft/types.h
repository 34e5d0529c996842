#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/entry.h"

// What raft peers say to each other and what a raft group must remember.

namespace tidemark::raft {

enum class Role : uint8_t { kFollower = 0, kPreCandidate = 1, kCandidate = 2, kLeader = 3 };

// The durable promise of a voter. Lowering either is forgetting a promise.
struct HardState {
  Term term;
  NodeId vote;  // kNoNode: not voted in `term`
  friend bool operator==(const HardState&, const HardState&) = default;
};

// RequestVote, and its rehearsal (thesis 9.6): a pre-vote changes nothing at either side.
struct VoteRequest {
  bool pre_vote = false;
  LogIndex last_index;
  Term last_term;
  // Set when the leader asked for it (TimeoutNow): overrides the receiver's leader stickiness.
  bool leadership_transfer = false;
};

struct VoteReply {
  bool pre_vote = false;
  bool granted = false;
};

// AppendEntries; without entries it is a heartbeat or a probe.
struct AppendRequest {
  LogIndex prev_index;
  Term prev_term;
  LogIndex commit;
  std::vector<Entry> entries;
  // Every member has the entries up to here durable, as the sender knows: none of them will be
  // asked of anybody again. Lower than before tells nothing.
  LogIndex all_durable;
  // Rises with every message of a sender to one receiver, from 1. Echoed in the reply: tells a late
  // reply of an earlier session or probe from a current one.
  uint64_t sequence = 0;
};

struct AppendReply {
  bool success = false;
  // Success: last index known to match and durable here (for a heartbeat it may be less than what
  // the heartbeat verified: a slow disk does not delay the answer). Refusal: a hint, the highest
  // index at which the logs may still agree.
  LogIndex match;
  // Refusal: term of the entry at the hint (lets the leader skip whole terms).
  Term hint_term;
  // Success: the latest message that passed the consistency check; one reply stands for all before.
  // Refusal: the message refused. 0: the message was of an older term.
  uint64_t sequence = 0;
  // The sender has no room for more records: send it none, until it says otherwise.
  bool no_room = false;
};

// Leadership transfer, thesis 3.10: campaign at once.
struct TimeoutNow {};

struct Message {
  NodeId from;
  NodeId to;
  // The sender's term (for a pre-vote request, and for the reply that grants it: the term the
  // sender of the request would campaign in).
  Term term;
  std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, TimeoutNow> body;
};

}  // namespace tidemark::raft
