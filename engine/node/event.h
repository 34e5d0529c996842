#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/node/beat.h"
#include "engine/node/introduction.h"
#include "engine/node/request.h"
#include "engine/node/snapshot_message.h"
#include "engine/raft/types.h"

// Everything a node can be told. A recorded list of (now, events) replays a node exactly.

namespace tidemark {

struct RecoveredGroup;  // recovered_group.h

// A raft message of one group. Or, if there is one, a part of a snapshot (then of `message` only
// the addresses and the term count), or a command for the catalog (catalog.h), which is sent to the
// node that leads it (then only the addresses), or what a node says for all groups at once (beat.h;
// likewise), or who the sender is (introduction.h; likewise). Nodes send heartbeats and their
// answers in beats alone.
struct PeerMessage {
  GroupId group;
  raft::Message message;
  std::shared_ptr<const SnapshotMessage> snapshot = nullptr;
  std::shared_ptr<const std::string> command = nullptr;
  std::shared_ptr<const BeatMessage> beats = nullptr;
  std::shared_ptr<const Introduction> introduction = nullptr;
};

// From an authenticated peer; the transport vouches for `from`.
struct PeerReceived {
  NodeId from;
  PeerMessage message;
};

// The outgoing connection to `peer` came up or broke (what was sent on it may be lost).
struct PeerLink {
  NodeId peer;
  bool up = false;
};

struct DatagramReceived {
  Endpoint from;
  Bytes bytes;
};

// A gossip push/pull that came over the peer transport.
struct GossipStreamReceived {
  Bytes bytes;
};

// `id` is unique for the life of the node; exactly one Reply effect answers it, unless it is
// cancelled first.
struct RequestReceived {
  RequestId id;
  // Who asks (from the certificate); empty when there is none.
  std::string principal;
  Request request;
};

// The client went away: a waiting fetch is forgotten; a produce in flight goes on unanswered.
struct RequestCancelled {
  RequestId id;
};

// The Flush with this token finished. A failure poisons the group: nothing about its files is
// believed until they are recovered again.
struct IoDone {
  IoToken token;
  absl::Status status;
};

struct ReadDone {
  IoToken token;
  absl::StatusOr<Bytes> bytes;
};

// The ReopenGroup with this token: what the group's files hold, not known to be durable, or why
// that cannot be told.
struct GroupReopened {
  IoToken token;
  absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered;
};

// The deadline has come. (Every step looks at deadlines; this event exists so that one can be
// made.)
struct TimerFired {};

struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

// Bytes of `file`, which a Reply had named to be read, are not what was written: the disk has
// changed them. The node looks for itself.
struct DamageFound {
  FileId file;
};

// Stop taking requests, hand leadership over, leave gossip, then emit ShutdownComplete.
struct ShutdownRequested {};

using Event = std::variant<PeerReceived, PeerLink, DatagramReceived, GossipStreamReceived,
                           RequestReceived, RequestCancelled, IoDone, ReadDone, GroupReopened,
                           TimerFired, DiskSpace, ShutdownRequested, DamageFound>;

}  // namespace tidemark
