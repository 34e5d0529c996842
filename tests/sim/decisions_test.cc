#include "sim/decisions.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

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

TEST(Decisions, EverySiteHasItsOwnName) {
  std::set<std::string> names;
  for (size_t site = 0; site < static_cast<size_t>(Site::kCount); ++site) {
    names.insert(std::string(NameOf(static_cast<Site>(site))));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Site::kCount));
  EXPECT_FALSE(names.contains(""));
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
  int faults = 0;
  for (int i = 0; i < 10'000; ++i) faults += decisions.Fault(Site::kMessageLost, 2, 100'000);
  EXPECT_GT(faults, 800);
  EXPECT_LT(faults, 1200);
  ASSERT_EQ(decisions.faults().size(), static_cast<size_t>(faults));
  EXPECT_EQ(decisions.faults().front().site, Site::kMessageLost);
  EXPECT_EQ(decisions.faults().front().actor, 2u);
  // The log names the draw itself: asked again, it is the same fault.
  Decisions again(1);
  const uint32_t count = decisions.faults().front().count;
  for (uint32_t i = 0; i < count; ++i) EXPECT_FALSE(again.Fault(Site::kMessageLost, 2, 100'000));
  EXPECT_TRUE(again.Fault(Site::kMessageLost, 2, 100'000));
  EXPECT_EQ(Describe(again.faults().front()), Describe(decisions.faults().front()));
}

TEST(Decisions, FaultsOfRateZeroNeverHappen) {
  Decisions decisions(1);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(decisions.Fault(Site::kMessageLost, 0, 0));
}

TEST(Decisions, ParametersDependOnTheirNameOnly) {
  Decisions decisions(5);
  const uint64_t before = decisions.Parameter("nodes", 1000);
  decisions.Draw(Site::kAdmin, 0);
  decisions.Parameter("partitions", 10);
  EXPECT_EQ(decisions.Parameter("nodes", 1000), before);
  std::set<uint64_t> values;
  for (uint64_t seed = 0; seed < 200; ++seed) values.insert(Decisions(seed).Parameter("nodes", 10));
  EXPECT_EQ(values.size(), 10u);
}

}  // namespace
}  // namespace tidemark::sim
