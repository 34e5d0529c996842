#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/log/scan.h"

// Reading one segment's frames and going on behind damage, for people and for repairs. Recovery
// (scan.h) ends at the first thing that is not the next frame.

namespace tidemark {

// A whole, intact frame. Index and offset are relative to the segment's bases.
struct WalkedFrame {
  uint32_t pos = 0;
  uint32_t length = 0;
  uint32_t ordinal = 0;
  uint32_t first_offset = 0;
  uint32_t span = 0;
  uint32_t term = 0;

  uint64_t end() const { return uint64_t{pos} + length; }
};

// Bytes [begin, end) in which frames were, or should be.
struct WalkGap {
  uint64_t begin = 0;
  uint64_t end = 0;
  // The entries [first, end_ordinal) and offsets in it, relative to the bases. Where nothing tells
  // how many entries there were (no sidecar, no whole header) it is one.
  uint32_t first = 0;
  uint32_t end_ordinal = 0;
  uint64_t first_offset = 0;
  uint64_t end_offset = 0;
  std::string wrong;
  // An intact frame follows in the segment; only zeros follow, or nothing.
  bool frame_follows = false;
  // It begins with a frame that is intact, but not the one that the sidecar remembers.
  bool contradicted = false;
  // Some sector in it is all zeros: what a crash that interrupted a flush leaves.
  bool lost_sector = false;
};

struct SegmentWalk {
  std::vector<WalkedFrame> frames;     // ascending
  std::vector<WalkGap> gaps;           // ascending
  uint64_t end = kSegmentHeaderBytes;  // behind the last frame or gap
  uint32_t count = 0;                  // entries, those in gaps included
  uint64_t end_offset = 0;             // behind the last record, relative

  // The frame `ordinal`, if it is intact.
  const WalkedFrame* Find(uint32_t ordinal) const;
};

// Walks the frames of `found` (its `bytes` and `index` read) up to `found.end`. `next` is the
// header of the segment that continues it (null: none does, or it is damaged): then frames that do
// not reach to it are missing.
SegmentWalk WalkSegment(const FoundSegment& found, const SegmentHeader* next);

// How many entries `found` had at most, where `walk` is of it: behind what the sidecar describes
// nothing tells how many there were in a gap, but that each took as much as a header.
uint64_t EntriesAtMost(const FoundSegment& found, const SegmentWalk& walk);

}  // namespace tidemark
