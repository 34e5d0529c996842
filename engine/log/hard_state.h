#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "engine/log/snapshot_files.h"

namespace tidemark {

// What a replica may have acknowledged and does not have any more: entries up to this one, which is
// of this term at most. Until its log ends with as much again, it helps nobody who may lack it.
struct LostEntries {
  Term term;
  LogIndex index;  // 0: nothing is lost

  // Whether a log that ends with this entry has it all, as raft compares logs.
  bool AreIn(Term last_term, LogIndex last_index) const {
    return last_term != term ? last_term > term : last_index >= index;
  }
  friend bool operator==(const LostEntries&, const LostEntries&) = default;
};

// What a group must remember besides its log. Format: FORMAT.md section 4 (two slots of 4096 bytes,
// written in turn, so that a torn write leaves the other one whole; each holds the record twice).
struct HardStateRecord {
  uint64_t generation = 0;  // 0: never written
  Term term;
  NodeId vote;
  // An index known committed and durable here: damage at or below it is rot, never a torn tail.
  LogIndex commit;
  // The first index kept when a prefix of the log was last removed; 0 or 1: never; kRemovedGroup:
  // all of it is being removed, with the group.
  LogIndex start;
  // What of the log came, or is coming, with a snapshot.
  SnapshotFiles snapshot = {};
  // The disk changed the end of the log, and it was given up.
  LostEntries lost = {};

  friend bool operator==(const HardStateRecord&, const HardStateRecord&) = default;
};

// The file holds kHardStateCopies copies of this size, two a slot; the record is at the front.
inline constexpr size_t kHardStateCopyBytes = 2048;
inline constexpr size_t kHardStateCopies = 4;
inline constexpr size_t kHardStateRecordBytes = 6 * 8 + 4;
// Behind it: what most replicas never need (zeros), in two parts with checksums of their own.
inline constexpr size_t kHardStateSnapshotBytes = 3 * 8 + 4;
inline constexpr size_t kHardStateLostBytes = 2 * 8 + 4;
inline constexpr size_t kHardStateExtraBytes = kHardStateSnapshotBytes + kHardStateLostBytes;
// One copy; nullopt if it is damaged or was never written.
std::optional<HardStateRecord> DecodeHardStateCopy(std::string_view copy);

inline constexpr LogIndex kRemovedGroup{UINT64_MAX};

// The newest valid slot of the file; generation 0 if nothing was ever written (all zeros).
//   Errors  kDataLoss: neither slot is valid and the file is not all zeros, or it is not whole.
absl::StatusOr<HardStateRecord> DecodeHardState(std::string_view file);

// Adds the write of `record` (generation 1 or more) to `batch`, synced with it; the first
// generation also creates the file, and takes the space of both slots: later ones need none.
void AppendHardState(GroupId group, const HardStateRecord& record, FileBatch& batch);

// Adds the write of `record`, which was read from the file, to where it was read from, synced
// together with the file's name. After a failed sync the file may read differently from what is on
// the disk: only this makes it a promise. The other slot, which may be all there is, is left alone.
void RewriteHardState(GroupId group, const HardStateRecord& record, FileBatch& batch);

}  // namespace tidemark
