#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"
#include "engine/node/request.h"
#include "engine/node/snapshot_install.h"
#include "engine/raft/types.h"

// What a replica has under way at the disk, and what waits for it.

namespace tidemark {

// A read for a peer that lags: of its entries, or first of the sidecar that tells where they are.
struct PeerRead {
  NodeId to;
  LogIndex first;
  uint64_t max_bytes = 0;
};

struct WaitingFetch {
  RequestId request;
  FetchRequest fetch;
};

struct PendingRead {
  FileRange range;
  std::optional<SnapshotRead> snapshot;  // a part of a segment for it
  std::optional<PeerRead> peer;          // entries for it
  // Of a sidecar: what goes on when it is known.
  std::vector<PeerRead> peers;
  std::vector<WaitingFetch> fetches;
};

struct OutstandingFlush {
  Instant begun;
  bool verifies = false;
  std::optional<FileBatch> identity;
  bool has_log = false;
  bool has_replacement = false;  // of a segment's files
  bool switches = false;         // makes what was received the log
  std::optional<raft::HardState> hard_state;
  // The start in the hard state that goes with it, if it goes.
  std::optional<LogIndex> start;
  std::vector<raft::Message> held;
};

}  // namespace tidemark
