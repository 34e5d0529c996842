#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"
#include "engine/log/log.h"
#include "engine/node/effect.h"
#include "engine/node/request.h"
#include "engine/node/snapshot_install.h"
#include "engine/raft/types.h"

// What a replica (replica.h) remembers of those who wait for it, and of what runs beside its log.

namespace tidemark {

// A client that waits for its batch to be committed.
struct WaitingProduce {
  LogIndex index;
  Term entry_term;  // of the entry at `index`: (index, term) names an entry for ever
  Term term;        // in which the client was promised an answer
  RequestId request;
  ProduceResponse response;
};

// A flush of the log, and what goes on when it has ended.
struct OutstandingFlush {
  Instant begun;
  bool verifies = false;
  std::optional<FileBatch> identity;
  bool has_log = false;
  bool has_replacement = false;  // of a segment's files
  bool switches = false;         // makes what was received the log
  std::optional<raft::HardState> hard_state;
  // The start in the hard state that goes with it, if it goes.
  std::optional<LogIndex> start;
  std::vector<raft::Message> held;
};

// What retention saw when it last looked.
struct RetentionSight {
  Instant deadline = Instant::Never();  // when it looks again
  LogIndex wanted_from;                 // what the policy alone would have kept from, by time
  NodeId held_back_by;                  // as last noted
};

// What a pass of compaction has under way.
struct CompactionUnderWay {
  std::optional<IoToken> flush;
  Instant flush_begun;
  std::optional<std::pair<IoToken, FileRange>> read;
  FileId input;  // read last
  Instant next_step;
  Instant not_before;        // after a failure
  CompactionTotals counted;  // of the log's, in the node's counters
};

// A removal of all of a replica's files, and where it is.
struct RemovalUnderWay {
  // What is done next: what is on the disk becomes known again, the hard state says that it is
  // removed, the log's files go, the hard state goes.
  enum class Step : uint8_t { kReopen, kMark, kLog, kHardState };

  bool begun = false;
  bool done = false;
  Step step = Step::kMark;
  std::vector<FileId> leftover;  // files that a removal before this start left
};

// What is wrong with a replica's files, and when they are read again.
struct StorageFailure {
  std::string what;  // empty: nothing
  absl::StatusCode code = absl::StatusCode::kOk;
  uint32_t in_a_row = 0;
  bool reopening = false;
  // What failed was to make another log of the files: whether it is one by now only they tell, and
  // it may end before what was durable in the old one.
  bool switching = false;
  Instant reopen_at = Instant::Never();  // Never: not by itself
};

// How a replica that lost the end of its log may learn that it has all it ever acknowledged, where
// its log does not end as far behind as what was lost: perhaps there never was as much, or it was
// cut. The leader of the term in which it was lost counts nothing that was said before it noticed
// the restart, and what it did count is in its commit index from then on. Once that is an entry of
// its own term, what older leaders committed is before it.
struct Regaining {
  // Lost, or found to be, at this start: no acknowledgement of before counts any more. Where the
  // files of a running node are read again, one may be under way.
  bool since_start = false;
  LogIndex enough;  // up to here, whatever was lost; 0: not known
};

// Said to clients of a replica that drops its log.
inline RpcError RefetchesLog() {
  return {
      .code = absl::StatusCode::kUnavailable,
      .reason = "OFFSET_NOT_AVAILABLE",
      .message =
          "this replica's log is damaged, or was not that of the others, and is fetched anew; ask "
          "another one",
      .metadata = {}};
}

// What a replica that ships snapshots remembers.
struct SnapshotShipping {
  bool wanted = false;  // and nothing could be shipped
  bool sent = false;    // in this step somebody was told to install one
  SnapshotPin pin;
  // Who was a member from which applied entry on.
  std::deque<std::pair<LogIndex, raft::Membership>> memberships;
  // Whether they tell of `index`: who was a member before the state that this node was started
  // with is not known.
  bool KnowsMembersAt(LogIndex index) const {
    return !memberships.empty() && memberships.front().first <= index;
  }
};

// The roster behind the last change of members, as its leader wrote it.
struct MembersSeal {
  Term term;
  LogIndex since;  // of the membership that it is about
  LogIndex index;
};

// A segment of the catalog's log that begins with a state of the catalog.
struct CatalogStateMark {
  LogIndex index;  // it is of what is before
  uint64_t bytes = 0;
};

}  // namespace tidemark
