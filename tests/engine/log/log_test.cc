#include "engine/log/log.h"

#include <gtest/gtest.h>

#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

TEST(Log, EmptyHasNothingAndCreatesNothing) {
  LogOnDisk on_disk;
  const Log& log = *on_disk.log;
  EXPECT_EQ(log.first_index(), LogIndex(1));
  EXPECT_EQ(log.last_index(), LogIndex(0));
  EXPECT_EQ(log.next_offset(), Offset(0));
  EXPECT_EQ(log.TermAt(LogIndex(0)), Term(0));
  EXPECT_EQ(log.TermAt(LogIndex(1)), std::nullopt);
  EXPECT_EQ(log.EndOffsetOf(LogIndex(0)), Offset(0));
  EXPECT_FALSE(log.has_staged());
  EXPECT_TRUE(log.Files().empty());
  EXPECT_FALSE(log.RangeOfOffset(Offset(0), LogIndex(0), 100).ok());
}

TEST(Log, AnEntryIsDurableOnlyWhenItsBatchIs) {
  LogOnDisk on_disk;
  on_disk.Append(1, 10, Term(1));
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(0));
  on_disk.Begin();
  on_disk.Append(1, 10, Term(1));
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(0));
  on_disk.Complete();
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(1));
  EXPECT_TRUE(on_disk.log->has_staged());
  on_disk.Flush();
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(2));
  EXPECT_FALSE(on_disk.log->has_staged());
}

// SCENARIOS R23: the completion of an append that was cut and rewritten meanwhile.
TEST(Log, ACompletionDoesNotCountEntriesRewrittenMeanwhile) {
  LogOnDisk on_disk;
  for (int i = 0; i < 3; ++i) on_disk.Append(1, 10, Term(1));
  on_disk.Begin();
  on_disk.Truncate(LogIndex(2));
  on_disk.Append(1, 20, Term(2));
  on_disk.Append(1, 20, Term(2));
  on_disk.Complete();
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(1));
  on_disk.Flush();
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(3));
}

TEST(Log, FramesStagedTogetherAreOneWrite) {
  LogOnDisk on_disk({.segment_bytes = 1 << 20, .index_interval_bytes = 4096});
  on_disk.Append(1, 10, Term(1));
  on_disk.Flush();
  for (int i = 0; i < 100; ++i) on_disk.Append(1, 100, Term(1));
  const FileBatch batch = on_disk.log->TakeBatch();
  size_t writes = 0;
  for (const FileOp& op : batch.ops) {
    const auto* write = std::get_if<WriteFile>(&op);
    ASSERT_NE(write, nullptr);
    if (write->file.kind != FileKind::kSegment) continue;
    ++writes;
    EXPECT_EQ(write->data.size(), 100u);
  }
  EXPECT_EQ(writes, 1u);
  ASSERT_EQ(batch.sync.size(), 1u);
  EXPECT_EQ(batch.sync.front().kind, FileKind::kSegment);
}

TEST(Log, ASidecarIsSyncedWhenItIsBegunAndWhenItIsSealed) {
  LogOnDisk on_disk;
  on_disk.Append(1, 1900, Term(1));
  on_disk.Flush();
  on_disk.Append(1, 3000, Term(1));
  on_disk.Begin();
  EXPECT_EQ(on_disk.outstanding->sync,
            (std::vector<FileId>{{kGroup, FileKind::kSegment, 2}, {kGroup, FileKind::kIndex, 2}}));
  // The footer of the first one must not be there before the second one surely is.
  on_disk.Complete();
  on_disk.Begin();
  EXPECT_EQ(on_disk.outstanding->sync, (std::vector<FileId>{{kGroup, FileKind::kIndex, 1}}));
  on_disk.Complete();
  EXPECT_FALSE(on_disk.log->has_staged());
}

TEST(Log, AFrameLargerThanASegmentGetsOneOfItsOwn) {
  LogOnDisk on_disk;
  on_disk.Append(1, 100, Term(1));
  on_disk.Append(1, 20'000, Term(1));
  on_disk.Append(1, 1000, Term(1));
  on_disk.Flush();
  ASSERT_TRUE(on_disk.Reopen(LogIndex(3)).ok());
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(3));
  EXPECT_EQ(on_disk.log->Files().size(), 6u);
}

// SCENARIOS L1: a suffix truncation that wipes the whole log.
TEST(Log, CuttingASuffixTakesExactlyTheSuffix) {
  for (uint64_t from = 1; from <= 10; ++from) {
    LogOnDisk on_disk;
    for (int i = 0; i < 10; ++i) on_disk.Append(2, 700, Term(1));
    on_disk.Flush();
    on_disk.Truncate(LogIndex(from));
    EXPECT_EQ(on_disk.log->last_index(), LogIndex(from - 1));
    EXPECT_EQ(on_disk.log->next_offset(), Offset(2 * (from - 1)));
    EXPECT_EQ(on_disk.log->TermAt(LogIndex(from)), std::nullopt);
    on_disk.Append(1, 300, Term(2));
    const std::vector<std::string> expected = on_disk.frames;
    on_disk.Flush();
    ASSERT_TRUE(on_disk.Reopen(LogIndex(from)).ok());
    EXPECT_EQ(on_disk.frames, expected);
    EXPECT_EQ(on_disk.log->TermAt(LogIndex(from)), Term(2));
    EXPECT_EQ(on_disk.log->TermAt(LogIndex(from - 1)), Term(from == 1 ? 0 : 1));
  }
}

TEST(Log, FilesOfACutSuffixGoOnceTheirReplacementIsDurable) {
  LogOnDisk on_disk;
  for (int i = 0; i < 8; ++i) on_disk.Append(1, 1900, Term(1));
  on_disk.Flush();
  const size_t files = on_disk.disk.Files().size();
  on_disk.Truncate(LogIndex(2));
  on_disk.Append(1, 10, Term(2));
  on_disk.Begin();
  EXPECT_EQ(on_disk.disk.Files().size(), files + 2);
  on_disk.Complete();
  ASSERT_TRUE(on_disk.log->has_staged());
  on_disk.Flush();
  EXPECT_EQ(on_disk.disk.Files().size(), 4u);
  EXPECT_EQ(on_disk.disk.Files().size(), on_disk.log->Files().size());
}

// SCENARIOS L12: control batches shift client offsets.
TEST(Log, ControlEntriesOccupyNoClientOffsets) {
  LogOnDisk on_disk;
  on_disk.Append(0, 5, Term(1));
  on_disk.Append(3, 5, Term(1));
  on_disk.Append(0, 5, Term(1));
  on_disk.Append(0, 5, Term(1));
  on_disk.Append(2, 5, Term(1));
  on_disk.Flush();
  const Log& log = *on_disk.log;
  EXPECT_EQ(log.next_offset(), Offset(5));
  for (uint64_t offset = 0; offset < 5; ++offset) {
    const auto range = log.RangeOfOffset(Offset(offset), LogIndex(5), 1);
    ASSERT_TRUE(range.ok());
    EXPECT_EQ(range->first_index, LogIndex(offset < 3 ? 2 : 5));
  }
  EXPECT_EQ(log.EndOffsetOf(LogIndex(1)), Offset(0));
  EXPECT_EQ(log.EndOffsetOf(LogIndex(2)), Offset(3));
  EXPECT_EQ(log.EndOffsetOf(LogIndex(4)), Offset(3));
  EXPECT_EQ(log.RangeOfOffset(Offset(5), LogIndex(5), 1).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(Log, TheCacheKeepsWhatIsNotDurable) {
  LogOnDisk on_disk({.segment_bytes = 8192, .cache_bytes = 500});
  for (int i = 0; i < 5; ++i) on_disk.Append(1, 300, Term(1));
  EXPECT_EQ(on_disk.log->CachedEntries(LogIndex(1), 1 << 20, 100).size(), 5u);
  EXPECT_EQ(on_disk.log->CachedEntries(LogIndex(2), 1, 100).size(), 1u);
  EXPECT_EQ(on_disk.log->CachedEntries(LogIndex(2), 1 << 20, 2).size(), 2u);
  on_disk.Flush();
  EXPECT_TRUE(on_disk.log->CachedEntries(LogIndex(1), 1 << 20, 100).empty());
  EXPECT_EQ(on_disk.log->CachedEntries(LogIndex(5), 1 << 20, 100).size(), 1u);
  EXPECT_TRUE(on_disk.log->CachedEntries(LogIndex(6), 1 << 20, 100).empty());
}

TEST(Log, AppendTimesNeverGoBack) {
  LogOnDisk on_disk;
  on_disk.wall = 5000;
  on_disk.Append(1, 400, Term(1));
  on_disk.wall = 1000;
  on_disk.Append(1, 400, Term(1));
  // Late would be wrong: the first record was appended after 3000.
  EXPECT_EQ(on_disk.log->OffsetAtTime(WallTime::FromMillis(3000)), Offset(0));
  EXPECT_EQ(on_disk.log->OffsetAtTime(WallTime::FromMillis(5010)), Offset(0));
  on_disk.wall = 9000;
  on_disk.Append(1, 400, Term(1));
  EXPECT_EQ(on_disk.log->OffsetAtTime(WallTime::FromMillis(0)), Offset(0));
  EXPECT_EQ(on_disk.log->OffsetAtTime(WallTime::FromMillis(9020)), Offset(3));
  // Early by what was appended within one millisecond, and by a run: both others.
  EXPECT_LE(on_disk.log->OffsetAtTime(WallTime::FromMillis(9010)), Offset(2));
}

}  // namespace
}  // namespace tidemark
