#include "sim/timeline/mark.h"

#include "engine/base/check.h"

namespace tidemark::sim {
namespace {

struct Names {
  std::string_view name;
  std::string_view family;
};

Names NamesOf(MarkKind kind) {
  switch (kind) {
    case MarkKind::kRole:
      return {"role", "roles"};
    case MarkKind::kFound:
      return {"found", "log"};
    case MarkKind::kAppended:
      return {"appended", "log"};
    case MarkKind::kCut:
      return {"cut", "log"};
    case MarkKind::kCommitted:
      return {"committed", "log"};
    case MarkKind::kTrimmed:
      return {"trimmed", "log"};
    case MarkKind::kStorageFailed:
      return {"storage_failed", "disk"};
    case MarkKind::kReopened:
      return {"reopened", "disk"};
    case MarkKind::kRemoved:
      return {"removed", "log"};
    case MarkKind::kVote:
      return {"vote", "votes"};
    case MarkKind::kAppend:
      return {"append", "appends"};
    case MarkKind::kHeartbeat:
      return {"heartbeat", "heartbeats"};
    case MarkKind::kAppendReply:
      return {"append_reply", "appends"};
    case MarkKind::kHeartbeatReply:
      return {"heartbeat_reply", "heartbeats"};
    case MarkKind::kSnapshot:
      return {"snapshot", "appends"};
    case MarkKind::kRead:
      return {"read", "clients"};
    case MarkKind::kCommand:
      return {"command", "clients"};
    case MarkKind::kTransfer:
      return {"transfer", "votes"};
    case MarkKind::kGossip:
      return {"gossip", "gossip"};
    case MarkKind::kLinkUp:
      return {"link_up", "network"};
    case MarkKind::kLinkDown:
      return {"link_down", "network"};
    case MarkKind::kRequest:
      return {"request", "clients"};
    case MarkKind::kAnswer:
      return {"answer", "clients"};
    case MarkKind::kBatch:
      return {"batch", "clients"};
    case MarkKind::kAck:
      return {"ack", "clients"};
    case MarkKind::kRefused:
      return {"refused", "clients"};
    case MarkKind::kDelivered:
      return {"delivered", "clients"};
    case MarkKind::kFlush:
      return {"flush", "disk"};
    case MarkKind::kDiskFull:
      return {"disk_full", "disk"};
    case MarkKind::kDiskSpace:
      return {"disk_space", "disk"};
    case MarkKind::kRot:
      return {"rot", "disk"};
    case MarkKind::kPowerLoss:
      return {"power_loss", "faults"};
    case MarkKind::kKill:
      return {"kill", "faults"};
    case MarkKind::kShutdown:
      return {"shutdown", "faults"};
    case MarkKind::kStopped:
      return {"stopped", "faults"};
    case MarkKind::kStart:
      return {"start", "faults"};
    case MarkKind::kPause:
      return {"pause", "faults"};
    case MarkKind::kBlock:
      return {"block", "network"};
    case MarkKind::kHeal:
      return {"heal", "network"};
    case MarkKind::kClock:
      return {"clock", "faults"};
    case MarkKind::kMember:
      return {"member", "notes"};
    case MarkKind::kNote:
      return {"note", "notes"};
    case MarkKind::kPhase:
      return {"phase", "faults"};
    case MarkKind::kVerdict:
      return {"verdict", "faults"};
    case MarkKind::kCount:
      break;
  }
  TIDEMARK_CHECK(false);
  return {};
}

}  // namespace

std::string_view NameOf(MarkKind kind) { return NamesOf(kind).name; }

std::string_view FamilyOf(MarkKind kind) { return NamesOf(kind).family; }

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone:
      return "done";
    case Outcome::kUnderWay:
      return "under way";
    case Outcome::kLost:
      return "lost";
    case Outcome::kBlocked:
      return "blocked";
    case Outcome::kBroken:
      return "connection broken";
    case Outcome::kReceiverDown:
      return "receiver down";
    case Outcome::kRepeated:
      return "repeated";
    case Outcome::kFailed:
      return "sync failed";
    case Outcome::kNoSpace:
      return "no space";
    case Outcome::kCount:
      break;
  }
  TIDEMARK_CHECK(false);
  return {};
}

}  // namespace tidemark::sim
