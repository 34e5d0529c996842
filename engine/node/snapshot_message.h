#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/log/shipped_segment.h"

namespace tidemark {

// How a replica that lacks what its leader's log does not have any more gets full segments of it
// (snapshot_receiver.h): it asks, piece by piece, and whoever is asked need not remember it.

struct SnapshotRequest {
  // Echoed: answers to earlier requests are recognised by it.
  uint64_t id = 0;
  // An entry of the segment wanted; 0: the first segment there is.
  LogIndex index;
  SegmentPart part = SegmentPart::kFrames;
  FilePos pos;
  // At most kSnapshotChunkBytes; 0: the beginning of the frames, whatever the segment is.
  uint32_t length = 0;
};

struct SnapshotChunk {
  uint64_t id = 0;
  // The segment with that entry, or the first one if entries up to there are gone; nullopt: nothing
  // can be sent.
  std::optional<ShippedSegment> segment;
  SegmentPart part = SegmentPart::kFrames;
  FilePos pos;
  Bytes bytes;
};

using SnapshotMessage = std::variant<SnapshotRequest, SnapshotChunk>;

}  // namespace tidemark
