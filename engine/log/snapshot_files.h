#pragma once

#include <cstdint>

namespace tidemark {

// Which of a group's segments, by their numbers, came with a snapshot (FORMAT.md section 4): those
// in [first, end) do. While it is being received they are no part of the log. From the hard state
// on that sets `live` they are its beginning, and all there is besides are the segments from `live`
// on.
struct SnapshotFiles {
  uint64_t first = 0;
  uint64_t end = 0;
  uint64_t live = 0;

  bool receiving() const { return end != 0 && live == 0; }
  bool installed() const { return live != 0; }
  bool shipped(uint64_t number) const { return number >= first && number < end; }
  // Whether segment `number` may be part of the log.
  bool counts(uint64_t number) const {
    if (!installed()) return !shipped(number);
    return shipped(number) || number >= live;
  }
  friend bool operator==(const SnapshotFiles&, const SnapshotFiles&) = default;
};

}  // namespace tidemark
