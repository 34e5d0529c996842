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

size_t Log::Impl::SegmentAt(LogIndex index) const {
  TIDEMARK_CHECK(!segments.empty());
  if (segments.back().base_index <= index) return segments.size() - 1;
  const auto after = std::upper_bound(
      segments.begin(), segments.end(), index,
      [](LogIndex wanted, const Segment& segment) { return wanted < segment.base_index; });
  TIDEMARK_CHECK(after != segments.begin());
  return static_cast<size_t>(after - segments.begin()) - 1;
}

std::optional<Term> Log::TermAt(LogIndex index) const {
  if (index > last_index() || index + 1 < first_index()) return std::nullopt;
  if (index == LogIndex(0)) return Term(0);
  return impl_->TermOf(index);
}

Term Log::Impl::TermOf(LogIndex index) const {
  const auto after =
      std::upper_bound(terms.begin(), terms.end(), index,
                       [](LogIndex wanted, const auto& run) { return wanted < run.first; });
  TIDEMARK_CHECK(after != terms.begin());
  return std::prev(after)->second;
}

Offset Log::EndOffsetOf(LogIndex index) const {
  const Impl& log = *impl_;
  TIDEMARK_CHECK_LE(index, last_index());
  if (index == last_index()) return next_offset();
  if (index + 1 == first_index()) return start_offset();
  if (index == log.floor.index) return log.floor.end_offset;
  const Segment& segment = log.segments[log.SegmentAt(index)];
  if (index + 1 == segment.end_index()) return segment.end();
  TIDEMARK_CHECK(log.InTail(index));
  return segment.base_offset + log.FrameAtIndex(index).end_offset;
}

EntryList Log::CachedEntries(LogIndex first, uint64_t max_bytes, size_t max_entries) const {
  const Ring<Entry>& cache = impl_->cache;
  EntryList entries;
  if (cache.empty() || first < cache.front().index) return entries;
  const size_t begin = first - cache.front().index;
  size_t end = begin;
  uint64_t bytes = 0;
  for (; end < cache.size() && end - begin < max_entries; ++end) {
    bytes += cache[end].frame.size();
    if (end > begin && bytes > max_bytes) break;
  }
  entries.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) entries.push_back(cache[i]);
  return entries;
}

// One range of whole frames that holds `first`: from where a run begins at the latest, up to where
// one ends, or, where frames are known one by one, exactly. Frames above `limit` are known so.
FileRange Log::Impl::RangeFrom(const Segment& segment, LogIndex first, LogIndex limit,
                               uint64_t max_bytes) const {
  if (segment.sparse.has_value()) {
    if (segment.runs.empty()) return SparseRange(segment, 0, max_bytes);
    const uint32_t wanted = static_cast<uint32_t>(first - segment.base_index);
    return SparseRange(segment, segment.runs.FindIndex(std::max(wanted, segment.runs.at(0).first)),
                       max_bytes);
  }
  limit = std::min(limit, segment.end_index() - 1);
  if (segment.stride.even()) return EvenRange(segment, first, limit, max_bytes);
  TIDEMARK_CHECK(limit >= floor.index || limit + 1 == segment.end_index());
  FileRange range{.file = SegmentFile(segment),
                  .pos = {},
                  .length = 0,
                  .first_index = first,
                  .first_offset = {}};
  uint64_t begin = 0;
  if (InTail(first)) {
    begin = FrameAtIndex(first).pos;
    range.first_offset = OffsetAt(segment, first);
  } else {
    const FrameRun run =
        segment.runs.at(segment.runs.FindIndex(static_cast<uint32_t>(first - segment.base_index)));
    begin = run.pos;
    range.first_index = segment.base_index + run.first;
    range.first_offset = segment.base_offset + run.first_offset;
  }
  const uint64_t wanted = begin + std::max<uint64_t>(max_bytes, 1);
  uint64_t end = begin;
  // Where the frames begin that are known one by one; the runs say nothing more from there on.
  const LogIndex exact = std::max(floor.index + 1, segment.base_index);
  if (exact <= limit) {
    // The first of them that ends behind what is wanted; the ones before it fit.
    LogIndex low = std::max(exact, first);
    LogIndex high = limit + 1;
    while (low < high) {
      const LogIndex middle = low + (high - low) / 2;
      if (FramePos(segment, middle + 1) <= wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    end = low > exact || InTail(first) ? FramePos(segment, low) : 0;
    if (InTail(first) && low == first) end = FramePos(segment, first + 1);
  }
  if (!InTail(first) && end <= begin) {
    const uint64_t runs_end = exact < segment.end_index() ? FrameAtIndex(exact).pos : segment.size;
    const uint32_t last = static_cast<uint32_t>(std::min<uint64_t>(wanted, UINT32_MAX));
    const size_t begin_run = segment.runs.FindPos(static_cast<uint32_t>(begin));
    size_t end_run = std::max(segment.runs.FindPos(last), begin_run + 1);
    end = end_run < segment.runs.size() ? std::min<uint64_t>(segment.runs.at(end_run).pos, runs_end)
                                        : runs_end;
  }
  range.pos = FilePos(begin);
  range.length = static_cast<uint32_t>(end - begin);
  return range;
}

FileRange Log::Impl::EvenRange(const Segment& segment, LogIndex first, LogIndex limit,
                               uint64_t max_bytes) const {
  const FrameStride& stride = segment.stride;
  const uint64_t relative = first - segment.base_index;
  const uint64_t frames = std::min(std::max<uint64_t>(max_bytes / stride.bytes, 1),
                                   static_cast<uint64_t>(limit + 1 - first));
  return {.file = SegmentFile(segment),
          .pos = FilePos(kSegmentHeaderBytes + relative * stride.bytes),
          .length = static_cast<uint32_t>(frames * stride.bytes),
          .first_index = first,
          .first_offset = segment.base_offset + relative * stride.records};
}

FileRange Log::Impl::SparseRange(const Segment& segment, size_t first_run,
                                 uint64_t max_bytes) const {
  const RunIndex& runs = segment.runs;
  FileRange range{.file = SegmentFile(segment),
                  .pos = FilePos(kSegmentHeaderBytes),
                  .length = 0,
                  .first_index = segment.base_index,
                  .first_offset = segment.base_offset,
                  .sparse = true};
  if (runs.empty()) return range;
  const FrameRun first = runs.at(first_run);
  range.pos = FilePos(first.pos);
  range.first_index = segment.base_index + first.first;
  const uint64_t wanted = first.pos + std::max<uint64_t>(max_bytes, 1);
  size_t end_run = runs.FindPos(static_cast<uint32_t>(std::min<uint64_t>(wanted, UINT32_MAX)));
  // The run may end before what is looked for, which then comes with the next records: in the last
  // of the runs that name their offset.
  if (first_run + 1 < runs.size()) {
    end_run = std::max(end_run, runs.FindOffset(runs.at(first_run + 1).first_offset) + 1);
  }
  end_run = std::max(end_run, first_run + 1);
  const uint64_t end = end_run < runs.size() ? runs.at(end_run).pos : segment.size;
  range.length = static_cast<uint32_t>(end - first.pos);
  range.end_offset =
      end_run < runs.size() ? segment.base_offset + runs.at(end_run).first_offset : segment.end();
  return range;
}

Offset Log::Impl::OffsetAt(const Segment& segment, LogIndex index) const {
  if (index == segment.base_index) return segment.base_offset;
  const LogIndex before = index - 1;
  return InTail(before) ? segment.base_offset + FrameAtIndex(before).end_offset : floor.end_offset;
}

FileRange Log::RangeOf(LogIndex first, uint64_t max_bytes) const {
  TIDEMARK_CHECK_GE(first, first_index());
  TIDEMARK_CHECK_LE(first, written_index());
  const Segment& segment = impl_->segments[impl_->SegmentAt(first)];
  return impl_->WithTerms(segment, impl_->RangeFrom(segment, first, written_index(), max_bytes));
}

FileRange Log::Impl::WithTerms(const Segment& segment, FileRange range) const {
  range.min_term = TermOf(range.first_index);
  range.max_term = TermOf(segment.end_index() - 1);
  return range;
}

size_t Log::Impl::SegmentAtOffset(Offset offset) const {
  if (segments.back().base_offset <= offset && offset < segments.back().frames_end()) {
    return segments.size() - 1;
  }
  // The first segment that has records at or behind the offset; those without are passed over.
  auto segment = std::upper_bound(
      segments.begin(), segments.end(), offset,
      [](Offset wanted, const Segment& each) { return wanted < each.frames_end(); });
  while (segment != segments.end() && segment->frames_end() == segment->base_offset) ++segment;
  return static_cast<size_t>(segment - segments.begin());
}

LogIndex Log::Impl::IndexAtOffset(const Segment& segment, Offset offset) const {
  const uint32_t relative = static_cast<uint32_t>(offset - segment.base_offset);
  if (segment.stride.even()) return segment.base_index + relative / segment.stride.records;
  const LogIndex exact = std::max(floor.index + 1, segment.base_index);
  if (exact < segment.end_index() && OffsetAt(segment, exact) <= offset) {
    // The first frame that ends behind it.
    LogIndex low = exact;
    LogIndex high = segment.end_index() - 1;
    while (low < high) {
      const LogIndex middle = low + (high - low) / 2;
      if (FrameAtIndex(middle).end_offset <= relative) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  return segment.base_index + segment.runs.at(segment.runs.FindOffset(relative)).first;
}

absl::StatusOr<FileRange> Log::RangeOfOffset(Offset offset, LogIndex limit,
                                             uint64_t max_bytes) const {
  const Impl& log = *impl_;
  limit = std::min(limit, written_index());
  if (offset < start_offset() || offset >= EndOffsetOf(limit)) {
    return absl::OutOfRangeError(absl::StrCat("offset ", offset.value(), " is not in [",
                                              start_offset().value(), ", ",
                                              EndOffsetOf(limit).value(), ")"));
  }
  const size_t at = log.SegmentAtOffset(offset);
  if (at == log.segments.size() || log.segments[at].base_index > limit) {
    return FileRange{.file = log.SegmentFile(log.segments.front()),
                     .pos = FilePos(kSegmentHeaderBytes),
                     .length = 0,
                     .first_index = first_index(),
                     .first_offset = start_offset(),
                     .sparse = true};
  }
  const Segment& segment = log.segments[at];
  offset = std::max(offset, segment.base_offset);
  if (segment.sparse.has_value()) {
    const uint32_t wanted = static_cast<uint32_t>(offset - segment.base_offset);
    return log.WithTerms(
        segment,
        log.SparseRange(segment,
                        segment.runs.FindOffset(std::max(wanted, segment.runs.at(0).first_offset)),
                        max_bytes));
  }
  return log.WithTerms(
      segment, log.RangeFrom(segment, log.IndexAtOffset(segment, offset), limit, max_bytes));
}

Offset Log::OffsetAtTime(WallTime time) const {
  const std::vector<Segment>& segments = impl_->segments;
  const auto segment = std::lower_bound(
      segments.begin(), segments.end(), time,
      [](const Segment& each, WallTime wanted) { return each.last_append < wanted; });
  if (segment == segments.end()) return next_offset();
  if (segment->runs.empty()) return segment->base_offset;
  // The run before the first one that began at or after `time` may hold later appends. So may those
  // that seem to have begun with it: of frames whose sidecar entry a crash took, only that is known
  // that they came later.
  const size_t run = segment->runs.FindTime(time.millis());
  if (run == 0) return segment->base_offset;
  const size_t early = segment->runs.FindTime(segment->runs.at(run - 1).append_time_ms);
  return segment->base_offset + segment->runs.at(early).first_offset;
}

std::optional<FileRange> Log::Impl::SidecarOf(const Segment& segment) const {
  if (!segment.coarse || !segment.has_index || segment.stride.even() ||
      segment.index_bytes > UINT32_MAX) {
    return std::nullopt;
  }
  return FileRange{.file = IndexFile(segment),
                   .pos = FilePos(0),
                   .length = static_cast<uint32_t>(segment.index_bytes),
                   .first_index = segment.base_index,
                   .first_offset = segment.base_offset};
}

std::optional<FileRange> Log::IndexOf(LogIndex index) const {
  if (index < first_index() || index > last_index()) return std::nullopt;
  return impl_->SidecarOf(impl_->segments[impl_->SegmentAt(index)]);
}

std::optional<FileRange> Log::IndexOfOffset(Offset offset) const {
  if (offset < start_offset() || offset >= next_offset()) return std::nullopt;
  const size_t at = impl_->SegmentAtOffset(offset);
  if (at == impl_->segments.size()) return std::nullopt;
  return impl_->SidecarOf(impl_->segments[at]);
}

std::optional<RunIndex> RunsIn(const Segment& segment, std::string_view sidecar) {
  RunIndex runs;
  uint64_t frames = 0;
  uint64_t digest = segment.base_digest;
  const bool sparse = segment.sparse.has_value();
  for (const DecodedIndexEntry& each : DecodeIndex(sidecar)) {
    const IndexEntry& entry = each.entry;
    if (entry.is_checkpoint()) continue;
    if (entry.first < frames || (!sparse && entry.first != frames) ||
        (runs.empty() && entry.pos != kSegmentHeaderBytes) ||
        (!runs.empty() &&
         (entry.pos <= runs.back().pos || entry.first_offset < runs.back().first_offset ||
          entry.append_time_ms < runs.back().append_time_ms))) {
      return std::nullopt;
    }
    runs.Add({.pos = entry.pos,
              .first = entry.first,
              .first_offset = entry.first_offset,
              .append_time_ms = entry.append_time_ms});
    frames = uint64_t{entry.first} + entry.count;
    digest = entry.digest;
  }
  if (frames > segment.count || (!sparse && frames != segment.count) ||
      digest != (sparse ? segment.sparse->digest : segment.digest) ||
      runs.empty() != (segment.size == kSegmentHeaderBytes)) {
    return std::nullopt;
  }
  if (!runs.empty() && (runs.back().pos >= segment.size ||
                        segment.base_offset + runs.back().first_offset > segment.frames_end())) {
    return std::nullopt;
  }
  return runs;
}

void Log::OnIndexRead(const FileRange& range, std::string_view sidecar) {
  Impl& log = *impl_;
  for (Segment& segment : log.segments) {
    if (log.IndexFile(segment) != range.file || !segment.coarse) continue;
    std::optional<RunIndex> runs = RunsIn(segment, sidecar);
    if (!runs.has_value()) return;
    segment.runs = *std::move(runs);
    segment.coarse = false;
    segment.used = ++log.clock;
    log.table_bytes += segment.runs.bytes();
    log.DropTables();
    return;
  }
}

namespace {

// Calls `visit(header, frame)` for each frame of `bytes`, verified.
template <typename Visit>
absl::Status ForEachFrame(const FileRange& range, const Bytes& bytes, Visit visit) {
  size_t pos = 0;
  FrameContext context{
      .next_offset = range.first_offset, .term = range.min_term, .gaps = range.sparse};
  while (pos < bytes.size()) {
    const std::string_view rest = bytes.view().substr(pos);
    std::string_view wrong;
    std::optional<BatchHeader> header = FrameAt(rest, context, wrong);
    if (header.has_value() && header->leader_epoch > range.max_term) {
      wrong = "a frame has a term of later on";
      header.reset();
    } else if (header.has_value() &&
               header->base_offset + header->offset_span() > range.end_offset) {
      wrong = "a frame has a wrong offset";
      header.reset();
    }
    if (!header.has_value()) {
      return absl::DataLossError(
          absl::StrCat(PathOf(range.file), " is damaged at byte ", range.pos.value() + pos, " (",
                       std::string(wrong.empty() ? "no frame begins there" : wrong), ")"));
    }
    context = {.next_offset = header->base_offset + header->offset_span(),
               .term = header->leader_epoch,
               .gaps = range.sparse};
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
  TIDEMARK_RETURN_IF_ERROR(AppendConsumerFrames(range, bytes, from, limit, runs));
  return runs;
}

absl::Status AppendConsumerFrames(const FileRange& range, const Bytes& bytes, Offset from,
                                  Offset limit, std::vector<Bytes>& runs) {
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
  return absl::OkStatus();
}

}  // namespace tidemark
