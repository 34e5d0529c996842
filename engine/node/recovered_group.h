#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/log/file.h"
#include "engine/log/hard_state.h"
#include "engine/log/log.h"
#include "engine/log/recovery.h"
#include "engine/log/snapshot_receiver.h"
#include "engine/node/catalog.h"
#include "engine/node/membership_log.h"
#include "engine/node/producers.h"

namespace tidemark {

// The state of the catalog after the entries of group 0 up to `applied`: what stands for them where
// they are gone.
struct CatalogSnapshot {
  LogIndex applied;
  Catalog catalog;
  // Where in the log it was written: all before is in it, or in the entries that came with it.
  LogIndex at;
  uint64_t bytes = 0;  // of the encoded state
};

// What one raft group of this node had on disk.
struct RecoveredGroup {
  HardStateRecord hard_state;
  std::optional<Log> log;
  ProducerTable producers;
  MembershipLog members;
  // Group 0 only: what the log was read from on; nullopt: from its first entry on.
  std::optional<CatalogSnapshot> catalog;
  // Group 0 only: before which entries full segments begin with a state of the catalog, and its
  // bytes; ascending. Only such a beginning can be shipped.
  std::vector<std::pair<LogIndex, uint64_t>> states;
  // Group 0 only: every entry behind that, for the catalog to apply once they are committed.
  std::deque<Entry> entries;
  // What of a snapshot had been received when the node stopped.
  ReceivedSegments received;
  // The disk changed the end of the log: what is said of it. The log ends before, and the hard
  // state, which is not on the disk like this yet, says what is lost.
  std::string given_up;
  // Full segments that lack something, and are to be repaired.
  std::vector<DamagedSegment> damaged;
  // The group was being removed: what is left of its files (the log is then empty).
  std::vector<FileId> leftover;
  bool removed() const { return hard_state.start == kRemovedGroup; }
  // The first index to keep.
  LogIndex kept_from() const {
    return removed() ? LogIndex(1) : std::max(hard_state.start, LogIndex(1));
  }
};

// Reads the files of `group`, of which entries up to `committed` are known to be committed and
// durable, whatever the files say. Pure but slow: it may be called on any thread.
// Damage that others can repair is no error: `given_up` and `damaged` tell of it.
//   Errors  as RecoverUpToDamage and DecodeHardState; kDataLoss: the beginning of the catalog's log
//           is gone, and so are all states of it that could stand for that.
absl::StatusOr<RecoveredGroup> RecoverGroup(GroupId group, const LogOptions& options,
                                            const DirectoryView& directory,
                                            LogIndex committed = LogIndex(0));

// The same, as GroupReopened carries it.
absl::StatusOr<std::shared_ptr<RecoveredGroup>> RecoverGroupAgain(GroupId group,
                                                                  const LogOptions& options,
                                                                  const DirectoryView& directory,
                                                                  LogIndex committed);

// What a replica derives from its log, for the checkpoints of that: version 2 (4 bytes,
// little-endian), length of the members (4), the members, the producers. Version 1 was the
// producers alone.
void AppendGroupState(const ProducerTable& producers, const MembershipLog& members,
                      std::string& out);

struct CatalogGroupState {
  const ProducerTable& producers;
  const MembershipLog& members;
  LogIndex applied;
  const Catalog& catalog;
  const std::deque<Entry>& pending;
  LogIndex last;
};

// The same of group 0, version 3: as above, but with the length (4) before the producers, too; then
// the index (8) up to which the catalog has applied the log, its length (4), its state
// (Catalog::Encode), and the frames of the entries behind that, `pending`, up to `last`.
//   Result  bytes of the catalog's state; nullopt, and nothing is appended: the entries in between
//           are not all there, or it would be too large (limits.h).
std::optional<uint64_t> AppendCatalogGroupState(const CatalogGroupState& state, std::string& out);
// What such a checkpoint holds of the catalog; nullopt if `checkpoint` is none, or damaged.
std::optional<CatalogSnapshot> CatalogSnapshotIn(std::string_view checkpoint);

// A group that has no files yet.
RecoveredGroup EmptyGroup(GroupId group, const LogOptions& options);

}  // namespace tidemark
