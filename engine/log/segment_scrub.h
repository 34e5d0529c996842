#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log/finding.h"
#include "engine/log/index.h"
#include "engine/log/sealed_frames.h"
#include "engine/log/sealed_segment.h"

namespace tidemark {

// Bytes of a file to be read: at most kScrubReadBytes.
struct ScrubRead {
  FileId file;
  FilePos pos;
  uint32_t length = 0;

  friend bool operator==(const ScrubRead&, const ScrubRead&) = default;
};

// Verifies the files of one full segment from what the log knows of it: header, every frame's
// checksum, offset, term and place in the running digest, the sidecar's chain of checksums, its
// runs and the footer. Goes on behind damage, at the next place that the sidecar, or without it the
// footer, knows.
//   Memory  a piece of each of the two files, and a frame that has come in part; behind damage
//           kScrubSearchBytes.
class SegmentScrub {
 public:
  explicit SegmentScrub(SealedSegment segment);

  const SealedSegment& segment() const { return segment_; }
  // What to read next, and the same until it is handed in; nullopt: all is verified.
  std::optional<ScrubRead> NextRead() const;
  // The bytes of NextRead(); fewer if the file ends there.
  void OnRead(std::string_view bytes);
  // They cannot be read; there is no such file.
  void OnUnreadable(std::string_view why);
  void OnMissing();

  bool over() const { return stage_ == Stage::kOver; }
  // Once it is over: what was found, those of the segment first, in the order of the file. At most
  // a few more than kScrubFindingsMax.
  std::vector<Finding> TakeFindings();

 private:
  enum class Stage : uint8_t { kFooter, kHeader, kFrames, kOver };
  // Frames [first, end) less the base index, and the bytes they are in.
  struct Stretch {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint32_t first = 0;
    uint32_t end_ordinal = 0;
    Offset first_offset;
    Offset end_offset;
  };
  struct Damage : Stretch {
    std::string wrong;
  };
  // A run whose frames are intact, but not those that the sidecar remembers.
  struct OddRun : Stretch {
    uint64_t sidecar_begin = 0;
    uint64_t sidecar_end = 0;
  };

  Finding At(const Stretch& stretch) const;
  void CheckFooter(std::string_view tail);
  void CheckHeader(std::string_view head);
  void Work();
  // These are false if they need bytes first.
  bool NextRun();
  bool NextFrame();
  bool OnDamage(std::string_view wrong);
  void BeginRun(const IndexEntry& entry);
  void EndRun();
  // Goes on at a place where a frame must begin.
  void Resume(uint64_t pos, uint32_t ordinal, Offset offset);
  void ResumeWithoutRun();
  void CloseDamage();
  void DamagedSidecar(uint64_t begin, uint64_t end, std::string_view what);
  // The rest of the sidecar is of no use.
  void LeaveSidecar() { in_sidecar_ = false; }
  void Finish();

  const SealedSegment segment_;
  Stage stage_ = Stage::kFooter;

  // The sidecar.
  IndexReader reader_;
  std::string piece_;  // of it, as far as it is not taken yet from piece_begin_ on
  size_t piece_begin_ = 0;
  uint64_t sidecar_pos_ = 0;  // read up to here
  bool in_sidecar_ = true;
  bool wants_sidecar_ = false;
  IndexEntry last_run_;  // the one before run_
  uint64_t runs_end_;    // in the segment
  uint64_t runs_frames_ = 0;

  // The frames.
  SealedFrames frames_;
  bool cut_short_ = false;
  uint32_t ordinal_ = 0;
  std::optional<IndexEntry> run_;
  // Of the run, as its frames have it.
  uint32_t run_frames_ = 0;
  uint64_t run_digest_;
  Offset run_offset_;
  bool run_whole_ = true;
  bool lost_ = false;  // which frame comes next is not known
  bool whole_ = true;  // no frame was damaged or passed over
  uint64_t covered_;   // frames before are what the sidecar says
  std::optional<Damage> damage_;
  std::vector<OddRun> odd_;
  std::vector<Finding> findings_;
};

}  // namespace tidemark
