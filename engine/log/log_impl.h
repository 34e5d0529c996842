#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/ring.h"
#include "engine/log/index.h"
#include "engine/log/log.h"
#include "engine/log/run_index.h"
#include "engine/log/segment.h"

// The inside of Log, shared by log.cc (appending), log_cut.cc (removing from both ends),
// log_read.cc (look-ups), log_seal.cc (sidecars), log_sealed.cc (verifying and replacing full
// segments), log_compact.cc and recovery.cc.

namespace tidemark {

// When a frame was appended whose sidecar entry a crash has taken: not before the one before it.
inline constexpr WallTime kUnknownTime = WallTime::FromMillis(INT64_MAX);

// A segment as the log keeps it in memory.
struct Segment {
  // The sidecar behind a run.
  struct Mark {
    uint64_t index_end = 0;
    uint32_t chain = 0;
    uint32_t term = 0;
    uint32_t append_span_ms = 0;
  };

  // Of one that compaction wrote: about the frames it has, where that differs from what it stands
  // for.
  struct Sparse {
    uint64_t last_number = 0;  // of the last segment it stands for
    uint32_t frames_end = 0;   // behind the last record it has, less base_offset
    uint64_t digest = 0;       // from base_digest over its own frames
  };

  uint64_t number = 0;
  LogIndex base_index;
  Offset base_offset;
  uint64_t base_digest = 0;
  uint64_t capacity = kSegmentHeaderBytes;  // of the file
  uint64_t size = kSegmentHeaderBytes;      // end of the last frame
  uint32_t count = 0;                       // frames; if sparse, indexes that it stands for
  uint32_t end_offset = 0;                  // behind the last record, less base_offset
  uint64_t digest = 0;                      // of the log up to the last frame
  // No frame was appended later, as far as this log knows its own clock.
  WallTime last_append;
  FrameStride stride;
  std::optional<Sparse> sparse;

  // All frames but those since Log::Impl::run_first, which is about the last segment.
  RunIndex runs;
  // One a run, until nothing can be cut from the segment any more and its footer is written; and
  // the one before the first run.
  std::vector<Mark> marks;
  Mark base_mark{.index_end = kIndexHeaderBytes};
  // `runs` are only those of the footer.
  bool coarse = false;
  uint64_t used = 0;  // when `runs` were last of use; for choosing whose to drop

  bool sealed = false;        // the footer is written, or staged
  uint64_t footer_bytes = 0;  // of it
  uint64_t footer_batch = 0;  // the batch that writes it, counted by Log::Impl::batches_taken
  bool has_index = true;      // the sidecar exists
  uint64_t index_bytes = 0;   // of the sidecar, as far as it is written or staged and to be kept
  uint32_t index_chain = 0;   // checksum of the last entry, `unwritten` included
  std::string unwritten;      // entries that follow at index_bytes
  bool index_stale = false;   // the file holds something else from index_bytes on

  // A frame is about to be counted.
  void NoteFrame(uint64_t bytes, uint64_t records) {
    const FrameStride its{.bytes = static_cast<uint32_t>(bytes),
                          .records = static_cast<uint32_t>(records)};
    if (records == 0 || (count > 0 && stride != its)) {
      stride = {};
    } else if (count == 0) {
      stride = its;
    }
  }
  LogIndex end_index() const { return base_index + count; }
  Offset end() const { return base_offset + end_offset; }
  // Behind the last record it has.
  Offset frames_end() const { return sparse ? base_offset + sparse->frames_end : end(); }
  // What the segment behind names as the one it continues.
  uint64_t chain_number() const { return sparse ? sparse->last_number : number; }
};

// The runs that `sidecar`, as far as it is not the footer, describes; nullopt if they are not those
// of `segment`.
std::optional<RunIndex> RunsIn(const Segment& segment, std::string_view sidecar);

struct Log::Impl {
  Impl(GroupId group_in, const LogOptions& options_in);
  ~Impl();

  // A frame that may yet be cut, or ends where a reader must stop.
  struct Frame {
    uint32_t pos = 0;
    uint32_t end_offset = 0;  // less the base offset of its segment
    uint64_t digest = 0;
  };
  // Everything up to here is known by runs only.
  struct Floor {
    LogIndex index;
    Offset end_offset;
    uint64_t digest = 0;
  };

  LogIndex last_index() const {
    return segments.empty() ? LogIndex(0) : segments.back().end_index() - 1;
  }
  Offset next_offset() const { return segments.empty() ? Offset(0) : segments.back().end(); }
  Offset FirstOffset() const { return segments.empty() ? Offset(0) : segments.front().base_offset; }
  Term TermOf(LogIndex index) const;  // of an entry in the log
  Term last_term() const { return terms.empty() ? Term(0) : terms.back().second; }
  uint64_t last_digest() const { return segments.empty() ? 0 : segments.back().digest; }
  FileId SegmentFile(const Segment& segment) const {
    return {group, FileKind::kSegment, segment.number};
  }
  FileId IndexFile(const Segment& segment) const {
    return {group, FileKind::kIndex, segment.number};
  }
  // The segment that holds `index`, which must be in the log.
  size_t SegmentAt(LogIndex index) const;
  const Frame& FrameAtIndex(LogIndex index) const { return tail[index - (floor.index + 1)]; }
  bool InTail(LogIndex index) const { return index > floor.index; }
  // First byte of frame `index`, which is in the tail, or of what follows the last frame of
  // `segment`.
  uint64_t FramePos(const Segment& segment, LogIndex index) const {
    return index == segment.end_index() ? segment.size : FrameAtIndex(index).pos;
  }

  // log.cc
  bool MustRoll(const Entry& entry) const;
  void StartSegment(uint64_t frame_bytes, WallTime wall);
  void WriteSlice(const Segment& segment, Bytes bytes);
  void EvictCache();
  void RaiseFloor();
  // Takes the memory of a batch that is done.
  void Recycle(FileBatch spent);

  // log_seal.cc
  // Describes the frames from run_first on as a run.
  void EndRun();
  struct RunEnd {
    uint32_t count = 0;
    uint64_t pos = 0;
    Term term;
    uint64_t digest = 0;
    WallTime append;  // of the last frame
  };
  void AddRun(Segment& segment, const FrameRun& run, const RunEnd& end);
  void AddCheckpoint(Segment& segment);
  // Stages the sidecar's entries that are not written yet.
  void StageIndex(Segment& segment);
  void StageFooters();
  SegmentFooter FooterOf(const Segment& segment) const;
  // Where the term changes in [begin, end), the first entry included; relative to `begin`.
  std::vector<SegmentFooter::TermRun> TermsIn(LogIndex begin, LogIndex end) const;
  // Of segments that do not need theirs, and of others while all take more than they may.
  void DropTables();

  // log_cut.cc
  // Drops the last segment from memory; its files go when what replaces them is durable.
  void PopSegment();
  void CutRuns(Segment& segment, uint32_t keep);
  // The files of `segment`, which the log has no more, go with the next batch.
  void StageRemoval(const Segment& segment);

  // log_read.cc
  // The one with the first record at or behind `offset`; segments.size() if there is none.
  size_t SegmentAtOffset(Offset offset) const;
  // The entry with the record `offset`, or the first one of its run.
  LogIndex IndexAtOffset(const Segment& segment, Offset offset) const;
  // Offset of the first record at or behind entry `index`, which is in the tail.
  Offset OffsetAt(const Segment& segment, LogIndex index) const;
  FileRange RangeFrom(const Segment& segment, LogIndex first, LogIndex limit,
                      uint64_t max_bytes) const;
  // The same where all frames are alike.
  FileRange EvenRange(const Segment& segment, LogIndex first, LogIndex limit,
                      uint64_t max_bytes) const;
  // In a sparse segment: from run `first_run` on, at least up to and with the first frame that has
  // records behind that run; empty if there are no frames.
  FileRange SparseRange(const Segment& segment, size_t first_run, uint64_t max_bytes) const;
  // `range`, which is in `segment`, with what is known of the terms of its frames.
  FileRange WithTerms(const Segment& segment, FileRange range) const;
  std::optional<FileRange> SidecarOf(const Segment& segment) const;

  // log_compact.cc
  // Puts `segment`, which is durable, in the place of those that it stands for.
  void Install(Segment segment);
  bool MayCompact(const Segment& segment, LogIndex limit) const;
  // A prefix was removed.
  void TellPass();
  // Forgets the pass if it is over.
  void EndPass();
  // Of the entry before `index`.
  Term TermBefore(LogIndex index) const;

  // log_sealed.cc
  bool IsSealed(const Segment& segment) const;
  // Log::ShippableEnd; null: there is none.
  const Segment* LastShippable() const;
  // The segment `number` was removed.
  void TellReplacement(uint64_t number);
  // Forgets the replacement if it is over.
  void EndReplacement();

  const GroupId group;
  LogOptions options;
  const CheckpointSource* source = nullptr;
  std::vector<Segment> segments;  // ascending, contiguous
  // Behind the last sparse one there ever was: where several sources were used for a snapshot there
  // may be others before it.
  LogIndex sparse_end;
  std::vector<std::pair<LogIndex, Term>> terms;  // (first index, term) of each run of one term
  LogIndex durable;
  LogIndex written;
  LogIndex committed;
  Floor floor;
  Ring<Frame> tail;  // frame floor.index + 1 + i
  uint64_t next_number = 1;
  // Files that hold only entries which were cut. They may go once the segment that replaces them is
  // durable, not before: a crash that kept some of the removals and lost the new segment would
  // leave a hole.
  std::vector<FileId> replaced;              // the segment that replaces them is not begun yet
  std::vector<FileId> replaced_staged;       // it is staged
  std::vector<FileId> replaced_outstanding;  // it is in the outstanding batch
  std::vector<FileId> unstaged_removals;     // of a removed prefix, for the next batch
  // Recovery wanted some files gone, and the batch that removes them is not durable yet.
  bool leftovers = false;
  // Segments that get no more frames and have no footer yet.
  std::vector<uint64_t> unsealed;
  // The next append begins a segment: a suffix was cut, or recovery found a torn tail.
  bool seal = false;
  WallTime last_append;

  Ring<Entry> cache;
  uint64_t cache_bytes = 0;

  FileBatch staged;
  std::vector<FileId> staged_sync;  // at most one mention each
  uint64_t staged_bytes = 0;
  uint32_t run_first = 0;  // ordinal in the last segment of the first frame not in a run yet
  WallTime run_time;
  uint64_t since_checkpoint = 0;  // bytes appended
  LogIndex checkpoint_committed;  // what the last one vouches for
  bool checkpoint_wanted = false;
  // Memory of batches that are done: their operations and lists, the slices of one write each, the
  // bytes of sidecar entries (shared with the batch that writes them).
  FileBatch spare;
  std::vector<std::vector<Bytes>> spare_slices;
  std::vector<std::shared_ptr<std::string>> spare_bytes;
  std::vector<std::shared_ptr<std::string>> lent_bytes;
  bool outstanding = false;
  bool outstanding_syncs = true;
  uint64_t batches_taken = 0;   // since the log was opened
  uint64_t batches_synced = 0;  // of them, those up to this one are durable
  LogIndex outstanding_last;
  uint64_t outstanding_number = 0;  // highest number of a segment in it
  mutable uint64_t clock = 0;       // of Segment::used
  uint64_t table_bytes = 0;         // of `runs` of sealed segments that are not coarse
  bool even_tables = false;         // a segment that needs no table may still have one

  std::unique_ptr<CompactionPass> pass;
  CompactionCheckpoint compacted;
  CompactionTotals totals;
  std::unique_ptr<SegmentReplacement> replacement;
};

}  // namespace tidemark
