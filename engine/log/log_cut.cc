#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/log_impl.h"

// Removing entries: a suffix that lost an election, a prefix that nobody needs any more. FORMAT.md
// section 2.

namespace tidemark {

void Log::Impl::PopSegment() {
  const Segment& segment = segments.back();
  replaced.push_back(SegmentFile(segment));
  if (segment.has_index) replaced.push_back(IndexFile(segment));
  std::erase(unsealed, segment.number);
  if (segment.sealed && !segment.coarse) table_bytes -= segment.runs.bytes();
  segments.pop_back();
  // What the one before has is all in runs.
  run_first = segments.empty() ? 0 : segments.back().count;
}

void Log::Impl::StageRemoval(const Segment& segment) {
  unstaged_removals.push_back(SegmentFile(segment));
  if (segment.has_index) unstaged_removals.push_back(IndexFile(segment));
  // Nothing is owed to it any more, and it could not be synced behind its removal.
  std::erase(staged_sync, SegmentFile(segment));
  std::erase(staged_sync, IndexFile(segment));
  std::erase(unsealed, segment.number);
  if (segment.sealed && !segment.coarse) table_bytes -= segment.runs.bytes();
  TellReplacement(segment.number);
}

void Log::Impl::CutRuns(Segment& segment, uint32_t keep) {
  TIDEMARK_CHECK(!segment.coarse);
  TIDEMARK_CHECK_EQ(segment.runs.size(), segment.marks.size());
  if (segment.sealed) table_bytes -= segment.runs.bytes();
  segment.sealed = false;
  std::optional<FrameRun> straddling;
  Segment::Mark of_straddling;
  uint32_t run_end = run_first;
  while (!segment.runs.empty() && run_end > keep) {
    const FrameRun run = segment.runs.back();
    if (run.first < keep) {
      straddling = run;
      of_straddling = segment.marks.back();
    }
    run_end = run.first;
    segment.runs.PopBack();
    segment.marks.pop_back();
  }
  // The sidecar ends behind the last run that is whole.
  const Segment::Mark end = segment.marks.empty() ? segment.base_mark : segment.marks.back();
  if (end.index_end >= segment.index_bytes) {
    segment.unwritten.resize(end.index_end - segment.index_bytes);
  } else {
    // What is written from there on stays until the segment gets its footer: a crash may yet bring
    // the frames back that it describes.
    segment.index_stale = true;
    segment.index_bytes = end.index_end;
    segment.unwritten.clear();
  }
  segment.index_chain = end.chain;
  if (straddling.has_value()) {
    AddRun(segment, *straddling,
           {.count = keep - straddling->first,
            .pos = segment.size,
            .term = Term(of_straddling.term),
            .digest = segment.digest,
            .append = of_straddling.append_span_ms == kUnknownSpan
                          ? kUnknownTime
                          : WallTime::FromMillis(
                                std::min(straddling->append_time_ms, INT64_MAX - UINT32_MAX) +
                                int64_t{of_straddling.append_span_ms})});
  }
}

void Log::TruncateSuffix(LogIndex from) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_GE(from, first_index());
  TIDEMARK_CHECK_GT(from, log.committed);
  if (from > log.last_index()) return;
  log.EndRun();
  while (!log.segments.empty() && log.segments.back().base_index >= from) {
    log.PopSegment();
  }
  if (!log.segments.empty() && log.segments.back().end_index() > from) {
    Segment& segment = log.segments.back();
    const uint32_t keep = static_cast<uint32_t>(from - segment.base_index);
    segment.size = log.FrameAtIndex(from).pos;
    if (log.InTail(from - 1)) {
      segment.end_offset = log.FrameAtIndex(from - 1).end_offset;
      segment.digest = log.FrameAtIndex(from - 1).digest;
    } else {
      segment.end_offset = static_cast<uint32_t>(log.floor.end_offset - segment.base_offset);
      segment.digest = log.floor.digest;
    }
    const uint32_t had = segment.count;
    segment.count = keep;
    log.run_first = had;
    log.CutRuns(segment, keep);
    log.run_first = keep;
  }
  // Its frames from here on are replaced by the next segment, never overwritten.
  log.seal = true;
  while (!log.tail.empty() && log.floor.index + log.tail.size() >= from) log.tail.pop_back();
  while (!log.terms.empty() && log.terms.back().first >= from) log.terms.pop_back();
  while (!log.cache.empty() && log.cache.back().index >= from) {
    log.cache_bytes -= log.cache.back().frame.size();
    log.cache.pop_back();
  }
  log.durable = std::min(log.durable, from - 1);
  log.written = std::min(log.written, from - 1);
  log.outstanding_last = std::min(log.outstanding_last, from - 1);
}

LogIndex Log::RetentionPoint(const RetentionPolicy& policy, WallTime now, LogIndex limit) const {
  const std::vector<Segment>& segments = impl_->segments;
  LogIndex keep = first_index();
  uint64_t rest = size_bytes();
  const LogIndex last = std::min({limit + 1, impl_->durable, impl_->committed});
  for (size_t i = 0; i + 1 < segments.size() && segments[i].end_index() <= last; ++i) {
    rest -= segments[i].size;
    const bool large = policy.bytes.has_value() && rest >= *policy.bytes;
    const bool old = policy.age.has_value() &&
                     segments[i].last_append.millis() < now.millis() - policy.age->millis();
    if (!large && !old) break;
    keep = segments[i].end_index();
  }
  return keep;
}

void Log::TruncatePrefix(LogIndex first_kept) {
  Impl& log = *impl_;
  TIDEMARK_CHECK_LE(first_kept, std::min(log.committed, log.durable) + 1);
  size_t gone = 0;
  // Something durable and committed stays: it tells where the log goes on, after a crash and when
  // all behind it is cut.
  const LogIndex last = std::min({first_kept, log.durable, log.committed});
  while (gone + 1 < log.segments.size() && log.segments[gone].end_index() <= last) {
    const Segment& segment = log.segments[gone];
    log.StageRemoval(segment);
    ++gone;
  }
  log.segments.erase(log.segments.begin(), log.segments.begin() + static_cast<ptrdiff_t>(gone));
  if (gone > 0) log.TellPass();
  // The term of the entry before the first one is still asked for.
  const LogIndex before = first_index() - 1;
  size_t terms = 0;
  while (terms + 1 < log.terms.size() && log.terms[terms + 1].first <= before) ++terms;
  log.terms.erase(log.terms.begin(), log.terms.begin() + static_cast<ptrdiff_t>(terms));
  while (!log.cache.empty() && log.cache.front().index < first_index()) {
    log.cache_bytes -= log.cache.front().frame.size();
    log.cache.pop_front();
  }
}

}  // namespace tidemark
