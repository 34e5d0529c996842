#include "engine/log/shipped_segment.h"

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/index.h"
#include "engine/log/segment.h"

namespace tidemark {

ShippedSegment ShippedSegment::Of(const SealedSegment& segment, Offset clean_end) {
  return {.number = segment.number,
          .base_index = segment.base_index,
          .end_index = segment.end_index,
          .base_offset = segment.base_offset,
          .end_offset = segment.end_offset,
          .frames_end = segment.frames_end,
          .previous_term = segment.previous_term,
          .base_digest = segment.base_digest,
          .digest = segment.digest,
          .sparse = segment.sparse,
          .end_digest = segment.end_digest,
          .size = segment.size,
          .index_bytes = segment.index_bytes,
          .sidecar_bytes = segment.sidecar_bytes,
          .clean_end = clean_end};
}

SealedSegment ShippedSegment::As(GroupId group, uint64_t own_number) const {
  return {.group = group,
          .number = own_number,
          .base_index = base_index,
          .end_index = end_index,
          .base_offset = base_offset,
          .end_offset = end_offset,
          .frames_end = frames_end,
          .previous_number = std::nullopt,
          .previous_term = previous_term,
          .base_digest = base_digest,
          .digest = digest,
          .sparse = sparse,
          .end_digest = end_digest,
          .last_number = own_number,
          .size = size,
          .index_bytes = index_bytes,
          .sidecar_bytes = sidecar_bytes,
          .runs = {}};
}

bool ShippedSegment::IsSane() const {
  constexpr uint64_t kPlacesMax = uint64_t{1} << 62;
  if (base_index < LogIndex(1) || base_index >= end_index || end_index > LogIndex(kPlacesMax) ||
      end_index - base_index > UINT32_MAX) {
    return false;
  }
  if (base_offset > frames_end || frames_end > end_offset || end_offset > Offset(kPlacesMax) ||
      end_offset - base_offset > UINT32_MAX) {
    return false;
  }
  if (!sparse && (frames_end != end_offset || digest != end_digest)) return false;
  // Every entry of a dense segment has a frame.
  const uint64_t frames = sparse ? 0 : end_index - base_index;
  return previous_term <= Term(kTermMax) &&
         size >= kSegmentHeaderBytes + frames * kBatchHeaderBytes &&
         size <= kSegmentBytesMax + kBatchBytesMax && index_bytes >= kIndexHeaderBytes &&
         index_bytes < sidecar_bytes && sidecar_bytes - index_bytes <= kFooterBytesMax &&
         sidecar_bytes <= kSidecarBytesMax;
}

}  // namespace tidemark
