#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/node/event.h"
#include "engine/node/request.h"

// Everything a node can want done. The driver executes effects in order; it decides nothing.

namespace tidemark {

// Best effort: may be lost, delayed, repeated. Whatever had to be durable before this message may
// be sent already is: the engine holds messages back, the driver never has to.
struct SendPeer {
  NodeId to;
  PeerMessage message;
};

// Where `node` listens, from its gossip tags. Comes before the first SendPeer to it and whenever it
// changes.
struct SetPeerAddress {
  NodeId node;
  Endpoint address;
};

// UDP, best effort.
struct SendDatagram {
  Endpoint to;
  Bytes bytes;
};

// A gossip push/pull over the peer transport, best effort, possibly to an endpoint whose node id is
// not yet known.
struct SendGossipStream {
  Endpoint to;
  Bytes bytes;
};

// Answers a request. A ProduceResponse means: synced on a quorum. A FetchResponse with a range:
// read it (the bytes are durable here and committed), then answer; a read error is the driver's to
// report.
struct Reply {
  RequestId id;
  Response response;
};

// File operations of one group, made durable together; answered by IoDone. At most one per group is
// under way, and beside it one of compaction or of a snapshot's receiver, which name other files.
struct Flush {
  IoToken token;
  GroupId group;
  FileBatch batch;
};

// Answered by ReadDone. The bytes asked for are durable.
struct ReadRange {
  IoToken token;
  FileId file;
  FilePos pos;
  uint32_t length = 0;
};

// A write or sync of the group's files failed: forget what is open of them, make them usable again
// and read them with RecoverGroup; answered by GroupReopened. Neither a flush nor a read of the
// group is under way before that, consumers' reads excepted.
struct ReopenGroup {
  IoToken token;
  GroupId group;
  // What this process saw committed and synced: recovery holds the files to it.
  LogIndex committed;
};

// Something an operator wants to read in the log. No effect on anything.
struct Note {
  enum class Level : uint8_t { kInfo, kWarning, kError };
  Level level = Level::kInfo;
  std::string event;  // snake_case, stable
  std::vector<std::pair<std::string, std::string>> fields;
};

// The answer to ShutdownRequested: leadership handed over (or the attempt timed out) and everything
// staged is durable. The driver may stop.
struct ShutdownComplete {};

using Effect = std::variant<SendPeer, SetPeerAddress, SendDatagram, SendGossipStream, Reply, Flush,
                            ReadRange, ReopenGroup, Note, ShutdownComplete>;

// In the order they must be executed.
using Effects = std::vector<Effect>;

}  // namespace tidemark
