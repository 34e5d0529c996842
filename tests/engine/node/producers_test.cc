#include "engine/node/producers.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

using Outcome = ProducerTable::Outcome;

BatchHeader Batch(int64_t producer, int16_t epoch, int32_t sequence, uint32_t count = 1) {
  BatchHeader header;
  header.producer_id = producer;
  header.producer_epoch = epoch;
  header.base_sequence = sequence;
  header.record_count = count;
  header.last_offset_delta = static_cast<int32_t>(count) - 1;
  return header;
}

TEST(Producers, BatchWithoutProducerIsAlwaysAppended) {
  ProducerTable table;
  table.Record(Batch(-1, -1, -1), LogIndex(1), Offset(0));
  EXPECT_EQ(table.Check(Batch(-1, -1, -1)).outcome, Outcome::kAppend);
  EXPECT_EQ(table.size(), 0u);
}

TEST(Producers, S6_3_RetryIsAnsweredWithItsFirstPlace) {
  ProducerTable table;
  table.Record(Batch(7, 0, 0, 3), LogIndex(4), Offset(10));
  table.Record(Batch(7, 0, 3, 2), LogIndex(5), Offset(13));
  const auto verdict = table.Check(Batch(7, 0, 0, 3));
  EXPECT_EQ(verdict.outcome, Outcome::kDuplicate);
  EXPECT_EQ(verdict.index, LogIndex(4));
  EXPECT_EQ(verdict.base_offset, Offset(10));
  EXPECT_EQ(table.Check(Batch(7, 0, 5)).outcome, Outcome::kAppend);
}

TEST(Producers, TheLastCommittedBatchIsThatAtOrBeforeTheCommitIndex) {
  ProducerTable table;
  table.Record(Batch(7, 0, 0, 3), LogIndex(4), Offset(10));
  table.Record(Batch(7, 0, 3, 2), LogIndex(6), Offset(13));
  EXPECT_EQ(table.LastBatchOf(7, LogIndex(6)), Offset(13));
  EXPECT_EQ(table.LastBatchOf(7, LogIndex(5)), Offset(10));
  EXPECT_EQ(table.LastBatchOf(7, LogIndex(3)), std::nullopt);
  EXPECT_EQ(table.LastBatchOf(8, LogIndex(6)), std::nullopt);
}

TEST(Producers, BatchThatCompactionEmptiedCountsAsWhole) {
  ProducerTable table;
  BatchHeader emptied = Batch(7, 0, 0, 3);
  emptied.record_count = 0;
  table.Record(emptied, LogIndex(4), Offset(10));
  EXPECT_EQ(table.Check(Batch(7, 0, 0, 3)).outcome, Outcome::kDuplicate);
  EXPECT_EQ(table.Check(Batch(7, 0, 3)).outcome, Outcome::kAppend);
}

TEST(Producers, GapNamesTheSequenceThatMayCome) {
  ProducerTable table;
  table.Record(Batch(7, 0, 0, 3), LogIndex(1), Offset(0));
  const auto verdict = table.Check(Batch(7, 0, 4));
  EXPECT_EQ(verdict.outcome, Outcome::kGap);
  EXPECT_EQ(verdict.expected_sequence, 3);
  EXPECT_EQ(table.Check(Batch(8, 0, 1)).outcome, Outcome::kGap);
}

TEST(Producers, NewEpochStartsAtZeroAndFencesTheOld) {
  ProducerTable table;
  table.Record(Batch(7, 0, 0), LogIndex(1), Offset(0));
  EXPECT_EQ(table.Check(Batch(7, 1, 1)).outcome, Outcome::kGap);
  EXPECT_EQ(table.Check(Batch(7, 1, 0)).outcome, Outcome::kAppend);
  table.Record(Batch(7, 1, 0), LogIndex(2), Offset(1));
  EXPECT_EQ(table.Check(Batch(7, 0, 1)).outcome, Outcome::kOldEpoch);
}

TEST(Producers, SequenceWrapsFromTheLargestToZero) {
  ProducerTable table;
  table.Record(Batch(7, 0, 0), LogIndex(1), Offset(0));
  table.Record(Batch(7, 0, INT32_MAX, 1), LogIndex(2), Offset(1));
  EXPECT_EQ(table.Check(Batch(7, 0, 0)).outcome, Outcome::kAppend);
  table.Record(Batch(7, 0, INT32_MAX, 3), LogIndex(3), Offset(2));
  EXPECT_EQ(table.Check(Batch(7, 0, 2)).outcome, Outcome::kAppend);
}

TEST(Producers, SilentProducersAreForgottenOldestFirst) {
  ProducerTable table;
  for (uint64_t i = 0; i <= kProducersPerPartitionMax; ++i) {
    table.Record(Batch(static_cast<int64_t>(i), 0, 0), LogIndex(i + 1), Offset(i));
  }
  EXPECT_EQ(table.size(), kProducersPerPartitionMax);
  EXPECT_EQ(table.Check(Batch(0, 0, 1)).outcome, Outcome::kGap);
  EXPECT_EQ(table.Check(Batch(1, 0, 1)).outcome, Outcome::kAppend);
}

// Appending, cutting and appending anew gives the table that the surviving log alone gives.
RC_GTEST_PROP(Producers, TruncationLeavesWhatTheRemainingLogSays,
              (const std::vector<uint8_t>& ops)) {
  struct Appended {
    BatchHeader header;
    Offset offset;
  };
  std::vector<Appended> log;
  ProducerTable table;
  for (const uint8_t op : ops) {
    const int64_t producer = op % 3;
    if (op % 7 == 6 && !log.empty()) {
      const size_t keep = op % log.size();
      log.resize(keep);
      table.TruncateSuffix(LogIndex(keep + 1));
      continue;
    }
    int32_t sequence = 0;
    for (const Appended& each : log) {
      if (each.header.producer_id == producer) {
        sequence = each.header.base_sequence + static_cast<int32_t>(each.header.record_count);
      }
    }
    const BatchHeader header = Batch(producer, 0, sequence, 1 + op % 4);
    RC_ASSERT(table.Check(header).outcome == Outcome::kAppend);
    log.push_back({header, Offset(log.size() * 10)});
    table.Record(header, LogIndex(log.size()), log.back().offset);
  }
  for (size_t i = log.size() > kProducerBatchesMax ? log.size() - kProducerBatchesMax : 0;
       i < log.size(); ++i) {
    const auto verdict = table.Check(log[i].header);
    RC_ASSERT(verdict.outcome == Outcome::kDuplicate);
    RC_ASSERT(verdict.index == LogIndex(i + 1));
    RC_ASSERT(verdict.base_offset == log[i].offset);
  }
}

}  // namespace
}  // namespace tidemark
