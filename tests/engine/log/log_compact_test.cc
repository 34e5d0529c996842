#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/prng.h"
#include "tests/engine/log/keyed_log.h"

namespace tidemark {
namespace {

std::string Value(size_t i, size_t bytes = 500) {
  return std::to_string(i) + std::string(bytes, 'v');
}

// Flushes `count` records, their keys in turn those of `keys`.
void Fill(KeyedLog& keyed, size_t count, size_t keys) {
  for (size_t i = 0; i < count; ++i) {
    keyed.Put("key" + std::to_string(i % keys), Value(keyed.history.size()));
    if (i % 3 == 2) keyed.Flush();
  }
  keyed.Flush();
}

TEST(LogCompaction, LeavesTheNewestOfEachKeyInFewerSegments) {
  KeyedLog keyed;
  Fill(keyed, 100, 5);
  const size_t before = keyed.SegmentFiles();
  const uint64_t bytes = keyed.log->size_bytes();
  const uint64_t digest = keyed.log->digest();
  ASSERT_TRUE(keyed.Compact().ok());
  EXPECT_EQ(keyed.Read(), keyed.Expected());
  EXPECT_EQ(keyed.SegmentFiles(), 2u) << "of " << before;
  EXPECT_LT(keyed.log->size_bytes(), bytes / 4);
  EXPECT_EQ(keyed.log->digest(), digest);
  EXPECT_EQ(keyed.log->first_index(), LogIndex(1));
  EXPECT_EQ(keyed.log->start_offset(), Offset(0));
  EXPECT_FALSE(keyed.BeginPass()) << "there is nothing that no pass has seen";
  for (const bool read_all : {false, true}) {
    keyed.read_all = read_all;
    ASSERT_TRUE(keyed.Reopen().ok());
    EXPECT_EQ(keyed.Read(), keyed.Expected());
    EXPECT_EQ(keyed.log->digest(), digest);
    EXPECT_FALSE(keyed.BeginPass()) << "what passes have achieved is remembered";
  }
}

TEST(LogCompaction, CountsWhatItRemovedAndTellsUpToWhere) {
  KeyedLog keyed;
  Fill(keyed, 100, 5);
  const uint64_t bytes = keyed.log->size_bytes();
  EXPECT_EQ(keyed.log->compacted_end(), LogIndex(1));
  ASSERT_TRUE(keyed.Compact().ok());
  const CompactionTotals& totals = keyed.log->compaction_totals();
  EXPECT_EQ(totals.passes, 1u);
  EXPECT_EQ(totals.records_removed, 100 - keyed.Consume().size());
  EXPECT_EQ(totals.bytes_removed, bytes - keyed.log->size_bytes());
  const LogIndex end = keyed.log->compacted_end();
  EXPECT_GT(end, LogIndex(80));
  EXPECT_LE(end, keyed.log->last_index());
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_EQ(keyed.log->compacted_end(), end);
}

// Each of the pass's batches fails in turn: not executed at all, or as a whole but not known so.
TEST(LogCompaction, ABatchThatFailsEndsThePassAndLeavesTheLogAsItWas) {
  for (const bool executed : {false, true}) {
    for (int failing = 0;; ++failing) {
      KeyedLog keyed;
      Fill(keyed, 60, 60);
      Fill(keyed, 30, 60);
      ASSERT_TRUE(keyed.BeginPass());
      int batches = 0;
      bool failed = false;
      while (keyed.log->compacting()) {
        ASSERT_TRUE(keyed.Work().ok());
        if (!keyed.log->has_compaction_batch()) break;
        const FileBatch batch = keyed.log->TakeCompactionBatch();
        failed = batches++ == failing;
        if (!failed || executed) keyed.disk.ApplyAndSync(batch);
        if (failed) {
          keyed.log->OnCompactionBatchFailed();
          break;
        }
        keyed.log->OnCompactionBatchDurable();
      }
      if (!failed) break;
      EXPECT_FALSE(keyed.log->compacting());
      EXPECT_EQ(keyed.Read(), keyed.Expected());
      // A crash before its files are removed, and after.
      if (failing % 2 == 0) keyed.Flush();
      ASSERT_TRUE(keyed.Reopen().ok());
      EXPECT_EQ(keyed.Read(), keyed.Expected());
      keyed.Put("later", "value");
      keyed.Flush();
      if (keyed.BeginPass()) {
        keyed.log->CancelCompaction();
        ASSERT_TRUE(keyed.Compact().ok());
      }
      EXPECT_EQ(keyed.Read(), keyed.Expected());
    }
  }
}

TEST(LogCompaction, FitsEachSegmentIntoTheSizeAskedFor) {
  KeyedLog keyed;
  Fill(keyed, 60, 60);  // nothing can go
  Fill(keyed, 60, 60);
  ASSERT_TRUE(keyed.Compact().ok());
  EXPECT_EQ(keyed.Read(), keyed.Expected());
  for (const FileId& file : keyed.disk.Files()) {
    if (file.kind != FileKind::kSegment) continue;
    EXPECT_LE(keyed.disk.Contents(file).size(), 8192u);
  }
}

TEST(LogCompaction, OffsetsInAGapMeanTheNextFrame) {
  KeyedLog keyed;
  keyed.Put("rare", Value(0));
  Fill(keyed, 60, 2);
  keyed.Put("rare", Value(1));
  Fill(keyed, 60, 2);
  ASSERT_TRUE(keyed.Compact().ok());
  const std::vector<std::string> frames = keyed.Consume();
  for (Offset at{0}; at < keyed.log->next_offset(); ++at) {
    const auto range = keyed.log->RangeOfOffset(at, keyed.log->last_index(), 1);
    ASSERT_TRUE(range.ok());
    const std::string& file = keyed.disk.Contents(range->file);
    const auto found = ConsumerFrames(
        *range, Bytes::Copy(std::string_view(file).substr(range->pos.value(), range->length)), at,
        keyed.log->next_offset());
    ASSERT_TRUE(found.ok());
    const auto expected = std::find_if(frames.begin(), frames.end(), [&](const std::string& each) {
      const auto header = DecodeBatchHeader(each);
      return header->base_offset + header->offset_span() > at;
    });
    ASSERT_NE(expected, frames.end());
    ASSERT_FALSE(found->empty()) << at.value();
    EXPECT_TRUE(found->front().view().starts_with(*expected)) << at.value();
  }
}

TEST(LogCompaction, KeepsTermsAndTheControlFramesThatCountThroughSeveralPasses) {
  KeyedLog keyed;
  for (int round = 0; round < 4; ++round) {
    keyed.term = Term(round + 1);
    keyed.PutNoise();
    keyed.PutControl("configuration " + std::to_string(round));
    Fill(keyed, 30, 3);
    keyed.PutNoise();
    keyed.PutNoise();
    keyed.Flush();
    std::vector<std::optional<Term>> terms;
    for (LogIndex index{0}; index <= keyed.log->last_index(); ++index) {
      terms.push_back(keyed.log->TermAt(index));
    }
    ASSERT_TRUE(keyed.Compact().ok());
    ASSERT_TRUE(keyed.Reopen().ok());
    for (LogIndex index{0}; index <= keyed.log->last_index(); ++index) {
      EXPECT_EQ(keyed.log->TermAt(index), terms[index.value()]);
    }
    const auto view = keyed.disk.View();
    Collector collector;
    ASSERT_TRUE(Log::Recover(kGroup, keyed.options, *view, LogIndex(0), &collector).ok());
    std::set<LogIndex> controls;
    for (const Entry& entry : collector.entries) {
      if (entry.kind == EntryKind::kControl) controls.insert(entry.index);
    }
    for (const LogIndex kept : keyed.kept_controls) EXPECT_TRUE(controls.contains(kept));
    EXPECT_EQ(keyed.Read(), keyed.Expected());
  }
}

TEST(LogCompaction, ASegmentOfNothingIsPassedOver) {
  KeyedLog keyed;
  keyed.compaction.tombstone_retention = Duration();
  for (int i = 0; i < 60; ++i) {
    keyed.Put("key" + std::to_string(i), std::nullopt);
    if (i % 10 == 0) keyed.Put("large", std::string(3000, 'l'));
    keyed.Flush();
  }
  keyed.Put("large", std::nullopt);
  for (int pass = 0; pass < 4; ++pass) {
    Fill(keyed, 20, 1);
    keyed.wall += 1000;
    ASSERT_TRUE(keyed.Compact().ok());
    ASSERT_TRUE(keyed.Reopen().ok());
    EXPECT_EQ(keyed.Read(), keyed.Expected());
  }
  for (int i = 0; i < 12; ++i) keyed.PutNoise();
  keyed.Flush();
  EXPECT_LT(keyed.Consume().size(), 25u) << "the tombstones are gone";
}

TEST(LogCompaction, ARemovedPrefixEndsAPassOnlyIfItNeedsTheFiles) {
  KeyedLog keyed;
  Fill(keyed, 100, 100);
  ASSERT_TRUE(keyed.BeginPass());
  ASSERT_TRUE(keyed.Work().ok());
  ASSERT_TRUE(keyed.log->has_compaction_batch());
  const std::vector<FileId> all = keyed.log->Files();
  const FileBatch batch = keyed.log->TakeCompactionBatch();
  keyed.disk.Apply(batch);
  keyed.Retain(20'000);
  EXPECT_TRUE(keyed.log->compacting()) << "its batch is not done";
  EXPECT_FALSE(keyed.BeginPass());
  keyed.disk.Sync(batch);
  keyed.log->OnCompactionBatchDurable();
  EXPECT_FALSE(keyed.log->compacting());
  keyed.Flush();
  EXPECT_EQ(keyed.disk.Files().size(), keyed.log->Files().size()) << "what it wrote is gone";
  EXPECT_LT(keyed.log->Files().size(), all.size());
  EXPECT_EQ(keyed.Read(), keyed.Expected());

  // What a pass has put in its place already may go without it.
  ASSERT_TRUE(keyed.BeginPass());
  const uint64_t first = keyed.log->Files().front().number;
  while (keyed.log->Files().front().number == first) {
    ASSERT_TRUE(keyed.Work().ok());
    ASSERT_TRUE(keyed.log->has_compaction_batch());
    keyed.disk.ApplyAndSync(keyed.log->TakeCompactionBatch());
    keyed.log->OnCompactionBatchDurable();
  }
  const uint64_t bytes = keyed.log->size_bytes();
  keyed.Retain(bytes - 8000);
  EXPECT_GT(keyed.log->first_index(), LogIndex(1));
  EXPECT_TRUE(keyed.log->compacting());
  while (keyed.log->compacting()) {
    ASSERT_TRUE(keyed.Work().ok());
    if (!keyed.log->has_compaction_batch()) break;
    keyed.disk.ApplyAndSync(keyed.log->TakeCompactionBatch());
    keyed.log->OnCompactionBatchDurable();
  }
  keyed.Flush();
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_EQ(keyed.Read(), keyed.Expected());
}

TEST(LogCompaction, CompactsRetainsAndCompactsAgain) {
  KeyedLog keyed;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 40; ++i) {
      keyed.Put("round" + std::to_string(round) + "key" + std::to_string(i % 20), Value(i, 700));
    }
    keyed.Flush();
    ASSERT_TRUE(keyed.Compact().ok());
    keyed.Retain(15'000);
    keyed.Flush();
    EXPECT_EQ(keyed.Read(), keyed.Expected());
    ASSERT_TRUE(keyed.Reopen().ok());
    EXPECT_EQ(keyed.Read(), keyed.Expected());
    EXPECT_LT(keyed.log->size_bytes(), 33'000u);
  }
  EXPECT_GT(keyed.log->first_index(), LogIndex(1));
}

// Appends and flushes run while a pass does; the power fails anywhere, and anything survives.
bool LiveWithPasses(KeyedLog& keyed, const auto& alive) {
  Fill(keyed, 24, 3);
  keyed.PutControl("configuration");
  keyed.Put("gone", std::nullopt);
  Fill(keyed, 12, 3);
  for (int pass = 0; pass < 2; ++pass) {
    if (!keyed.BeginPass()) return true;
    while (keyed.log->compacting()) {
      TIDEMARK_CHECK(keyed.Work().ok());
      if (!keyed.log->has_compaction_batch()) break;
      const FileBatch batch = keyed.log->TakeCompactionBatch();
      keyed.disk.Apply(batch);
      if (!alive()) return false;
      keyed.Put("key1", Value(keyed.history.size(), 2500));
      if (!keyed.outstanding) keyed.Begin();
      if (!alive()) return false;
      keyed.disk.Sync(batch);
      keyed.log->OnCompactionBatchDurable();
      if (!alive()) return false;
      keyed.Complete();
    }
    while (keyed.log->has_staged()) {
      keyed.Begin();
      if (!alive()) return false;
      keyed.Complete();
      if (!alive()) return false;
    }
    if (pass > 0) break;
    Fill(keyed, 12, 3);
    keyed.Put("large", Value(0, 7000));
    keyed.Put("larger", Value(0, 7500));
    Fill(keyed, 12, 3);
    keyed.Retain(20'000);
    keyed.Begin();
    if (!alive()) return false;
    keyed.Complete();
  }
  return true;
}

TEST(LogCompactionExhaustive, EveryCrashLeavesTheNewestValueOfEachKey) {
  size_t crashes = 0;
  bool reached_end = false;
  for (size_t stop = 0; !reached_end; ++stop) {
    std::vector<size_t> choices;  // an odometer over the decisions of one crash
    for (size_t outcome = 0; outcome < 200; ++outcome) {
      KeyedLog keyed;
      keyed.read_all = outcome % 2 == 0;
      size_t countdown = stop;
      reached_end = LiveWithPasses(keyed, [&] { return countdown-- > 0; });
      const Offset durable = keyed.log->EndOffsetOf(keyed.log->durable_index());
      std::vector<size_t> bounds;
      keyed.disk.Crash(MemoryDisk::Tear::kWholeFiles, [&](size_t n) {
        if (bounds.size() == choices.size()) choices.push_back(0);
        bounds.push_back(n);
        return choices[bounds.size() - 1];
      });
      choices.resize(bounds.size());
      ++crashes;
      const absl::Status status = keyed.Reopen();
      ASSERT_TRUE(status.ok()) << status.message() << " at step " << stop;
      ASSERT_GE(keyed.log->next_offset(), durable) << "step " << stop << " outcome " << outcome;
      ASSERT_EQ(keyed.Read(), keyed.Expected()) << "step " << stop << " outcome " << outcome;
      // It goes on, as if nothing had been.
      Fill(keyed, 6, 4);
      ASSERT_EQ(keyed.Read(), keyed.Expected());
      keyed.Compact().IgnoreError();  // there may be nothing to do
      ASSERT_EQ(keyed.Read(), keyed.Expected());
      ASSERT_TRUE(keyed.Reopen().ok());
      keyed.Flush();
      ASSERT_EQ(keyed.Read(), keyed.Expected());
      ASSERT_EQ(keyed.disk.Files().size(), keyed.log->Files().size()) << "nothing is left over";
      while (!choices.empty() && ++choices.back() == bounds[choices.size() - 1]) choices.pop_back();
      if (choices.empty()) break;
    }
  }
  EXPECT_GT(crashes, 300u);
}

// A random life against the list of what was appended.
void Live(uint64_t seed, MemoryDisk::Tear tear) {
  Prng prng(seed);
  KeyedLog keyed;
  keyed.compaction.tombstone_retention = Duration::Millis(500);
  keyed.compaction.seed = {.first = seed, .second = 1};
  std::optional<FileBatch> batch;
  for (size_t step = 0; step < 300; ++step) {
    Log& log = *keyed.log;
    const uint64_t action = prng.Below(100);
    if (action < 45) {
      const std::string key = "key" + std::to_string(prng.Below(6));
      if (prng.Below(4) == 0) {
        keyed.Put(key, std::nullopt);
      } else {
        keyed.Put(key, Value(step, prng.Below(prng.Chance(1, 8) ? 5000 : 500)));
      }
    } else if (action < 48) {
      prng.Chance(1, 2) ? keyed.PutNoise() : keyed.PutControl("kept");
    } else if (action < 50) {
      keyed.term = keyed.term + 1;
    } else if (action < 60 && !keyed.outstanding && log.has_staged()) {
      keyed.Begin();
    } else if (action < 72 && keyed.outstanding) {
      keyed.Complete();
    } else if (action < 76) {
      keyed.step_bytes = static_cast<int64_t>(prng.Between(1, 20000));
      keyed.BeginPass();
    } else if (action < 90) {
      if (batch) {
        keyed.disk.Sync(*std::exchange(batch, std::nullopt));
        log.OnCompactionBatchDurable();
      }
      RC_ASSERT(keyed.Work().ok());
      if (log.has_compaction_batch()) {
        batch = log.TakeCompactionBatch();
        keyed.disk.Apply(*batch);
      }
    } else if (action < 91) {
      prng.Chance(1, 2) ? log.CancelCompaction() : keyed.Retain(prng.Below(20'000));
    } else if (action < 93) {
      keyed.wall += 1000;
    } else if (action < 95) {
      const Offset durable = log.EndOffsetOf(log.durable_index());
      keyed.read_all = prng.Chance(1, 2);
      batch.reset();
      if (prng.Chance(4, 5)) keyed.disk.Crash(tear, [&](size_t n) { return prng.Below(n); });
      const absl::Status status = keyed.Reopen();
      RC_ASSERT(std::string(status.message()) == std::string());
      RC_ASSERT(keyed.log->next_offset() >= durable);
      keyed.term = keyed.term + 1;
    }
    if (step % 10 == 0) {
      if (!batch) keyed.Flush();
      if (!keyed.outstanding && keyed.log->written_index() == keyed.log->last_index()) {
        RC_ASSERT(keyed.Read(prng.Below(3000)) == keyed.Expected());
      }
    }
  }
}

RC_GTEST_PROP(LogCompactionModel, AnyLifeKeepsTheNewestValueOfEachKey, (uint64_t seed)) {
  Live(seed, MemoryDisk::Tear::kWholeFiles);
}
RC_GTEST_PROP(LogCompactionModel, AnyLifeOnATearingDiskDoesToo, (uint64_t seed)) {
  Live(seed, MemoryDisk::Tear::kSectors);
}

}  // namespace
}  // namespace tidemark
