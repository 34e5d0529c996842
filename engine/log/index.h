#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log/compaction_policy.h"
#include "engine/log/run_index.h"

// The sidecar of a segment: what its frames are, again, and where. Format: FORMAT.md section 3.

namespace tidemark {

// One entry of the sidecar: a run of frames, or, with `count` 0, a checkpoint (the state of what is
// derived from the log, after all frames before).
struct IndexEntry {
  uint32_t pos = 0;            // of the run in the segment; of a checkpoint, of the next frame
  uint32_t length = 0;         // bytes of the run, or of the state behind this entry
  uint32_t first = 0;          // base index + first is the index of the (next) frame
  uint32_t count = 0;          // frames
  uint32_t first_offset = 0;   // base offset + first_offset is the offset of its first record
  uint32_t term = 0;           // of all frames of the run; of a checkpoint, of the frame before
  int64_t append_time_ms = 0;  // of the first frame; of a checkpoint, of the frame before
  // How much later the last frame was appended (2^32 - 2 stands for more), or kUnknownSpan: a crash
  // had taken the entry that knew.
  uint32_t append_span_ms = 0;
  // How many frames of this segment were known durable, and committed, when this was written.
  uint32_t durable = 0;
  uint32_t committed = 0;
  uint64_t digest = 0;  // of the log, up to the last frame of the run (digest.h)

  bool is_checkpoint() const { return count == 0; }
  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

inline constexpr uint32_t kUnknownSpan = 0xffffffff;
inline constexpr size_t kIndexHeaderBytes = 8;
inline constexpr size_t kIndexEntryBytes = 56;

// How a sidecar begins.
std::string_view IndexFileHeader();

// Appends `entry`, and `state` if it is a checkpoint, to `out`. `chain` is the checksum of the
// entry before (0 for the first) and becomes this one's.
void AppendIndexEntry(const IndexEntry& entry, std::string_view state, uint32_t& chain,
                      std::string& out);

// An entry with what stands around it.
struct DecodedIndexEntry {
  IndexEntry entry;
  std::string_view state;
  uint64_t end = 0;    // position behind it in the sidecar
  uint32_t chain = 0;  // its checksum
};

// The leading entries whose chained checksums are right. What comes behind them was lost in a
// crash, or is the footer.
//   Lives  `state` refers to `file`.
std::vector<DecodedIndexEntry> DecodeIndex(std::string_view file);

// Reads a sidecar piece by piece, in whatever pieces it comes.
class IndexReader {
 public:
  enum class Step : uint8_t {
    kMore,   // all that was given was taken
    kEntry,  // an entry whose chained checksum is right
    kWrong,  // what follows is none, and nothing behind it can be read
  };
  // Takes bytes from the front of `bytes`, up to the end of the next entry at most.
  Step Next(std::string_view& bytes, IndexEntry& entry);
  // Position behind the last entry that was right, or the beginning's (0: not even that), and that
  // entry's checksum.
  uint64_t end() const { return end_; }
  uint32_t chain() const { return chain_; }

 private:
  std::string head_;       // of the beginning or the entry under way, as far as it has come
  bool in_state_ = false;  // the entry's head is whole
  IndexEntry entry_;
  uint32_t expected_ = 0;    // its checksum, as written
  uint32_t sum_ = 0;         // as it comes out
  uint64_t state_left_ = 0;  // bytes of its state still to come
  uint64_t end_ = 0;
  uint32_t chain_ = 0;
};

// All frames of a segment have so many bytes and so many records: where an offset is follows from
// its number. Zeros: they differ, there are none, or they have no records.
struct FrameStride {
  uint32_t bytes = 0;
  uint32_t records = 0;
  bool even() const { return records > 0; }
  friend bool operator==(const FrameStride&, const FrameStride&) = default;
};

// The last thing in the sidecar of a segment that gets no more frames: what a restart needs of it.
// It is written when all of the segment is durable. Of a sparse segment `count` and `committed` are
// indexes that it stands for, and `end_offset`, `size` and `digest` are about the frames it has.
struct SegmentFooter {
  struct TermRun {
    uint32_t first = 0;  // less the base index
    uint32_t term = 0;
    friend bool operator==(const TermRun&, const TermRun&) = default;
  };

  uint32_t count = 0;        // frames
  uint32_t size = 0;         // end of the last frame in the segment
  uint32_t end_offset = 0;   // less the base offset
  uint32_t committed = 0;    // frames known committed when it was written
  uint32_t index_bytes = 0;  // of the sidecar before the footer
  FrameStride stride;
  int64_t append_time_ms = 0;  // no frame was appended later
  uint64_t digest = 0;         // of the log up to the last frame
  std::vector<TermRun> terms;  // where the term changes; at most kSegmentTermsMax
  std::vector<FrameRun> runs;  // some of the runs, ascending; at most kFooterRunsMax
  // Of a sparse segment: what passes had achieved when it was written.
  std::optional<CompactionCheckpoint> compaction = std::nullopt;

  friend bool operator==(const SegmentFooter&, const SegmentFooter&) = default;
};

// No footer is larger: so much of a sidecar's end is enough to read it.
inline constexpr size_t kFooterBytesMax = 4096;

std::string EncodeFooter(const SegmentFooter& footer);
// The footer at the end of `tail`, the last bytes of a sidecar (all of it, or kFooterBytesMax);
// nullopt if there is no sane one.
std::optional<SegmentFooter> DecodeFooter(std::string_view tail);

}  // namespace tidemark
