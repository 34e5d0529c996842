#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/log_impl.h"

// The sidecars: runs, checkpoints, footers; and which look-up tables stay in memory. FORMAT.md
// section 3.

namespace tidemark {
namespace {

// How many of the segment's first frames lie at or before `index`.
uint32_t FramesUpTo(const Segment& segment, LogIndex index) {
  if (index < segment.base_index) return 0;
  return static_cast<uint32_t>(std::min(index + 1, segment.end_index()) - segment.base_index);
}

}  // namespace

void Log::Impl::EndRun() {
  if (segments.empty() || run_first == segments.back().count) return;
  Segment& segment = segments.back();
  const LogIndex first = segment.base_index + run_first;
  const uint32_t offset = run_first == 0 ? 0
                          : InTail(first - 1)
                              ? FrameAtIndex(first - 1).end_offset
                              : static_cast<uint32_t>(floor.end_offset - segment.base_offset);
  AddRun(segment,
         {.pos = FrameAtIndex(first).pos,
          .first = run_first,
          .first_offset = offset,
          .append_time_ms = run_time.millis()},
         {.count = segment.count - run_first,
          .pos = segment.size,
          .term = last_term(),
          .digest = segment.digest,
          .append = segment.last_append});
  run_first = segment.count;
}

void Log::Impl::AddRun(Segment& segment, const FrameRun& run, const RunEnd& end) {
  // Unsigned: what a sidecar remembers may lie further back than a signed difference holds.
  const uint64_t span =
      end.append.millis() <= run.append_time_ms
          ? 0
          : static_cast<uint64_t>(end.append.millis()) - static_cast<uint64_t>(run.append_time_ms);
  const IndexEntry entry{
      .pos = run.pos,
      .length = static_cast<uint32_t>(end.pos - run.pos),
      .first = run.first,
      .count = end.count,
      .first_offset = run.first_offset,
      .term = static_cast<uint32_t>(end.term.value()),
      .append_time_ms = run.append_time_ms,
      .append_span_ms = static_cast<uint32_t>(std::min<uint64_t>(span, UINT32_MAX)),
      .durable = FramesUpTo(segment, durable),
      .committed = FramesUpTo(segment, std::min(committed, durable)),
      .digest = end.digest};
  AppendIndexEntry(entry, {}, segment.index_chain, segment.unwritten);
  segment.runs.Add(run);
  segment.marks.push_back({.index_end = segment.index_bytes + segment.unwritten.size(),
                           .chain = segment.index_chain,
                           .term = entry.term,
                           .append_span_ms = entry.append_span_ms});
}

void Log::Impl::AddCheckpoint(Segment& segment) {
  std::string state;
  if (source != nullptr) source->AppendState(state);
  TIDEMARK_CHECK_LE(state.size(), kCheckpointBytesMax);
  const IndexEntry entry{.pos = static_cast<uint32_t>(segment.size),
                         .length = static_cast<uint32_t>(state.size()),
                         .first = segment.count,
                         .count = 0,
                         .first_offset = segment.end_offset,
                         .term = static_cast<uint32_t>(last_term().value()),
                         .append_time_ms = last_append.millis(),
                         .durable = FramesUpTo(segment, durable),
                         .committed = FramesUpTo(segment, std::min(committed, durable)),
                         .digest = segment.digest};
  AppendIndexEntry(entry, state, segment.index_chain, segment.unwritten);
  // A cut to the end of the last run keeps the checkpoint behind it: it says the same.
  Segment::Mark& mark = segment.marks.empty() ? segment.base_mark : segment.marks.back();
  mark.index_end = segment.index_bytes + segment.unwritten.size();
  mark.chain = segment.index_chain;
  since_checkpoint = 0;
  checkpoint_committed = std::min(committed, durable);
}

void Log::Impl::StageIndex(Segment& segment) {
  if (segment.unwritten.empty()) return;
  std::shared_ptr<std::string> bytes;
  if (spare_bytes.empty()) {
    bytes = std::make_shared<std::string>();
  } else {
    bytes = std::move(spare_bytes.back());
    spare_bytes.pop_back();
  }
  // The two keep their capacities.
  bytes->assign(segment.unwritten);
  segment.unwritten.clear();
  WriteFile write{IndexFile(segment), FilePos(segment.index_bytes), {}};
  if (!spare_slices.empty()) {
    write.data = std::move(spare_slices.back());
    spare_slices.pop_back();
  }
  write.data.push_back(Bytes::Share(bytes, *bytes));
  segment.index_bytes += bytes->size();
  lent_bytes.push_back(std::move(bytes));
  staged.ops.push_back(std::move(write));
}

SegmentFooter Log::Impl::FooterOf(const Segment& segment) const {
  SegmentFooter footer{
      .count = segment.count,
      .size = static_cast<uint32_t>(segment.size),
      .end_offset = segment.end_offset,
      .committed = FramesUpTo(segment, std::min(committed, durable)),
      .index_bytes = static_cast<uint32_t>(segment.index_bytes + segment.unwritten.size()),
      .stride = segment.stride,
      .append_time_ms = segment.last_append.millis(),
      .digest = segment.digest,
      .terms = TermsIn(segment.base_index, segment.end_index()),
      .runs = {}};
  const RunIndex some = segment.runs.Coarser(kFooterRunsMax);
  for (size_t i = 0; i < some.size(); ++i) footer.runs.push_back(some.at(i));
  return footer;
}

std::vector<SegmentFooter::TermRun> Log::Impl::TermsIn(LogIndex begin, LogIndex end) const {
  std::vector<SegmentFooter::TermRun> found;
  auto run = std::upper_bound(terms.begin(), terms.end(), begin,
                              [](LogIndex at, const auto& each) { return at < each.first; });
  TIDEMARK_CHECK(run != terms.begin());
  for (--run; run != terms.end() && run->first < end; ++run) {
    found.push_back({.first = static_cast<uint32_t>(std::max(run->first, begin) - begin),
                     .term = static_cast<uint32_t>(run->second.value())});
  }
  return found;
}

void Log::Impl::StageFooters() {
  for (size_t i = 0; i + 1 < segments.size() && !unsealed.empty(); ++i) {
    Segment& segment = segments[i];
    const auto at = std::find(unsealed.begin(), unsealed.end(), segment.number);
    // What the footer says must be true whatever a crash takes back: the frames are durable, and so
    // is the segment that tells where they end.
    if (at == unsealed.end() || segment.end_index() - 1 > durable ||
        segments[i + 1].number > outstanding_number) {
      continue;
    }
    unsealed.erase(at);
    const FileId sidecar = IndexFile(segment);
    if (!segment.has_index) {
      staged.ops.push_back(CreateFile{sidecar, 0});
      segment.has_index = true;
    } else if (segment.index_stale) {
      staged.ops.push_back(TruncateFile{sidecar, segment.index_bytes});
    }
    segment.index_stale = false;
    const SegmentFooter footer = FooterOf(segment);
    const std::string encoded = EncodeFooter(footer);
    segment.unwritten += encoded;
    segment.footer_bytes = encoded.size();
    segment.footer_batch = batches_taken + 1;
    StageIndex(segment);
    segment.index_bytes = footer.index_bytes;
    segment.sealed = true;
    even_tables = even_tables || segment.stride.even();
    // Should it be cut all the same, the footer must go.
    segment.index_stale = true;
    staged_sync.push_back(sidecar);
    table_bytes += segment.runs.bytes();
  }
  DropTables();
}

void Log::Impl::DropTables() {
  // What may be cut needs its marks.
  const auto droppable = [this](const Segment& segment) {
    return segment.sealed && !segment.coarse && segment.end_index() - 1 <= floor.index;
  };
  const auto drop = [this](Segment& segment) {
    table_bytes -= segment.runs.bytes();
    segment.runs = segment.runs.Coarser(kFooterRunsMax);
    segment.marks = {};
    segment.coarse = true;
  };
  if (std::exchange(even_tables, false)) {
    for (Segment& segment : segments) {
      if (!segment.stride.even() || !segment.sealed || segment.coarse) continue;
      if (droppable(segment)) {
        drop(segment);
      } else {
        even_tables = true;
      }
    }
  }
  while (table_bytes > options.index_memory_bytes) {
    Segment* oldest = nullptr;
    for (Segment& segment : segments) {
      if (droppable(segment) && (oldest == nullptr || segment.used < oldest->used)) {
        oldest = &segment;
      }
    }
    if (oldest == nullptr) return;
    drop(*oldest);
  }
}

}  // namespace tidemark
