#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"

namespace tidemark {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;

// The first block of a segment. Format: FORMAT.md section 2.
struct SegmentHeader {
  GroupId group;
  // Creation number, in the file's name. A segment's entries replace those of the same and later
  // indexes in segments of lower numbers: that is how a suffix is cut, without ever writing zeros
  // over frames.
  uint64_t number = 0;
  LogIndex base_index;
  Offset base_offset;
  // The segment that holds the entry before base_index; 0 if there is none. Several beginnings of
  // one log may be under way in one flush: this tells which one the segment continues.
  uint64_t previous_number = 0;
  // Term of the entry before base_index.
  Term previous_term;
  WallTime created;
  // Last index known durable when the segment was begun: below base_index.
  LogIndex durable;
};

// The header as kSegmentHeaderBytes bytes.
std::string EncodeSegmentHeader(const SegmentHeader& header);
//   Errors  kDataLoss: not a whole, sane header; kFailedPrecondition: a newer format version.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view file);

// One entry of the index sidecar: a run of frames. Format: FORMAT.md section 3.
struct IndexEntry {
  uint32_t pos = 0;      // of the run in the segment
  uint32_t length = 0;   // bytes
  uint32_t first = 0;    // base_index + first is the index of its first frame
  uint32_t count = 0;    // frames
  uint32_t durable = 0;  // frames of this segment known durable when this was written
  int64_t append_time_ms = 0;
  // Checksum of the first kFrameHeadBytes of each frame: it covers the fields that a leader sets,
  // which the frame's own checksum does not, and through that checksum all of the frame.
  uint32_t digest = 0;
};

inline constexpr size_t kIndexEntryBytes = 36;
inline constexpr size_t kFrameHeadBytes = 21;

// `chain` is the checksum of the entry before (0 for the first) and becomes this one's.
std::string EncodeIndexEntry(const IndexEntry& entry, uint32_t& chain);
// The leading entries whose chained checksums are right. What comes behind them was lost in a
// crash.
std::vector<IndexEntry> DecodeIndex(std::string_view file, uint32_t& chain);

// A segment as the log keeps it in memory.
struct Segment {
  struct Frame {
    uint32_t pos = 0;         // in the file
    uint32_t end_offset = 0;  // first client offset behind it, relative to base_offset
  };

  uint64_t number = 0;
  LogIndex base_index;
  Offset base_offset;
  uint64_t size = kSegmentHeaderBytes;      // end of the last frame
  uint64_t capacity = kSegmentHeaderBytes;  // of the file
  std::vector<Frame> frames;
  // (ordinal of a frame, append time) once per index entry.
  std::vector<std::pair<uint32_t, WallTime>> times;
  uint64_t index_bytes = 0;  // length of the sidecar
  uint32_t index_chain = 0;
  bool has_index = true;  // the sidecar exists

  LogIndex end_index() const { return base_index + frames.size(); }
  Offset end_offset() const {
    return frames.empty() ? base_offset : base_offset + frames.back().end_offset;
  }
  // First byte behind frame `ordinal`.
  uint64_t FrameEnd(size_t ordinal) const {
    return ordinal + 1 < frames.size() ? frames[ordinal + 1].pos : size;
  }
};

}  // namespace tidemark
