#pragma once

#include <cstdint>

#include "engine/base/ids.h"
#include "engine/log/sealed_segment.h"

namespace tidemark {

// The two files of a segment that are sent: the frames behind the header, which is made anew where
// they arrive, and the sidecar, byte for byte.
enum class SegmentPart : uint8_t { kFrames = 0, kSidecar = 1 };

// A full segment as its source describes it to who receives it; fields as in SealedSegment. Part of
// each answer, so that a source need not remember whom it sends what, and may compact or remove the
// segment meanwhile: then the next answer describes another one.
struct ShippedSegment {
  uint64_t number = 0;  // at the source
  LogIndex base_index;
  LogIndex end_index;
  Offset base_offset;
  Offset end_offset;
  Offset frames_end;
  Term previous_term;
  uint64_t base_digest = 0;
  uint64_t digest = 0;
  bool sparse = false;
  uint64_t end_digest = 0;
  uint64_t size = 0;
  uint64_t index_bytes = 0;
  uint64_t sidecar_bytes = 0;
  // Up to where compaction has cleaned the source's log (CompactionCheckpoint::clean_end); 0:
  // never. What it removed from this segment lies below, and is superseded nowhere else.
  Offset clean_end;

  static ShippedSegment Of(const SealedSegment& segment, Offset clean_end);
  // The segment under `number` at the receiver.
  SealedSegment As(GroupId group, uint64_t number) const;
  // Whether the numbers can be those of a segment at all.
  bool IsSane() const;

  friend bool operator==(const ShippedSegment&, const ShippedSegment&) = default;
};

}  // namespace tidemark
