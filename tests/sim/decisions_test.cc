#include "sim/decisions.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace tidemark::sim {
namespace {

TEST(Decisions, AreEqualForEqualSeeds) {
  Decisions a(7);
  Decisions b(7);
  Decisions other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t draw = a.Draw(Site::kMessageLatency, 3);
    EXPECT_EQ(draw, b.Draw(Site::kMessageLatency, 3));
    differs = differs || draw != other.Draw(Site::kMessageLatency, 3);
  }
  EXPECT_TRUE(differs);
}

TEST(Decisions, DrawsAtOneSiteOrActorShiftNothingElsewhere) {
  Decisions plain(7);
  Decisions busy(7);
  for (int i = 0; i < 50; ++i) {
    for (int more = 0; more < i; ++more) {
      busy.Draw(Site::kFlushLatency, 3);
      busy.Draw(Site::kMessageLatency, 4);
    }
    EXPECT_EQ(plain.Draw(Site::kMessageLatency, 3), busy.Draw(Site::kMessageLatency, 3));
  }
}

TEST(Decisions, StayWithinTheirRange) {
  Decisions decisions(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t draw = decisions.Between(Site::kAdmin, 0, 5, 9);
    EXPECT_GE(draw, 5u);
    EXPECT_LT(draw, 9u);
    seen.insert(draw);
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(Decisions, FaultsHappenAsOftenAsTheirRateSaysAndAreLogged) {
  Decisions decisions(1);
  DecisionLog log;
  decisions.LogTo(&log);
  int faults = 0;
  for (int i = 0; i < 10'000; ++i) faults += decisions.Fault(Site::kMessageLost, 2, 100'000);
  EXPECT_GT(faults, 800);
  EXPECT_LT(faults, 1200);
  ASSERT_EQ(log.decisions().size(), static_cast<size_t>(faults));
  const Decision first = log.decisions().front();
  EXPECT_EQ(first.site, Site::kMessageLost);
  EXPECT_EQ(first.actor, 2u);
  // The log names the draw itself: asked again, it is the same fault.
  Decisions again(1);
  for (uint32_t i = 0; i < first.count; ++i) {
    EXPECT_FALSE(again.Fault(Site::kMessageLost, 2, 100'000));
  }
  EXPECT_TRUE(again.Fault(Site::kMessageLost, 2, 100'000));
}

TEST(Decisions, FaultsOfRateZeroNeverHappen) {
  Decisions decisions(1);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(decisions.Fault(Site::kMessageLost, 0, 0));
}

TEST(Decisions, ParametersDependOnSeedAndName) {
  EXPECT_EQ(Parameter(5, "nodes", 1000), Parameter(5, "nodes", 1000));
  EXPECT_NE(Parameter(5, "nodes", 1'000'000), Parameter(5, "partitions", 1'000'000));
  std::set<uint64_t> values;
  for (uint64_t seed = 0; seed < 200; ++seed) values.insert(Parameter(seed, "nodes", 10));
  EXPECT_EQ(values.size(), 10u);
}

// Draws in every way there is, at a few actors, `rounds` times.
std::vector<int64_t> DrawAll(Decisions& decisions, int rounds) {
  constexpr uint32_t kWeights[] = {0, 1, 2};
  std::vector<int64_t> drawn;
  for (int i = 0; i < rounds; ++i) {
    for (uint32_t actor = 0; actor < 3; ++actor) {
      drawn.push_back(static_cast<int64_t>(decisions.Draw(Site::kNodeSeed, actor)));
      drawn.push_back(static_cast<int64_t>(decisions.Below(Site::kCrashSector, actor, 5)));
      drawn.push_back(decisions.Between(Place(Site::kClockRate, actor), -3, 4));
      drawn.push_back(
          decisions.Between(Site::kMessageLatency, actor, Duration::Micros(1), Duration::Micros(2))
              .nanos());
      drawn.push_back(static_cast<int64_t>(
          decisions.Weighted(Place(Site::kFaultKind, static_cast<uint32_t>(i), 0), kWeights)));
      drawn.push_back(decisions.Percent(Place(Site::kCrashName, actor), 50));
      drawn.push_back(decisions.Fault(Site::kCrashInStep, actor, 500'000));
      drawn.push_back(static_cast<int64_t>(decisions.Below(Site::kCrashEffect, actor, 7)));
    }
  }
  return drawn;
}

TEST(Decisions, RecordedOnesGiveTheSameRunAgain) {
  Decisions seeded(9);
  DecisionLog log;
  seeded.LogTo(&log);
  const std::vector<int64_t> drawn = DrawAll(seeded, 50);
  const std::vector<Decision> script(log.decisions().begin(), log.decisions().end());
  Decisions recorded(script);
  DecisionLog again;
  recorded.LogTo(&again);
  EXPECT_EQ(DrawAll(recorded, 50), drawn);
  EXPECT_TRUE(recorded.Unreached().empty());
  EXPECT_TRUE(recorded.out_of_range().empty());
  EXPECT_EQ(std::vector<Decision>(again.decisions().begin(), again.decisions().end()), script);
}

TEST(Decisions, WhatIsNotRecordedTakesItsDefault) {
  Decisions nothing{std::vector<Decision>()};
  DecisionLog log;
  nothing.LogTo(&log);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(nothing.Below(Site::kBatchShape, 1, 100), 0u);
    EXPECT_EQ(nothing.Below(Site::kCrashSector, 1, 100), 99u);
    EXPECT_EQ(nothing.Between(Place(Site::kClockRate, 1), -200, 201), 0);
    EXPECT_FALSE(nothing.Fault(Site::kMessageLost, 1, 1'000'000));
    EXPECT_TRUE(nothing.Percent(Place(Site::kCrashName, 1), 0));
  }
  // Generators that take their seeds from here still differ from each other.
  EXPECT_NE(nothing.Draw(Site::kNodeSeed, 0), nothing.Draw(Site::kNodeSeed, 1));
  EXPECT_NE(nothing.Draw(Site::kNodeSeed, 0), nothing.Draw(Site::kNodeSeed, 0));
  EXPECT_TRUE(log.decisions().empty());
}

TEST(Decisions, RecordedOnesThatNobodyComesToAreNamed) {
  const std::vector<Decision> script = {
      {.site = Site::kMessageLost, .actor = 2, .count = 1},
      {.site = Site::kMessageLost, .actor = 2, .count = 7},
      {.site = Site::kBatchShape, .actor = 0, .count = 0, .value = 50},
  };
  Decisions decisions(script);
  EXPECT_EQ(decisions.Unreached().size(), 3u);
  EXPECT_FALSE(decisions.Fault(Site::kMessageLost, 2, 0));
  EXPECT_TRUE(decisions.Fault(Site::kMessageLost, 2, 0));
  // Out of range now: the nearest is taken, and it is said.
  EXPECT_EQ(decisions.Below(Site::kBatchShape, 0, 10), 9u);
  ASSERT_EQ(decisions.out_of_range().size(), 1u);
  EXPECT_EQ(decisions.out_of_range()[0], script[2]);
  ASSERT_EQ(decisions.Unreached().size(), 1u);
  EXPECT_EQ(decisions.Unreached()[0], script[1]);
}

}  // namespace
}  // namespace tidemark::sim
