#include "engine/log/compaction.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/limits.h"
#include "engine/log/segment.h"
#include "tests/engine/log/compaction_fixture.h"

namespace tidemark {
namespace {

constexpr int64_t kRetentionMs = 100;
constexpr Codec kCodec = Codec::kZstd;

WallTime At(int64_t ms) { return WallTime::FromMillis(ms); }

class Compaction : public testing::Test {
 protected:
  Compacted Run(int64_t now_ms = 0) {
    Compacted result = Compact(log, options, range, context, At(now_ms));
    EXPECT_TRUE(result.status.ok()) << result.status.message();
    return result;
  }

  StoredLog log;
  StoredLogWriter writer{log};
  CompactorOptions options{.keys_max = 1000,
                           .tombstone_retention = Duration::Millis(kRetentionMs),
                           .seed = {.first = 3, .second = 4}};
  CompactionRange range{.begin_index = LogIndex(1), .begins_at_log_start = true};
  FakeContext context;
};

TEST_F(Compaction, KeepsTheNewestRecordOfEachKey) {
  writer.Put("a", "1");
  writer.Put("b", "2");
  writer.Put("a", "3");
  writer.Put("c", "4");
  writer.Put("b", "5");
  const Compacted result = Run();
  EXPECT_EQ(OffsetsOf(result.out.log), (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(result.out.log[0], log[2]);
  EXPECT_EQ(result.out.rewritten_frames, 0u);
  EXPECT_EQ(result.clean_end, Offset(5));
  EXPECT_EQ(result.stats.keys, 3u);
  EXPECT_EQ(result.stats.records_in, 5u);
  EXPECT_EQ(result.stats.records_out, 3u);
  EXPECT_EQ(result.stats.frames_out, 3u);
  EXPECT_EQ(result.stats.bytes_out,
            log[2].bytes.size() + log[3].bytes.size() + log[4].bytes.size());
}

TEST_F(Compaction, LeavesGapsInsideABatch) {
  const std::vector<Record> records{{.key = "a", .value = "1", .timestamp_ms = 50},
                                    {.key = "b", .value = "2", .timestamp_ms = 60},
                                    {.key = "a", .value = "3", .timestamp_ms = 70},
                                    {.key = "c", .value = "4", .timestamp_ms = 80}};
  writer.Append(records, {.producer_id = 7, .epoch = 1, .base_sequence = 20});
  writer.Put("c", "5");
  const Compacted result = Run();
  const std::vector<StoredRecord> expected{
      {.offset = Offset(1), .key = "b", .value = "2", .timestamp_ms = 60},
      {.offset = Offset(2), .key = "a", .value = "3", .timestamp_ms = 70},
      {.offset = Offset(4), .key = "c", .value = "5", .timestamp_ms = 0}};
  EXPECT_EQ(RecordsOf(result.out.log), expected);
  EXPECT_EQ(result.out.rewritten_frames, 1u);
  const auto header = DecodeBatchHeader(result.out.log[0].bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->base_offset, Offset(0));
  EXPECT_EQ(header->offset_span(), 4u);
  EXPECT_EQ(header->record_count, 2u);
  EXPECT_EQ(header->producer_id, 7);
  EXPECT_EQ(header->base_sequence, 20);
  EXPECT_EQ(header->leader_epoch, Term(1));
  EXPECT_EQ(header->base_timestamp_ms, 50);
  EXPECT_EQ(header->max_timestamp_ms, 80);
}

TEST_F(Compaction, KeepsRecordsWithoutAKey) {
  const std::vector<Record> records{{.value = "x"}, {.key = "", .value = "y"}, {.value = "z"}};
  writer.Append(records);
  writer.Put("", "newer");
  const Compacted result = Run();
  EXPECT_EQ(OffsetsOf(result.out.log), (std::vector<uint64_t>{0, 2, 3}));
  EXPECT_EQ(result.stats.keyless_records, 2u);
}

TEST_F(Compaction, ReadsTheDirtyPartOnceAndTheCleanPartOnlyToRewriteIt) {
  writer.Put("a", "1");
  writer.Put("a", "2");
  writer.Put("b", "3");
  range.dirty_begin = Offset(2);
  const Compacted result = Run();
  EXPECT_EQ(result.stats.keys, 1u);
  EXPECT_EQ(result.stats.bytes_read, log[2].bytes.size());
  // Not what an earlier pass would have left there, and none of this one's business.
  EXPECT_EQ(OffsetsOf(result.out.log), (std::vector<uint64_t>{0, 1, 2}));
}

class Tombstone : public Compaction {
 protected:
  // "a" is deleted at 10 ms.
  void SetUp() override {
    writer.now = At(5);
    writer.Put("a", "1");
    writer.now = At(10);
    tombstone_ = writer.Put("a", std::nullopt);
    writer.now = At(20);
    writer.Put("b", "2");
  }
  std::vector<uint64_t> LeftAt(int64_t now_ms) { return OffsetsOf(Run(now_ms).out.log); }

  Offset tombstone_;
};

TEST_F(Tombstone, RemovesOlderRecordsAndOutlivesThePassThatDoes) {
  // However old it is: who has just read "a" must be able to see that it is gone.
  EXPECT_EQ(LeftAt(1'000'000), (std::vector<uint64_t>{1, 2}));
}

TEST_F(Tombstone, GoesOnceItIsOldAndSettled) {
  range.dirty_begin = writer.next_offset;
  range.settled_end = writer.next_offset;
  log.erase(log.begin());
  EXPECT_EQ(LeftAt(10 + kRetentionMs - 1), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(LeftAt(10 + kRetentionMs), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Run(10 + kRetentionMs).stats.tombstones_dropped, 1u);
  range.settled_end = tombstone_;
  EXPECT_EQ(LeftAt(10 + kRetentionMs), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(Run(10 + kRetentionMs).stats.tombstones_kept, 1u);
}

TEST_F(Tombstone, StaysWhereTheRangeDoesNotBeginAtTheLogsStart) {
  range.dirty_begin = range.settled_end = writer.next_offset;
  range.begins_at_log_start = false;
  log.erase(log.begin());
  EXPECT_EQ(LeftAt(1'000'000), (std::vector<uint64_t>{1, 2}));
}

TEST_F(Tombstone, StaysBehindACompressedBatchThatMayHoldWhatItDeletes) {
  StoredLog with_compressed;
  StoredLogWriter other(with_compressed);
  const Record record{.key = "a", .value = "1"};
  other.Append({&record, 1}, {}, kCodec);
  other.Put("a", std::nullopt);
  log = with_compressed;
  range.dirty_begin = range.settled_end = other.next_offset;
  EXPECT_EQ(LeftAt(1'000'000), (std::vector<uint64_t>{0, 1}));
  // Before it, the batch is no obstacle.
  std::swap(log[0].bytes, log[1].bytes);
  PatchBatch(log[0].bytes.data(), Offset(0), Term(1));
  PatchBatch(log[1].bytes.data(), Offset(1), Term(1));
  EXPECT_EQ(LeftAt(1'000'000), (std::vector<uint64_t>{1}));
}

TEST_F(Tombstone, IsItselfRemovedByANewerRecord) {
  writer.Put("a", "again");
  EXPECT_EQ(LeftAt(0), (std::vector<uint64_t>{2, 3}));
}

TEST_F(Tombstone, WithAnAppendTimeFromADamagedIndexIsJudgedWithoutOverflow) {
  range.dirty_begin = range.settled_end = writer.next_offset;
  log.erase(log.begin());
  log[0].append_time = At(INT64_MAX);
  EXPECT_EQ(LeftAt(INT64_MIN), (std::vector<uint64_t>{1, 2}));
  log[0].append_time = At(INT64_MIN);
  EXPECT_EQ(LeftAt(INT64_MAX), (std::vector<uint64_t>{2}));
}

TEST_F(Compaction, KeepsAProducersLastBatchWithoutItsRecords) {
  const ProducerStamp first{.producer_id = 7, .epoch = 2, .base_sequence = 0};
  const ProducerStamp second{.producer_id = 7, .epoch = 2, .base_sequence = 1};
  writer.Put("a", "1", first);
  writer.Put("a", "2", second);
  writer.Put("a", "3");
  context.last[7] = Offset(1);
  const Compacted result = Run();
  ASSERT_EQ(result.out.log.size(), 2u);
  EXPECT_EQ(result.out.log[0].index, LogIndex(2));
  EXPECT_EQ(result.out.log[0].bytes.size(), kBatchHeaderBytes);
  const auto header = DecodeBatchHeader(result.out.log[0].bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->record_count, 0u);
  EXPECT_EQ(header->offset_span(), 1u);
  EXPECT_EQ(header->base_offset, Offset(1));
  EXPECT_EQ(header->producer_id, 7);
  EXPECT_EQ(header->producer_epoch, 2);
  EXPECT_EQ(header->base_sequence, 1);
  EXPECT_EQ(result.stats.empty_batches, 1u);

  // Once it is empty it stays as long as the producer is known, and no longer.
  log = result.out.log;
  EXPECT_EQ(Run().out.log, log);
  context.last[7] = Offset(8);
  EXPECT_EQ(OffsetsOf(Run().out.log), (std::vector<uint64_t>{2}));
  EXPECT_EQ(Run().stats.frames_out, 1u);
  context.last.clear();
  EXPECT_EQ(Run().stats.frames_out, 1u);
}

TEST_F(Compaction, KeepsCompressedBatchesWholeAndLetsThemRemoveNothing) {
  writer.Put("a", "1");
  const std::vector<Record> records{{.key = "a", .value = "2"}, {.key = "b", .value = "3"}};
  writer.Append(records, {}, kCodec);
  writer.Put("b", "4");
  const Compacted result = Run();
  EXPECT_EQ(result.out.log, log);
  EXPECT_EQ(result.stats.compressed_batches, 1u);
  EXPECT_EQ(result.stats.records_out, 4u);
}

TEST_F(Compaction, KeepsControlFramesUnlessTheCallerKnowsBetter) {
  const LogIndex first = writer.AppendControl("configuration 1");
  writer.Put("a", "1");
  writer.AppendControl("configuration 2");
  writer.Put("a", "2");
  EXPECT_EQ(Run().stats.frames_out, 3u);
  context.superseded.insert(first);
  const Compacted result = Run();
  ASSERT_EQ(result.out.log.size(), 2u);
  EXPECT_EQ(result.out.log[0], log[2]);
}

TEST_F(Compaction, EndsEarlyWhereItsTableIsFull) {
  options.keys_max = 2;
  writer.Put("a", "1");
  writer.Put("b", "2");
  writer.Put("a", "3");
  const std::vector<Record> records{{.key = "b", .value = "4"}, {.key = "c", .value = "5"}};
  writer.Append(records);
  writer.Put("d", "6");
  const Compacted result = Run();
  EXPECT_EQ(result.clean_end, Offset(3));
  // "b" was seen again before the table was full; what lies behind the end is left alone.
  EXPECT_EQ(OffsetsOf(result.out.log), (std::vector<uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(result.out.log.back(), log.back());
  EXPECT_EQ(StateOf(result.out.log), StateOf(log));
}

TEST_F(Compaction, AchievesNothingWhereOneBatchHasMoreKeysThanItsTable) {
  options.keys_max = 1;
  const std::vector<Record> records{{.key = "a", .value = "1"}, {.key = "b", .value = "2"}};
  writer.Append(records);
  const Compacted result = Run();
  EXPECT_EQ(result.clean_end, Offset(0));
  EXPECT_EQ(result.out.log, log);
}

TEST_F(Compaction, MergesWhatIsLeftIntoSegmentsOfTheSizeAskedFor) {
  options.segment_bytes = kSegmentBytesMin;
  const std::string value(3000, 'v');
  for (int i = 0; i < 20; ++i) writer.Put(std::to_string(i % 10), value);
  const Compacted result = Run();
  ASSERT_EQ(result.out.segments.size(), 3u);
  // 4 frames of 3,0xx bytes fit into 16 KiB behind the header of 4 KiB.
  EXPECT_EQ(result.out.frames_in_segment, (std::vector<size_t>{4, 4, 2}));
  EXPECT_EQ(result.out.segments[0], std::pair(LogIndex(1), Offset(0)));
  EXPECT_EQ(result.out.segments[1], std::pair(LogIndex(15), Offset(14)));
  EXPECT_EQ(result.stats.segments_out, 3u);
}

TEST_F(Compaction, GivesAFrameLargerThanASegmentOneOfItsOwn) {
  options.segment_bytes = kSegmentBytesMin;
  writer.Put("a", "small");
  writer.Put("b", std::string(kSegmentBytesMin, 'v'));
  writer.Put("c", "small");
  EXPECT_EQ(Run().out.frames_in_segment, (std::vector<size_t>{1, 1, 1}));
}

TEST_F(Compaction, KeepsDistancesInASegmentWithin32Bits) {
  constexpr uint64_t kFar = uint64_t{1} << 32;
  writer.Put("a", "1");
  writer.next_index = writer.next_index + kFar;
  writer.Put("b", "2");
  writer.next_offset = writer.next_offset + kFar;
  writer.Put("c", "3");
  const Compacted result = Run();
  EXPECT_EQ(result.out.frames_in_segment, (std::vector<size_t>{1, 1, 1}));
  EXPECT_EQ(result.out.segments[1], std::pair(LogIndex(2) + kFar, Offset(1)));
  EXPECT_EQ(result.out.segments[2], std::pair(LogIndex(3) + kFar, Offset(2) + kFar));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LE(result.out.log[i].index - result.out.segments[i].first, UINT32_MAX);
  }
}

TEST_F(Compaction, OfAnEmptyRangeWritesNothing) {
  const Compacted result = Run();
  EXPECT_TRUE(result.out.segments.empty());
  EXPECT_EQ(result.clean_end, Offset(0));
}

TEST_F(Compaction, StopsWhenItsBudgetIsUsedUpAndResumesThere) {
  std::vector<Record> records(1000, {.key = "a", .value = "v"});
  writer.Append(records);
  Compactor compactor(options, range);
  const CompactionFrame frame{log[0].index, log[0].append_time, log[0].bytes};
  CollectingSink sink;
  const auto calls = [&](auto call) {
    int count = 0;
    while (true) {
      ++count;
      int64_t budget = 10 * kCompactionRecordWork;
      const int64_t frame_bytes = static_cast<int64_t>(frame.bytes.size());
      const absl::StatusOr<Compactor::Progress> progress = call(budget);
      EXPECT_TRUE(progress.ok());
      EXPECT_GE(budget, -frame_bytes - 16 * kCompactionRecordWork);
      if (*progress == Compactor::Progress::kDone) return count;
    }
  };
  EXPECT_GT(calls([&](int64_t& budget) { return compactor.FeedDirty(frame, budget); }), 50);
  compactor.BeginRewrite(At(0));
  EXPECT_GT(calls([&](int64_t& budget) { return compactor.Rewrite(frame, context, sink, budget); }),
            50);
  EXPECT_EQ(OffsetsOf(sink.log), (std::vector<uint64_t>{999}));
}

TEST_F(Compaction, WithoutABudgetDoesNothing) {
  writer.Put("a", "1");
  const CompactionFrame frame{log[0].index, log[0].append_time, log[0].bytes};
  Compactor compactor(options, range);
  int64_t budget = 0;
  EXPECT_EQ(*compactor.FeedDirty(frame, budget), Compactor::Progress::kMore);
  compactor.BeginRewrite(At(0));
  CollectingSink sink;
  EXPECT_EQ(*compactor.Rewrite(frame, context, sink, budget), Compactor::Progress::kMore);
  EXPECT_EQ(budget, 0);
}

class DamagedFrame : public Compaction {
 protected:
  void SetUp() override {
    const std::vector<Record> records{{.key = "a", .value = "1"}, {.key = "b", .value = "2"}};
    writer.Append(records);
    writer.Append(records);
  }
  // Refused by both readings; with a right checksum unless the change is to the checksum.
  void ExpectRefused(const std::string& because) {
    for (const Offset dirty_begin : {Offset(0), writer.next_offset}) {
      range.dirty_begin = dirty_begin;
      const Compacted result = Compact(log, options, range, context, At(0));
      EXPECT_EQ(result.status.code(), absl::StatusCode::kDataLoss);
      EXPECT_NE(std::string(result.status.message()).find(because), std::string::npos)
          << result.status.message();
    }
  }
  void Seal() {
    std::string& frame = log[0].bytes;
    StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
  }
};

TEST_F(DamagedFrame, IsNotGivenANewChecksum) {
  log[0].bytes.back() ^= 1;
  ExpectRefused("entry 1 cannot be compacted: its checksum is wrong");
}

TEST_F(DamagedFrame, IsRefusedForAMalformedRecord) {
  log[0].bytes[kBatchHeaderBytes] = 0x7e;
  Seal();
  ExpectRefused("its length does not fit");
}

TEST_F(DamagedFrame, IsRefusedForAnOffsetOutOfOrder) {
  // The offset delta of the first record: behind its length, attributes and timestamp delta.
  for (const char delta : {1, 4, 6}) {  // -1, and 2 or 3 of a batch with offsets 0 and 1
    log[0].bytes[kBatchHeaderBytes + 3] = delta;
    Seal();
    ExpectRefused("out of order");
  }
  log[0].bytes[kBatchHeaderBytes + 3] = 2;  // that of the second record
  Seal();
  ExpectRefused("out of order");
}

TEST_F(DamagedFrame, IsRefusedForBytesBehindItsRecords) {
  StoreBig<uint32_t>(log[0].bytes.data() + 57, 1);
  Seal();
  ExpectRefused("bytes follow");
  StoreBig<uint32_t>(log[0].bytes.data() + 57, 0);
  Seal();
  ExpectRefused("bytes follow");
}

TEST_F(DamagedFrame, IsRefusedForItsLength) {
  log[0].bytes += "x";
  ExpectRefused("not that of its frame");
  log[0].bytes.resize(50);
  range.dirty_begin = Offset(0);
  EXPECT_EQ(Compact(log, options, range, context, At(0)).status.code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(DamagedFrame, IsRefusedForOffsetsOfAnEarlierOne) {
  PatchBatch(log[1].bytes.data(), Offset(1), Term(1));
  ExpectRefused("those of an entry before it");
}

using CompactionDeathTest = Compaction;

TEST_F(CompactionDeathTest, KnowsTheOrderOfCallsAndFrames) {
  writer.Put("a", "1");
  writer.Put("b", "2");
  const CompactionFrame first{log[0].index, log[0].append_time, log[0].bytes};
  const CompactionFrame second{log[1].index, log[1].append_time, log[1].bytes};
  CollectingSink sink;
  int64_t budget = 1 << 20;
  Compactor compactor(options, range);
  EXPECT_DEATH(static_cast<void>(compactor.Rewrite(first, context, sink, budget)), "phase_");
  ASSERT_TRUE(compactor.FeedDirty(second, budget).ok());
  EXPECT_DEATH(static_cast<void>(compactor.FeedDirty(first, budget)), "next_index_");
  compactor.BeginRewrite(At(0));
  EXPECT_DEATH(static_cast<void>(compactor.FeedDirty(first, budget)), "phase_");
  EXPECT_DEATH(compactor.BeginRewrite(At(0)), "phase_");
  range.settled_end = Offset(1);
  EXPECT_DEATH(Compactor(options, range), "settled_end");
}

}  // namespace
}  // namespace tidemark
