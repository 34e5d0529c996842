#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(Seeds, PinnedOnesStayWell) {
  const char* root = std::getenv("TIDEMARK_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  std::ifstream file(std::string(root) + "/tests/sim/pinned_seeds.txt");
  ASSERT_TRUE(file.is_open());
  int seeds = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream fields(line);
    uint64_t seed = 0;
    ASSERT_TRUE(fields >> seed) << line;
    const RunResult result = RunSeed(seed);
    EXPECT_TRUE(result.ok()) << line << "\n" << result.Line();
    ++seeds;
  }
  EXPECT_GT(seeds, 0);
}

TEST(Seeds, OneSeedIsOneRun) {
  const RunResult first = RunSeed(3);
  const RunResult second = RunSeed(3);
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_EQ(first.tasks, second.tasks);
  EXPECT_GT(first.batches, 0u);
  EXPECT_NE(RunSeed(4).hash, first.hash);
}

}  // namespace
}  // namespace tidemark::sim
