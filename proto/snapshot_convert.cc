#include "proto/snapshot_convert.h"

#include <cstdint>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("snapshot message: ", what));
}

absl::StatusOr<SegmentPart> DecodePart(uint32_t part) {
  if (part > static_cast<uint32_t>(SegmentPart::kSidecar)) {
    return Invalid(absl::StrCat("a segment has no part ", part));
  }
  return static_cast<SegmentPart>(part);
}

ShippedSegment DecodeSegment(const peer::v1::ShippedSegment& from) {
  return {.number = from.number(),
          .base_index = LogIndex(from.base_index()),
          .end_index = LogIndex(from.end_index()),
          .base_offset = Offset(from.base_offset()),
          .end_offset = Offset(from.end_offset()),
          .frames_end = Offset(from.frames_end()),
          .previous_term = Term(from.previous_term()),
          .base_digest = from.base_digest(),
          .digest = from.digest(),
          .sparse = from.sparse(),
          .end_digest = from.end_digest(),
          .size = from.size(),
          .index_bytes = from.index_bytes(),
          .sidecar_bytes = from.sidecar_bytes()};
}

void EncodeSegment(const ShippedSegment& from, peer::v1::ShippedSegment& to) {
  to.set_number(from.number);
  to.set_base_index(from.base_index.value());
  to.set_end_index(from.end_index.value());
  to.set_base_offset(from.base_offset.value());
  to.set_end_offset(from.end_offset.value());
  to.set_frames_end(from.frames_end.value());
  to.set_previous_term(from.previous_term.value());
  to.set_base_digest(from.base_digest);
  to.set_digest(from.digest);
  to.set_sparse(from.sparse);
  to.set_end_digest(from.end_digest);
  to.set_size(from.size);
  to.set_index_bytes(from.index_bytes);
  to.set_sidecar_bytes(from.sidecar_bytes);
}

}  // namespace

void EncodeSnapshotPart(const SnapshotMessage& message, peer::v1::Envelope& envelope) {
  if (const auto* request = std::get_if<SnapshotRequest>(&message)) {
    peer::v1::SnapshotRequest& to = *envelope.mutable_snapshot_request();
    to.set_id(request->id);
    to.set_index(request->index.value());
    to.set_part(static_cast<uint32_t>(request->part));
    to.set_pos(request->pos.value());
    to.set_length(request->length);
    return;
  }
  const SnapshotChunk& chunk = std::get<SnapshotChunk>(message);
  peer::v1::SnapshotChunk& to = *envelope.mutable_snapshot_chunk();
  to.set_id(chunk.id);
  to.set_part(static_cast<uint32_t>(chunk.part));
  to.set_pos(chunk.pos.value());
  if (chunk.segment.has_value()) EncodeSegment(*chunk.segment, *to.mutable_segment());
}

absl::StatusOr<SnapshotMessage> DecodeSnapshotPart(const peer::v1::Envelope& envelope, Bytes rest) {
  // Nothing here may overflow where a length is added to it.
  constexpr uint64_t kNumberMax = uint64_t{1} << 62;
  if (envelope.has_snapshot_request()) {
    const peer::v1::SnapshotRequest& from = envelope.snapshot_request();
    if (!rest.empty()) return Invalid("bytes follow a request");
    if (from.index() > kNumberMax || from.pos() > kNumberMax) {
      return Invalid("an index or position that no segment has");
    }
    if (from.length() > kSnapshotChunkBytes) {
      return Invalid(absl::StrCat(from.length(), " bytes are asked for at a time, at most ",
                                  kSnapshotChunkBytes, " may be"));
    }
    TIDEMARK_ASSIGN_OR_RETURN(const SegmentPart part, DecodePart(from.part()));
    return SnapshotRequest{.id = from.id(),
                           .index = LogIndex(from.index()),
                           .part = part,
                           .pos = FilePos(from.pos()),
                           .length = from.length()};
  }
  const peer::v1::SnapshotChunk& from = envelope.snapshot_chunk();
  if (rest.size() > kSnapshotChunkBytes || from.pos() > kNumberMax) {
    return Invalid(absl::StrCat("a chunk of ", rest.size(), " bytes at ", from.pos()));
  }
  TIDEMARK_ASSIGN_OR_RETURN(const SegmentPart part, DecodePart(from.part()));
  SnapshotChunk chunk{.id = from.id(), .part = part, .pos = FilePos(from.pos())};
  if (from.has_segment()) {
    chunk.segment = DecodeSegment(from.segment());
    if (!chunk.segment->IsSane()) return Invalid("it describes no segment that can be");
  } else if (!rest.empty()) {
    return Invalid("bytes of no segment");
  }
  chunk.bytes = std::move(rest);
  return chunk;
}

}  // namespace tidemark
