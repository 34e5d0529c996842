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

}  // namespace tidemark
