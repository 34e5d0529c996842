#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "engine/log/frame.h"
#include "engine/log/log_impl.h"

// Look-ups: by index, offset and time; and taking apart what a driver read.

namespace tidemark {

const Segment& Log::Impl::SegmentOf(LogIndex index) const {
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), index,
      [](LogIndex wanted, const Segment& segment) { return wanted < segment.base_index; });
  TIDEMARK_CHECK(after != segments.begin());
  return *std::prev(after);
}

std::optional<Term> Log::TermAt(LogIndex index) const {
  if (index == LogIndex(0)) return Term(0);
  if (index > last_index()) return std::nullopt;
  const auto& terms = impl_->terms;
  const auto after =
      std::upper_bound(terms.begin(), terms.end(), index,
                       [](LogIndex wanted, const auto& run) { return wanted < run.first; });
  TIDEMARK_CHECK(after != terms.begin());
  return std::prev(after)->second;
}

Offset Log::EndOffsetOf(LogIndex index) const {
  TIDEMARK_CHECK_LE(index, last_index());
  if (index == LogIndex(0)) return Offset(0);
  const Segment& segment = impl_->SegmentOf(index);
  return segment.base_offset + segment.frames[index - segment.base_index].end_offset;
}

std::vector<Entry> Log::CachedEntries(LogIndex first, uint64_t max_bytes,
                                      size_t max_entries) const {
  const std::deque<Entry>& cache = impl_->cache;
  std::vector<Entry> entries;
  if (cache.empty() || first < cache.front().index) return entries;
  uint64_t bytes = 0;
  for (size_t i = first - cache.front().index; i < cache.size() && entries.size() < max_entries;
       ++i) {
    bytes += cache[i].frame.size();
    if (!entries.empty() && bytes > max_bytes) break;
    entries.push_back(cache[i]);
  }
  return entries;
}

FileRange Log::Impl::RangeFrom(const Segment& segment, size_t ordinal, LogIndex limit,
                               uint64_t max_bytes) const {
  size_t end = ordinal;
  const uint64_t begin_pos = segment.frames[ordinal].pos;
  const size_t stop = std::min<uint64_t>(segment.frames.size(), limit + 1 - segment.base_index);
  do {
    ++end;
  } while (end < stop && segment.FrameEnd(end) - begin_pos <= max_bytes);
  const Offset first_offset = ordinal == 0
                                  ? segment.base_offset
                                  : segment.base_offset + segment.frames[ordinal - 1].end_offset;
  return {.file = SegmentFile(segment),
          .pos = FilePos(begin_pos),
          .length = static_cast<uint32_t>(segment.FrameEnd(end - 1) - begin_pos),
          .first_index = segment.base_index + ordinal,
          .first_offset = first_offset};
}

FileRange Log::RangeOf(LogIndex first, uint64_t max_bytes) const {
  TIDEMARK_CHECK_GE(first, first_index());
  TIDEMARK_CHECK_LE(first, durable_index());
  const Segment& segment = impl_->SegmentOf(first);
  return impl_->RangeFrom(segment, first - segment.base_index, durable_index(), max_bytes);
}

absl::StatusOr<FileRange> Log::RangeOfOffset(Offset offset, LogIndex limit,
                                             uint64_t max_bytes) const {
  limit = std::min(limit, durable_index());
  if (offset < start_offset() || offset >= EndOffsetOf(limit)) {
    return absl::OutOfRangeError(absl::StrCat("offset ", offset.value(), " is not in [",
                                              start_offset().value(), ", ",
                                              EndOffsetOf(limit).value(), ")"));
  }
  // The first segment that ends behind the offset, and in it the first frame that does: frames
  // without offsets are passed over.
  const auto segment = std::upper_bound(
      impl_->segments.begin(), impl_->segments.end(), offset,
      [](Offset wanted, const Segment& each) { return wanted < each.end_offset(); });
  TIDEMARK_CHECK(segment != impl_->segments.end());
  const uint64_t relative = offset - segment->base_offset;
  const auto frame = std::upper_bound(
      segment->frames.begin(), segment->frames.end(), relative,
      [](uint64_t wanted, const Segment::Frame& each) { return wanted < each.end_offset; });
  TIDEMARK_CHECK(frame != segment->frames.end());
  return impl_->RangeFrom(*segment, static_cast<size_t>(frame - segment->frames.begin()), limit,
                          max_bytes);
}

Offset Log::OffsetAtTime(WallTime time) const {
  if (impl_->segments.empty() || impl_->last_append < time) return next_offset();
  // The run before the first one that began at or after `time` may hold later appends.
  Offset early = start_offset();
  for (const Segment& segment : impl_->segments) {
    for (const auto& [ordinal, began] : segment.times) {
      if (began >= time) return early;
      early = ordinal == 0 ? segment.base_offset
                           : segment.base_offset + segment.frames[ordinal - 1].end_offset;
    }
  }
  return early;
}

namespace {

// Calls `visit(header, frame)` for each frame of `bytes`, verified.
template <typename Visit>
absl::Status ForEachFrame(const FileRange& range, const Bytes& bytes, Visit visit) {
  size_t pos = 0;
  FrameContext context{.next_offset = range.first_offset, .term = Term(0)};
  while (pos < bytes.size()) {
    const std::string_view rest = bytes.view().substr(pos);
    std::string_view wrong;
    const std::optional<BatchHeader> header = FrameAt(rest, context, wrong);
    if (!header.has_value()) {
      return absl::DataLossError(
          absl::StrCat(PathOf(range.file), " is damaged at byte ", range.pos.value() + pos, " (",
                       std::string(wrong.empty() ? "no frame begins there" : wrong), ")"));
    }
    context = {.next_offset = header->base_offset + header->offset_span(),
               .term = header->leader_epoch};
    visit(*header, bytes.Slice(pos, header->total_bytes()));
    pos += header->total_bytes();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Entry>> EntriesIn(const FileRange& range, const Bytes& bytes) {
  std::vector<Entry> entries;
  LogIndex index = range.first_index;
  TIDEMARK_RETURN_IF_ERROR(ForEachFrame(range, bytes, [&](const BatchHeader& header, Bytes frame) {
    entries.push_back({.index = index,
                       .term = header.leader_epoch,
                       .kind = header.magic,
                       .base_offset = header.base_offset,
                       .offset_span = header.offset_span(),
                       .frame = std::move(frame)});
    ++index;
  }));
  return entries;
}

absl::StatusOr<std::vector<Bytes>> ConsumerFrames(const FileRange& range, const Bytes& bytes,
                                                  Offset from, Offset limit) {
  std::vector<Bytes> runs;
  size_t run_begin = 0;
  size_t run_end = 0;  // empty run where equal
  size_t pos = 0;
  const auto end_run = [&] {
    if (run_end > run_begin) runs.push_back(bytes.Slice(run_begin, run_end - run_begin));
    run_begin = run_end = pos;
  };
  TIDEMARK_RETURN_IF_ERROR(ForEachFrame(range, bytes, [&](const BatchHeader& header, Bytes frame) {
    const Offset end = header.base_offset + header.offset_span();
    const bool visible = header.magic == EntryKind::kData && end > from && end <= limit;
    if (!visible || run_end != pos) end_run();
    pos += frame.size();
    if (visible) {
      run_end = pos;
    } else {
      run_begin = run_end = pos;
    }
  }));
  end_run();
  return runs;
}

}  // namespace tidemark
