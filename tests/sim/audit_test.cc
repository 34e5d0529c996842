#include "sim/audit.h"

#include <gtest/gtest.h>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

Plan RecordedOf(uint64_t seed) {
  DecisionLog log;
  RunSeed(seed, {.log = &log});
  Plan plan = PlanOf(seed);
  plan.script.emplace(log.decisions().begin(), log.decisions().end());
  return plan;
}

TEST(Audit, TwoRunsOfOnePlanNeverPart) {
  for (const uint64_t seed : {3, 9, 12}) {
    const std::optional<Divergence> parted = Compare(PlanOf(seed), PlanOf(seed));
    EXPECT_FALSE(parted.has_value()) << parted->what;
  }
  EXPECT_FALSE(Compare(PlanOf(3), RecordedOf(3)).has_value());
}

TEST(Audit, NamesTheFirstStepThatDiffersAndWhatEachDid) {
  const Plan plan = RecordedOf(3);
  // One flush in the middle takes a little longer: that is where the runs part, not later.
  Plan other = plan;
  for (Decision& decision : *other.script) {
    if (decision.site == Site::kFlushLatency && decision.actor == 1 && decision.count == 20) {
      ++decision.value;
    }
  }
  ASSERT_NE(*other.script, *plan.script);
  const std::optional<Divergence> parted = Compare(plan, other);
  ASSERT_TRUE(parted.has_value());
  EXPECT_NE(parted->what.find("decided flush_latency actor 1 count 20: "), std::string::npos)
      << parted->what;
  EXPECT_NE(parted->what.find("> Flush "), std::string::npos) << parted->what;
  // Up to the step before they were the same.
  Execution a(plan);
  Execution b(other);
  const auto executed = [](const Execution& run) { return run.world().scheduler().executed(); };
  while (executed(a) + 1 < parted->task) {
    ASSERT_EQ(std::as_const(a).world().TraceSoFar(), std::as_const(b).world().TraceSoFar());
    a.Advance();
    b.Advance();
  }
}

}  // namespace
}  // namespace tidemark::sim
