#include "engine/log/compaction_policy.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

constexpr Duration kRetention = Duration::Millis(100);

WallTime At(int64_t ms) { return WallTime::FromMillis(ms); }

TEST(CompactionPolicy, WithoutDirtyBytesNothingIsWorthIt) {
  const CompactionPolicy policy{.dirty_percent_min = 0, .lag_max = Duration()};
  EXPECT_FALSE(WorthCompacting({.clean_bytes = 10}, policy, At(1000)));
  EXPECT_FALSE(WorthCompacting({}, policy, At(1000)));
  EXPECT_EQ(DirtyPermille({}), 0u);
}

TEST(CompactionPolicy, ComparesTheDirtyPartWithTheWhole) {
  const CompactionPolicy policy{.dirty_percent_min = 50};
  EXPECT_FALSE(WorthCompacting({.clean_bytes = 101, .dirty_bytes = 100}, policy, At(0)));
  EXPECT_TRUE(WorthCompacting({.clean_bytes = 100, .dirty_bytes = 100}, policy, At(0)));
  EXPECT_TRUE(WorthCompacting({.dirty_bytes = 1}, policy, At(0)));
  EXPECT_EQ(DirtyPermille({.clean_bytes = 300, .dirty_bytes = 100}), 250u);
}

TEST(CompactionPolicy, LetsNoRecordWaitForEver) {
  const CompactionPolicy policy{.dirty_percent_min = 50, .lag_max = Duration::Millis(10)};
  const CompactionSizes sizes{.clean_bytes = 1000, .dirty_bytes = 1, .dirty_since = At(5)};
  EXPECT_FALSE(WorthCompacting(sizes, policy, At(14)));
  EXPECT_TRUE(WorthCompacting(sizes, policy, At(15)));
}

TEST(CompactionPolicy, SurvivesExtremeSizesAndTimes) {
  const CompactionPolicy policy{.dirty_percent_min = 100};
  const CompactionSizes sizes{
      .clean_bytes = UINT64_MAX, .dirty_bytes = UINT64_MAX, .dirty_since = At(INT64_MAX)};
  EXPECT_FALSE(WorthCompacting(sizes, policy, At(INT64_MIN)));
  EXPECT_EQ(DirtyPermille(sizes), 500u);
}

TEST(CompactionCheckpoint, SettlesWhatHasBeenCleanForTheRetention) {
  CompactionCheckpoint checkpoint = AfterPass({}, Offset(10), At(1000), kRetention);
  EXPECT_EQ(checkpoint.clean_end, Offset(10));
  EXPECT_EQ(SettledEnd(checkpoint, At(1099), kRetention), Offset(0));
  EXPECT_EQ(SettledEnd(checkpoint, At(1100), kRetention), Offset(10));
}

TEST(CompactionCheckpoint, DoesNotSettleLaterPassesWithTheFirst) {
  CompactionCheckpoint checkpoint = AfterPass({}, Offset(10), At(1000), kRetention);
  checkpoint = AfterPass(checkpoint, Offset(20), At(1050), kRetention);
  EXPECT_EQ(checkpoint.clean_end, Offset(20));
  EXPECT_EQ(SettledEnd(checkpoint, At(1149), kRetention), Offset(10));
}

// However often passes come: a tombstone waits for at most two retentions.
TEST(CompactionCheckpoint, FrequentPassesDoNotPutSettlingOff) {
  CompactionCheckpoint checkpoint;
  for (int64_t now = 1000; now < 2000; now += 10) {
    const Offset settled = SettledEnd(checkpoint, At(now), kRetention);
    if (now >= 1200) {
      EXPECT_GE(settled, Offset(static_cast<uint64_t>(now - 210)));
    }
    EXPECT_LE(settled, Offset(static_cast<uint64_t>(now - 100)));
    checkpoint = AfterPass(checkpoint, Offset(static_cast<uint64_t>(now)), At(now), kRetention);
  }
}

TEST(CompactionCheckpoint, AClockThatGoesBackOnlyWaitsLonger) {
  const CompactionCheckpoint checkpoint = AfterPass({}, Offset(10), At(1000), kRetention);
  EXPECT_EQ(SettledEnd(checkpoint, At(5), kRetention), Offset(0));
  EXPECT_EQ(AfterPass(checkpoint, Offset(11), At(5), kRetention).settled_end, Offset(0));
}

TEST(CompactionCheckpointDeathTest, NeverGoesBack) {
  const CompactionCheckpoint checkpoint = AfterPass({}, Offset(10), At(1000), kRetention);
  EXPECT_DEATH(AfterPass(checkpoint, Offset(9), At(1001), kRetention), "clean_end");
}

}  // namespace
}  // namespace tidemark
