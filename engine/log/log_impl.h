#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/log/log.h"
#include "engine/log/segment.h"

// The inside of Log, shared by log.cc (appending, cutting), log_read.cc (look-ups) and recovery.cc.

namespace tidemark {

struct Log::Impl {
  Impl(GroupId group_in, const LogOptions& options_in) : group(group_in), options(options_in) {}

  LogIndex last_index() const {
    return segments.empty() ? LogIndex(0) : segments.back().end_index() - 1;
  }
  Offset next_offset() const { return segments.empty() ? Offset(0) : segments.back().end_offset(); }
  Term last_term() const { return terms.empty() ? Term(0) : terms.back().second; }
  FileId SegmentFile(const Segment& segment) const {
    return {group, FileKind::kSegment, segment.number};
  }
  FileId IndexFile(const Segment& segment) const {
    return {group, FileKind::kIndex, segment.number};
  }
  // The segment that holds `index`, which must be in the log.
  const Segment& SegmentOf(LogIndex index) const;

  void StartSegment(uint64_t frame_bytes, WallTime wall);
  // Drops the last segment from memory; its files go when what replaces them is durable.
  void PopSegment();
  // Writes the index entry of the frames appended to the last segment since the last one.
  void EndRun();
  void WriteSlice(const Segment& segment, Bytes bytes);
  void EvictCache();
  FileRange RangeFrom(const Segment& segment, size_t ordinal, LogIndex limit,
                      uint64_t max_bytes) const;

  const GroupId group;
  LogOptions options;
  std::vector<Segment> segments;                 // ascending, contiguous
  std::vector<std::pair<LogIndex, Term>> terms;  // (first index, term) of each run of one term
  LogIndex durable;
  uint64_t next_number = 1;
  // Files that hold only entries which were cut. They may go once the segment that replaces them is
  // durable, not before: a crash that kept some of the removals and lost the new segment would
  // leave a hole.
  std::vector<FileId> replaced;              // the segment that replaces them is not begun yet
  std::vector<FileId> replaced_staged;       // it is staged
  std::vector<FileId> replaced_outstanding;  // it is in the outstanding batch
  // The next append begins a segment: a suffix was cut, or recovery found a torn tail.
  bool seal = false;
  WallTime last_append;

  std::deque<Entry> cache;
  uint64_t cache_bytes = 0;

  FileBatch staged;
  std::set<FileId> staged_sync;
  uint64_t staged_bytes = 0;
  uint32_t run_first = 0;  // ordinal in the last segment of the first frame not indexed yet
  WallTime run_time;
  uint32_t run_digest = 0;
  bool outstanding = false;
  LogIndex outstanding_last;
};

}  // namespace tidemark
