#include "engine/log/sparse_writer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "engine/base/check.h"
#include "engine/log/digest.h"

namespace tidemark {

SparseWriter::SparseWriter(uint64_t number, const Segment& first, uint64_t interval)
    : interval_(interval) {
  segment_.number = number;
  segment_.base_index = first.base_index;
  segment_.base_offset = first.base_offset;
  segment_.base_digest = first.base_digest;
  segment_.sparse = {.digest = first.base_digest};
}

bool SparseWriter::MustBeginRun(const BatchHeader& header) const {
  return entries_.empty() || header.magic == EntryKind::kControl ||
         entries_.back().term != header.leader_epoch.value() || entries_.back().length >= interval_;
}

void SparseWriter::Add(const CompactionFrame& frame, const BatchHeader& header) {
  if (MustBeginRun(header)) {
    // Segments that were received have the times of whoever appended to them, by other clocks.
    const int64_t before = entries_.empty() ? INT64_MIN : entries_.back().append_time_ms;
    entries_.push_back({.pos = static_cast<uint32_t>(segment_.size),
                        .first = static_cast<uint32_t>(frame.index - segment_.base_index),
                        .term = static_cast<uint32_t>(header.leader_epoch.value()),
                        .append_time_ms = std::max(frame.append_time.millis(), before)});
  }
  Segment::Sparse& sparse = *segment_.sparse;
  sparse.digest = DigestFrame(sparse.digest, frame.bytes);
  if (header.magic == EntryKind::kData) {
    sparse.frames_end =
        static_cast<uint32_t>(header.base_offset + header.offset_span() - segment_.base_offset);
    for (; unresolved_ < entries_.size(); ++unresolved_) {
      entries_[unresolved_].first_offset =
          static_cast<uint32_t>(header.base_offset - segment_.base_offset);
    }
  }
  IndexEntry& run = entries_.back();
  run.length += static_cast<uint32_t>(frame.bytes.size());
  ++run.count;
  run.digest = sparse.digest;
  segment_.size += frame.bytes.size();
  pending_.append(frame.bytes);
}

SparseWriter::Piece SparseWriter::TakePiece() {
  return {.pos = FilePos(segment_.size - pending_.size()), .bytes = std::exchange(pending_, {})};
}

const Segment& SparseWriter::Finish(const Segment& last) {
  TIDEMARK_CHECK(index_.empty());
  Segment& segment = segment_;
  segment.count = static_cast<uint32_t>(last.end_index() - segment.base_index);
  segment.end_offset = static_cast<uint32_t>(last.end() - segment.base_offset);
  segment.digest = last.digest;
  segment.last_append = last.last_append;
  if (!entries_.empty()) {
    segment.last_append =
        std::max(segment.last_append, WallTime::FromMillis(entries_.back().append_time_ms));
  }
  segment.sparse->last_number = last.chain_number();
  segment.capacity = segment.size;
  index_ = IndexFileHeader();
  for (; unresolved_ < entries_.size(); ++unresolved_) {
    entries_[unresolved_].first_offset = segment.sparse->frames_end;
  }
  for (const IndexEntry& entry : std::exchange(entries_, {})) {
    AppendIndexEntry(entry, {}, segment.index_chain, index_);
    segment.runs.Add({.pos = entry.pos,
                      .first = entry.first,
                      .first_offset = entry.first_offset,
                      .append_time_ms = entry.append_time_ms});
  }
  segment.index_bytes = index_.size();
  segment.index_stale = true;  // behind them is the footer
  segment.sealed = true;
  return segment;
}

std::string SparseWriter::TakeIndex() { return std::exchange(index_, {}); }

}  // namespace tidemark
