#include "engine/log/run_index.h"

#include <algorithm>

#include "engine/base/check.h"

namespace tidemark {
namespace {

// Guesses before the search halves: even a skewed column is then as cheap as a binary search.
constexpr int kGuesses = 3;
// A window this small is walked.
constexpr size_t kWalk = 8;

// Position of the last value in `sorted` that is at most `wanted`. The first one is.
size_t LastAtMost(std::span<const uint32_t> sorted, uint32_t wanted) {
  TIDEMARK_CHECK(!sorted.empty());
  TIDEMARK_CHECK_LE(sorted.front(), wanted);
  // sorted[low] <= wanted, and sorted[high] > wanted or high is the end.
  size_t low = 0;
  size_t high = sorted.size();
  if (sorted.back() <= wanted) return sorted.size() - 1;
  for (int guesses = 0; high - low > kWalk && guesses < kGuesses; ++guesses) {
    const uint32_t begin = sorted[low];
    const uint64_t span = sorted[high - 1] - begin;
    if (span == 0 || wanted - begin >= span) break;
    const size_t guess =
        low + static_cast<size_t>((wanted - begin) * static_cast<uint64_t>(high - 1 - low) / span);
    // The answer is near the guess: a window around it, if it holds the answer.
    const size_t from = guess > low + kWalk / 2 ? guess - kWalk / 2 : low;
    const size_t to = std::min(from + kWalk, high);
    if (sorted[from] > wanted) {
      high = from;
    } else if (to < high && sorted[to] <= wanted) {
      low = to;
    } else {
      low = from;
      high = to;
    }
  }
  while (high - low > kWalk) {
    const size_t middle = low + (high - low) / 2;
    (sorted[middle] <= wanted ? low : high) = middle;
  }
  while (low + 1 < high && sorted[low + 1] <= wanted) ++low;
  return low;
}

}  // namespace

RunIndex::RunIndex(std::span<const FrameRun> runs) {
  Reserve(runs.size());
  for (const FrameRun& run : runs) Add(run);
}

FrameRun RunIndex::at(size_t i) const {
  TIDEMARK_CHECK_LT(i, size());
  return {.pos = positions_[i],
          .first = firsts_[i],
          .first_offset = offsets_[i],
          .append_time_ms = times_[i]};
}

void RunIndex::Add(const FrameRun& run) {
  if (!empty()) {
    TIDEMARK_CHECK_GT(run.pos, positions_.back());
    TIDEMARK_CHECK_GT(run.first, firsts_.back());
    TIDEMARK_CHECK_GE(run.first_offset, offsets_.back());
    TIDEMARK_CHECK_GE(run.append_time_ms, times_.back());
  }
  positions_.push_back(run.pos);
  firsts_.push_back(run.first);
  offsets_.push_back(run.first_offset);
  times_.push_back(run.append_time_ms);
}

void RunIndex::PopBack() {
  TIDEMARK_CHECK(!empty());
  positions_.pop_back();
  firsts_.pop_back();
  offsets_.pop_back();
  times_.pop_back();
}

void RunIndex::Reserve(size_t runs) {
  positions_.reserve(runs);
  firsts_.reserve(runs);
  offsets_.reserve(runs);
  times_.reserve(runs);
}

size_t RunIndex::FindIndex(uint32_t relative_index) const {
  return LastAtMost(firsts_, relative_index);
}
size_t RunIndex::FindOffset(uint32_t relative_offset) const {
  return LastAtMost(offsets_, relative_offset);
}
size_t RunIndex::FindPos(uint32_t pos) const { return LastAtMost(positions_, pos); }

size_t RunIndex::FindTime(int64_t append_time_ms) const {
  return static_cast<size_t>(std::lower_bound(times_.begin(), times_.end(), append_time_ms) -
                             times_.begin());
}

RunIndex RunIndex::Coarser(size_t runs_max) const {
  TIDEMARK_CHECK_GE(runs_max, 1u);
  const size_t step = (size() + runs_max - 1) / runs_max;
  RunIndex coarse;
  for (size_t i = 0; i < size(); i += step) coarse.Add(at(i));
  return coarse;
}

size_t RunIndex::bytes() const {
  return positions_.capacity() * 3 * sizeof(uint32_t) + times_.capacity() * sizeof(int64_t);
}

}  // namespace tidemark
