#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "engine/base/ids.h"
#include "engine/raft/types.h"

// What one node says to another every heartbeat interval, for all groups of both at once.

namespace tidemark {

// A heartbeat of a group, or the answer to one.
struct Beat {
  GroupId group;
  Term term;  // the sender's
  std::variant<raft::Heartbeat, raft::HeartbeatReply> body;
};

// The sender does not lead `group` any more as it did in `term`.
struct Release {
  GroupId group;
  Term term;
};

// That the sender's node is there, which process it is, and what is due. Nothing but the first two
// needs to be in it.
struct BeatMessage {
  // Drawn at the start of the sender's process; never 0.
  uint64_t session = 0;
  // Of the receiver's releases, in its session `ack_session`, the sender has heeded all up to here.
  uint64_t ack_session = 0;
  uint64_t ack = 0;
  // All that the receiver has not acknowledged, or the oldest of them, up to number `released_to`.
  std::vector<Release> released;
  uint64_t released_to = 0;
  std::vector<Beat> beats;  // at most kBeatsMax
};

}  // namespace tidemark
