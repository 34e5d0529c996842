#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/node/catch_up_pace.h"
#include "engine/node/fresh_reads.h"
#include "engine/node/snapshot_install.h"
#include "engine/node/snapshot_message.h"

namespace tidemark {

// A read for a peer that lags: of its entries, or first of the sidecar that tells where they are.
struct PeerRead {
  NodeId to;
  LogIndex first;
  uint64_t max_bytes = 0;
  bool queued = false;                         // in the node's CatchUpPace
  std::optional<CatchUpPace::Turn> turn = {};  // that it was given there
};

// Reads for peers that are not begun yet.
struct WantedReads {
  std::vector<PeerRead> now;  // of this call of raft
  // Of each peer at most one: where nobody waits for the peer, it waits for its turn.
  std::vector<PeerRead> lagging;
};

// A read of frames with which a peer repairs a segment.
struct FramesRead {
  NodeId to;
  FramesRequest request;
};

// A read of one of a replica's files that is under way, and whom it is for.
struct PendingRead {
  FileRange range;
  std::optional<SnapshotRead> snapshot;  // a part of a segment for it
  std::optional<PeerRead> peer;          // entries for it
  std::optional<FramesRead> frames;      // likewise, to repair a segment
  // Of a sidecar: what goes on when it is known.
  std::vector<PeerRead> peers;
  std::vector<FramesRead> repairs;
  std::vector<WaitingFetch> fetches;
};

}  // namespace tidemark
