#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log/compaction.h"
#include "engine/log/index.h"
#include "engine/log/log_impl.h"

namespace tidemark {

// Makes one sparse segment: its bytes, its sidecar and what the log keeps of it in memory.
class SparseWriter {
 public:
  // `first` is the first segment that it stands for; `interval` as
  // LogOptions::index_interval_bytes.
  SparseWriter(uint64_t number, const Segment& first, uint64_t interval);

  // Appends a frame of one of the segments that it stands for, in order. A control frame begins a
  // run, so that its index is known exactly.
  void Add(const CompactionFrame& frame, const BatchHeader& header);
  // What was appended since the last call, and where it belongs.
  struct Piece {
    FilePos pos;
    std::string bytes;
  };
  Piece TakePiece();
  uint64_t pending_bytes() const { return pending_.size(); }

  // Ends it behind `last`, the last segment that it stands for.
  //   Result  the segment, sealed, as when its footer is durable.
  const Segment& Finish(const Segment& last);
  // The sidecar but its footer; after Finish.
  std::string TakeIndex();

  uint64_t number() const { return segment_.number; }
  uint64_t size() const { return segment_.size; }
  LogIndex base_index() const { return segment_.base_index; }
  Offset base_offset() const { return segment_.base_offset; }
  const Segment& segment() const { return segment_; }

 private:
  bool MustBeginRun(const BatchHeader& header) const;

  const uint64_t interval_;
  Segment segment_;
  std::vector<IndexEntry> entries_;
  // From here on the first records of runs are not known yet: they have control frames only.
  size_t unresolved_ = 0;
  std::string pending_;
  std::string index_;
};

}  // namespace tidemark
