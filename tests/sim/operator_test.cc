#include "sim/operator.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(Operator, WithoutNewcomersNobodyComesOrGoes) {
  Plan plan{.seed = 1, .scenario = {}, .script = {}};
  const RunResult result = RunPlan(plan);
  EXPECT_TRUE(result.ok()) << result.Line();
  for (const Probe probe : {Probe::kNodeJoined, Probe::kNodeLeft, Probe::kNodeRemoved,
                            Probe::kNodeReplaced, Probe::kNodeCameBack, Probe::kReplicaMoved}) {
    EXPECT_EQ(result.coverage[probe], 0u) << NameOf(probe);
  }
}

TEST(Operator, ChangesTheMembersOfAHealthyClusterInEveryWay) {
  Plan plan{.seed = 1, .scenario = {}, .script = {}};
  plan.scenario.newcomers = {NodeId{4}, NodeId{5}};
  plan.scenario.member_gap = Duration::Millis(20);
  plan.scenario.fault_phase = Duration::Seconds(40);
  const RunResult result = RunPlan(plan);
  EXPECT_TRUE(result.ok()) << result.Line();
  EXPECT_GT(result.batches, 100u);
  for (const Probe probe : {Probe::kNodeJoined, Probe::kNodeLeft, Probe::kNodeRemoved,
                            Probe::kNodeReplaced, Probe::kNodeCameBack, Probe::kReplicaMoved,
                            Probe::kReplicaDropped, Probe::kLeadershipHandedOver}) {
    EXPECT_GT(result.coverage[probe], 0u) << NameOf(probe);
  }
}

TEST(Operator, ARunOfADecisionLogIsTheSeedAgain) {
  const Plan seeded = PlanOf(2, Profile::kMembership);
  DecisionLog log;
  const RunResult first = RunPlan(seeded, {.log = &log});
  ASSERT_TRUE(log.complete());
  Plan recorded = seeded;
  recorded.script.emplace(log.decisions().begin(), log.decisions().end());
  const RunResult second = RunPlan(recorded);
  EXPECT_EQ(second.hash, first.hash);
  EXPECT_GT(first.coverage[Probe::kNodeJoined], 0u);
}

TEST(Operator, WhatARecordAsksForAndCannotBeIsLeftOut) {
  Plan plan{.seed = 1, .scenario = {}, .script = {}};
  plan.scenario.newcomers = {NodeId{4}};
  // Nobody may leave three members of which a topic wants three replicas.
  plan.script = {{.site = Site::kMemberAction, .actor = 0, .value = 2},
                 {.site = Site::kMemberAction, .actor = 1, .value = 1}};
  const RunResult result = RunPlan(plan);
  EXPECT_TRUE(result.ok()) << result.Line();
  EXPECT_EQ(result.coverage[Probe::kNodeLeft], 0u);
  EXPECT_EQ(result.coverage[Probe::kNodeJoined], 1u);
}

}  // namespace
}  // namespace tidemark::sim
