#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log/file.h"
#include "engine/log/index.h"
#include "engine/log/sealed_frames.h"
#include "engine/log/shipped_segment.h"
#include "engine/log/snapshot_files.h"

namespace tidemark {

// A segment of a snapshot that is whole and durable here: what the next one must continue.
struct ReceivedSegment {
  uint64_t number = 0;
  LogIndex base_index;
  LogIndex end_index;
  Offset end_offset;
  Term last_term;
  uint64_t end_digest = 0;
  bool sparse = false;
  bool has_state = false;  // a checkpoint of its sidecar is not empty
  // ShippedSegment::clean_end; 0 after a restart, as no file tells.
  Offset clean_end;
};

// What a receiver left behind, as a restart finds it.
struct ReceivedSegments {
  std::vector<ReceivedSegment> segments;  // in the order of the log, each continuing the last
  std::vector<FileId> strangers;          // not whole, or not continuing what is
  uint64_t next_number = 0;
};

// Reads what of `files`, while it is being received, is whole: headers, footers, the checksums of
// the sidecars. The frames were verified and synced before the footer was written.
ReceivedSegments RecoverReceived(GroupId group, const SnapshotFiles& files,
                                 const DirectoryView& directory);

// Receives full segments of a group's log, from wherever they are, beside the log in use, and
// verifies them: every frame as recovery does it, the running digest from segment to segment, the
// sidecar's chain of checksums and its footer. They become the log by the hard state alone
// (SnapshotFiles::live), not here.
//
// Each batch must be durable before the next is taken, so that a footer vouches for the segment:
// frames piece by piece, the sidecar, of which the footer is the last piece. What is durable and
// whole need not be received again, after a restart neither (FORMAT.md section 4).
//   Memory  two pieces (kReplacementPieceBytes) and a frame that has come in part.
class SnapshotReceiver {
 public:
  SnapshotReceiver(GroupId group, const SnapshotFiles& files, ReceivedSegments received);

  // What it needs next. `index` is in the segment wanted (0: the first one that there is); from
  // `pos` of `part` on, at most `length` bytes (0: whatever is there; the segment is not known
  // yet).
  struct Want {
    LogIndex index;
    SegmentPart part = SegmentPart::kFrames;
    FilePos pos;
    uint32_t length = 0;
    friend bool operator==(const Want&, const Want&) = default;
  };
  // nullopt: nothing while the disk is behind, or all numbers are used up.
  std::optional<Want> Next() const;

  // Takes the answer to Next(). What does not begin where it wants to go on is dropped, but for a
  // segment that begins elsewhere than here: then what was received from there on is given up, and
  // Next() asks anew.
  //   Errors  kDataLoss: this is not a segment, or does not continue what is here. The segment
  //           under way is given up.
  absl::Status Feed(const ShippedSegment& segment, SegmentPart part, FilePos pos,
                    std::string_view bytes);

  bool has_batch() const { return !outstanding_ && !staged_.empty(); }
  bool outstanding() const { return outstanding_; }
  //   Checks  dies unless has_batch().
  FileBatch TakeBatch();
  void OnBatchDurable();

  // Behind the last segment that is whole and durable; 0: there is none.
  LogIndex end_index() const;
  const std::vector<ReceivedSegment>& segments() const { return received_; }
  uint64_t received_bytes() const { return received_bytes_; }
  // From the beginning: nobody continues what is here. A batch may be outstanding.
  void StartOver();
  // Ends the receiver: gives up the segment under way and gives what is no longer of use, to be
  // removed; what is whole stays, for the next one.
  //   Checks  dies if a batch is outstanding.
  ReceivedSegments Leave();
  // All files that there may be.
  std::vector<FileId> Files() const;

 private:
  struct Current {
    Current(GroupId group, uint64_t own_number, const ShippedSegment& from)
        : number(own_number), shipped(from), frames(from.As(group, own_number)) {}
    uint64_t number;
    ShippedSegment shipped;
    SealedFrames frames;
    std::string pending;  // verified, not staged yet
    uint64_t staged_pos = 0;
    Term last_term;
    IndexReader reader;
    uint64_t sidecar_pos = 0;
    std::string footer;  // the end of the sidecar
    bool created_sidecar = false;
    bool has_state = false;
    bool frames_done = false;  // all staged
    bool done = false;         // the sidecar, too
  };

  FileId SegmentFile(uint64_t number) const { return {group_, FileKind::kSegment, number}; }
  FileId IndexFile(uint64_t number) const { return {group_, FileKind::kIndex, number}; }
  // Whether `segment` may come next; false: it begins before, and what is in its way was given up.
  absl::StatusOr<bool> Begin(const ShippedSegment& segment);
  absl::Status FeedFrames(std::string_view bytes);
  absl::Status FeedSidecar(std::string_view bytes);
  void GiveUpCurrent();
  void GiveUp(uint64_t number);
  void GiveUpAll();
  // What is staged is of no use any more, but for removals.
  void DropStaged();
  void Advance();

  const GroupId group_;
  const SnapshotFiles files_;
  uint64_t next_number_;
  std::vector<ReceivedSegment> received_;
  std::optional<Current> current_;
  std::vector<FileId> strangers_;
  FileBatch staged_;
  bool outstanding_ = false;
  bool completes_ = false;  // the batch staged or outstanding makes current_ whole
  uint64_t received_bytes_ = 0;
};

}  // namespace tidemark
