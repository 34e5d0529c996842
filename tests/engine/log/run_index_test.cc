#include "engine/log/run_index.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/base/prng.h"

namespace tidemark {
namespace {

std::vector<FrameRun> RandomRuns(Prng& prng, size_t count, uint32_t step_max) {
  std::vector<FrameRun> runs;
  FrameRun run{.pos = 4096, .first = 0, .first_offset = 0, .append_time_ms = 1000};
  for (size_t i = 0; i < count; ++i) {
    runs.push_back(run);
    // Now and then a leap, so that guesses from the neighbours are wrong.
    const uint32_t leap = prng.Below(20) == 0 ? 1000 : 1;
    run.pos += 1 + static_cast<uint32_t>(prng.Below(step_max)) * leap;
    run.first += 1 + static_cast<uint32_t>(prng.Below(step_max));
    run.first_offset += static_cast<uint32_t>(prng.Below(step_max)) * leap;
    run.append_time_ms += static_cast<int64_t>(prng.Below(3));
  }
  return runs;
}

TEST(RunIndex, FindsWhatALinearSearchFinds) {
  Prng prng(1);
  for (int round = 0; round < 300; ++round) {
    const std::vector<FrameRun> runs = RandomRuns(prng, 1 + prng.Below(200), 1 + round % 50);
    const RunIndex index(runs);
    for (int look = 0; look < 50; ++look) {
      const FrameRun& around = runs[prng.Below(runs.size())];
      const uint32_t more = static_cast<uint32_t>(prng.Below(4));
      const auto last = [&](auto field, uint32_t wanted) {
        size_t found = 0;
        for (size_t i = 0; i < runs.size(); ++i) {
          if (runs[i].*field <= wanted) found = i;
        }
        return found;
      };
      EXPECT_EQ(index.FindPos(around.pos + more), last(&FrameRun::pos, around.pos + more));
      EXPECT_EQ(index.FindIndex(around.first + more), last(&FrameRun::first, around.first + more));
      EXPECT_EQ(index.FindOffset(around.first_offset + more),
                last(&FrameRun::first_offset, around.first_offset + more));
      const int64_t time = around.append_time_ms + more;
      const auto at = std::find_if(runs.begin(), runs.end(),
                                   [&](const FrameRun& run) { return run.append_time_ms >= time; });
      EXPECT_EQ(index.FindTime(time), static_cast<size_t>(at - runs.begin()));
    }
  }
}

TEST(RunIndex, OfRunsWithoutOffsetsFindsTheLast) {
  const RunIndex index(std::vector<FrameRun>{{.pos = 4096, .first = 0, .first_offset = 0},
                                             {.pos = 4200, .first = 1, .first_offset = 5},
                                             {.pos = 4300, .first = 2, .first_offset = 5},
                                             {.pos = 4400, .first = 3, .first_offset = 5}});
  EXPECT_EQ(index.FindOffset(4), 0u);
  EXPECT_EQ(index.FindOffset(5), 3u);
}

TEST(RunIndex, CoarserKeepsTheFirstAndAtMostSoMany) {
  Prng prng(2);
  for (size_t count = 1; count < 40; ++count) {
    const RunIndex index(RandomRuns(prng, count, 10));
    for (size_t most = 1; most < 45; ++most) {
      const RunIndex coarse = index.Coarser(most);
      EXPECT_LE(coarse.size(), most);
      EXPECT_GE(coarse.size() * 2, std::min(most, count));
      EXPECT_EQ(coarse.at(0), index.at(0));
    }
  }
}

}  // namespace
}  // namespace tidemark
