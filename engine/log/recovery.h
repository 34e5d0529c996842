#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "engine/log/entry.h"
#include "engine/log/log.h"

namespace tidemark {

// Told of a log while it is recovered, in order: to rebuild what is derived from it.
class RecoveryObserver {
 public:
  virtual ~RecoveryObserver() = default;
  // Whether it wants all entries and no checkpoint.
  virtual bool needs_all_entries() const { return false; }
  // What a CheckpointSource gave: what the entries up to one of them amount to. The entries behind
  // it follow. At most once, and first; never called: the entries begin with the log.
  //   Result  false if it makes no sense: an earlier one is tried.
  virtual bool OnCheckpoint(std::string_view state) {
    static_cast<void>(state);
    return true;
  }
  // `entry.frame` is empty; `frame` is valid during the call.
  virtual void OnFrame(const Entry& entry, const BatchHeader& header, std::string_view frame,
                       WallTime append_time) = 0;
};

// The end of a log that is given up because the disk has changed some of it.
struct GivenUp {
  LogIndex from;
  // The last entry that was, or may have been, there.
  LogIndex upto;
  std::string what;  // the damage: what Log::Recover says of it
};

// A full segment whose file lacks something that is known from elsewhere.
struct DamagedSegment {
  FileId file;
  std::string what;
};

// What was found wrong, and left for other replicas to give back.
struct RecoveredDamage {
  std::optional<GivenUp> given_up;
  // In the order of the log. They are part of it, and their frames may be intact: what a restart
  // needs of their headers is told by their sidecars and by the segments around them.
  std::vector<DamagedSegment> segments;
};

// As Log::Recover, for a replica whose entries others have: full segments whose header is lost, or
// whose file is cut short, do not keep it from going on; and where frames at the end of the log,
// which recovery reads, are damaged, the log ends before them. `damage` tells of both. Of the
// latter files are changed as by a cut: the next append replaces what is damaged. Until it does,
// and unless a hard state that vouches for less is durable first, each recovery finds the same
// again.
//   Errors  as Log::Recover for any other damage.
absl::StatusOr<Log> RecoverUpToDamage(GroupId group, const LogOptions& options,
                                      const DirectoryView& directory, LogIndex committed,
                                      RecoveryObserver* observer, LogIndex start,
                                      const SnapshotFiles& snapshot, RecoveredDamage& damage);

}  // namespace tidemark
