#include "engine/log/scan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/digest.h"

namespace tidemark {

LogIndex FoundSegment::durable() const {
  uint64_t frames = footer.has_value() ? footer->count : 0;
  for (const DecodedIndexEntry& each : index) {
    frames = std::max<uint64_t>(frames, each.entry.durable);
  }
  if (frames == 0) return header.durable;
  return std::min(header.base_index + frames, end) - 1;
}

LogIndex FoundSegment::committed() const {
  uint64_t frames = footer.has_value() ? footer->committed : 0;
  for (const DecodedIndexEntry& each : index) {
    frames = std::max<uint64_t>(frames, each.entry.committed);
  }
  if (frames == 0) return LogIndex(0);
  return std::min(header.base_index + frames, end) - 1;
}

Segment SegmentOf(const FoundSegment& found) {
  const SegmentFooter& footer = *found.footer;
  Segment segment;
  segment.number = found.header.number;
  segment.base_index = found.header.base_index;
  segment.base_offset = found.header.base_offset;
  segment.base_digest = found.header.previous_digest;
  segment.capacity = found.file_bytes;
  segment.size = footer.size;
  segment.count = footer.count;
  segment.end_offset = footer.end_offset;
  segment.digest = footer.digest;
  segment.last_append = WallTime::FromMillis(footer.append_time_ms);
  segment.stride = footer.stride;
  segment.runs = RunIndex(footer.runs);
  segment.coarse = true;
  segment.sealed = true;
  segment.index_bytes = footer.index_bytes;
  segment.footer_bytes = EncodeFooter(footer).size();
  segment.index_stale = true;
  if (found.header.sparse.has_value()) {
    segment.sparse = {.last_number = found.header.sparse->last_number,
                      .frames_end = footer.end_offset,
                      .digest = footer.digest};
    segment.end_offset =
        static_cast<uint32_t>(found.header.sparse->end_offset - segment.base_offset);
    segment.digest = found.header.sparse->end_digest;
    segment.coarse = !segment.runs.empty();
  }
  return segment;
}

size_t FoundSegment::ConsistentEntries() const {
  uint64_t pos = kSegmentHeaderBytes;
  uint64_t first = 0;
  IndexEntry before{.term = static_cast<uint32_t>(header.previous_term.value()),
                    .append_time_ms = INT64_MIN,
                    .digest = header.previous_digest};
  size_t count = 0;
  for (const DecodedIndexEntry& each : index) {
    const IndexEntry& entry = each.entry;
    if (entry.pos != pos || entry.first != first || entry.first_offset < before.first_offset ||
        entry.term < before.term || entry.term > kTermMax ||
        entry.append_time_ms < before.append_time_ms) {
      break;
    }
    if (entry.is_checkpoint()) {
      if (entry.digest != before.digest || entry.term != before.term) break;
    } else {
      if (entry.length < entry.count * uint64_t{kBatchHeaderBytes}) break;
      pos += entry.length;
      first += entry.count;
    }
    if (pos > file_bytes || header.base_index + first > end) break;
    before = entry;
    ++count;
  }
  return count;
}

absl::Status RotError(const FileId& file, uint64_t begin, uint64_t end, std::string_view what) {
  const std::string group = absl::StrCat(file.group.value());
  return absl::DataLossError(absl::StrCat(
      PathOf(file), ": bytes ", begin, " to ", end, " are damaged (", std::string(what),
      ") although they were durable: the disk lost or changed them. Nothing was changed. If other "
      "replicas are healthy, move this node's data directory away and start it empty: it gets "
      "everything from them. Otherwise 'tidemark log verify DIR "
      "--group ",
      group,
      "' shows all that is damaged, which offsets are lost with it, and the exact 'tidemark "
      "log repair DIR --group ",
      group, " --accept-loss ...' that goes on without them"));
}

SegmentScan::SegmentScan(Log::Impl* log, const FoundSegment& found, Term term,
                         const DecodedIndexEntry* checkpoint)
    : log_(log), found_(found), term_(term) {
  segment_.number = found.header.number;
  segment_.base_index = found.header.base_index;
  segment_.base_offset = found.header.base_offset;
  segment_.base_digest = found.header.previous_digest;
  segment_.digest = found.header.previous_digest;
  segment_.capacity = found.file_bytes;
  time_ = found.header.created;
  segment_.has_index = found.has_index;
  first_digest_ = segment_.digest;
  if (found.index.empty()) {
    segment_.unwritten = IndexFileHeader();
  } else {
    segment_.index_bytes = kIndexHeaderBytes;
  }
  if (checkpoint != nullptr) BeginAt(*checkpoint);
}

Log::Impl::Floor SegmentScan::floor() const {
  return {.index = segment_.base_index + first_ - 1,
          .end_offset = segment_.base_offset + first_offset_,
          .digest = first_digest_};
}

// The frames before a usable checkpoint are committed and durable, and the chain of checksums from
// the sidecar's beginning to the checkpoint is whole.
void SegmentScan::BeginAt(const DecodedIndexEntry& checkpoint) {
  for (const DecodedIndexEntry& each : found_.index) {
    const IndexEntry& entry = each.entry;
    if (!entry.is_checkpoint()) NoteTerm(entry.first, Term(entry.term));
    Adopt(each);
    NoteTime(entry);
    ++next_entry_;
    if (&each == &checkpoint) break;
  }
  const IndexEntry& at = checkpoint.entry;
  first_ = at.first;
  first_offset_ = at.first_offset;
  first_digest_ = at.digest;
  segment_.count = at.first;
  segment_.size = at.pos;
  segment_.end_offset = at.first_offset;
  segment_.digest = at.digest;
  term_ = Term(at.term);
}

absl::Status SegmentScan::Run() {
  while (segment_.end_index() < found_.end && Step()) {
  }
  const absl::Status foreign = AdoptIndex();
  agreed_ = covered_;
  TIDEMARK_RETURN_IF_ERROR(foreign);
  segment_.last_append = time_;
  if (covered_ < segment_.count || end_unknown_) segment_.last_append = kUnknownTime;
  DescribeRest();
  segment_.index_stale = segment_.index_bytes != found_.index_file_bytes;
  return absl::OkStatus();
}

void SegmentScan::Tell(RecoveryObserver* observer) const {
  if (observer == nullptr) return;
  for (uint32_t ordinal = first_; ordinal < segment_.count; ++ordinal) {
    const uint64_t begin = PosOf(ordinal);
    const std::string_view frame = found_.bytes.substr(begin, PosOf(ordinal + 1) - begin);
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
    TIDEMARK_CHECK(header.ok());
    observer->OnFrame(Entry{.index = segment_.base_index + ordinal,
                            .term = header->leader_epoch,
                            .kind = header->magic,
                            .base_offset = header->base_offset,
                            .offset_span = header->offset_span(),
                            .frame = {}},
                      *header, frame, times_[ordinal - first_]);
  }
}

// No checksum covers a frame's term. Where the frame behind it is intact but for the order of
// terms, one of the two has rotted, and it may be this one.
bool SegmentScan::IsTermRaised(const BatchHeader& header, std::string_view behind) {
  if (behind.size() < kBatchHeaderBytes) return false;
  const absl::StatusOr<BatchHeader> seems = DecodeBatchHeader(behind);
  if (!seems.ok() || seems->leader_epoch >= header.leader_epoch) return false;
  std::string_view wrong;
  const FrameContext context{.next_offset = header.base_offset + header.offset_span(),
                             .term = Term(0)};
  return FrameAt(behind, context, wrong).has_value();
}

bool SegmentScan::Step() {
  const std::optional<BatchHeader> header = FrameAt(rest(), context(), wrong_);
  if (!header.has_value()) return false;
  const uint64_t end_offset = header->base_offset + header->offset_span() - segment_.base_offset;
  if (segment_.size > UINT32_MAX || end_offset > UINT32_MAX) {
    wrong_ = "a frame lies beyond what a segment may hold";
    return false;
  }
  const std::string_view frame = rest().substr(0, header->total_bytes());
  if (IsTermRaised(*header, rest().substr(frame.size()))) {
    wrong_ = "a frame has a term from which the next one goes back";
    return false;
  }
  NoteTimesUpTo(segment_.count);
  if (next_entry_ > 0) {
    const IndexEntry& entry = found_.index[next_entry_ - 1].entry;
    if (segment_.count < uint64_t{entry.first} + entry.count &&
        header->leader_epoch != Term(entry.term)) {
      wrong_ = "a frame has another term than the sidecar remembers";
      return false;
    }
  }
  NoteTerm(segment_.count, header->leader_epoch);
  segment_.NoteFrame(frame.size(), header->offset_span());
  segment_.digest = DigestFrame(segment_.digest, frame);
  segment_.end_offset = static_cast<uint32_t>(end_offset);
  frames_.push_back({.pos = static_cast<uint32_t>(segment_.size),
                     .end_offset = segment_.end_offset,
                     .digest = segment_.digest});
  segment_.size += header->total_bytes();
  ++segment_.count;
  return true;
}

void SegmentScan::NoteTerm(uint32_t ordinal, Term term) {
  const LogIndex index = segment_.base_index + ordinal;
  if (term != term_ || index == LogIndex(1)) terms_.emplace_back(index, term);
  term_ = term;
}

void SegmentScan::NoteTimesUpTo(uint32_t ordinal) {
  for (; next_entry_ < found_.index.size(); ++next_entry_) {
    const IndexEntry& entry = found_.index[next_entry_].entry;
    if (entry.first > ordinal) break;
    NoteTime(entry);
  }
  times_.push_back(time_);
}

void SegmentScan::NoteTime(const IndexEntry& entry) {
  if (!entry.is_checkpoint()) end_unknown_ = entry.append_span_ms == kUnknownSpan;
  const int64_t begin = std::min(entry.append_time_ms, INT64_MAX - kUnknownSpan);
  const int64_t span = entry.append_span_ms == kUnknownSpan ? 0 : entry.append_span_ms;
  time_ = std::max(time_, WallTime::FromMillis(begin + span));
}

uint64_t SegmentScan::PosOf(uint32_t ordinal) const {
  return ordinal == segment_.count ? segment_.size : frames_[ordinal - first_].pos;
}

uint32_t SegmentScan::OffsetOf(uint32_t ordinal) const {
  return ordinal == first_ ? first_offset_ : frames_[ordinal - first_ - 1].end_offset;
}

bool SegmentScan::Agrees(const IndexEntry& entry) const {
  const uint32_t end = entry.first + entry.count;
  const uint64_t digest = end == first_ ? first_digest_ : frames_[end - first_ - 1].digest;
  if (entry.pos != PosOf(entry.first) || entry.first_offset != OffsetOf(entry.first) ||
      entry.digest != digest) {
    return false;
  }
  return entry.is_checkpoint() || entry.length == PosOf(end) - entry.pos;
}

void SegmentScan::Adopt(const DecodedIndexEntry& each) {
  const IndexEntry& entry = each.entry;
  segment_.index_bytes = each.end;
  segment_.index_chain = each.chain;
  if (entry.is_checkpoint()) {
    last_checkpoint_pos_ = entry.pos;
  } else {
    segment_.runs.Add({.pos = entry.pos,
                       .first = entry.first,
                       .first_offset = entry.first_offset,
                       .append_time_ms = entry.append_time_ms});
    segment_.marks.emplace_back();
    covered_ = entry.first + entry.count;
  }
  Segment::Mark& mark = segment_.marks.empty() ? segment_.base_mark : segment_.marks.back();
  mark.index_end = each.end;
  mark.chain = each.chain;
  if (entry.is_checkpoint()) return;
  mark.term = entry.term;
  mark.append_span_ms = entry.append_span_ms;
}

// The sidecar may be ahead of the data (it is not synced with it). Where both are there they agree:
// what a sidecar says of frames that are not cut is never written twice.
absl::Status SegmentScan::AdoptIndex() {
  for (const DecodedIndexEntry& each : found_.index) {
    const IndexEntry& entry = each.entry;
    // Before the checkpoint that the scan began at.
    if (each.end <= segment_.index_bytes) continue;
    const uint64_t end = entry.first + uint64_t{entry.count};
    if (entry.first != covered_ || end > segment_.count) break;
    const bool back_in_time = !segment_.runs.empty() && !entry.is_checkpoint() &&
                              entry.append_time_ms < segment_.runs.back().append_time_ms;
    if (!Agrees(entry) || back_in_time) {
      return RotError(found_.file(), PosOf(entry.first), PosOf(static_cast<uint32_t>(end)),
                      "its frames are not those the sidecar remembers");
    }
    Adopt(each);
  }
  return absl::OkStatus();
}

// Frames whose run the sidecar lost: they count as appended with the last run that it has.
void SegmentScan::DescribeRest() {
  size_t term = 0;
  Term current = found_.header.previous_term;
  const auto term_of = [&](uint32_t ordinal) {
    while (term < terms_.size() && terms_[term].first <= segment_.base_index + ordinal) {
      current = terms_[term++].second;
    }
    return current;
  };
  while (covered_ < segment_.count) {
    const uint32_t begin = covered_;
    const Term run_term = term_of(begin);
    uint32_t end = begin + 1;
    while (end < segment_.count && PosOf(end) - PosOf(begin) < log_->options.index_interval_bytes &&
           (term == terms_.size() || segment_.base_index + end < terms_[term].first)) {
      ++end;
    }
    log_->AddRun(segment_,
                 {.pos = static_cast<uint32_t>(PosOf(begin)),
                  .first = begin,
                  .first_offset = OffsetOf(begin),
                  .append_time_ms = time_.millis()},
                 {.count = end - begin,
                  .pos = PosOf(end),
                  .term = run_term,
                  .digest = frames_[end - first_ - 1].digest,
                  .append = kUnknownTime});
    covered_ = end;
  }
}

}  // namespace tidemark
