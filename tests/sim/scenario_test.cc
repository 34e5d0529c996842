#include "sim/scenario.h"

#include <gtest/gtest.h>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(Scenario, EverySeedNamesOneThatAWorldCanBeMadeOf) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const absl::Status valid = ScenarioOf(seed).Validate();
    ASSERT_TRUE(valid.ok()) << seed << ": " << valid;
  }
}

TEST(Scenario, ThePlainOneIsASmallHealthyCluster) {
  const Plan plan{.seed = 1, .scenario = {}, .script = {}};
  ASSERT_TRUE(plan.scenario.Validate().ok()) << plan.scenario.Validate();
  const RunResult result = RunPlan(plan);
  EXPECT_TRUE(result.ok()) << result.Line();
  EXPECT_GT(result.batches, 100u);
}

TEST(Scenario, ValuesOfWhichNoWorldCanBeMadeAreRefusedByName) {
  const auto refusal = [](auto change) {
    Scenario s;
    change(s);
    return std::string(s.Validate().message());
  };
  EXPECT_EQ(refusal([](Scenario& s) { s.nodes.clear(); }), "nodes is 0; must be 1 to 8");
  EXPECT_EQ(refusal([](Scenario& s) { s.nodes[1] = s.nodes[0]; }), "two nodes have one id");
  EXPECT_EQ(refusal([](Scenario& s) { s.replication_factor = 4; }),
            "replication_factor is 4; must be 1 to 3");
  EXPECT_EQ(refusal([](Scenario& s) { s.latency_max = s.latency_min; }),
            "latency_min must be less than latency_max");
  EXPECT_EQ(refusal([](Scenario& s) { s.message_lost = 1'000'001; }),
            "message_lost is 1000001; must be 0 to 1000000");
  EXPECT_EQ(refusal([](Scenario& s) { s.down_max = Duration(); }),
            "down_max is 0 ns; must be 6000000 to 3600000000000 ns");
  EXPECT_EQ(refusal([](Scenario& s) { s.sector_bytes = 513; }), "sector_bytes is 512 or 4096");
}

}  // namespace
}  // namespace tidemark::sim
