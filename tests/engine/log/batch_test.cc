#include "engine/log/batch.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark {
namespace {

std::string Batch(size_t records, ProducerStamp stamp = {}) {
  BatchBuilder builder;
  for (size_t i = 0; i < records; ++i) {
    builder.Add("key", "value", 1000 + static_cast<int64_t>(i));
  }
  return builder.Finish(stamp);
}

// Recomputes the checksum after a change behind it.
std::string Sealed(std::string frame) {
  StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
  return frame;
}

template <typename T>
std::string With(std::string frame, size_t at, T value) {
  StoreBig(frame.data() + at, value);
  return Sealed(std::move(frame));
}

void ExpectRefused(const std::string& frame, const std::string& because) {
  const auto header = ValidateClientBatch(frame);
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument) << because;
  EXPECT_NE(std::string(header.status().message()).find(because), std::string::npos)
      << header.status().message();
}

// The bytes of a batch as Kafka's own message format documents them (KIP-98 layout): one record
// with key "k" and value "v" at 1,500,000,000,000 ms.
TEST(Batch, IsKafkasRecordBatchByteForByte) {
  BatchBuilder builder;
  builder.Add("k", "v", 1'500'000'000'000);
  std::string frame = builder.Finish({.producer_id = 5, .epoch = 2, .base_sequence = 9});
  PatchBatch(frame.data(), Offset(0x0102), Term(3));
  const std::string expected(
      "\0\0\0\0\0\0\x01\x02"          // base offset
      "\0\0\0\x3a"                    // batch length: 70 - 12
      "\0\0\0\x03"                    // leader epoch
      "\x02"                          // magic
      "\x00\x00\x00\x00"              // checksum, below
      "\0\0"                          // attributes
      "\0\0\0\0"                      // last offset delta
      "\0\0\x01\x5d\x3e\xf7\x98\x00"  // base timestamp
      "\0\0\x01\x5d\x3e\xf7\x98\x00"  // max timestamp
      "\0\0\0\0\0\0\0\x05"            // producer id
      "\0\x02"                        // producer epoch
      "\0\0\0\x09"                    // base sequence
      "\0\0\0\x01"                    // record count
      "\x10\0\0\0\x02k\x02v\0",       // length 8, attributes, deltas, key, value, no headers
      70);
  ASSERT_EQ(frame.size(), 70u);
  std::string without_checksum = frame;
  StoreBig<uint32_t>(without_checksum.data() + 17, 0);
  EXPECT_EQ(without_checksum, expected);
  EXPECT_EQ(LoadBig<uint32_t>(frame.data() + 17), Crc32c(std::string_view(frame).substr(21)));
}

TEST(Batch, HeaderReadsBackWhatWasWritten) {
  std::string frame = Batch(3, {.producer_id = 77, .epoch = 4, .base_sequence = 12});
  PatchBatch(frame.data(), Offset(1000), Term(6));
  const auto header = DecodeBatchHeader(frame);
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->base_offset, Offset(1000));
  EXPECT_EQ(header->leader_epoch, Term(6));
  EXPECT_EQ(header->total_bytes(), frame.size());
  EXPECT_EQ(header->offset_span(), 3u);
  EXPECT_EQ(header->record_count, 3u);
  EXPECT_EQ(header->producer_id, 77);
  EXPECT_EQ(header->producer_epoch, 4);
  EXPECT_EQ(header->base_sequence, 12);
  EXPECT_EQ(header->base_timestamp_ms, 1000);
  EXPECT_EQ(header->max_timestamp_ms, 1002);
  EXPECT_TRUE(BatchChecksumMatches(frame));
}

TEST(Batch, FewerBytesThanAHeaderAskForMore) {
  const std::string frame = Batch(1);
  for (size_t size = 0; size < kBatchHeaderBytes; ++size) {
    EXPECT_EQ(DecodeBatchHeader(frame.substr(0, size)).status().code(),
              absl::StatusCode::kOutOfRange);
  }
}

TEST(ClientBatch, IsAcceptedWithAnyEpochAndCodec) {
  EXPECT_TRUE(ValidateClientBatch(Batch(1)).ok());
  EXPECT_TRUE(ValidateClientBatch(With<int32_t>(Batch(2), 12, -1)).ok());
  for (uint16_t codec = 1; codec <= 4; ++codec) {
    EXPECT_TRUE(ValidateClientBatch(With<uint16_t>(Batch(2), 21, codec)).ok());
  }
}

TEST(ClientBatch, IsRefusedWithTheReason) {
  const std::string good = Batch(2);
  ExpectRefused(good.substr(0, 60), "61 bytes");
  ExpectRefused(good.substr(0, good.size() - 1), "one whole batch");
  ExpectRefused(good + "x", "one whole batch");
  std::string flipped = good;
  flipped.back() ^= 1;
  ExpectRefused(flipped, "CRC-32C");
  std::string magic = good;
  magic[16] = 1;
  ExpectRefused(magic, "magic is 1");
  ExpectRefused(EncodeControlFrame("x"), "magic 2 only");
  for (int bit = 3; bit < 16; ++bit) {
    ExpectRefused(With<uint16_t>(good, 21, static_cast<uint16_t>(1u << bit)), "attributes");
  }
  ExpectRefused(With<uint16_t>(good, 21, 5), "attributes");
  ExpectRefused(With<int32_t>(good, 23, 2), "record_count");
  ExpectRefused(With<int32_t>(With<uint32_t>(good, 57, 3), 23, 2), "record 2");
  ExpectRefused(With<int32_t>(With<uint32_t>(good, 57, 1), 23, 0), "bytes follow");
  ExpectRefused(With<int32_t>(With<uint32_t>(good, 57, 0), 23, -1), "record_count");
  ExpectRefused(With<uint64_t>(good, 0, uint64_t{1} << 63), "base_offset");
  ExpectRefused(With<int64_t>(good, 43, 9), "idempotent");
  ExpectRefused(With<int64_t>(good, 43, -2), "idempotent");
  ExpectRefused(With<int32_t>(good, 12, -2), "leader_epoch");
}

TEST(ClientBatch, OverTheLimitIsRefusedBeforeAnythingIsRead) {
  const std::string huge(kBatchBytesMax + 1, '\0');
  EXPECT_EQ(ValidateClientBatch(huge).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ClientBatch, WithAGapInItsOffsetsIsRefused) {
  std::string frame = Batch(2);
  // The second record: length, attributes, timestamp delta, then the offset delta.
  const size_t second = kBatchHeaderBytes + 1 + static_cast<uint8_t>(frame[kBatchHeaderBytes]) / 2;
  frame[second + 3] = 4;
  ExpectRefused(Sealed(frame), "offset delta 2");
}

RC_GTEST_PROP(ClientBatchProperty, AnyBytesAreAcceptedOrRefusedNeverRead,
              (std::string tail, uint32_t count)) {
  std::string frame = Batch(1).substr(0, kBatchHeaderBytes) + tail;
  count = count % 4 + 1;
  StoreBig(frame.data() + 8, static_cast<uint32_t>(frame.size() - 12));
  StoreBig(frame.data() + 23, static_cast<int32_t>(count - 1));
  StoreBig(frame.data() + 57, count);
  const auto header = ValidateClientBatch(Sealed(frame));
  RC_ASSERT(header.ok() == DecodeBatch(Sealed(frame)).ok());
}

TEST(Batch, PatchingLeavesTheChecksumRight) {
  std::string frame = Batch(2);
  PatchBatch(frame.data(), Offset(0xffff'ffff'ffff), Term(kTermMax));
  EXPECT_TRUE(BatchChecksumMatches(frame));
  EXPECT_TRUE(DecodeBatch(frame).ok());
}

// SCENARIOS L12: control batches shift client offsets.
TEST(ControlFrame, OccupiesNoClientOffsets) {
  std::string frame = EncodeControlFrame("payload");
  PatchBatch(frame.data(), Offset(42), Term(2));
  const auto entry = EntryOf(LogIndex(9), Bytes::From(frame));
  ASSERT_TRUE(entry.ok());
  EXPECT_EQ(entry->kind, EntryKind::kControl);
  EXPECT_EQ(entry->offset_span, 0u);
  EXPECT_EQ(entry->end_offset(), Offset(42));
  const auto payload = ControlPayload(frame);
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(*payload, "payload");
}

TEST(ControlFrame, PayloadOfADamagedOneIsNotGivenOut) {
  std::string frame = EncodeControlFrame("payload");
  for (size_t at = 8; at < frame.size(); ++at) {
    if (at >= 12 && at < 16) continue;  // the term lies outside the checksum
    std::string damaged = frame;
    damaged[at] ^= 1;
    EXPECT_TRUE(absl::IsDataLoss(ControlPayload(damaged).status())) << at;
  }
  EXPECT_TRUE(absl::IsDataLoss(ControlPayload(Batch(1)).status()));
}

TEST(Entry, NeedsExactlyOneFrame) {
  const std::string frame = Batch(2);
  EXPECT_TRUE(EntryOf(LogIndex(1), Bytes::Copy(frame)).ok());
  EXPECT_FALSE(EntryOf(LogIndex(1), Bytes::Copy(frame + "x")).ok());
  EXPECT_FALSE(EntryOf(LogIndex(1), Bytes::Copy(frame.substr(1))).ok());
}

TEST(Batch, CompactionNeedsAKeyInEveryRecordAndNoCodec) {
  const auto check = [](const std::string& frame) {
    return CheckHasKeys(*DecodeBatchHeader(frame), frame);
  };
  EXPECT_TRUE(check(Batch(3)).ok());
  BatchBuilder builder;
  builder.Add("", std::nullopt, 1);  // an empty key is one, and a tombstone is a record
  EXPECT_TRUE(check(builder.Finish()).ok());
  builder.Add("key", "value", 1);
  builder.Add(std::nullopt, "value", 1);
  const absl::Status keyless = check(builder.Finish());
  EXPECT_TRUE(absl::IsInvalidArgument(keyless));
  EXPECT_NE(keyless.message().find("record 1 "), std::string::npos) << keyless;
  EXPECT_TRUE(absl::IsInvalidArgument(check(With<uint16_t>(Batch(2), 21, 1))));
}

}  // namespace
}  // namespace tidemark
