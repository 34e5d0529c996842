#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/time.h"

namespace tidemark::sim {

// What a mark on the timeline stands for.
enum class MarkKind : uint8_t {
  // Groups, as the oracles see them after each step.
  kRole,
  kFound,
  kAppended,
  kCut,
  kCommitted,
  kTrimmed,
  kStorageFailed,
  kReopened,
  kRemoved,
  // What nodes send each other: from `begin`, when it is sent, to `end`, when it arrives.
  kVote,
  kAppend,
  kHeartbeat,
  kAppendReply,
  kHeartbeatReply,
  kSnapshot,
  kRead,
  kCommand,
  kTransfer,
  kGossip,
  kLinkUp,
  kLinkDown,
  // Clients.
  kRequest,
  kAnswer,
  kBatch,
  kAck,
  kRefused,
  kDelivered,
  // Disks.
  kFlush,
  kDiskFull,
  kDiskSpace,
  kRot,
  // Faults and what ends them.
  kPowerLoss,
  kKill,
  kShutdown,
  kStopped,
  kStart,
  kPause,
  kBlock,
  kHeal,
  kClock,
  // What is said.
  kMember,
  kNote,
  kPhase,
  kVerdict,
  kCount,
};

// "appended": what a person types after "kind:".
std::string_view NameOf(MarkKind kind);
// What kinds are shown and hidden by: "log", "votes", "disk", ...
std::string_view FamilyOf(MarkKind kind);

// What became of something that takes time.
enum class Outcome : uint8_t {
  kDone,
  kUnderWay,
  kLost,          // by chance
  kBlocked,       // by a partition
  kBroken,        // the connection was gone when it was sent, or went before it arrived
  kReceiverDown,  // nobody was there to hear it
  kRepeated,      // arrives a second time
  kFailed,        // a sync failed
  kNoSpace,       // a write met a full disk
  kCount,
};

std::string_view NameOf(Outcome outcome);

// A row of the timeline; rows are numbered by MarkId in the order in which they began.
using LaneId = uint8_t;
inline constexpr LaneId kNoLane = 255;

// One thing that happened. A field that means nothing for its kind is 0; what each kind fills in is
// said at the function of Timeline that makes it.
struct Mark {
  Instant begin;
  Instant end;
  MarkKind kind = MarkKind::kNote;
  Outcome outcome = Outcome::kDone;
  LaneId lane = kNoLane;  // whose it is; the sender
  LaneId peer = kNoLane;  // the other one; the receiver
  GroupId group;
  bool has_group = false;
  Term term;
  // Entries [index, index + entries) and client offsets [offset, offset + offsets).
  LogIndex index;
  uint64_t entries = 0;
  Offset offset;
  uint64_t offsets = 0;
  uint64_t batch = 0;  // a producer's own number of it, from 1
  uint64_t bytes = 0;
  uint32_t text = 0;  // Timeline::texts
};

}  // namespace tidemark::sim
