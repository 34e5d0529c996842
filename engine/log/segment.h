#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"

// The first block of a segment file. Format: FORMAT.md section 2.

namespace tidemark {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;

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
  // Term of the entry before base_index, and the running digest of the log up to it (digest.h).
  Term previous_term;
  uint64_t previous_digest = 0;
  WallTime created;
  // Last index known durable when the segment was begun: below base_index.
  LogIndex durable;

  // What a segment stands for that compaction wrote. Indexes and offsets of its frames have gaps.
  struct Sparse {
    // Past the last one: it replaces the segments of lower numbers in [base_index, end_index).
    LogIndex end_index;
    Offset end_offset;
    // Of what it replaces: the number of the last segment, which the one behind continues, and the
    // running digest of the log up to its end.
    uint64_t last_number = 0;
    uint64_t end_digest = 0;
  };
  std::optional<Sparse> sparse = std::nullopt;
};

// The header as kSegmentHeaderBytes bytes.
std::string EncodeSegmentHeader(const SegmentHeader& header);
// Reads the header at the front of `file`.
//   Errors  kDataLoss: not a whole, sane header; kFailedPrecondition: another format version.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view file);

}  // namespace tidemark
