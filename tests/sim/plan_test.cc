#include "sim/plan.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Plan, SaysHowItIsRunAgain) {
  Plan plan = PlanOf(7, Profile::kDisk);
  EXPECT_EQ(ReplayCommandOf(plan), "tidemark-sim replay --seed 7 --profile disk");
  plan.scenario.canary = true;
  EXPECT_EQ(ReplayCommandOf(plan), "tidemark-sim replay --seed 7 --profile disk --canary");
  plan.scenario.mute = "scrub";
  EXPECT_EQ(ReplayCommandOf(plan),
            "tidemark-sim replay --seed 7 --profile disk --canary --mute scrub");
}

}  // namespace
}  // namespace tidemark::sim
