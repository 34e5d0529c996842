#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/log/compaction_pass.h"
#include "engine/log/log_impl.h"

// Compaction as the log's users see it, and what a pass changes in the log. FORMAT.md section 2.1.

namespace tidemark {

CompactionSizes Log::SizesForCompaction(LogIndex limit) const {
  const Impl& log = *impl_;
  CompactionSizes sizes;
  for (const Segment& segment : log.segments) {
    if (!log.MayCompact(segment, limit)) break;
    if (segment.end() <= log.compacted.clean_end) {
      sizes.clean_bytes += segment.size;
      continue;
    }
    if (sizes.dirty_bytes == 0) {
      sizes.dirty_since = segment.runs.empty()
                              ? segment.last_append
                              : WallTime::FromMillis(segment.runs.at(0).append_time_ms);
    }
    sizes.dirty_bytes += segment.size;
  }
  return sizes;
}

// Runs of the last segment may not be written yet, and it may have frames that are not durable.
bool Log::Impl::MayCompact(const Segment& segment, LogIndex limit) const {
  return segment.sealed && segment.number != segments.back().number &&
         segment.end_index() - 1 <= std::min(limit, floor.index);
}

bool Log::BeginCompaction(const CompactionOptions& options, LogIndex limit, WallTime now) {
  Impl& log = *impl_;
  if (log.pass != nullptr || SizesForCompaction(limit).dirty_bytes == 0) return false;
  LogIndex end = first_index();
  for (const Segment& segment : log.segments) {
    if (!log.MayCompact(segment, limit)) break;
    end = segment.end_index();
  }
  log.pass = std::make_unique<CompactionPass>(&log, options, end, now);
  return true;
}

bool Log::compacting() const { return impl_->pass != nullptr; }

std::optional<FileRange> Log::CompactionRead() const {
  return impl_->pass == nullptr ? std::nullopt : impl_->pass->NextRead();
}

void Log::OnCompactionRead(const FileRange& range, const Bytes& bytes) {
  if (impl_->pass != nullptr) impl_->pass->OnRead(range, bytes);
}

absl::Status Log::CompactionStep(const CompactionContext& context, WallTime now, int64_t budget) {
  Impl& log = *impl_;
  if (log.pass == nullptr) return absl::OkStatus();
  const absl::Status status = log.pass->Step(context, now, budget);
  if (!status.ok()) log.pass->Cancel();
  log.EndPass();
  return status;
}

bool Log::has_compaction_batch() const {
  return impl_->pass != nullptr && impl_->pass->has_batch();
}

FileBatch Log::TakeCompactionBatch() {
  TIDEMARK_CHECK(has_compaction_batch());
  return impl_->pass->TakeBatch();
}

void Log::OnCompactionBatchDurable() {
  TIDEMARK_CHECK(impl_->pass != nullptr);
  impl_->pass->OnBatchDurable();
  impl_->EndPass();
}

// Without a footer that is durable what it wrote never was; with one it says the same as what it
// stands for, which is there as well.
void Log::OnCompactionBatchFailed() {
  TIDEMARK_CHECK(impl_->pass != nullptr);
  impl_->pass->OnBatchFailed();
  impl_->EndPass();
}

void Log::CancelCompaction() {
  if (impl_->pass == nullptr) return;
  impl_->pass->Cancel();
  impl_->EndPass();
}

const CompactionCheckpoint& Log::compaction_checkpoint() const { return impl_->compacted; }

const CompactionTotals& Log::compaction_totals() const { return impl_->totals; }

// Passes begin with the first segment and go in order, so that the sparse ones are in front.
LogIndex Log::compacted_end() const { return std::max(impl_->sparse_end, first_index()); }

void Log::Impl::EndPass() {
  if (pass == nullptr || !pass->over()) return;
  const std::vector<FileId> abandoned = pass->Files();
  unstaged_removals.insert(unstaged_removals.end(), abandoned.begin(), abandoned.end());
  pass.reset();
}

void Log::Impl::TellPass() {
  if (pass == nullptr || pass->OnPrefixRemoved(segments.front().base_index)) return;
  pass->Cancel();
  EndPass();
}

Term Log::Impl::TermBefore(LogIndex index) const {
  const auto after =
      std::lower_bound(terms.begin(), terms.end(), index,
                       [](const auto& run, LogIndex wanted) { return run.first < wanted; });
  return after == terms.begin() ? Term(0) : std::prev(after)->second;
}

void Log::Impl::Install(Segment segment) {
  const size_t first = SegmentAt(segment.base_index);
  const size_t end = SegmentAt(segment.end_index() - 1) + 1;
  TIDEMARK_CHECK_EQ(segments[first].base_index, segment.base_index);
  TIDEMARK_CHECK_EQ(segments[end - 1].end_index(), segment.end_index());
  TIDEMARK_CHECK_EQ(segments[end - 1].digest, segment.digest);
  for (size_t i = first; i < end; ++i) {
    totals.bytes_removed += segments[i].size;
    StageRemoval(segments[i]);
  }
  totals.bytes_removed -= segment.size;
  segment.used = ++clock;
  table_bytes += segment.runs.bytes();
  sparse_end = std::max(sparse_end, segment.end_index());
  segments[first] = std::move(segment);
  segments.erase(segments.begin() + static_cast<ptrdiff_t>(first) + 1,
                 segments.begin() + static_cast<ptrdiff_t>(end));
  // A cut may have left it the last one.
  if (first + 1 == segments.size()) run_first = segments.back().count;
  DropTables();
}

}  // namespace tidemark
