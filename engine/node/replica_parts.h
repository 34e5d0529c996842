#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/node/effect.h"
#include "engine/node/request.h"

// What a replica (replica.h) remembers of those who wait for it, and of what runs beside its log.

namespace tidemark {

// A client that waits for its batch to be committed.
struct WaitingProduce {
  LogIndex index;
  Term entry_term;  // of the entry at `index`: (index, term) names an entry for ever
  Term term;        // in which the client was promised an answer
  RequestId request;
  ProduceResponse response;
};

// A consumer that waits for something to be read.
struct ParkedFetch {
  Offset from;
  uint32_t max_bytes = 0;
};

// A consumer that waits for a sidecar to be read.
struct WaitingFetch {
  RequestId request;
  FetchRequest fetch;
};

// A read for a peer that lags: of its entries, or first of the sidecar that tells where they are.
struct PeerRead {
  NodeId to;
  LogIndex first;
  uint64_t max_bytes = 0;
};

// What a pass of compaction has under way.
struct CompactionUnderWay {
  std::optional<IoToken> flush;
  std::optional<std::pair<IoToken, FileRange>> read;
  Instant next_step;
  Instant not_before;        // after a failure
  CompactionTotals counted;  // of the log's, in the node's counters
};

// A segment of the catalog's log that begins with a state of the catalog.
struct CatalogStateMark {
  LogIndex index;  // it is of what is before
  uint64_t bytes = 0;
};

}  // namespace tidemark
