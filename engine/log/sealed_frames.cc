#include "engine/log/sealed_frames.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/log/digest.h"
#include "engine/log/segment.h"

namespace tidemark {

SealedFrames::SealedFrames(const SealedSegment& segment)
    : size_(segment.size),
      pos_(kSegmentHeaderBytes),
      context_{.next_offset = segment.base_offset,
               .term = segment.sparse ? Term(0) : segment.previous_term,
               .gaps = segment.sparse},
      digest_(segment.base_digest),
      records_end_(segment.base_offset) {}

void SealedFrames::Add(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

SealedFrames::Step SealedFrames::Look() {
  TIDEMARK_CHECK(!at_end());
  const uint64_t left = size_ - pos_;
  std::string_view bytes = rest().substr(0, left);
  if (bytes.size() < left) {
    if (bytes.size() < kBatchHeaderBytes) return Step::kMore;
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(bytes);
    if (header.ok() && header->total_bytes() <= left && header->total_bytes() > bytes.size()) {
      return Step::kMore;
    }
  }
  const std::optional<BatchHeader> found = FrameAt(bytes, context_, wrong_);
  if (!found.has_value()) {
    if (wrong_.empty()) wrong_ = "no frame begins there";
    return Step::kWrong;
  }
  header_ = *found;
  return Step::kFrame;
}

void SealedFrames::Pass() {
  const std::string_view bytes = frame();
  digest_ = DigestFrame(digest_, bytes);
  context_.next_offset = header_.base_offset + header_.offset_span();
  context_.term = header_.leader_epoch;
  if (header_.magic == EntryKind::kData || !context_.gaps) records_end_ = context_.next_offset;
  pos_ += bytes.size();
  begin_ += bytes.size();
}

void SealedFrames::SkipTo(uint64_t pos, const FrameContext& context) {
  TIDEMARK_CHECK_GE(pos, pos_);
  begin_ += std::min<uint64_t>(pos - pos_, rest().size());
  pos_ = pos;
  context_ = context;
}

bool IsAllOf(const SealedSegment& segment, const SealedFrames& frames) {
  return frames.pos() == segment.size && frames.digest() == segment.digest &&
         frames.records_end() == segment.frames_end;
}

}  // namespace tidemark
