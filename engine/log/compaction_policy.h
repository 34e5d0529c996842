#pragma once

#include <cstdint>

#include "engine/base/ids.h"
#include "engine/base/time.h"

// When a log is worth compacting, and what has to be remembered from one pass to the next.

namespace tidemark {

struct CompactionPolicy {
  // The part of the log that no pass has seen, in percent of all that could be compacted. At 50 a
  // log holds at most twice what it needs to.
  uint32_t dirty_percent_min = 50;
  // A record waits no longer than this for its first pass, however little else there is.
  Duration lag_max = Duration::Max();
};

// Of the segments that are sealed and committed; the others cannot be compacted.
struct CompactionSizes {
  uint64_t clean_bytes = 0;  // below CompactionCheckpoint::clean_end
  uint64_t dirty_bytes = 0;  // the rest
  WallTime dirty_since;      // append time of the first dirty frame
};

// Dirty bytes of a thousand: of several logs that are worth it, the dirtiest goes first.
uint32_t DirtyPermille(const CompactionSizes& sizes);

// Whether a pass now removes enough for the reading and writing it costs.
//   Source  Kafka's min.cleanable.dirty.ratio and max.compaction.lag.ms (KIP-354).
bool WorthCompacting(const CompactionSizes& sizes, const CompactionPolicy& policy, WallTime now);

// What passes have achieved; stored with the log. Losing it is safe: everything is dirty again, and
// tombstones stay for another while.
struct CompactionCheckpoint {
  // Below it a pass has left at most one record of each key.
  Offset clean_end;
  // Below it that is so for at least the tombstone retention: tombstones here may go.
  Offset settled_end;
  // The next settled_end, and since when it has been clean.
  Offset pending_end;
  WallTime pending_since;
  friend bool operator==(const CompactionCheckpoint&, const CompactionCheckpoint&) = default;
};

// Where tombstones may go in a pass that begins at `now`.
//
// Time counts from the pass that removed what the tombstone deletes, not from when it was written:
// a consumer that has just read the deleted record must have the whole retention to get to the
// tombstone, however long the records lay uncompacted.
//   Source  Kafka's KIP-534 (which stamps batches for this; two offsets do without).
Offset SettledEnd(const CompactionCheckpoint& checkpoint, WallTime now, Duration retention);

// The checkpoint once a pass from the log's start up to `clean_end` has replaced the segments
// durably, at `now`.
//   Checks  dies if `clean_end` is below the checkpoint's.
CompactionCheckpoint AfterPass(const CompactionCheckpoint& checkpoint, Offset clean_end,
                               WallTime now, Duration retention);

}  // namespace tidemark
