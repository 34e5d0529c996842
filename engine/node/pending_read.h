#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/node/fresh_reads.h"
#include "engine/node/snapshot_install.h"

namespace tidemark {

// A read for a peer that lags: of its entries, or first of the sidecar that tells where they are.
struct PeerRead {
  NodeId to;
  LogIndex first;
  uint64_t max_bytes = 0;
};

// A read of one of a replica's files that is under way, and whom it is for.
struct PendingRead {
  FileRange range;
  std::optional<SnapshotRead> snapshot;  // a part of a segment for it
  std::optional<PeerRead> peer;          // entries for it
  // Of a sidecar: what goes on when it is known.
  std::vector<PeerRead> peers;
  std::vector<WaitingFetch> fetches;
};

}  // namespace tidemark
