#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"
#include "engine/log/log.h"
#include "engine/node/effect.h"
#include "engine/node/request.h"
#include "engine/raft/types.h"

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

// A flush of the log, and what goes on when it has ended.
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

// What a pass of compaction has under way.
struct CompactionUnderWay {
  std::optional<IoToken> flush;
  Instant flush_begun;
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
