#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"
#include "engine/log/compaction_policy.h"
#include "engine/log/entry.h"
#include "engine/log/file.h"
#include "engine/log/key_table.h"
#include "engine/log/sealed_segment.h"
#include "engine/log/snapshot_files.h"

namespace tidemark {

class CompactionContext;  // compaction.h
class CompactionPass;
class RecoveryObserver;  // recovery.h
class Recoverer;
class SegmentReplacement;  // segment_replacement.h
class SegmentScan;

struct LogOptions {
  // A segment is sealed and a new one begun when the next frame would exceed it.
  uint64_t segment_bytes = 64u << 20;
  // At most one index entry per this many bytes of log (and one per flush).
  uint64_t index_interval_bytes = 4096;
  // Recent frames kept in memory for replication.
  uint64_t cache_bytes = 16u << 20;
  // A restart reads at most about this much of the log, besides what was not committed.
  uint64_t checkpoint_bytes = 4u << 20;
  // Look-up tables of full segments kept in memory; the others are read again when needed.
  uint64_t index_memory_bytes = 4u << 20;
};

// What is derived from a log and would take reading all of it to derive again: written to the
// sidecars at times, given back by recovery (RecoveryObserver::OnCheckpoint).
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  // Appends the state after all entries of the log to `out`: at most kCheckpointBytesMax bytes.
  virtual void AppendState(std::string& out) const = 0;
};

// How much of a log is kept. A segment goes as a whole, the last one never.
struct RetentionPolicy {
  // Segments go while the rest is at least this large.
  std::optional<uint64_t> bytes;
  // Segments go whose last entry was appended longer ago than this, by this node's clock: no
  // client's timestamp has a say.
  std::optional<Duration> age;
};

// One pass of compaction; see compaction.h.
struct CompactionOptions {
  size_t keys_max = kCompactionKeysMax;
  Duration tombstone_retention = Duration::Seconds(24 * 60 * 60);
  // Drawn anew for each pass.
  KeySeed seed;
};

// Which files of a segment are replaced.
struct ReplacementFiles {
  bool segment = true;
  // Made anew from the frames: the times of appending are those still known.
  bool sidecar = true;
};

// What compaction has achieved since the log was recovered, also by passes that were cancelled.
struct CompactionTotals {
  uint64_t passes = 0;  // that reached their end
  uint64_t records_removed = 0;
  uint64_t bytes_removed = 0;  // of segments
};

// A run of bytes of one segment that holds whole frames, to be read by the driver.
struct FileRange {
  FileId file;
  FilePos pos;
  uint32_t length = 0;
  // The first frame in the range.
  LogIndex first_index;
  Offset first_offset;
  // Compaction wrote the segment: there are gaps between the frames, first_index and first_offset
  // are at most those of the first frame, and there may be no frame (length 0).
  bool sparse = false;
  // What else the log knows of its frames, whose headers no checksum covers: where their terms lie,
  // both included, and what no offset reaches beyond.
  Term min_term;
  Term max_term{UINT64_MAX};
  Offset end_offset{UINT64_MAX};
  friend bool operator==(const FileRange&, const FileRange&) = default;
};

// The log of one raft group: segments of frames with their index. Holds metadata and a cache of
// recent frames, never reads a file after recovery; every change is handed out as file operations.
//
// Entries appended or cut are staged; TakeBatch() hands out what is staged, and the caller reports
// its completion with OnBatchDurable(). At most one batch may be outstanding.
class Log {
 public:
  // Rebuilds the log of `group` from the files in `directory` (FORMAT.md, "Recovery").
  // `committed` is a commit index the hard state vouches for: a bad frame at or below it is rot,
  // never a torn tail. `start` is the first index kept when a prefix was last removed (1: never).
  // `snapshot` tells which of the files are part of it.
  // `observer`, if given, is told what to derive from the entries.
  //   Cost    a few kilobytes of each full segment, and the entries behind the last usable
  //           checkpoint; all entries for an observer that needs them.
  //   Shape   an empty directory gives an empty log; nothing is created before the first append.
  //           What was found counts as durable only after the first batch, which syncs it: after
  //           the crash of a process (not the machine) it may be in the page cache alone.
  //   Errors  kDataLoss: rot. The message names file, byte range, what is wrong and what to do.
  //           kFailedPrecondition: files of another group or a newer format version.
  static absl::StatusOr<Log> Recover(GroupId group, const LogOptions& options,
                                     const DirectoryView& directory, LogIndex committed,
                                     RecoveryObserver* observer = nullptr,
                                     LogIndex start = LogIndex(1),
                                     const SnapshotFiles& snapshot = {});

  // Where checkpoints come from; none by default. Must outlive the log. Append and TakeBatch ask
  // it: its state is that after last_index().
  void SetCheckpointSource(const CheckpointSource* source);

  // First index still held (1 unless a prefix was removed) and last index appended; last == first-1
  // when empty.
  LogIndex first_index() const;
  LogIndex last_index() const;
  Term last_term() const;
  // Term of the entry at `index`; 0 for index 0; nullopt outside [first_index - 1, last_index].
  std::optional<Term> TermAt(LogIndex index) const;
  // Offset the next data record gets.
  Offset next_offset() const;
  // First offset past the records of entries up to and including `index`
  // (the high watermark when `index` is the commit index).
  //   Checks  dies if `index` is above last_index(), or below both committed_index() and
  //           durable_index() and not the last of its segment.
  Offset EndOffsetOf(LogIndex index) const;
  // First offset still held.
  Offset start_offset() const;
  // Last index known durable on this node.
  LogIndex durable_index() const;
  // Last index known committed: recovered from what the files vouch for, then as SetCommitted says.
  LogIndex committed_index() const;
  // Bytes of the segments, unused space not counted.
  uint64_t size_bytes() const;
  // The running digest of the log up to last_index() (digest.h).
  uint64_t digest() const;

  // Adds `entry` (index must be last_index() + 1, term not lower than last_term(), base_offset
  // next_offset()) with append time `wall`, and stages its write.
  void Append(Entry entry, WallTime wall);
  // Removes all entries at and after `from`, durably not later than anything appended afterwards:
  // the next append begins a segment that replaces them. A crash before that is durable may bring
  // them back, all or a prefix of them.
  //   Checks  dies if `from` is before first_index() or not above committed_index().
  void TruncateSuffix(LogIndex from);
  // Entries up to `index` will never be cut. Lower than before changes nothing.
  //   Checks  dies if `index` is above last_index().
  void SetCommitted(LogIndex index);

  // First index to keep under `policy`: a candidate for TruncatePrefix, never above `limit` + 1.
  LogIndex RetentionPoint(const RetentionPolicy& policy, WallTime now, LogIndex limit) const;
  // Removes the segments that lie wholly before `first_kept`, as long as the rest holds a durable
  // entry; first_index() tells what is left. The files go with the next batch.
  //   Before  `first_kept` is durable in the hard state: without it a restart takes the missing
  //           files for a loss.
  //   Checks  dies if `first_kept` is above both committed_index() and durable_index() + 1.
  void TruncatePrefix(LogIndex first_kept);

  bool has_staged() const;
  // Whether there is something to write; else only syncs are owed.
  bool has_staged_writes() const;
  // Bytes staged and not yet handed out.
  uint64_t staged_bytes() const;
  // Everything staged since the last call, as one batch. With kNone no file is listed for syncing:
  // what has to be synced is owed to the next batch with kAll.
  //   Checks  dies if a batch is outstanding or nothing is staged.
  enum class Syncs : uint8_t { kAll, kNone };
  FileBatch TakeBatch(Syncs syncs = Syncs::kAll);
  // The outstanding batch, one with kAll, is durable. Entries cut meanwhile do not count as
  // durable, also when they were rewritten (the completion of a superseded append is ignored).
  // `spent`, if the caller still has it, is the batch: the next ones are then made of its memory,
  // and a steady stream of appends allocates nothing.
  void OnBatchDurable(FileBatch spent = {});
  // The outstanding batch, one with kNone, is executed: what it wrote can be read back.
  void OnBatchWritten(FileBatch spent = {});
  // Last index that can be read back from the files; at or above durable_index().
  LogIndex written_index() const;

  // The cached frames from `first` on, at most `max_bytes` (always at least one entry) and
  // `max_entries`. Empty if `first` is not in the cache (read it with RangeOf) or past the end.
  EntryList CachedEntries(LogIndex first, uint64_t max_bytes, size_t max_entries) const;
  // Look-ups in a full segment whose table is not in memory work, but point up to a hundredth of
  // the segment too early. These tell which bytes of which sidecar to read and hand to OnIndexRead
  // first; nullopt: none. (first_offset and first_index of the range mean nothing.)
  std::optional<FileRange> IndexOf(LogIndex index) const;
  std::optional<FileRange> IndexOfOffset(Offset offset) const;
  // `sidecar` was read from `range`. Bytes that do not agree with the segment are ignored.
  void OnIndexRead(const FileRange& range, std::string_view sidecar);

  // Where the entries from `first` are on disk: one range of whole frames that begins at or before
  // `first` and holds at least that entry, about `max_bytes` long. In a sparse range it may be
  // gone, and look-ups by index are not exact: readers of what was compacted go by offset.
  //   Checks  dies if `first` is outside [first_index, written_index].
  FileRange RangeOf(LogIndex first, uint64_t max_bytes) const;
  // The same by client offset, for consumers; never reaches past entry `limit`, nor past
  // written_index(). If the record was compacted away, that is the next one there is; of length 0
  // if there is none up to `limit`.
  //   Errors  kOutOfRange if `offset` is before start_offset() or not below the end offset of that
  //           entry.
  absl::StatusOr<FileRange> RangeOfOffset(Offset offset, LogIndex limit, uint64_t max_bytes) const;
  // First offset whose append time is at or after `time`; next_offset() if there is none.
  // Granular to index entries: it may be early by one of them and by what was appended within the
  // same millisecond, never late. Entries whose time a crash took from the sidecar count as
  // appended with the one before them, but are not passed over.
  Offset OffsetAtTime(WallTime time) const;

  // Makes the next batch end with a checkpoint, whatever was appended since the last one: for a
  // clean shutdown. Nothing if there is one already.
  void StageCheckpoint();
  // Changes LogOptions::segment_bytes for segments begun from now on.
  void SetSegmentBytes(uint64_t segment_bytes);

  // Compaction by key (compaction.h) of the segments that are full and committed, beside everything
  // else. A pass reads what CompactionRead names and hands it to OnCompactionRead, works in
  // CompactionStep, and writes batches of its own, one at a time, which do not wait for those of
  // TakeBatch, nor these for them. It replaces segments by smaller ones, some at a time, in the
  // order of the log; what it replaced goes with a batch of TakeBatch. Whenever it ends, all that
  // it has replaced until then stays so. A crash leaves what was, or what replaces it.
  //
  // What a pass up to entry `limit` would find: decides whether it is worth it (WorthCompacting).
  CompactionSizes SizesForCompaction(LogIndex limit) const;
  // Begins a pass over entries up to `limit`: at most what every replica has durably, or one that
  // lags keeps records whose tombstones it never gets. False: there is nothing to do, or a pass or
  // its last batch is under way.
  bool BeginCompaction(const CompactionOptions& options, LogIndex limit, WallTime now);
  bool compacting() const;
  // What to read next, at most 1 MiB, and the same until that is handed in; nullopt: nothing now.
  std::optional<FileRange> CompactionRead() const;
  // `bytes` were read from `range`; fewer or none if there are no more, or no file. Those of a pass
  // that is over are ignored.
  void OnCompactionRead(const FileRange& range, const Bytes& bytes);
  // Works on what was read, about `budget` bytes at most. Nothing to do if there is something to
  // read, or a batch to take or complete, first.
  //   Errors  kDataLoss: what is damaged. The pass is cancelled.
  absl::Status CompactionStep(const CompactionContext& context, WallTime now, int64_t budget);
  bool has_compaction_batch() const;
  //   Checks  dies unless has_compaction_batch().
  FileBatch TakeCompactionBatch();
  void OnCompactionBatchDurable();
  // The batch was not executed, or only in part. The pass is cancelled; its unfinished files go
  // with the next batch of TakeBatch. The log is as it was.
  void OnCompactionBatchFailed();
  // Ends the pass, if there is one. What it had not replaced yet is as it was.
  void CancelCompaction();
  // What passes have achieved; kept in the files.
  const CompactionCheckpoint& compaction_checkpoint() const;
  const CompactionTotals& compaction_totals() const;
  // First index behind the segments that compaction wrote; first_index() if there are none. Entries
  // before it are not known by index any more: they cannot be replicated, only read by offset.
  LogIndex compacted_end() const;

  // The first of the segments that are full, committed and durable with their footers that ends
  // behind entry `index`: what a scrubber looks at (scrub.h).
  std::optional<SealedSegment> SealedSegmentAfter(LogIndex index) const;
  // Behind the last full segment that could be sent to somebody who has nothing, all before it as
  // well, and that compaction has left alone; 0: there is none.
  LogIndex ShippableEnd() const;
  // First index of that segment; first_index() if there is none.
  LogIndex LastShippable() const;
  // Makes the next append begin a segment, so that the last one becomes full. False: it has
  // nothing, or one before it is about to be sealed.
  bool EndSegment();
  // First index of the last segment, 0 if there is none, and the bytes it has.
  LogIndex last_segment_base() const;
  uint64_t last_segment_bytes() const;
  // Whether `segment`, which that gave, is still part of the log.
  bool Holds(const SealedSegment& segment) const;
  // Bytes of the frames and sidecars of all of them.
  uint64_t sealed_bytes() const;

  // Replacing the files of a full segment, where the disk has changed them, by the same bytes from
  // elsewhere, while the log is in use. Its frames are handed in from the first to the last, are
  // verified, and are written under other names, in batches of their own as those of compaction;
  // only once all of them are durable, and are what the log was made of, they get the names of the
  // old ones. A crash leaves the old or the new ones.
  //
  // Begins with the segment that SealedSegmentAfter(index) gives.
  //   Errors  kNotFound: there is none. kUnavailable: a replacement is under way. kUnimplemented:
  //           the sidecar of a sparse segment, whose indexes nothing else tells.
  absl::Status BeginReplacement(LogIndex index, const ReplacementFiles& files);
  bool replacing() const;
  // The position in the segment of the byte to be handed in next, and how many may be handed in
  // now: 0 while the disk is behind, or once they are complete.
  FilePos replacement_pos() const;
  size_t replacement_room() const;
  // Takes the next bytes of frames, cut wherever; at most replacement_room().
  //   Errors  kDataLoss: these are not the frames of that segment. Nothing was changed, and the
  //           replacement is cancelled.
  absl::Status FeedReplacement(std::string_view frames);
  bool has_replacement_batch() const;
  //   Checks  dies unless has_replacement_batch().
  FileBatch TakeReplacementBatch();
  void OnReplacementBatchDurable();
  // Ends the replacement, if there is one. What has its name by then stays.
  void CancelReplacement();

  // Numbers for `count` segments that come with a snapshot; none of the log's own gets one of them.
  SnapshotFiles ReserveForSnapshot(uint64_t count);
  // What the next segment of the log gets for a number.
  uint64_t next_number() const;
  // Removes `files`, which are none of the log's, with the next batch.
  void RemoveStrangers(const std::vector<FileId>& files);
  // Whether files that recovery did not want may still be there, or come back in a crash.
  bool has_leftovers() const;

  // Whole files of the log, those included that go with the next batch (to remove the group's
  // data).
  std::vector<FileId> Files() const;

  ~Log();
  Log(Log&&) noexcept;
  Log& operator=(Log&&) noexcept;

 private:
  friend class CompactionPass;
  friend class Recoverer;
  friend class SegmentReplacement;
  friend class SegmentScan;
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Splits `bytes`, read from `range`, into entries; the first has range.first_index. Verifies header
// sanity and checksum of each frame. In a sparse range the indexes of entries are at most theirs.
//   Errors  kDataLoss naming the position.
absl::StatusOr<std::vector<Entry>> EntriesIn(const FileRange& range, const Bytes& bytes);

// The frames of `bytes` (read from `range`) a consumer may see: data frames with records in
// [from, limit). One slice per run of adjacent frames; a batch that straddles `from` is whole.
//   Errors  kDataLoss naming the position.
absl::StatusOr<std::vector<Bytes>> ConsumerFrames(const FileRange& range, const Bytes& bytes,
                                                  Offset from, Offset limit);
// The same, appended to `runs`: allocates nothing that `runs` has room for.
absl::Status AppendConsumerFrames(const FileRange& range, const Bytes& bytes, Offset from,
                                  Offset limit, std::vector<Bytes>& runs);

}  // namespace tidemark
