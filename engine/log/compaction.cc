#include "engine/log/compaction.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/record_walk.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

absl::Status Damaged(LogIndex index, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("entry ", index.value(), " cannot be compacted: ", what));
}

// Positions in a segment and its index are relative and 32 bits wide.
bool Fits(uint64_t distance) { return distance <= UINT32_MAX; }

}  // namespace

Compactor::Compactor(const CompactorOptions& options, const CompactionRange& range)
    : options_(options),
      range_(range),
      table_(options.keys_max),
      clean_end_(range.dirty_begin),
      next_index_(range.begin_index),
      next_offset_(range.dirty_begin),
      written_index_end_(range.begin_index),
      written_offset_end_(range.begin_offset) {
  TIDEMARK_CHECK_LE(range.settled_end, range.dirty_begin);
  TIDEMARK_CHECK_GE(options.segment_bytes, kSegmentBytesMin);
  TIDEMARK_CHECK_LE(options.segment_bytes, kSegmentBytesMax);
}

absl::Status Compactor::Open(const CompactionFrame& frame, int64_t& budget) {
  if (open_.has_value()) {
    TIDEMARK_CHECK_EQ(open_index_, frame.index);
    TIDEMARK_CHECK_EQ(open_->header.total_bytes(), frame.bytes.size());
    return absl::OkStatus();
  }
  TIDEMARK_CHECK_LE(next_index_, frame.index);
  budget -= static_cast<int64_t>(frame.bytes.size());
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame.bytes);
  if (!header.ok()) return Damaged(frame.index, header.status().message());
  if (header->total_bytes() != frame.bytes.size()) {
    return Damaged(frame.index, "its length is not that of its frame");
  }
  if (!BatchChecksumMatches(frame.bytes)) return Damaged(frame.index, "its checksum is wrong");
  if (header->base_offset < next_offset_) {
    return Damaged(frame.index, "its offsets are those of an entry before it");
  }
  open_ = Cursor{.header = *header, .pos = kBatchHeaderBytes, .records = header->record_count};
  open_index_ = frame.index;
  kept_ = 0;
  rewrite_.Begin();
  return absl::OkStatus();
}

bool Compactor::HasReadableRecords() const {
  return open_->header.magic == EntryKind::kData && open_->header.codec() == Codec::kNone;
}

absl::StatusOr<std::span<const Compactor::Seen>> Compactor::NextGroup(std::string_view frame,
                                                                      int64_t& budget) {
  Cursor& at = *open_;
  const size_t count = std::min<size_t>(kGroup, at.records);
  budget -= static_cast<int64_t>(count) * kCompactionRecordWork;
  RecordWalk walk(frame.substr(std::min(at.pos, frame.size())));
  for (size_t i = 0; i < count; ++i) {
    RecordView view;
    if (const char* wrong = walk.Next(view)) {
      return Damaged(open_index_, absl::StrCat("of a record, ", wrong));
    }
    if (view.offset_delta < at.delta_min || view.offset_delta > at.header.last_offset_delta) {
      return Damaged(open_index_, "a record's offset is out of order or not its batch's");
    }
    at.delta_min = view.offset_delta + 1;
    Seen& seen = group_[i];
    seen.begin = at.pos;
    seen.end = at.pos = frame.size() - walk.rest();
    seen.offset = at.header.base_offset + static_cast<uint64_t>(view.offset_delta);
    seen.has_key = view.key.has_value();
    seen.is_tombstone = seen.has_key && !view.value.has_value();
    if (seen.has_key) {
      seen.key = HashKey(options_.seed, *view.key);
      table_.Prefetch(seen.key);
    }
  }
  at.records -= static_cast<uint32_t>(count);
  if (at.records == 0 && !walk.at_end()) {
    return Damaged(open_index_, "bytes follow its last record");
  }
  return std::span<const Seen>(group_.data(), count);
}

void Compactor::Close(const CompactionFrame& frame) {
  next_index_ = frame.index + 1;
  next_offset_ = open_->header.base_offset + open_->header.offset_span();
  open_.reset();
}

absl::StatusOr<Compactor::Progress> Compactor::FeedDirty(const CompactionFrame& frame,
                                                         int64_t& budget) {
  TIDEMARK_CHECK(phase_ == Phase::kFeeding);
  if (budget <= 0) return Progress::kMore;
  TIDEMARK_RETURN_IF_ERROR(Open(frame, budget));
  while (HasReadableRecords() && (open_->records > 0 || open_->pos < frame.bytes.size())) {
    if (budget <= 0) return Progress::kMore;
    TIDEMARK_ASSIGN_OR_RETURN(const auto group, NextGroup(frame.bytes, budget));
    for (const Seen& record : group) {
      if (!record.has_key || table_.Put(record.key, record.offset)) continue;
      // What this frame has put there stays: it does supersede what is older.
      phase_ = Phase::kFed;
      open_.reset();
      return Progress::kFull;
    }
  }
  Close(frame);
  clean_end_ = next_offset_;
  stats_.bytes_read += frame.bytes.size();
  return Progress::kDone;
}

void Compactor::BeginRewrite(WallTime now) {
  TIDEMARK_CHECK(phase_ != Phase::kRewriting);
  TIDEMARK_CHECK(!open_.has_value());
  phase_ = Phase::kRewriting;
  now_ = now;
  next_index_ = range_.begin_index;
  next_offset_ = range_.begin_offset;
  stats_.keys = table_.size();
}

bool Compactor::IsKept(const Seen& record, WallTime append_time) {
  if (!record.has_key) {
    ++stats_.keyless_records;
    return true;
  }
  const std::optional<Offset> newest = table_.Find(record.key);
  if (newest.has_value() && *newest > record.offset) return false;
  if (!record.is_tombstone) return true;
  // Wider than 64 bits: append times come from a file.
  const bool is_old =
      __int128{now_.millis()} - append_time.millis() >= options_.tombstone_retention.millis();
  if (is_old && range_.begins_at_log_start && record.offset < range_.settled_end &&
      !met_compressed_) {
    ++stats_.tombstones_dropped;
    return false;
  }
  ++stats_.tombstones_kept;
  return true;
}

absl::StatusOr<Compactor::Progress> Compactor::Rewrite(const CompactionFrame& frame,
                                                       const CompactionContext& context,
                                                       CompactionSink& sink, int64_t& budget) {
  TIDEMARK_CHECK(phase_ == Phase::kRewriting);
  if (budget <= 0) return Progress::kMore;
  TIDEMARK_RETURN_IF_ERROR(Open(frame, budget));
  if (HasReadableRecords()) {
    while (open_->records > 0 || open_->pos < frame.bytes.size()) {
      if (budget <= 0) return Progress::kMore;
      TIDEMARK_ASSIGN_OR_RETURN(const auto group, NextGroup(frame.bytes, budget));
      for (const Seen& record : group) {
        if (IsKept(record, frame.append_time)) {
          ++kept_;
        } else {
          rewrite_.Drop(frame.bytes, record.begin, record.end);
        }
      }
    }
  }
  ++stats_.frames_in;
  stats_.records_in += open_->header.record_count;
  stats_.bytes_in += frame.bytes.size();
  Emit(frame, context, sink);
  Close(frame);
  return Progress::kDone;
}

// Writes the open frame, now that all its records were judged, or leaves it out.
void Compactor::Emit(const CompactionFrame& frame, const CompactionContext& context,
                     CompactionSink& sink) {
  BatchHeader& header = open_->header;
  if (header.magic == EntryKind::kControl) {
    if (!context.IsSuperseded(frame)) Write(frame, /*rewritten=*/false, sink);
    return;
  }
  if (header.codec() != Codec::kNone) {
    met_compressed_ = true;
    ++stats_.compressed_batches;
    Write(frame, /*rewritten=*/false, sink);
    return;
  }
  if (kept_ == 0) {
    if (header.producer_id < 0) return;
    const std::optional<Offset> last = context.LastBatchOf(header.producer_id);
    if (!last.has_value() || header.base_offset < *last) return;
    ++stats_.empty_batches;
  }
  CompactionFrame out = frame;
  out.bytes = rewrite_.Finish(frame.bytes, kept_);
  const bool rewritten = kept_ != header.record_count;
  if (rewritten) {
    const absl::StatusOr<BatchHeader> sparse = DecodeBatchHeader(out.bytes);
    TIDEMARK_CHECK(sparse.ok());
    header = *sparse;
  }
  Write(out, rewritten, sink);
}

void Compactor::Write(const CompactionFrame& frame, bool rewritten, CompactionSink& sink) {
  const BatchHeader& header = open_->header;
  const Offset end = header.base_offset + header.offset_span();
  if (!has_segment_ || segment_size_ + frame.bytes.size() > options_.segment_bytes ||
      !Fits(frame.index - segment_index_) || !Fits(end - segment_offset_)) {
    has_segment_ = true;
    segment_index_ = written_index_end_;
    segment_offset_ = written_offset_end_;
    // The gap alone is wider than what a segment can span.
    if (!Fits(frame.index - segment_index_) || !Fits(end - segment_offset_)) {
      segment_index_ = frame.index;
      segment_offset_ = header.base_offset;
    }
    segment_size_ = kSegmentHeaderBytes;
    ++stats_.segments_out;
    sink.OnSegment(segment_index_, segment_offset_);
  }
  segment_size_ += frame.bytes.size();
  written_index_end_ = frame.index + 1;
  written_offset_end_ = end;
  ++stats_.frames_out;
  stats_.records_out += header.record_count;
  stats_.bytes_out += frame.bytes.size();
  sink.OnFrame(frame, header, rewritten);
}

}  // namespace tidemark
