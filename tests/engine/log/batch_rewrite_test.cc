#include "engine/log/batch_rewrite.h"

#include <gtest/gtest.h>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"

namespace tidemark {
namespace {

// Records of 11 bytes each.
constexpr size_t kRecordBytes = 11;

std::string Batch(size_t records) {
  BatchBuilder builder;
  for (size_t i = 0; i < records; ++i) builder.Add("k", "val", 1000);
  std::string frame = builder.Finish({.producer_id = 8, .epoch = 1, .base_sequence = 5});
  PatchBatch(frame.data(), Offset(100), Term(2));
  TIDEMARK_CHECK_EQ(frame.size(), kBatchHeaderBytes + records * kRecordBytes);
  return frame;
}

size_t RecordAt(size_t i) { return kBatchHeaderBytes + i * kRecordBytes; }

std::string WithCount(std::string frame, uint32_t count) {
  StoreBig(frame.data() + 57, count);
  StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
  return frame;
}

TEST(SparseHeader, OfAWholeBatchIsItsHeader) {
  const auto header = DecodeBatchHeader(Batch(3));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->record_count, 3u);
  EXPECT_EQ(header->offset_span(), 3u);
  EXPECT_TRUE(DecodeBatchHeader(EncodeControlFrame("x")).ok());
}

TEST(SparseHeader, MayHaveFewerRecordsThanOffsets) {
  for (uint32_t count : {0u, 1u, 2u}) {
    const auto header = DecodeBatchHeader(WithCount(Batch(3), count));
    ASSERT_TRUE(header.ok()) << header.status().message();
    EXPECT_EQ(header->record_count, count);
    EXPECT_EQ(header->offset_span(), 3u);
  }
}

TEST(SparseHeader, IsOtherwiseCheckedLikeAnyOther) {
  const std::string batch = Batch(3);
  EXPECT_EQ(DecodeBatchHeader(WithCount(batch, 4)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeBatchHeader(batch.substr(0, 60)).status().code(), absl::StatusCode::kOutOfRange);
  std::string control = EncodeControlFrame("x");
  EXPECT_FALSE(DecodeBatchHeader(WithCount(control, 1)).ok());
  std::string magic = batch;
  magic[16] = 1;
  EXPECT_FALSE(DecodeBatchHeader(magic).ok());
  for (const int32_t delta : {-1, -2, INT32_MIN, INT32_MAX, 1 << 20}) {
    std::string frame = WithCount(batch, 0);
    StoreBig(frame.data() + 23, delta);
    EXPECT_FALSE(DecodeBatchHeader(frame).ok()) << delta;
  }
}

TEST(SparseHeader, IsRefusedFromClients) {
  EXPECT_FALSE(ValidateClientBatch(WithCount(Batch(1), 0)).ok());
  std::string frame = Batch(3);
  BatchRewrite rewrite;
  rewrite.Begin();
  rewrite.Drop(frame, RecordAt(1), RecordAt(2));
  EXPECT_FALSE(ValidateClientBatch(rewrite.Finish(frame, 2)).ok());
}

TEST(BatchRewrite, WithoutDropsIsTheFrameItself) {
  const std::string frame = Batch(3);
  BatchRewrite rewrite;
  rewrite.Begin();
  EXPECT_EQ(rewrite.Finish(frame, 3).data(), frame.data());
}

TEST(BatchRewrite, LeavesOutRecordsAndChangesOnlyLengthCountAndChecksum) {
  const std::string frame = Batch(4);
  for (uint32_t dropped = 1; dropped < 16; ++dropped) {
    BatchRewrite rewrite;
    rewrite.Begin();
    std::string expected = frame.substr(0, kBatchHeaderBytes);
    uint32_t kept = 0;
    for (size_t i = 0; i < 4; ++i) {
      if ((dropped >> i & 1) != 0) {
        rewrite.Drop(frame, RecordAt(i), RecordAt(i + 1));
      } else {
        expected += frame.substr(RecordAt(i), kRecordBytes);
        ++kept;
      }
    }
    StoreBig(expected.data() + 8, static_cast<uint32_t>(expected.size() - 12));
    EXPECT_EQ(rewrite.Finish(frame, kept), WithCount(expected, kept)) << dropped;
  }
}

TEST(BatchRewrite, CanBeUsedForOneFrameAfterAnother) {
  const std::string frame = Batch(2);
  BatchRewrite rewrite;
  rewrite.Begin();
  rewrite.Drop(frame, RecordAt(0), RecordAt(2));
  EXPECT_EQ(rewrite.Finish(frame, 0).size(), kBatchHeaderBytes);
  rewrite.Begin();
  EXPECT_EQ(rewrite.Finish(frame, 2), frame);
}

TEST(BatchRewriteDeathTest, TakesRecordsInOrderAndFromInsideTheFrame) {
  const std::string frame = Batch(2);
  BatchRewrite rewrite;
  rewrite.Begin();
  EXPECT_DEATH(rewrite.Drop(frame, 0, 70), "begin");
  EXPECT_DEATH(rewrite.Drop(frame, RecordAt(1), frame.size() + 1), "frame.size");
  rewrite.Drop(frame, RecordAt(1), RecordAt(2));
  EXPECT_DEATH(rewrite.Drop(frame, RecordAt(0), RecordAt(1)), "run_begin_");
}

}  // namespace
}  // namespace tidemark
