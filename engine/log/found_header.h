#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/log/batch.h"
#include "engine/log/file.h"
#include "engine/log/scan.h"

// The first block of a segment's file, and what is to be thought of the file where it cannot be
// read: the one judgement for recovery, which goes on without it where it can, and for those who
// only look (group_files.h). FORMAT.md section 6.

namespace tidemark {

enum class HeaderState : uint8_t {
  kIntact,
  kNeverWhole,  // a crash came before it: the file never was a segment
  kLost,        // it was durable, and the disk lost or changed it
};

struct HeaderVerdict {
  HeaderState state = HeaderState::kIntact;
  std::string damage;  // what is wrong; empty: nothing
};

// `head` is what the file has of its first kSegmentHeaderBytes, or why they cannot be read. `found`
// has its group, number and footer, and, where there is no footer, the sidecar's entries. Its
// header is set if it is intact.
//   Errors  kFailedPrecondition: another format version, or a file of another group or name. Those
//           of `head`, unless they are about the bytes (kDataLoss).
absl::StatusOr<HeaderVerdict> JudgeHeader(const absl::StatusOr<std::string>& head,
                                          FoundSegment& found);

// The footer of `found`, and its sidecar's entries unless they were read. An unreadable sidecar is
// as good as none: the frames say the same.
void ReadFooterOf(const DirectoryView& directory, FoundSegment& found);
void ReadIndexOf(const DirectoryView& directory, FoundSegment& found);

// The first frame of segment `file`, if it is intact.
absl::StatusOr<std::optional<BatchHeader>> FirstFrameOf(const DirectoryView& directory,
                                                        const FileId& file);

// Whether a sparse segment is whole: its footer is written last.
bool IsWholeSparse(const FoundSegment& found);

// Moves from `lost` to `found` (both in order of creation) the full segments whose lost headers are
// known from their footers and the segments that name them as the one before; of the entries before
// them from the checkpoints that their sidecars, which have been read, begin with, if there is one
// (FoundSegment::previous_known). Never sparse ones.
void RestoreHeaders(std::vector<FoundSegment>& found, std::vector<FoundSegment>& lost);

// Restores the lost header of a full sparse segment: it is what is missing between two of `live`,
// which are in the order of the log.
//   Result  false: they do not tell.
bool RestoreSparseHeader(const std::vector<FoundSegment>& live, FoundSegment& lost);

}  // namespace tidemark
