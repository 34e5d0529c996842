#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "engine/log/batch_rewrite.h"
#include "engine/log/key_table.h"

// Compaction by key: of the records of a log that have the same key, the newest stays.
//
// A pass is over consecutive sealed segments whose entries are committed, and reads them twice: the
// *dirty* part, that no pass has seen, to learn the newest record of each key (FeedDirty), then all
// of it to write what is left (Rewrite). Below `dirty_begin` earlier passes have left each key
// once.
//
// What stays:
//   * the newest record of each key, with its offset, timestamp and headers;
//   * records without a key (a compacted topic refuses them when they are produced);
//   * compressed batches, whole: the engine has no codec, so it does not know their keys. They make
//     no other record removable, and no tombstone behind one is removed, for the batch may hold
//     what the tombstone deletes. A topic that is compacted should refuse compressed batches;
//   * tombstones (a key and no value), until a consumer has had the time to see them: appended at
//     least `tombstone_retention` ago, and below `settled_end`, and only where the range begins at
//     the log's start, so that nothing they delete is left;
//   * batch headers without records where a producer's state depends on them (batch_rewrite.h);
//   * control frames, but for those that the caller says are superseded.
// Offsets and raft indexes of what stays do not change; both have gaps afterwards.
//
// What the caller must see to, for whom a pass is one of many replicas':
//   * Every member of the group has the whole range durably. Otherwise a member that lags would
//     get the entries behind a tombstone, never the tombstone, and keep the record it deletes.
//   * A segment is replaced by what came out of it all at once, and the checkpoint
//     (compaction_policy.h) moves only when all replacements are durable. A pass that is given up
//     half way has changed nothing.
//
//   Source  Kafka's LogCleaner (KIP-58, KIP-354, KIP-534) for the rules.

namespace tidemark {

struct CompactorOptions {
  // A segment of the output, its header included, is not made larger than this by a further frame.
  uint64_t segment_bytes = 64u << 20;
  // The pass ends early, where its table is full, if the dirty part has more keys. At least
  // kBatchRecordsMax, or a pass over a batch with more keys achieves nothing.
  size_t keys_max = kCompactionKeysMax;
  Duration tombstone_retention = Duration::Seconds(24 * 60 * 60);
  // Drawn anew for each pass.
  KeySeed seed;
};

struct CompactionRange {
  // Of the first segment.
  LogIndex begin_index;
  Offset begin_offset;
  bool begins_at_log_start = false;
  // CompactionCheckpoint::clean_end, and SettledEnd() of it: not above.
  Offset dirty_begin;
  Offset settled_end;
};

// One frame as the log has it.
struct CompactionFrame {
  // In a log that was compacted before, of a data frame: at most its index.
  LogIndex index;
  WallTime append_time;    // of its run, from the index
  std::string_view bytes;  // the whole frame
};

// What the caller knows about frames.
class CompactionContext {
 public:
  virtual ~CompactionContext() = default;
  // Base offset of the last committed batch of this producer; nullopt if it was forgotten. Batches
  // before that one do not matter to the producer's state.
  virtual std::optional<Offset> LastBatchOf(int64_t producer_id) const = 0;
  // Whether a later entry of the log makes this control frame superfluous.
  virtual bool IsSuperseded(const CompactionFrame& control) const = 0;
};

// Takes what a pass writes.
class CompactionSink {
 public:
  virtual ~CompactionSink() = default;
  // The frames that follow are for a new segment, which begins right behind the last frame of the
  // one before (the first one with the range), so that segments stand also for what is gone; or
  // with its first frame, if the gap is wider than a segment's 32-bit distances.
  virtual void OnSegment(LogIndex begin_index, Offset begin_offset) = 0;
  // `frame.bytes` is valid during the call; `rewritten` if it is not the input's.
  virtual void OnFrame(const CompactionFrame& frame, const BatchHeader& header, bool rewritten) = 0;
};

// Of a pass's second reading, unless it says otherwise. Records of compressed batches count.
struct CompactionStats {
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t records_in = 0;
  uint64_t records_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t segments_out = 0;
  uint64_t keys = 0;        // in the dirty part (first reading)
  uint64_t bytes_read = 0;  // of the dirty part (first reading)
  uint64_t tombstones_kept = 0;
  uint64_t tombstones_dropped = 0;  // because of age; superseded ones are not counted
  uint64_t keyless_records = 0;
  uint64_t compressed_batches = 0;
  uint64_t empty_batches = 0;  // kept for their producers
};

// One pass. Frames are handed in one after the other; the work on them can be interrupted anywhere,
// so that it fits between whatever else a node does.
//   Memory   the table, 36 bytes a key, and one frame.
//   Damage   every checksum is verified, so damage is not given a new one. An error is kDataLoss,
//            says what is wrong, and ends the pass: drop it and all that it wrote.
class Compactor {
 public:
  //   Checks  dies unless settled_end <= dirty_begin and options are in the bounds of limits.h.
  Compactor(const CompactorOptions& options, const CompactionRange& range);

  enum class Progress : uint8_t {
    kDone,  // with this frame
    kMore,  // the budget is used up: call again with the same frame and a budget
    kFull,  // the table cannot take all keys of this frame: the dirty part ends before it
  };

  // First reading: the frames from dirty_begin on, in order. `budget` is how many bytes of work may
  // be done, and is reduced by what was done; it may fall below zero by one frame and 16 records.
  //   Checks  dies after kFull and after BeginRewrite().
  absl::StatusOr<Progress> FeedDirty(const CompactionFrame& frame, int64_t& budget);

  // Ends the first reading. `now` decides about the age of tombstones.
  //   Checks  dies if a frame was begun and not done.
  void BeginRewrite(WallTime now);

  // Where the pass ends and the next one's dirty part begins: the end of what was fed. Frames from
  // here on may be handed to Rewrite() too, to end where a segment does.
  Offset clean_end() const { return clean_end_; }

  // Second reading: the frames from the range's begin on, in order. Never kFull.
  //   Checks  dies before BeginRewrite().
  absl::StatusOr<Progress> Rewrite(const CompactionFrame& frame, const CompactionContext& context,
                                   CompactionSink& sink, int64_t& budget);

  const CompactionStats& stats() const { return stats_; }

 private:
  // The frame that is worked on.
  struct Cursor {
    BatchHeader header;
    size_t pos = 0;         // of the next record
    uint32_t records = 0;   // behind pos
    int64_t delta_min = 0;  // of the next record's offset
  };
  // What matters about a record.
  struct Seen {
    size_t begin = 0;  // in the frame
    size_t end = 0;
    Offset offset;
    bool has_key = false;
    bool is_tombstone = false;
    KeyHash key;
  };
  // Enough look-ups on the way to hide the memory's latency.
  static constexpr size_t kGroup = 16;

  // Begins with `frame` unless that was done.
  absl::Status Open(const CompactionFrame& frame, int64_t& budget);
  // Reads the next records of the open frame.
  absl::StatusOr<std::span<const Seen>> NextGroup(std::string_view frame, int64_t& budget);
  void Close(const CompactionFrame& frame);
  bool HasReadableRecords() const;
  bool IsKept(const Seen& record, WallTime append_time);
  void Emit(const CompactionFrame& frame, const CompactionContext& context, CompactionSink& sink);
  void Write(const CompactionFrame& frame, bool rewritten, CompactionSink& sink);

  enum class Phase : uint8_t { kFeeding, kFed, kRewriting };

  const CompactorOptions options_;
  const CompactionRange range_;
  KeyTable table_;
  Phase phase_ = Phase::kFeeding;
  Offset clean_end_;
  WallTime now_;

  // Of the reading that is under way.
  std::optional<Cursor> open_;
  LogIndex open_index_;
  LogIndex next_index_;  // at least
  Offset next_offset_;   // at least
  std::array<Seen, kGroup> group_;

  // Of the second reading.
  BatchRewrite rewrite_;
  uint32_t kept_ = 0;  // records of the open frame
  bool met_compressed_ = false;
  LogIndex written_index_end_;  // behind the last frame written
  Offset written_offset_end_;
  bool has_segment_ = false;
  LogIndex segment_index_;
  Offset segment_offset_;
  uint64_t segment_size_ = 0;
  CompactionStats stats_;
};

}  // namespace tidemark
