#include <gtest/gtest.h>

#include "tests/engine/log/log_fixture.h"

// Removing a prefix; retention. (Cutting suffixes: log_test.cc and recovery_test.cc.)

namespace tidemark {
namespace {

// One frame of about 3000 bytes in each of `count` segments, 10 ms apart.
LogOnDisk Segments(int count) {
  LogOnDisk on_disk;
  for (int i = 0; i < count; ++i) {
    on_disk.Append(3, 1000, Term(1 + i));
    on_disk.Flush();
  }
  on_disk.log->SetCommitted(on_disk.log->last_index());
  on_disk.log->StageCheckpoint();
  on_disk.Flush();
  return on_disk;
}

TEST(Prefix, RemovingItTakesWholeSegmentsOnly) {
  LogOnDisk on_disk;
  for (int i = 0; i < 6; ++i) on_disk.Append(2, 900, Term(1));
  on_disk.Flush();
  on_disk.log->SetCommitted(LogIndex(6));
  on_disk.log->TruncatePrefix(LogIndex(2));
  EXPECT_EQ(on_disk.log->first_index(), LogIndex(1));
  on_disk.log->TruncatePrefix(LogIndex(4));
  EXPECT_EQ(on_disk.log->first_index(), LogIndex(3));
  EXPECT_EQ(on_disk.log->start_offset(), Offset(4));
  EXPECT_EQ(on_disk.log->TermAt(LogIndex(2)), Term(1));
  EXPECT_FALSE(on_disk.log->TermAt(LogIndex(1)).has_value());
  EXPECT_EQ(on_disk.log->EndOffsetOf(LogIndex(2)), Offset(4));
  EXPECT_TRUE(on_disk.disk.Exists({kGroup, FileKind::kSegment, 1}));
  on_disk.Flush();
  EXPECT_FALSE(on_disk.disk.Exists({kGroup, FileKind::kSegment, 1}));
  EXPECT_FALSE(on_disk.disk.Exists({kGroup, FileKind::kIndex, 1}));
  // The last segment stays whatever is asked for.
  on_disk.log->TruncatePrefix(LogIndex(7));
  EXPECT_EQ(on_disk.log->first_index(), LogIndex(5));
}

TEST(Prefix, EveryCrashOfARemovalLeavesTheRest) {
  for (uint32_t survivors = 0; survivors < 64; ++survivors) {
    LogOnDisk on_disk = Segments(4);
    on_disk.log->TruncatePrefix(LogIndex(4));
    ASSERT_EQ(on_disk.log->first_index(), LogIndex(4));
    on_disk.Begin();
    uint32_t bits = survivors;
    on_disk.disk.Crash(MemoryDisk::Tear::kWholeFiles, [&](size_t n) {
      const size_t pick = bits % 2;
      bits /= 2;
      return std::min(pick, n - 1);
    });
    Counter counter;
    auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0), &counter,
                            LogIndex(4));
    ASSERT_TRUE(log.ok()) << log.status().message() << " survivors " << survivors;
    EXPECT_EQ(log->last_index(), LogIndex(4));
    EXPECT_EQ(log->first_index(), LogIndex(4));
    EXPECT_EQ(log->digest(), on_disk.log->digest());
    EXPECT_EQ(counter.count, 4u) << "what was derived from the removed entries is still known";
    EXPECT_EQ(log->TermAt(LogIndex(3)), Term(3));
    while (log->has_staged()) {
      on_disk.disk.ApplyAndSync(log->TakeBatch());
      log->OnBatchDurable();
    }
    EXPECT_FALSE(on_disk.disk.Exists({kGroup, FileKind::kSegment, 2}));
  }
}

TEST(Prefix, OneThatIsMissingWithoutTheHardStatesWordIsALoss) {
  LogOnDisk on_disk = Segments(3);
  on_disk.log->TruncatePrefix(LogIndex(3));
  on_disk.Flush();
  const auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0));
  EXPECT_TRUE(absl::IsDataLoss(log.status())) << log.status().message();
  const auto further = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0),
                                    nullptr, LogIndex(2));
  EXPECT_TRUE(absl::IsDataLoss(further.status())) << further.status().message();
}

TEST(Prefix, AppendsAndCutsGoOnBehindARemovedOne) {
  LogOnDisk on_disk = Segments(3);
  on_disk.log->TruncatePrefix(LogIndex(3));
  on_disk.Append(1, 10, Term(7));
  on_disk.Append(1, 10, Term(7));
  on_disk.Flush();
  on_disk.log->TruncateSuffix(LogIndex(5));
  on_disk.Append(1, 20, Term(8));
  on_disk.Flush();
  Counter counter;
  const auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(4),
                                &counter, LogIndex(3));
  ASSERT_TRUE(log.ok()) << log.status().message();
  EXPECT_EQ(log->first_index(), LogIndex(3));
  EXPECT_EQ(log->last_index(), LogIndex(5));
  EXPECT_EQ(log->last_term(), Term(8));
  EXPECT_EQ(log->digest(), on_disk.log->digest());
}

TEST(Prefix, WhatIsLeftHoldsSomethingThatIsNeverCut) {
  LogOnDisk on_disk = Segments(3);
  on_disk.Append(3, 1000, Term(9));
  on_disk.Flush();
  ASSERT_EQ(on_disk.log->committed_index(), LogIndex(3));
  // Entry 4, alone in its segment, is not committed: were it all that is left, cutting it would
  // leave a log that begins anew.
  on_disk.log->TruncatePrefix(LogIndex(4));
  EXPECT_EQ(on_disk.log->first_index(), LogIndex(3));
  EXPECT_EQ(on_disk.log->RetentionPoint({.bytes = 0}, WallTime(), LogIndex(4)), LogIndex(3));
  on_disk.log->TruncateSuffix(LogIndex(4));
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(3));
  EXPECT_EQ(on_disk.log->next_offset(), Offset(9));
}

TEST(Retention, BySizeKeepsAtLeastSoMuch) {
  LogOnDisk on_disk = Segments(4);
  const Log& log = *on_disk.log;
  const uint64_t one = log.size_bytes() / 4;
  const WallTime now = WallTime::FromMillis(0);
  const auto keep = [&](uint64_t bytes) {
    return log.RetentionPoint({.bytes = bytes}, now, LogIndex(4)).value();
  };
  EXPECT_EQ(keep(4 * one), 1u);
  EXPECT_EQ(keep(3 * one + 1), 1u);
  EXPECT_EQ(keep(3 * one), 2u);
  EXPECT_EQ(keep(one), 4u);
  EXPECT_EQ(keep(0), 4u) << "the last segment stays";
  EXPECT_EQ(log.RetentionPoint({.bytes = 0}, now, LogIndex(2)), LogIndex(3))
      << "not beyond what may be removed";
  EXPECT_EQ(log.RetentionPoint({}, now, LogIndex(4)), LogIndex(1));
}

TEST(Retention, ByAgeGoesByTheAppendTimeWhateverClientsClaim) {
  // The records' own timestamps say 1 s after 1970; they were appended at 1'000'010, ...'020, ...
  LogOnDisk on_disk = Segments(4);
  const auto keep = [&](int64_t now) {
    return on_disk.log
        ->RetentionPoint({.age = Duration::Millis(100)}, WallTime::FromMillis(now), LogIndex(4))
        .value();
  };
  EXPECT_EQ(keep(1'000'110), 1u);
  EXPECT_EQ(keep(1'000'111), 2u);
  EXPECT_EQ(keep(1'000'131), 4u);
  EXPECT_EQ(keep(9'000'000), 4u);
  EXPECT_EQ(keep(0), 1u) << "a clock that went back removes nothing";
}

}  // namespace
}  // namespace tidemark
