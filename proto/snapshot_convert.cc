#include "proto/snapshot_convert.h"

#include <cstdint>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

// Nothing may overflow where a length is added to it.
constexpr uint64_t kNumberMax = uint64_t{1} << 62;

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
          .sidecar_bytes = from.sidecar_bytes(),
          .clean_end = Offset(from.clean_end())};
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
  to.set_clean_end(from.clean_end.value());
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
    to.set_refused(request->refused);
    to.set_end_segment(request->end_segment);
    return;
  }
  if (const auto* request = std::get_if<FramesRequest>(&message)) {
    peer::v1::FramesRequest& to = *envelope.mutable_frames_request();
    to.set_id(request->id);
    to.set_first(request->first.value());
    to.set_max_bytes(request->max_bytes);
    return;
  }
  if (const auto* reply = std::get_if<FramesReply>(&message)) {
    peer::v1::FramesReply& to = *envelope.mutable_frames_reply();
    to.set_id(reply->id);
    to.set_first(reply->first.value());
    return;
  }
  if (const auto* report = std::get_if<DigestReport>(&message)) {
    peer::v1::DigestReport& to = *envelope.mutable_digest_report();
    to.set_index(report->index.value());
    to.set_digest(report->digest);
    return;
  }
  const SnapshotChunk& chunk = std::get<SnapshotChunk>(message);
  peer::v1::SnapshotChunk& to = *envelope.mutable_snapshot_chunk();
  to.set_id(chunk.id);
  to.set_part(static_cast<uint32_t>(chunk.part));
  to.set_pos(chunk.pos.value());
  if (chunk.segment.has_value()) EncodeSegment(*chunk.segment, *to.mutable_segment());
}

bool HasSnapshotPart(const peer::v1::Envelope& envelope) {
  return envelope.has_snapshot_request() || envelope.has_snapshot_chunk() ||
         envelope.has_frames_request() || envelope.has_frames_reply() ||
         envelope.has_digest_report();
}

absl::StatusOr<SnapshotMessage> DecodeSnapshotPart(const peer::v1::Envelope& envelope, Bytes rest) {
  if (envelope.has_frames_request()) {
    const peer::v1::FramesRequest& from = envelope.frames_request();
    if (!rest.empty()) return Invalid("bytes follow a request");
    if (from.first() == 0 || from.first() > kNumberMax || from.max_bytes() > kSnapshotChunkBytes) {
      return Invalid(absl::StrCat(from.max_bytes(), " bytes of frames from ", from.first(),
                                  " on are asked for"));
    }
    return FramesRequest{
        .id = from.id(), .first = LogIndex(from.first()), .max_bytes = from.max_bytes()};
  }
  if (envelope.has_digest_report()) {
    const peer::v1::DigestReport& from = envelope.digest_report();
    if (!rest.empty()) return Invalid("bytes follow a digest");
    if (from.index() > kNumberMax) return Invalid("an index that no log has");
    return DigestReport{.index = LogIndex(from.index()), .digest = from.digest()};
  }
  if (envelope.has_frames_reply()) {
    const peer::v1::FramesReply& from = envelope.frames_reply();
    if (from.first() > kNumberMax || rest.size() > kFramesReplyBytesMax) {
      return Invalid(absl::StrCat(rest.size(), " bytes of frames from ", from.first(), " on"));
    }
    return FramesReply{.id = from.id(), .first = LogIndex(from.first()), .bytes = std::move(rest)};
  }
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
                           .length = from.length(),
                           .refused = from.refused(),
                           .end_segment = from.end_segment()};
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
