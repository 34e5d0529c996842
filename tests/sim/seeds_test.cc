#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "sim/run.h"
#include "sim/scenario_file.h"

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

// What a seed draws changes with the faults that there are; a file keeps to what it says.
TEST(Seeds, PinnedScenariosStayWell) {
  const char* root = std::getenv("TIDEMARK_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  int scenarios = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(root) + "/tests/sim/pinned")) {
    const absl::StatusOr<ScenarioFile> scenario = ReadScenario(file.path().string());
    ASSERT_TRUE(scenario.ok()) << file.path() << ": " << scenario.status();
    EXPECT_FALSE(scenario->oracle.empty()) << file.path() << " does not say what it found";
    const RunResult result = RunPlan(scenario->plan);
    EXPECT_TRUE(result.ok()) << file.path() << "\n" << result.Line();
    ++scenarios;
  }
  EXPECT_GT(scenarios, 0);
}

TEST(Seeds, OneSeedIsOneRun) {
  const RunResult first = RunSeed(3);
  const RunResult second = RunSeed(3);
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_EQ(first.tasks, second.tasks);
  EXPECT_GT(first.batches, 0u);
  EXPECT_NE(RunSeed(4).hash, first.hash);
}

TEST(Seeds, TheDecisionsOfOneAreTheSeedAgain) {
  // Light and heavy, with compaction, retention, one node and five.
  for (const uint64_t seed : {3, 9, 12, 98}) {
    DecisionLog log;
    const RunResult seeded = RunSeed(seed, {.log = &log});
    ASSERT_TRUE(log.complete());
    Plan plan = PlanOf(seed);
    plan.script.emplace(log.decisions().begin(), log.decisions().end());
    Execution run(plan);
    while (run.Advance()) {
    }
    EXPECT_EQ(run.Result().hash, seeded.hash);
    EXPECT_EQ(run.Result().tasks, seeded.tasks);
    EXPECT_TRUE(run.world().decisions().Unreached().empty());
    EXPECT_TRUE(run.world().decisions().out_of_range().empty());
  }
}

TEST(Seeds, WithNoDecisionsAtAllNothingGoesWrong) {
  for (const uint64_t seed : {1, 2, 5, 77}) {
    Plan plan = PlanOf(seed);
    plan.script.emplace();
    const RunResult result = RunPlan(plan);
    EXPECT_TRUE(result.ok()) << result.Line();
    EXPECT_GT(result.batches, 0u);
    for (size_t probe = 0; Probe(probe) < kFirstState; ++probe) {
      EXPECT_EQ(result.coverage.hits[probe], 0u) << NameOf(Probe(probe));
    }
  }
}

}  // namespace
}  // namespace tidemark::sim
