#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"
#include "engine/log/sealed_segment.h"
#include "engine/log/snapshot_receiver.h"
#include "engine/node/snapshot_message.h"
#include "engine/raft/types.h"

namespace tidemark {

// A snapshot that a replica is receiving.
struct SnapshotInstall {
  raft::SnapshotMeta meta;  // what raft asked for: up to there, at least
  // Nothing comes: the log is not what the others have, and makes room for what they send.
  bool discards = false;
  // Nobody but this replica wants it: this segment is damaged, which nobody else has alike, as
  // compaction wrote it here, or elsewhere. All that can be sent comes, and the log in use makes
  // room once every voter has all that it has.
  std::optional<SealedSegment> refetches = std::nullopt;
  // The last entry that this replica had told others that it has: they may have let go of what is
  // before, and what takes the place of its log goes on until there.
  LogIndex refetches_upto = {};
  bool nothing_left = false;  // there was no more to be sent than what is here
  std::optional<SnapshotReceiver> receiver = std::nullopt;  // once numbers are set aside
  uint64_t asked = 0;                                       // the request under way; 0: none
  Instant next_at = {};                                     // of the next request
  size_t turn = 0;                                          // whom to ask, of those who may have it
  NodeId source;                                            // last asked
  NodeId refused;     // what it sent last was of no use, which it is to be told
  NodeId distrusted;  // it was told before
  // The leader has nothing that continues what came of another; the others are asked meanwhile.
  bool leader_asked = false;
  // How far it is, for people.
  std::string Describe() const {
    const uint64_t segments = receiver.has_value() ? receiver->segments().size() : 0;
    const std::string what =
        refetches.has_value()
            ? absl::StrCat("fetching the log anew, of which segment ", refetches->number,
                           " is damaged,")
            : absl::StrCat("receiving a snapshot up to entry ", meta.index.value());
    if (source == kNoNode) return absl::StrCat(what, " nothing asked for yet");
    return absl::StrCat(what, " from node ", source.value(), ", ", segments, " segments and ",
                        receiver.has_value() ? receiver->received_bytes() : 0, " bytes so far");
  }
  // Written with what made it the log.
  std::optional<raft::HardState> saved = std::nullopt;
};

// A part of a segment that is being read for another replica.
struct SnapshotRead {
  NodeId to;
  SnapshotChunk chunk;  // without the bytes
};

// What of a log retention leaves to those who receive it: from what they ask for on, for
// kSnapshotPinSeconds after they last asked, and not for ever (kSnapshotPinSecondsMax).
class SnapshotPin {
 public:
  // Somebody asks for the segment that begins at `index`.
  void Ask(Instant now, LogIndex index) {
    const Duration quiet = Duration::Seconds(kSnapshotPinSeconds);
    if (!pin_.has_value() || now - pin_->asked >= quiet) {
      pin_ = Pin{.from = index, .begun = now, .asked = now, .moved = now};
    }
    pin_->asked = now;
    // Of two receivers the one that is behind counts, as long as it asks.
    if (index > pin_->from && now - pin_->moved < quiet) return;
    pin_->from = index;
    pin_->moved = now;
  }

  // Nothing from there on is removed; nullopt: all may go.
  std::optional<LogIndex> From(Instant now) const {
    const bool holds = pin_.has_value() &&
                       now - pin_->asked < Duration::Seconds(kSnapshotPinSeconds) &&
                       now - pin_->begun < Duration::Seconds(kSnapshotPinSecondsMax);
    return holds ? std::optional(pin_->from) : std::nullopt;
  }

 private:
  struct Pin {
    LogIndex from;
    Instant begun;
    Instant asked;  // last
    Instant moved;  // when somebody last asked for `from`
  };
  std::optional<Pin> pin_;
};

}  // namespace tidemark
