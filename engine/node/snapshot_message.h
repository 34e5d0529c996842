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
  // What whoever is asked sent last of this segment was damaged, or did not fit.
  bool refused = false;
  // What comes next is still being written where it is asked for: that segment is to end.
  bool end_segment = false;
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

// How a replica whose disk changed some of a full segment gets the same frames again
// (segment_repair.h). By index: replicas cut their segments at different places, and what one has
// in a full segment another one is still writing.
struct FramesRequest {
  uint64_t id = 0;  // echoed, as above
  LogIndex first;
  // At most kSnapshotChunkBytes; one frame is sent, however large.
  uint32_t max_bytes = 0;
};

struct FramesReply {
  uint64_t id = 0;
  // Whole frames from entry `first` on, committed where they come from, their checksums verified
  // there; empty: it has none, or none that it can vouch for.
  LogIndex first;
  Bytes bytes;
};

// What replicas tell each other of their logs, so that one that is not the same as the others is
// noticed (digest_watch.h).
struct DigestReport {
  LogIndex index;       // committed and durable at the sender
  uint64_t digest = 0;  // the running digest of its log up to there
  friend bool operator==(const DigestReport&, const DigestReport&) = default;
};

using SnapshotMessage =
    std::variant<SnapshotRequest, SnapshotChunk, FramesRequest, FramesReply, DigestReport>;

// The bytes that `message` carries; null if it is a request.
inline const Bytes* BytesOf(const SnapshotMessage& message) {
  if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) return &chunk->bytes;
  const auto* frames = std::get_if<FramesReply>(&message);
  return frames == nullptr ? nullptr : &frames->bytes;
}

}  // namespace tidemark
