#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/log/batch.h"
#include "engine/log/frame.h"
#include "engine/log/sealed_segment.h"

namespace tidemark {

// The frames of a full segment from a stream of its bytes, each verified as recovery does it
// (frame.h). Holds what was added and not passed yet.
class SealedFrames {
 public:
  explicit SealedFrames(const SealedSegment& segment);

  // Position of the next frame in the segment, and behind the last byte added.
  uint64_t pos() const { return pos_; }
  uint64_t end() const { return pos_ + rest().size(); }
  bool at_end() const { return pos_ >= size_; }
  // What was added behind pos().
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

  void Add(std::string_view bytes);

  enum class Step : uint8_t { kMore, kFrame, kWrong };
  // Looks at what is at pos(), which is not at_end(). kMore: the bytes added do not tell.
  Step Look();
  // The frame found, and its bytes until the next call of anything else; why there is none.
  const BatchHeader& header() const { return header_; }
  std::string_view frame() const { return rest().substr(0, header_.total_bytes()); }
  std::string_view wrong() const { return wrong_; }

  // Goes on behind the frame found.
  void Pass();
  // Goes on at `pos`, which is behind pos(), as `context` has it.
  void SkipTo(uint64_t pos, const FrameContext& context);

  const FrameContext& context() const { return context_; }
  // Digest from the segment's base digest over the frames passed; means nothing once some were
  // skipped.
  uint64_t digest() const { return digest_; }
  // Behind the last record passed.
  Offset records_end() const { return records_end_; }

 private:
  const uint64_t size_;
  uint64_t pos_;
  FrameContext context_;
  uint64_t digest_;
  Offset records_end_;
  std::string buffer_;
  size_t begin_ = 0;
  BatchHeader header_;
  std::string_view wrong_;
};

// The digest of frames passed is that of the segment, and nothing is missing.
bool IsAllOf(const SealedSegment& segment, const SealedFrames& frames);

}  // namespace tidemark
