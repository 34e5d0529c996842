#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"
#include "engine/log/batch_rewrite.h"

namespace tidemark {
namespace {

std::optional<std::string> Nullable(bool present, std::string text) {
  if (!present) return std::nullopt;
  return text;
}

RC_GTEST_PROP(Records, ComeBackAsTheyWerePutIn, ()) {
  const auto count = *rc::gen::inRange<size_t>(1, 20);
  std::vector<Record> records(count);
  for (Record& record : records) {
    record.key = Nullable(*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<std::string>());
    record.value = Nullable(*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<std::string>());
    record.timestamp_ms = *rc::gen::arbitrary<int64_t>();
    record.headers.resize(*rc::gen::inRange<size_t>(0, 3));
    for (RecordHeader& header : record.headers) {
      header.key = *rc::gen::arbitrary<std::string>();
      header.value = Nullable(*rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<std::string>());
    }
  }
  auto frame = EncodeBatch(records);
  RC_ASSERT(frame.ok());
  RC_ASSERT(ValidateClientBatch(*frame).ok());
  PatchBatch(frame->data(), Offset(500), Term(1));
  const auto decoded = DecodeBatch(*frame);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded->size() == records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    RC_ASSERT((*decoded)[i].offset == Offset(500 + i));
    RC_ASSERT((*decoded)[i].record == records[i]);
  }
}

// SCENARIOS L2: 85 empty records wedge the log.
TEST(Records, EmptyOnesAreRecords) {
  const std::vector<Record> records(85, Record{.key = {}, .value = "", .headers = {}});
  const auto frame = EncodeBatch(records);
  ASSERT_TRUE(frame.ok());
  const auto header = ValidateClientBatch(*frame);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->offset_span(), 85u);
  const auto decoded = DecodeBatch(*frame);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->size(), 85u);
  EXPECT_EQ(decoded->back().record.value, "");
  EXPECT_FALSE(decoded->back().record.key.has_value());
}

TEST(Records, NoneOrTooManyAreRefused) {
  EXPECT_EQ(EncodeBatch({}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<Record> large(
      9, Record{.key = {}, .value = std::string(1 << 20, 'x'), .headers = {}});
  EXPECT_EQ(EncodeBatch(large).status().code(), absl::StatusCode::kResourceExhausted);
  const std::vector<Record> many(kBatchRecordsMax + 1);
  EXPECT_EQ(EncodeBatch(many).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Builder, StartsAnewAfterEachBatch) {
  BatchBuilder builder;
  EXPECT_TRUE(builder.empty());
  builder.Add("a", "1", 50);
  builder.Add("b", "2", 20);
  const std::string first = builder.Finish();
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.size(), kBatchHeaderBytes);
  builder.Add("c", "3", 10);
  const std::string second = builder.Finish({.producer_id = 1, .epoch = 0, .base_sequence = 0});
  const auto header = DecodeBatchHeader(first);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->base_timestamp_ms, 50);
  EXPECT_EQ(header->max_timestamp_ms, 50);
  ASSERT_EQ(DecodeBatch(first)->size(), 2u);
  EXPECT_EQ(DecodeBatch(first)->at(1).record.timestamp_ms, 20);
  ASSERT_EQ(DecodeBatch(second)->size(), 1u);
  EXPECT_EQ(DecodeBatch(second)->at(0).record.timestamp_ms, 10);
}

TEST(Decoding, NamesTheCodecItCannotRead) {
  std::string frame = *EncodeBatch(std::vector<Record>(1));
  StoreBig<uint16_t>(frame.data() + 21, 4);
  StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
  const auto decoded = DecodeBatch(frame);
  EXPECT_EQ(decoded.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(std::string(decoded.status().message()).find("zstd"), std::string::npos);
}

TEST(Decoding, GivesTheRecordsOfASparseBatchTheirOffsets) {
  const std::string whole =
      *EncodeBatch(std::vector<Record>(3, Record{.key = "k", .value = "v", .headers = {}}));
  const size_t record_bytes = (whole.size() - kBatchHeaderBytes) / 3;
  const auto without = [&](std::vector<size_t> dropped) {
    BatchRewrite rewrite;
    rewrite.Begin();
    for (const size_t i : dropped) {
      const size_t at = kBatchHeaderBytes + i * record_bytes;
      rewrite.Drop(whole, at, at + record_bytes);
    }
    std::string frame(rewrite.Finish(whole, static_cast<uint32_t>(3 - dropped.size())));
    PatchBatch(frame.data(), Offset(10), Term(1));
    return frame;
  };
  const auto first_and_last = DecodeBatch(without({1}));
  ASSERT_TRUE(first_and_last.ok()) << first_and_last.status().message();
  ASSERT_EQ(first_and_last->size(), 2u);
  EXPECT_EQ(first_and_last->at(0).offset, Offset(10));
  EXPECT_EQ(first_and_last->at(1).offset, Offset(12));
  const auto none = DecodeBatch(without({0, 1, 2}));
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  for (const char delta : {0, 6}) {  // that of the first record; 3, of a batch of 3
    std::string frame = without({1});
    frame[kBatchHeaderBytes + record_bytes + 3] = delta;
    StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
    EXPECT_EQ(DecodeBatch(frame).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Decoding, EveryFlippedBitIsDataLossOrOutsideTheChecksum) {
  const std::string frame =
      *EncodeBatch(std::vector<Record>(3, Record{.key = "k", .value = "v", .headers = {}}));
  for (size_t at = 8; at < frame.size(); ++at) {
    if (at >= 12 && at < 16) continue;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = frame;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      EXPECT_TRUE(absl::IsDataLoss(DecodeBatch(damaged).status())) << at;
    }
  }
}

}  // namespace
}  // namespace tidemark
