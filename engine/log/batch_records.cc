#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "engine/log/record_walk.h"

// Records in and out of batches: BatchBuilder, EncodeBatch, DecodeBatch.

namespace tidemark {
namespace {

size_t NullableBytes(std::optional<std::string_view> text) {
  return text ? VarintBytes(static_cast<int64_t>(text->size())) + text->size() : 1;
}

void AppendNullable(std::string& to, std::optional<std::string_view> text) {
  if (!text) {
    AppendVarint(to, -1);
    return;
  }
  AppendVarint(to, static_cast<int64_t>(text->size()));
  to.append(*text);
}

// Difference that wraps instead of overflowing: any pair of client timestamps is legal, and the
// reader's wrapping sum restores it.
int64_t WrappingDelta(int64_t from, int64_t base) {
  return static_cast<int64_t>(static_cast<uint64_t>(from) - static_cast<uint64_t>(base));
}

int64_t WrappingSum(int64_t base, int64_t delta) {
  return static_cast<int64_t>(static_cast<uint64_t>(base) + static_cast<uint64_t>(delta));
}

size_t EncodedRecordBytesMax(const Record& record) {
  size_t bytes = 64 + NullableBytes(record.key) + NullableBytes(record.value);
  for (const RecordHeader& header : record.headers) {
    bytes += NullableBytes(header.key) + NullableBytes(header.value);
  }
  return bytes;
}

absl::StatusOr<BatchHeader> CheckWholeFrame(std::string_view frame) {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  if (!header.ok()) return absl::DataLossError(header.status().message());
  if (header->total_bytes() != frame.size() || header->magic != EntryKind::kData) {
    return absl::DataLossError("not one whole record batch");
  }
  if (!BatchChecksumMatches(frame)) {
    return absl::DataLossError("the batch's CRC-32C does not match its contents");
  }
  return header;
}

}  // namespace

BatchBuilder::BatchBuilder() : buffer_(kBatchHeaderBytes, '\0') {}

void BatchBuilder::Add(std::optional<std::string_view> key, std::optional<std::string_view> value,
                       int64_t timestamp_ms, std::span<const RecordHeader> headers) {
  if (record_count_ == 0) base_timestamp_ms_ = max_timestamp_ms_ = timestamp_ms;
  max_timestamp_ms_ = std::max(max_timestamp_ms_, timestamp_ms);
  const int64_t timestamp_delta = WrappingDelta(timestamp_ms, base_timestamp_ms_);
  size_t body = 1 + VarintBytes(timestamp_delta) + VarintBytes(record_count_) + NullableBytes(key) +
                NullableBytes(value) + VarintBytes(static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    body += NullableBytes(header.key) + NullableBytes(header.value);
  }
  AppendVarint(buffer_, static_cast<int64_t>(body));
  buffer_.push_back(0);  // record attributes: none are defined
  AppendVarint(buffer_, timestamp_delta);
  AppendVarint(buffer_, record_count_);
  AppendNullable(buffer_, key);
  AppendNullable(buffer_, value);
  AppendVarint(buffer_, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    AppendNullable(buffer_, header.key);
    AppendNullable(buffer_, header.value);
  }
  ++record_count_;
}

std::string BatchBuilder::Finish(ProducerStamp stamp) {
  TIDEMARK_CHECK_GT(record_count_, 0u);
  char* header = buffer_.data();
  StoreBig(header + 8, static_cast<uint32_t>(buffer_.size() - 12));
  header[16] = static_cast<char>(EntryKind::kData);
  StoreBig(header + 23, static_cast<int32_t>(record_count_ - 1));
  StoreBig(header + 27, base_timestamp_ms_);
  StoreBig(header + 35, max_timestamp_ms_);
  StoreBig(header + 43, stamp.producer_id);
  StoreBig(header + 51, stamp.epoch);
  StoreBig(header + 53, stamp.base_sequence);
  StoreBig(header + 57, record_count_);
  StoreBig(header + 17, Crc32c(std::string_view(buffer_).substr(21)));
  record_count_ = 0;
  // The next batch is likely as large as this one.
  std::string next;
  next.reserve(buffer_.size());
  next.resize(kBatchHeaderBytes, '\0');
  return std::exchange(buffer_, std::move(next));
}

absl::StatusOr<std::string> EncodeBatch(std::span<const Record> records, ProducerStamp stamp) {
  if (records.empty()) return absl::InvalidArgumentError("a batch needs at least one record");
  if (records.size() > kBatchRecordsMax) {
    return absl::ResourceExhaustedError(absl::StrCat("a batch holds at most ", kBatchRecordsMax,
                                                     " records, ", records.size(), " given"));
  }
  BatchBuilder builder;
  for (const Record& record : records) {
    // Refused before the copy: the limit also bounds the memory.
    if (builder.size() + EncodedRecordBytesMax(record) > kBatchBytesMax + 128) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the batch would exceed ", kBatchBytesMax, " bytes; send fewer records"));
    }
    builder.Add(record.key, record.value, record.timestamp_ms, record.headers);
  }
  if (builder.size() > kBatchBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the batch would exceed ", kBatchBytesMax, " bytes; send fewer records"));
  }
  return builder.Finish(stamp);
}

absl::StatusOr<std::vector<DecodedRecord>> DecodeBatch(std::string_view frame) {
  TIDEMARK_ASSIGN_OR_RETURN(const BatchHeader header, CheckWholeFrame(frame));
  if (header.codec() != Codec::kNone) {
    constexpr const char* kNames[] = {"none", "gzip",      "snappy",    "lz4",
                                      "zstd", "unknown 5", "unknown 6", "unknown 7"};
    return absl::UnimplementedError(absl::StrCat("the batch is compressed with ",
                                                 kNames[header.attributes & 7],
                                                 "; decompress it with a Kafka client library"));
  }
  RecordWalk walk(frame.substr(kBatchHeaderBytes));
  std::vector<DecodedRecord> records;
  // A record takes at least 7 bytes: a lying record_count reserves no more than the frame's size.
  records.reserve(std::min<size_t>(header.record_count, walk.rest() / 7));
  int64_t delta_min = 0;
  for (uint32_t i = 0; i < header.record_count; ++i) {
    RecordView view;
    if (const char* wrong = walk.Next(view)) {
      return absl::DataLossError(absl::StrCat("record ", i, " of the batch: ", wrong));
    }
    if (view.offset_delta < delta_min || view.offset_delta > header.last_offset_delta) {
      return absl::DataLossError(absl::StrCat("record ", i, " of the batch is out of order"));
    }
    delta_min = view.offset_delta + 1;
    DecodedRecord& decoded = records.emplace_back();
    decoded.offset = header.base_offset + static_cast<uint64_t>(view.offset_delta);
    decoded.record.key = view.key;
    decoded.record.value = view.value;
    decoded.record.timestamp_ms = WrappingSum(header.base_timestamp_ms, view.timestamp_delta_ms);
    decoded.record.headers.reserve(view.header_count);
    for (uint32_t h = 0; h < view.header_count; ++h) {
      std::string_view key;
      std::optional<std::string_view> value;
      TIDEMARK_CHECK(RecordWalk::NextHeader(view.headers, key, value));
      decoded.record.headers.push_back({.key = std::string(key), .value = {}});
      if (value) decoded.record.headers.back().value = std::string(*value);
    }
  }
  if (!walk.at_end()) return absl::DataLossError("bytes follow the batch's last record");
  return records;
}

}  // namespace tidemark
