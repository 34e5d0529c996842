#include "engine/log/compaction_pass.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/log/keyed_log.h"

namespace tidemark {
namespace {

TEST(CompactionPass, ReadsAndWritesInPieces) {
  KeyedLog keyed;
  keyed.options.segment_bytes = 8u << 20;
  ASSERT_TRUE(keyed.Reopen().ok());
  for (int i = 0; i < 40; ++i) keyed.Put(std::to_string(i), std::string(600'000, 'v'));
  keyed.Put("large", std::string(3'000'000, 'v'));
  keyed.Put("next", std::string(6'000'000, 'v'));
  keyed.Flush();
  ASSERT_TRUE(keyed.BeginPass());
  size_t batches = 0;
  keyed.step_bytes = 100'000;
  while (keyed.log->compacting()) {
    if (const auto range = keyed.log->CompactionRead()) {
      EXPECT_LE(range->length, kCompactionPieceBytes);
    }
    ASSERT_TRUE(keyed.Work().ok());
    if (!keyed.log->has_compaction_batch()) break;
    const FileBatch batch = keyed.log->TakeCompactionBatch();
    size_t bytes = 0;
    for (const FileOp& op : batch.ops) {
      const auto* write = std::get_if<WriteFile>(&op);
      if (write != nullptr) bytes += write->data.front().size();
    }
    EXPECT_LE(bytes, 2 * kCompactionPieceBytes + 3'100'000);
    keyed.disk.ApplyAndSync(batch);
    keyed.log->OnCompactionBatchDurable();
    ++batches;
  }
  EXPECT_GT(batches, 15u);
  keyed.Flush();
  EXPECT_EQ(keyed.Read(1 << 20), keyed.Expected());
}

TEST(CompactionPass, DamageEndsItAndTheLogStaysAsItIs) {
  for (const bool cut_short : {false, true}) {
    KeyedLog keyed;
    for (int i = 0; i < 60; ++i) keyed.Put("key", std::string(500, 'v'));
    keyed.Flush();
    std::string& file = keyed.disk.Contents(keyed.log->Files()[2]);
    const std::string whole = file;
    if (cut_short) {
      file.resize(5000);
    } else {
      file[5000] ^= 1;
    }
    const absl::Status status = keyed.Compact();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status.message();
    EXPECT_FALSE(keyed.log->compacting());
    file = whole;
    keyed.Flush();
    EXPECT_EQ(keyed.Consume().size(), 60u);
    EXPECT_EQ(keyed.disk.Files().size(), keyed.log->Files().size());
    EXPECT_TRUE(keyed.Compact().ok());
    EXPECT_EQ(keyed.Read(), keyed.Expected());
  }
}

TEST(CompactionPass, WhatNoChecksumOfAFrameCoversIsComparedWithTheLog) {
  // A term and an offset, each a little higher.
  for (const size_t at : {15, 7}) {
    KeyedLog keyed;
    for (int i = 0; i < 60; ++i) keyed.Put("key", std::string(500, 'v'));
    keyed.Flush();
    const FileId first = keyed.log->Files().front();
    std::string& file = keyed.disk.Contents(first);
    file[kSegmentHeaderBytes + at] ^= 2;
    EXPECT_TRUE(absl::IsDataLoss(keyed.Compact())) << at;
    file[kSegmentHeaderBytes + at] ^= 2;
    EXPECT_TRUE(keyed.Compact().ok());
    EXPECT_EQ(keyed.Read(), keyed.Expected());
  }
}

TEST(CompactionPass, BytesOfAPassThatIsOverAreIgnored) {
  KeyedLog keyed;
  for (int i = 0; i < 60; ++i) keyed.Put("key", std::string(500, 'v'));
  keyed.Flush();
  ASSERT_TRUE(keyed.BeginPass());
  ASSERT_TRUE(keyed.log->CompactionStep(keyed, WallTime(), 1).ok());
  const auto range = keyed.log->CompactionRead();
  ASSERT_TRUE(range.has_value());
  keyed.log->CancelCompaction();
  keyed.log->OnCompactionRead(*range, Bytes());
  EXPECT_TRUE(keyed.log->CompactionStep(keyed, WallTime(), 1).ok());
  EXPECT_FALSE(keyed.log->has_compaction_batch());
  EXPECT_TRUE(keyed.Compact().ok());
}

}  // namespace
}  // namespace tidemark
