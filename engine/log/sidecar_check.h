#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/log/scan.h"
#include "engine/log/segment_walk.h"

// A segment's frames against its sidecar, footer and the segment that continues it: who is right
// where they disagree; and making a sidecar anew.

namespace tidemark {

struct SidecarCheck {
  // Bytes [begin, end) of the sidecar that are wrong or say less than they should.
  struct Stale {
    uint64_t begin = 0;
    uint64_t end = 0;
    std::string what;
  };
  // Frames that are intact one by one, but not those that were written here.
  struct Foreign {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint32_t first = 0;  // entries, less the base index
    uint32_t end_ordinal = 0;
    std::string what;
  };
  std::vector<Stale> stale;
  std::vector<Foreign> foreign;
  bool whole = false;  // no gaps: `digest` is that of the log up to the last frame
  uint64_t digest = 0;
};

// `sidecar` is the whole file; `next` the header of the segment that continues `found` (null: none
// does, or it is damaged).
SidecarCheck CheckSidecar(const FoundSegment& found, const SegmentWalk& walk,
                          std::string_view sidecar, const SegmentHeader* next);

// The sidecar that says of the frames of `walk` (without gaps) what `found`'s still says truly, and
// the rest again; with a footer if `sealed`. What it vouches for as durable and committed is what
// the caller knows: frames.
std::string RebuildSidecar(const FoundSegment& found, const SegmentWalk& walk, bool sealed,
                           uint32_t durable, uint32_t committed);

}  // namespace tidemark
