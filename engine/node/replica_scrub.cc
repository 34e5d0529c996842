#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/base/limits.h"
#include "engine/node/replica.h"

// What a replica does for the node's scrubber: reads in its name, and sidecars that are made anew
// from their frames.

namespace tidemark {

IoToken Replica::ReadForScrub(const ScrubRead& read, Effects& out) {
  const IoToken token = shared_->NewToken(options_.group);
  out.push_back(ReadRange{token, read.file, read.pos, read.length});
  // Without a range: nobody else waits for it.
  reads_[token];
  return token;
}

void Replica::OnScrubRead(IoToken token) { reads_.erase(token); }

absl::Status Replica::BeginRebuild(const Finding& stale) {
  if (!active()) return absl::UnavailableError("the replica takes no part");
  const std::optional<SealedSegment> segment = log_->SealedSegmentAfter(stale.first_index - 1);
  if (!segment.has_value() || segment->sidecar() != stale.file) {
    return absl::NotFoundError("the segment is gone");
  }
  rebuilt_ = segment->file();
  const LogIndex base = segment->base_index;
  absl::Status begun =
      log_->BeginReplacement(stale.first_index - 1, {.segment = false, .sidecar = true});
  if (begun.ok()) OnCatalogSidecarRebuilt(base);
  return begun;
}

std::optional<ScrubRead> Replica::RebuildRead() const {
  const size_t room = std::min(log_->replacement_room(), kScrubReadBytes);
  if (!active() || room == 0) return std::nullopt;
  return ScrubRead{
      .file = rebuilt_, .pos = log_->replacement_pos(), .length = static_cast<uint32_t>(room)};
}

absl::Status Replica::OnRebuildRead(const absl::StatusOr<Bytes>& bytes) {
  if (!active() || !log_->replacing()) return absl::OkStatus();
  if (!bytes.ok()) {
    log_->CancelReplacement();
    return bytes.status();
  }
  return log_->FeedReplacement(bytes->view().substr(0, log_->replacement_room()));
}

void Replica::AddReplacement(OutstandingFlush& flush, FileBatch& batch) {
  flush.has_replacement = true;
  FileBatch replacement = log_->TakeReplacementBatch();
  std::move(replacement.ops.begin(), replacement.ops.end(), std::back_inserter(batch.ops));
  batch.sync.insert(batch.sync.end(), replacement.sync.begin(), replacement.sync.end());
}

}  // namespace tidemark
