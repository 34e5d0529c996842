#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/log/frame.h"
#include "engine/log/index.h"
#include "engine/log/log_impl.h"
#include "engine/log/recovery.h"

// Reading one segment's frames after a restart. FORMAT.md section 6.

namespace tidemark {

// What a directory has of one segment.
struct FoundSegment {
  SegmentHeader header;
  uint64_t file_bytes = 0;
  std::string_view bytes;  // the whole file; only of a segment that is scanned
  bool has_index = false;
  uint64_t index_file_bytes = 0;
  std::optional<SegmentFooter> footer;
  std::vector<DecodedIndexEntry> index;  // only without a footer, or of a segment that is scanned
  // Past the last index whose frame is looked for here: the next segment's base index.
  LogIndex end = LogIndex(UINT64_MAX);
  // It is sparse, and some of what it stands for is still there: its footer may not be durable.
  bool replaces_files = false;
  // What is wrong with its file, of which all that a restart needs is known from elsewhere; empty:
  // nothing. If the header is lost: whether `header` has what it said of the entry before.
  std::string damage;
  bool previous_known = true;

  FileId file() const { return {header.group, FileKind::kSegment, header.number}; }
  FileId sidecar() const { return {header.group, FileKind::kIndex, header.number}; }
  // Last index that the files of this segment vouch for as durable; as committed (0: none).
  LogIndex durable() const;
  LogIndex committed() const;
  // How many entries at the sidecar's beginning agree with each other.
  size_t ConsistentEntries() const;
};

// The segment that a footer which is enough describes, without its terms.
Segment SegmentOf(const FoundSegment& found);

// The error that names what a disk lost or changed.
absl::Status RotError(const FileId& file, uint64_t begin, uint64_t end, std::string_view what);

// Reads the frames of one segment, up to the first thing that is not the next frame, and joins them
// with what the sidecar says.
class SegmentScan {
 public:
  // `term` is that of the entry before the segment. `checkpoint`, if given, is one of found.index:
  // the frames before it are taken from the sidecar's word.
  SegmentScan(Log::Impl* log, const FoundSegment& found, Term term,
              const DecodedIndexEntry* checkpoint);

  //   Errors  kDataLoss: frames and sidecar contradict each other.
  absl::Status Run();
  // Of the frames read, if `observer` is there.
  void Tell(RecoveryObserver* observer) const;

  // Up to here the frames are those the sidecar remembers. Of those behind nothing says that they
  // are at their place: frames without records have no offsets that could be missed.
  LogIndex agreed_end() const { return segment_.base_index + agreed_; }
  LogIndex end_index() const { return segment_.end_index(); }
  uint64_t size() const { return segment_.size; }
  bool complete() const { return segment_.end_index() == found_.end; }
  // Why the scan ended before `found.end`; empty if no frame begins there.
  std::string_view wrong() const { return wrong_; }
  bool clean_end() const { return wrong_.empty() && AllZeros(rest()); }
  FrameContext context() const { return {.next_offset = segment_.end(), .term = term_}; }
  // The frames read, and the index of the first one.
  const std::vector<Log::Impl::Frame>& frames() const { return frames_; }
  uint32_t first() const { return first_; }
  const std::vector<std::pair<LogIndex, Term>>& terms() const { return terms_; }
  WallTime last_known_append() const { return time_; }
  uint64_t last_checkpoint_pos() const { return last_checkpoint_pos_; }
  Segment TakeSegment() { return std::move(segment_); }
  // What the frames before the first one read end with.
  Log::Impl::Floor floor() const;

 private:
  std::string_view rest() const {
    return found_.bytes.substr(std::min<size_t>(segment_.size, found_.bytes.size()));
  }
  void BeginAt(const DecodedIndexEntry& checkpoint);
  static bool IsTermRaised(const BatchHeader& header, std::string_view behind);
  bool Step();
  void NoteTerm(uint32_t ordinal, Term term);
  // When frame `ordinal`, the next one, was appended: at the earliest, where the sidecar has lost
  // its run.
  void NoteTimesUpTo(uint32_t ordinal);
  void NoteTime(const IndexEntry& entry);
  absl::Status AdoptIndex();
  bool Agrees(const IndexEntry& entry) const;
  void Adopt(const DecodedIndexEntry& each);
  void DescribeRest();
  // First byte of frame `ordinal`, or of what follows the last one; offset of its first record.
  uint64_t PosOf(uint32_t ordinal) const;
  uint32_t OffsetOf(uint32_t ordinal) const;

  Log::Impl* const log_;
  const FoundSegment& found_;
  Term term_;
  uint32_t first_ = 0;  // ordinal of frames_[0]
  uint32_t first_offset_ = 0;
  uint64_t first_digest_ = 0;
  uint32_t covered_ = 0;  // frames that are in runs
  uint32_t agreed_ = 0;   // of these, in runs that the sidecar has
  size_t next_entry_ = 0;
  WallTime time_;                // the latest append time known so far
  std::vector<WallTime> times_;  // of each frame, for the observer
  bool end_unknown_ = false;     // of the last entry
  Segment segment_;
  std::vector<Log::Impl::Frame> frames_;
  std::vector<std::pair<LogIndex, Term>> terms_;
  std::string_view wrong_;
  uint64_t last_checkpoint_pos_ = kSegmentHeaderBytes;
};

}  // namespace tidemark
