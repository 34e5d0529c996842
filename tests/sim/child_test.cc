#include "sim/child.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Child, BringsBackWhatTheRunCameTo) {
  DecisionLog log;
  const RunResult here = RunSeed(3);
  const RunResult there = RunInChild(PlanOf(3), &log);
  EXPECT_EQ(there.Line(), here.Line());
  EXPECT_EQ(there.tasks, here.tasks);
  EXPECT_EQ(there.coverage.hits, here.coverage.hits);
  EXPECT_GT(log.decisions().size(), 100u);
}

TEST(Child, DeathsAreResultsThatNameThem) {
  Plan plan = PlanOf(3);
  // No world can be made of it: the node refuses, with a check on the way.
  plan.scenario.latency_max = plan.scenario.latency_min;
  DecisionLog log;
  const RunResult dead = RunInChild(plan, &log);
  EXPECT_FALSE(dead.ok());
  EXPECT_TRUE(dead.oracle.starts_with("check sim/decisions.cc:")) << dead.oracle;
  EXPECT_NE(dead.what.find("check failed: "), std::string::npos) << dead.what;
}

TEST(Child, RunsAreCutOffAtTheirLimits) {
  const RunResult cut = RunInChild(PlanOf(3), nullptr, {.tasks_max = 1000});
  EXPECT_TRUE(cut.ok());
  EXPECT_EQ(cut.tasks, 1000u);
}

}  // namespace
}  // namespace tidemark::sim
