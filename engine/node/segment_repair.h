#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/log/recovery.h"
#include "engine/node/effect.h"
#include "engine/node/node_shared.h"
#include "engine/node/snapshot_message.h"

namespace tidemark {

// What a replica knows of damage in its full segments, and their repair: their frames are asked of
// other replicas, compared with what the log knows of them (terms here, checksums, offsets and the
// running digest in Log::FeedReplacement) and put in the place of the damaged file, one segment at
// a time. Anybody who has the entries will do, leader or not: what was committed is the same
// everywhere; what is intact of the damaged file itself is taken as well. Another one is asked when
// the answer does not come, or is no help.
//   Source  Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST'18): rot
//           is no end of the log, and what is committed is fetched from who has it.
//   Memory  the frames of one answer (kFramesReplyBytesMax).
class SegmentRepair {
 public:
  struct Ask {
    NodeId to;
    FramesRequest request;
    // To be read here, and handed in as they are, instead.
    std::optional<FileRange> own = std::nullopt;
  };
  struct Progress {
    uint64_t segment = 0;  // its number; 0: none is being repaired
    NodeId source;         // last asked
    uint64_t bytes = 0;
    uint64_t bytes_total = 0;
  };

  // What of a file is damaged.
  enum class Part : uint8_t { kFrames, kHeader };

  // The segment in `file` is damaged. False: it is no full segment of `log`, or one that compaction
  // wrote, and not only its header: each replica compacts by itself, and what it wrote nobody else
  // has.
  bool Add(const Log& log, const FileId& file, Part part);

  // A restart found `damaged`: the log may not know yet that they are full segments. Drive notes
  // and adds them.
  void Expect(std::vector<DamagedSegment> damaged);

  // Nothing is known to be damaged.
  bool whole() const { return damaged_.empty() && expected_.empty(); }
  // All of `peers` have been asked for what is missing, and none of them gave it.
  bool hopeless() const { return hopeless_; }
  // The segment of which that is so; null: there is none.
  const SealedSegment* lost() const {
    return hopeless_ && current_.has_value() ? &current_->segment : nullptr;
  }
  // Behind it, if all of them have answered: who is away may have it. 0: there is none.
  LogIndex lost_end() const {
    return lost() == nullptr || !all_answered_ ? LogIndex(0) : lost()->end_index;
  }
  size_t damaged() const { return damaged_.size() + expected_.size(); }
  Progress progress() const;

  // Goes on, as far as the disk and the rate allow. `peers`: who may have the entries, this
  // node itself among them; whom to ask first is first. `out` gets notes.
  //   Result  what to send.
  std::optional<Ask> Drive(Now now, Log& log, const std::vector<NodeId>& peers, NodeShared& shared,
                           Effects& out);
  // Takes an answer; others than the one expected are ignored. Drive goes on.
  void OnReply(Now now, NodeId from, const FramesReply& reply, const Log& log, Effects& out);
  // What a leader can neither read nor mend it cannot send: whether to let another lead, which is
  // so now and then, as that one may be no better off.
  bool HandsOver(Instant now);
  // Where in the damaged `file` of this node itself what `request` asks for begins, if that is
  // under way: of a damaged frame before it not even the length need be known.
  std::optional<FilePos> OwnPosOf(const FramesRequest& request, const FileId& file,
                                  const Log& log) const;
  // `peer` can be reached now: it is asked at once, unless somebody else is being asked.
  void OnPeerUp(Instant now, NodeId peer);
  // When Drive has something to do that no event tells of.
  Instant next_deadline(const Log& log, const NodeShared& shared) const;
  // The log is another one, as after its files were read again: what is under way is void, what is
  // damaged stays so.
  void Interrupt() { current_.reset(); }

 private:
  struct Damaged {
    uint64_t number = 0;
    LogIndex base_index;
    friend bool operator==(const Damaged&, const Damaged&) = default;
  };
  struct Current {
    SealedSegment segment;
    LogIndex next;       // first entry that is not received
    Offset next_offset;  // of its first record
    std::string buffer;  // received, and not yet taken by the log
    uint64_t bytes_given = 0;
    uint64_t asked = 0;  // request under way; 0: none
    NodeId source;
    bool given = false;  // all of it
    Instant begun;
  };

  void TakeExpected(const Log& log, Effects& out);
  static std::optional<SealedSegment> Find(const Log& log, const Damaged& damaged);
  // False: nothing can be begun now.
  bool Begin(Now now, Log& log, Effects& out);
  void Feed(Now now, Log& log, Effects& out);
  void Finish(Now now, NodeShared& shared, Effects& out);
  void NoteRefused(const std::string& why, Effects& out) const;
  // The next one is asked; after the last one it is waited.
  void TryAnother(Now now);

  std::vector<DamagedSegment> expected_;
  bool expected_noted_ = false;
  std::vector<Damaged> damaged_;     // in the order they were found
  std::optional<NodeId> next_peer_;  // to be asked, out of turn
  std::optional<Current> current_;
  size_t turn_ = 0;      // whom to ask, of the peers
  size_t refusals_ = 0;  // in a row
  size_t peers_ = 1;     // as of the last Drive
  bool hopeless_ = false;
  bool silence_ = false;       // somebody did not answer since it was last waited
  bool all_answered_ = false;  // before it became hopeless
  Instant next_at_;
  Instant hand_over_at_;
  Duration hand_over_pause_ = Duration::Millis(kRepairRetryMillis);
};

// The frames of `bytes` (read from `range`) from entry `first` on, as long as they are intact and
// of committed entries (up to `last`), one and then at most `max_bytes`. Those before `first` may
// be damaged where their lengths still tell where the next one begins.
Bytes IntactFrames(const FileRange& range, const Bytes& bytes, LogIndex first, LogIndex last,
                   uint64_t max_bytes);

}  // namespace tidemark
