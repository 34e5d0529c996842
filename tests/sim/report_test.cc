#include "sim/report.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Report, IsTakenOffTheFrontOnceItIsWhole) {
  RunResult first{.seed = 7, .hash = 8, .tasks = 9, .oracle = "canary", .what = "spoke"};
  first.coverage.Hit(Probe::kPause, 3);
  const RunResult second{.seed = 10};
  const std::string bytes = EncodeReport(first) + EncodeReport(second);
  std::string arrived;
  int reports = 0;
  for (const char byte : bytes) {
    arrived.push_back(byte);
    const std::optional<RunResult> taken = TakeReport(arrived);
    if (!taken.has_value()) continue;
    if (++reports == 1) {
      EXPECT_EQ(taken->seed, 7u);
      EXPECT_EQ(taken->tasks, 9u);
      EXPECT_EQ(taken->Line(), first.Line());
      EXPECT_EQ(taken->coverage[Probe::kPause], 3u);
    } else {
      EXPECT_EQ(taken->seed, 10u);
      EXPECT_TRUE(taken->ok());
    }
  }
  EXPECT_EQ(reports, 2);
  EXPECT_TRUE(arrived.empty());
}

}  // namespace
}  // namespace tidemark::sim
