#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/log/finding.h"
#include "engine/log/hard_state.h"

// Looking for damage in the files of a group that nobody writes to: all of it, in one run. Changes
// nothing. What may be done about it: repair.h.

namespace tidemark {

// A stretch of a file that would be given up.
struct LostRange {
  FileId file;
  FilePos begin;
  FilePos end;

  friend bool operator==(const LostRange&, const LostRange&) = default;
};

// Ending the log before the first damage: the only way for a log to go on without what is damaged,
// as indexes and offsets have no gaps.
struct LogCut {
  // What is lost: the entries and records, half-open.
  LogIndex index;
  LogIndex end_index;
  Offset offset;
  Offset end_offset;
  // In which bytes they are, damaged or not: the first one of them is the damage.
  std::vector<LostRange> ranges;
  // The segment whose frames before `keep_end` are kept; those behind it in the log go. 0: none is.
  uint64_t keep_number = 0;
  FilePos keep_end;
};

struct GroupVerification {
  GroupId group;
  // What was looked at: files that are part of the log or the hard state, and their bytes in use.
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t segments = 0;
  uint64_t frames = 0;   // intact ones
  uint64_t records = 0;  // offsets of them
  // Files of entries that were cut or removed: the next start removes them.
  uint64_t leftover_files = 0;
  // What the log holds, the damaged parts included.
  LogIndex first_index{1};
  LogIndex end_index{1};
  Offset first_offset;
  Offset end_offset;
  LogIndex known_durable;
  LogIndex known_committed;
  HardStateRecord hard_state;
  // Those of the hard state, then in the order of the log.
  std::vector<Finding> findings;
  // Unless nothing in the log is damaged, or the hard state is.
  std::optional<LogCut> cut;

  // Whether a node refuses to start with it (if it reads all of it).
  bool refuses() const;
};

// Verifies all files of `group`: every frame's checksum, offset, term and place in the running
// digest, the sidecars against the frames, footers, headers, hard state. Goes on behind damage.
//   Bounds  a damaged byte is covered by a finding, or nothing ever reads it: space behind the last
//           frame and around the records of the hard state, files that are left over. One thing is
//           not seen: a term or offset raised in the last frame, where a crash kept its run from
//           the sidecar.
//   Cost    reads everything.
//   Errors  kFailedPrecondition: another format version, or a file of another group.
absl::StatusOr<GroupVerification> VerifyGroup(GroupId group, const DirectoryView& directory);

}  // namespace tidemark
