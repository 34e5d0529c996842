#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/log/batch.h"

// Finding frames in the bytes of a segment, and telling bytes that never arrived from bytes that
// changed. Used by recovery; safe on any bytes.

namespace tidemark {

// What disks write whole or not at all.
inline constexpr uint64_t kSectorBytes = 512;

// What the frames before a position decide about the frame there.
struct FrameContext {
  Offset next_offset;
  Term term;  // of the frame before; terms never go back
  // Compaction may have left out what was before the frame: its offset is next_offset or higher.
  bool gaps = false;
};

// The frame at the front of `rest`, if a whole, intact one that fits `context` begins there;
// otherwise nullopt and, in `wrong`, why not (static storage; empty where there is no frame at all:
// a zero magic byte is never a frame).
std::optional<BatchHeader> FrameAt(std::string_view rest, const FrameContext& context,
                                   std::string_view& wrong);

// Position of the first intact frame in [begin, end of file) that could be a later frame of the
// same log than `context` stands for. nullopt if there is none.
//   Cost  checksums at most kFrameSearchWork times the bytes searched; `gave_up` tells that hostile
//         bytes used that up.
std::optional<size_t> FindLaterFrame(std::string_view file, size_t begin,
                                     const FrameContext& context, bool& gave_up);

// Whether the write of file bytes [begin, end) can have lost a sector: some sector of it, or the
// part of the first one that lies in the range, is all zeros, as space not yet written is. Frames
// damaged in place show no such sector, frames that a crash kept from the disk do.
bool LostSectorIn(std::string_view file, size_t begin, size_t end);

// Whether `bytes` holds nothing but zeros.
bool AllZeros(std::string_view bytes);

}  // namespace tidemark
