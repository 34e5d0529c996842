#pragma once

#include <cstdint>
#include <optional>

#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/log/run_index.h"

namespace tidemark {

// What a log knows of a segment that gets no more frames and is committed and durable, its sidecar
// and footer included: enough to tell whether files, or bytes from elsewhere, are that segment.
struct SealedSegment {
  GroupId group;
  uint64_t number = 0;
  // The entries and offsets that it stands for.
  LogIndex base_index;
  LogIndex end_index;
  Offset base_offset;
  Offset end_offset;
  // Behind the last record it has: end_offset, unless it is sparse.
  Offset frames_end;
  // Of the segment before; nullopt where that was removed.
  std::optional<uint64_t> previous_number;
  Term previous_term;
  // The running digest of the log up to base_index, and from there over its own frames.
  uint64_t base_digest = 0;
  uint64_t digest = 0;
  // Compaction wrote it. Then: the running digest of the log up to end_index, and the number of the
  // last segment it stands for.
  bool sparse = false;
  uint64_t end_digest = 0;
  uint64_t last_number = 0;
  // End of its last frame; of the sidecar's entries; of the footer behind them.
  uint64_t size = 0;
  uint64_t index_bytes = 0;
  uint64_t sidecar_bytes = 0;
  // Some of its runs: at most kFooterRunsMax.
  RunIndex runs;

  FileId file() const { return {group, FileKind::kSegment, number}; }
  FileId sidecar() const { return {group, FileKind::kIndex, number}; }
};

}  // namespace tidemark
