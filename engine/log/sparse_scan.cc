#include "engine/log/sparse_scan.h"

#include <algorithm>
#include <optional>
#include <string>

#include "engine/base/status_macros.h"
#include "engine/log/digest.h"
#include "engine/log/frame.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

// One reading of a segment, from front to back.
class Reading {
 public:
  Reading(const FoundSegment& found, const Segment& segment, RecoveryObserver* observer)
      : found_(found),
        segment_(segment),
        observer_(observer),
        pos_(kSegmentHeaderBytes),
        digest_(segment.base_digest),
        records_end_(segment.base_offset) {
    context_.next_offset = segment.base_offset;
    context_.gaps = true;
  }

  absl::Status ReadRun(const IndexEntry& entry) {
    const uint64_t begin = pos_;
    for (uint32_t i = 0; i < entry.count; ++i) {
      TIDEMARK_RETURN_IF_ERROR(ReadFrame(entry, segment_.base_index + entry.first + i));
    }
    if (entry.pos != begin || pos_ - begin != entry.length || digest_ != entry.digest) {
      return Rot(begin, "its frames are not those the sidecar remembers");
    }
    return absl::OkStatus();
  }

  absl::Status Finish() const {
    if (pos_ != segment_.size || records_end_ != segment_.frames_end() ||
        digest_ != segment_.sparse->digest) {
      return Rot(pos_, "its frames are not those its footer names");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Rot(uint64_t begin, std::string_view what) const {
    return RotError(found_.file(), begin, segment_.size, what);
  }

  absl::Status ReadFrame(const IndexEntry& entry, LogIndex index) {
    std::string_view wrong;
    const std::string_view rest =
        found_.bytes.substr(std::min<uint64_t>(pos_, found_.bytes.size()));
    const std::optional<BatchHeader> header = FrameAt(rest, context_, wrong);
    if (!header.has_value()) return Rot(pos_, wrong.empty() ? "no frame begins there" : wrong);
    const std::string_view frame = rest.substr(0, header->total_bytes());
    if (observer_ != nullptr) {
      observer_->OnFrame(Entry{.index = index,
                               .term = header->leader_epoch,
                               .kind = header->magic,
                               .base_offset = header->base_offset,
                               .offset_span = header->offset_span(),
                               .frame = {}},
                         *header, frame, WallTime::FromMillis(entry.append_time_ms));
    }
    digest_ = DigestFrame(digest_, frame);
    pos_ += frame.size();
    context_.next_offset = header->base_offset + header->offset_span();
    context_.term = header->leader_epoch;
    if (header->magic == EntryKind::kData) records_end_ = context_.next_offset;
    return absl::OkStatus();
  }

  const FoundSegment& found_;
  const Segment& segment_;
  RecoveryObserver* const observer_;
  uint64_t pos_;
  uint64_t digest_;
  Offset records_end_;
  FrameContext context_;
};

}  // namespace

absl::StatusOr<RunIndex> ScanSparse(const FoundSegment& found, const Segment& segment,
                                    std::string_view sidecar, RecoveryObserver* observer) {
  std::optional<RunIndex> runs = RunsIn(segment, sidecar);
  if (!runs.has_value()) {
    return RotError(found.sidecar(), 0, segment.index_bytes,
                    "what it says of its segment is not what its footer says");
  }
  Reading reading(found, segment, observer);
  for (const DecodedIndexEntry& each : found.index) {
    if (!each.entry.is_checkpoint()) TIDEMARK_RETURN_IF_ERROR(reading.ReadRun(each.entry));
  }
  TIDEMARK_RETURN_IF_ERROR(reading.Finish());
  return *std::move(runs);
}

}  // namespace tidemark
