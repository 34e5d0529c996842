#include "sim/shrink.h"

#include <gtest/gtest.h>

#include "sim/scenario_file.h"

namespace tidemark::sim {
namespace {

Plan CanaryOf(uint64_t seed) {
  Plan plan = PlanOf(seed);
  plan.scenario.canary = true;
  return plan;
}

TEST(Shrink, LeavesAHandfulOfDecisionsThatStillFailByTheSameOracle) {
  // Runs that go on for a while: what fails at once may take longer with the fewest decisions.
  for (const uint64_t seed : {1, 4}) {
    const absl::StatusOr<Shrunk> shrunk = Shrink(CanaryOf(seed), {.seconds = 300});
    ASSERT_TRUE(shrunk.ok()) << shrunk.status();
    EXPECT_TRUE(shrunk->complete);
    EXPECT_EQ(shrunk->result.oracle, "canary");
    EXPECT_GT(shrunk->original_decisions, 1000u);
    EXPECT_LE(shrunk->plan.script->size(), 6u);
    EXPECT_LE(shrunk->plan.scenario.nodes.size(), 3u);
    EXPECT_EQ(shrunk->plan.scenario.producers, 1u);
    EXPECT_LT(shrunk->result.tasks, shrunk->original.tasks);
    // Through a file it is the same run.
    const absl::StatusOr<ScenarioFile> file = ParseScenario(FormatScenario({.plan = shrunk->plan}));
    ASSERT_TRUE(file.ok()) << file.status();
    const RunResult again = RunPlan(file->plan);
    EXPECT_EQ(again.Line(), shrunk->result.Line());
    // Every decision that is left is needed.
    for (size_t i = 0; i < shrunk->plan.script->size(); ++i) {
      Plan without = shrunk->plan;
      without.script->erase(without.script->begin() + static_cast<ptrdiff_t>(i));
      EXPECT_NE(RunPlan(without).oracle, "canary") << i;
    }
  }
}

TEST(Shrink, ARunWhereAllIsWellIsRefused) {
  EXPECT_EQ(Shrink(PlanOf(3), {}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Shrink, EndsWhenItsTimeIsOverWithTheSmallestSoFar) {
  const absl::StatusOr<Shrunk> shrunk = Shrink(CanaryOf(1), {.seconds = 300, .runs_max = 5});
  ASSERT_TRUE(shrunk.ok()) << shrunk.status();
  EXPECT_FALSE(shrunk->complete);
  EXPECT_EQ(shrunk->runs, 5u);
  EXPECT_EQ(RunPlan(shrunk->plan).oracle, "canary");
}

}  // namespace
}  // namespace tidemark::sim
