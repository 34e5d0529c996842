#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidemark {

// Some adjacent frames of one segment; all but the time relative to the segment's base. It ends
// where the next one begins.
struct FrameRun {
  uint32_t pos = 0;           // of the first frame in the file
  uint32_t first = 0;         // its index, less the base index
  uint32_t first_offset = 0;  // the offset of its first record, less the base offset
  int64_t append_time_ms = 0;

  friend bool operator==(const FrameRun&, const FrameRun&) = default;
};

// Where in one segment an index, an offset or a time is, to the granularity of runs.
//   Source  the columns are apart so that a search by offset touches nothing else; a guess from the
//           neighbours' values goes before the halving (interpolation search, Perl and Reingold
//           1977): frames of one topic are of much the same size.
class RunIndex {
 public:
  RunIndex() = default;
  explicit RunIndex(std::span<const FrameRun> runs);

  bool empty() const { return positions_.empty(); }
  size_t size() const { return positions_.size(); }
  FrameRun at(size_t i) const;
  FrameRun back() const { return at(size() - 1); }

  // In ascending order of all four. The first one of a segment begins at its first frame.
  void Add(const FrameRun& run);
  void PopBack();
  void Reserve(size_t runs);

  // The last run that begins at or before the value; the index must not be empty, nor begin behind
  // it.
  size_t FindIndex(uint32_t relative_index) const;
  size_t FindOffset(uint32_t relative_offset) const;
  size_t FindPos(uint32_t pos) const;
  // The first run that was begun at or after the time; size() if there is none.
  size_t FindTime(int64_t append_time_ms) const;

  // Every nth run, so that at most `runs_max` (1 or more) remain.
  RunIndex Coarser(size_t runs_max) const;
  // Memory it takes.
  size_t bytes() const;

 private:
  std::vector<uint32_t> positions_;
  std::vector<uint32_t> firsts_;
  std::vector<uint32_t> offsets_;
  std::vector<int64_t> times_;
};

}  // namespace tidemark
