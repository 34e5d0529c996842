#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/log/file.h"
#include "engine/log/hard_state.h"
#include "engine/log/log.h"
#include "engine/log/snapshot_receiver.h"
#include "engine/node/membership_log.h"
#include "engine/node/producers.h"

namespace tidemark {

// What one raft group of this node had on disk.
struct RecoveredGroup {
  HardStateRecord hard_state;
  std::optional<Log> log;
  ProducerTable producers;
  MembershipLog members;
  // Group 0 only: every entry, for the catalog to apply once they are committed.
  std::deque<Entry> entries;
  // What of a snapshot had been received when the node stopped.
  ReceivedSegments received;
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
//   Errors  as Log::Recover and DecodeHardState.
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

// A group that has no files yet.
RecoveredGroup EmptyGroup(GroupId group, const LogOptions& options);

}  // namespace tidemark
