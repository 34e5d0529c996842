#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/raft/conf_entry.h"
#include "engine/raft/types.h"

// Messages, entries and snapshots in the shape and the words of etcd-io/raft: what its interaction
// scripts print.
//   Source  etcd-io/raft v3.6, util.go, raftpb.

namespace tidemark::conformance {

// What an entry of a script carries: a proposal's text, or a change of members in either of etcd's
// encodings, which our engine does not tell apart.
struct Payload {
  enum class Kind : uint8_t { kNormal, kConfChange, kConfChangeV2 };
  Kind kind = Kind::kNormal;
  std::string text = {};         // kNormal
  raft::ConfChange change = {};  // the others
};
// As the frame of an entry in the engine, and back.
Bytes EncodePayload(const Payload& payload);
Payload DecodePayload(const Bytes& frame);

struct WireEntry {
  uint64_t term = 0;
  uint64_t index = 0;
  Payload payload;
};
WireEntry ToWire(const Entry& entry);
std::vector<WireEntry> ToWire(std::span<const Entry> entries);
std::string EntryText(const WireEntry& entry);
// A line for each.
std::string EntriesText(const std::vector<WireEntry>& entries);
// The length of etcd's encoding of them, which bounds what one Ready applies.
uint64_t EncodedSize(const std::vector<WireEntry>& entries);

// The bootstrap entry of a script has term 1 while its node is in term 0, which no node that kept
// its promises can be. In the engine a node begins in term 1 instead, so its terms are one more,
// except for that entry's.
uint64_t ShownTerm(Term term);
uint64_t ShownLogTerm(Term term);

std::string SnapshotText(const raft::SnapshotMeta& meta);

enum class WireType : uint8_t {
  kProp,
  kApp,
  kAppResp,
  kVote,
  kVoteResp,
  kSnap,
  kHeartbeat,
  kHeartbeatResp,
  kTransferLeader,
  kTimeoutNow,
  kReadIndex,
  kReadIndexResp,
  kPreVote,
  kPreVoteResp,
  kStorageAppend,
  kStorageAppendResp,
  kStorageApply,
  kStorageApplyResp,
};
std::string_view TypeText(WireType type);
// Whether etcd has a message type of that name; some are never sent.
bool IsTypeText(std::string_view name);

// Pretended nodes: the two threads of asynchronous storage writes.
inline constexpr uint64_t kAppendThread = UINT64_MAX;
inline constexpr uint64_t kApplyThread = UINT64_MAX - 1;

struct WireMessage {
  WireType type = WireType::kApp;
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t term = 0;
  uint64_t log_term = 0;
  uint64_t index = 0;
  bool reject = false;
  uint64_t reject_hint = 0;
  uint64_t commit = 0;
  uint64_t vote = 0;
  std::vector<WireEntry> entries = {};
  std::optional<raft::SnapshotMeta> snapshot = {};
  std::vector<WireMessage> responses = {};
  // What the engine sent, if it was the engine: this is what is delivered, all else is only shown.
  std::shared_ptr<const raft::Message> engine = {};

  // Between a node and itself or its threads: never lost.
  bool local() const { return from == to || from >= kApplyThread || to >= kApplyThread; }
};
// The engine's message in etcd's words.
WireMessage ToWire(raft::Message message);
std::string MessageText(const WireMessage& message);
// As `%x`: how etcd writes a node in messages.
std::string NodeText(uint64_t id);

}  // namespace tidemark::conformance
