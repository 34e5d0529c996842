#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/log_impl.h"
#include "engine/log/segment_replacement.h"

// Full segments as those see them that verify them and replace their files while the log is in use.

namespace tidemark {

bool Log::Impl::IsSealed(const Segment& segment) const {
  // While a name changes, what is known of the file may not be what is found.
  const bool changes =
      replacement != nullptr && replacement->number() == segment.number && replacement->renaming();
  return MayCompact(segment, floor.index) && segment.footer_batch <= batches_synced && !changes;
}

std::optional<SealedSegment> Log::SealedSegmentAfter(LogIndex index) const {
  const Impl& log = *impl_;
  const auto found = std::find_if(
      log.segments.begin(), log.segments.end(),
      [&](const Segment& each) { return each.end_index() > index + 1 && log.IsSealed(each); });
  if (found == log.segments.end()) return std::nullopt;
  const Segment& segment = *found;
  SealedSegment sealed{.group = log.group,
                       .number = segment.number,
                       .base_index = segment.base_index,
                       .end_index = segment.end_index(),
                       .base_offset = segment.base_offset,
                       .end_offset = segment.end(),
                       .frames_end = segment.frames_end(),
                       .previous_number = std::nullopt,
                       .previous_term = log.TermBefore(segment.base_index),
                       .base_digest = segment.base_digest,
                       .digest = segment.sparse ? segment.sparse->digest : segment.digest,
                       .sparse = segment.sparse.has_value(),
                       .end_digest = segment.digest,
                       .last_number = segment.chain_number(),
                       .size = segment.size,
                       .index_bytes = segment.index_bytes,
                       .sidecar_bytes = segment.index_bytes + segment.footer_bytes,
                       .runs = segment.runs.Coarser(kFooterRunsMax)};
  if (found != log.segments.begin()) {
    sealed.previous_number = std::prev(found)->chain_number();
  } else if (segment.base_index == LogIndex(1)) {
    sealed.previous_number = 0;
  }
  return sealed;
}

const Segment* Log::Impl::LastShippable() const {
  const Segment* last = nullptr;
  for (const Segment& segment : segments) {
    if (!IsSealed(segment)) break;
    // What is derived from the log is not known behind a sparse segment: what follows knows it.
    if (!segment.sparse.has_value()) last = &segment;
  }
  return last;
}

LogIndex Log::ShippableEnd() const {
  const Segment* last = impl_->LastShippable();
  return last == nullptr ? LogIndex(0) : last->end_index();
}

LogIndex Log::LastShippable() const {
  const Segment* last = impl_->LastShippable();
  return last == nullptr ? first_index() : last->base_index;
}

bool Log::EndSegment() {
  Impl& log = *impl_;
  if (log.segments.empty() || log.segments.back().count == 0) return false;
  for (size_t i = 0; i + 1 < log.segments.size(); ++i) {
    if (!log.IsSealed(log.segments[i])) return false;
  }
  log.EndRun();
  log.seal = true;
  return true;
}

LogIndex Log::last_segment_base() const {
  return impl_->segments.empty() ? LogIndex(0) : impl_->segments.back().base_index;
}

uint64_t Log::last_segment_bytes() const {
  return impl_->segments.empty() ? 0 : impl_->segments.back().size;
}

bool Log::Holds(const SealedSegment& segment) const {
  const Impl& log = *impl_;
  if (segment.base_index < first_index() || segment.base_index > last_index()) return false;
  const Segment& found = log.segments[log.SegmentAt(segment.base_index)];
  return found.number == segment.number && found.index_bytes == segment.index_bytes &&
         found.size == segment.size && log.IsSealed(found);
}

uint64_t Log::sealed_bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : impl_->segments) {
    if (!impl_->IsSealed(segment)) continue;
    bytes += segment.size + segment.index_bytes + segment.footer_bytes;
  }
  return bytes;
}

absl::Status Log::BeginReplacement(LogIndex index, const ReplacementFiles& files) {
  Impl& log = *impl_;
  if (log.replacement != nullptr) {
    return absl::UnavailableError("another segment of this log is being replaced; try again later");
  }
  std::optional<SealedSegment> segment = SealedSegmentAfter(index);
  if (!segment.has_value()) {
    return absl::NotFoundError(absl::StrCat("no full segment ends behind index ", index.value()));
  }
  if (files.sidecar && segment->sparse) {
    return absl::UnimplementedError("the sidecar of a compacted segment cannot be made anew");
  }
  log.replacement = std::make_unique<SegmentReplacement>(&log, *std::move(segment), files);
  return absl::OkStatus();
}

bool Log::replacing() const { return impl_->replacement != nullptr; }

FilePos Log::replacement_pos() const {
  return FilePos(replacing() ? impl_->replacement->pos() : 0);
}

size_t Log::replacement_room() const { return replacing() ? impl_->replacement->room() : 0; }

absl::Status Log::FeedReplacement(std::string_view frames) {
  TIDEMARK_CHECK_LE(frames.size(), replacement_room());
  if (!replacing()) return absl::OkStatus();
  const absl::Status status = impl_->replacement->Feed(frames);
  if (!status.ok()) impl_->replacement->Cancel();
  impl_->EndReplacement();
  return status;
}

bool Log::has_replacement_batch() const { return replacing() && impl_->replacement->has_batch(); }

FileBatch Log::TakeReplacementBatch() {
  TIDEMARK_CHECK(has_replacement_batch());
  return impl_->replacement->TakeBatch();
}

void Log::OnReplacementBatchDurable() {
  TIDEMARK_CHECK(replacing());
  impl_->replacement->OnBatchDurable();
  impl_->EndReplacement();
}

void Log::CancelReplacement() {
  if (!replacing()) return;
  impl_->replacement->Cancel();
  impl_->EndReplacement();
}

void Log::Impl::EndReplacement() {
  if (replacement == nullptr || !replacement->over()) return;
  const std::vector<FileId> abandoned = replacement->Files();
  unstaged_removals.insert(unstaged_removals.end(), abandoned.begin(), abandoned.end());
  replacement.reset();
}

void Log::Impl::TellReplacement(uint64_t number) {
  if (replacement == nullptr || replacement->number() != number) return;
  replacement->OnSegmentRemoved();
  EndReplacement();
}

}  // namespace tidemark
