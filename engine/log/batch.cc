#include "engine/log/batch.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/status_macros.h"
#include "engine/log/record_walk.h"

namespace tidemark {
namespace {

constexpr size_t kBatchLengthPrefix = 12;  // base_offset and batch_length are not counted
constexpr size_t kChecksumBegin = 21;      // the checksum covers everything from here on
constexpr uint32_t kNoEpoch = 0xffffffff;  // what clients, who know no term, put there

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not a record batch: ", what));
}

BatchHeader LoadHeader(const char* from) {
  BatchHeader header;
  header.base_offset = Offset{LoadBig<uint64_t>(from)};
  header.batch_length = LoadBig<uint32_t>(from + 8);
  const uint32_t epoch = LoadBig<uint32_t>(from + 12);
  header.leader_epoch = Term{epoch == kNoEpoch ? 0 : epoch};
  header.magic = static_cast<EntryKind>(from[16]);
  header.crc = LoadBig<uint32_t>(from + 17);
  header.attributes = LoadBig<uint16_t>(from + 21);
  header.last_offset_delta = LoadBig<int32_t>(from + 23);
  header.base_timestamp_ms = LoadBig<int64_t>(from + 27);
  header.max_timestamp_ms = LoadBig<int64_t>(from + 35);
  header.producer_id = LoadBig<int64_t>(from + 43);
  header.producer_epoch = LoadBig<int16_t>(from + 51);
  header.base_sequence = LoadBig<int32_t>(from + 53);
  header.record_count = LoadBig<uint32_t>(from + 57);
  return header;
}

absl::Status CheckRecords(const BatchHeader& header, std::string_view frame) {
  RecordWalk walk(frame.substr(kBatchHeaderBytes));
  for (uint32_t i = 0; i < header.record_count; ++i) {
    if (walk.PassUsual(i)) [[likely]]
      continue;
    RecordView record;
    if (const char* wrong = walk.Next(record)) [[unlikely]] {
      return Malformed(absl::StrCat("record ", i, ": ", wrong));
    }
    if (record.offset_delta != i) [[unlikely]] {
      return Malformed(absl::StrCat("record ", i, " has offset delta ", record.offset_delta,
                                    "; deltas must count up from 0 without gaps"));
    }
  }
  if (!walk.at_end()) {
    return Malformed(
        absl::StrCat(walk.rest(), " bytes follow the last of ", header.record_count, " records"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BatchHeader> DecodeBatchHeader(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) {
    return absl::OutOfRangeError(
        absl::StrCat("a batch header takes 61 bytes, ", bytes.size(), " given"));
  }
  const BatchHeader header = LoadHeader(bytes.data());
  if (header.magic != EntryKind::kData && header.magic != EntryKind::kControl) {
    return Malformed(absl::StrCat("magic is ", static_cast<uint8_t>(header.magic),
                                  "; only record batch version 2 is understood"));
  }
  if (header.total_bytes() < kBatchHeaderBytes || header.total_bytes() > kBatchBytesMax) {
    return Malformed(absl::StrCat("batch_length is ", header.batch_length,
                                  "; it must be between 49 and ",
                                  kBatchBytesMax - kBatchLengthPrefix));
  }
  if (header.leader_epoch.value() > kTermMax) {
    return Malformed(absl::StrCat("leader_epoch is ", header.leader_epoch.value(),
                                  "; it must be -1 or at most ", kTermMax));
  }
  if (header.magic == EntryKind::kControl) {
    if (header.last_offset_delta != -1 || header.record_count != 0) {
      return Malformed("a control frame must have last_offset_delta -1 and record_count 0");
    }
  } else if (header.last_offset_delta < 0 || header.offset_span() > kBatchRecordsMax ||
             header.record_count > header.offset_span()) {
    return Malformed(absl::StrCat("record_count is ", header.record_count,
                                  " and last_offset_delta ", header.last_offset_delta,
                                  "; expected at most ", kBatchRecordsMax, " and one less"));
  }
  if (header.base_offset.value() > INT64_MAX - uint64_t{header.offset_span()}) {
    return Malformed("base_offset must leave room below 2^63");
  }
  return header;
}

bool BatchChecksumMatches(std::string_view frame) {
  return frame.size() >= kBatchHeaderBytes &&
         LoadBig<uint32_t>(frame.data() + 17) == Crc32c(frame.substr(kChecksumBegin));
}

absl::StatusOr<BatchHeader> ValidateClientBatch(std::string_view frame) {
  if (frame.size() > kBatchBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("the batch has ", frame.size(),
                                                     " bytes, the limit is ", kBatchBytesMax,
                                                     "; send smaller batches"));
  }
  absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  if (absl::IsOutOfRange(header.status())) return Malformed(header.status().message());
  TIDEMARK_RETURN_IF_ERROR(header.status());
  if (header->magic != EntryKind::kData) return Malformed("clients send batches of magic 2 only");
  if (header->is_sparse()) {
    return Malformed(absl::StrCat("record_count is ", header->record_count,
                                  " and last_offset_delta ", header->last_offset_delta,
                                  "; it must be one less"));
  }
  if (header->total_bytes() != frame.size()) {
    return Malformed(absl::StrCat("batch_length says ", header->total_bytes(), " bytes, ",
                                  frame.size(), " given; send one whole batch at a time"));
  }
  if (header->attributes > static_cast<uint16_t>(Codec::kZstd)) {
    return Malformed(absl::StrCat(
        "attributes are ", header->attributes,
        "; only a codec of 0 to 4 is accepted (no transactions, control or log append time)"));
  }
  if (header->producer_id < -1 ||
      (header->producer_id >= 0 && (header->producer_epoch < 0 || header->base_sequence < 0))) {
    return Malformed(
        "an idempotent batch needs producer_id, producer_epoch and base_sequence >= 0");
  }
  if (!BatchChecksumMatches(frame)) {
    return absl::InvalidArgumentError(
        "the batch's CRC-32C does not match its contents; it was damaged on the way, send it "
        "again");
  }
  if (header->codec() == Codec::kNone) {
    TIDEMARK_RETURN_IF_ERROR(CheckRecords(*header, frame));
  }
  return header;
}

absl::Status CheckHasKeys(const BatchHeader& header, std::string_view frame) {
  if (header.codec() != Codec::kNone) {
    return absl::InvalidArgumentError(
        "the batch is compressed; a topic that is compacted by key takes uncompressed ones only");
  }
  RecordWalk walk(frame.substr(kBatchHeaderBytes));
  for (uint32_t i = 0; i < header.record_count; ++i) {
    RecordView record;
    if (const char* wrong = walk.Next(record)) {
      return Malformed(absl::StrCat("of record ", i, ", ", wrong));
    }
    if (!record.key.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "record ", i, " of the batch has no key; every record of a compacted topic needs one"));
    }
  }
  return absl::OkStatus();
}

void PatchBatch(char* frame, Offset base_offset, Term term) {
  TIDEMARK_CHECK_LE(term.value(), kTermMax);
  StoreBig(frame, base_offset.value());
  StoreBig(frame + 12, static_cast<uint32_t>(term.value()));
}

std::string EncodeControlFrame(std::string_view payload) {
  TIDEMARK_CHECK_LE(payload.size(), kBatchBytesMax - kBatchHeaderBytes);
  std::string frame(kBatchHeaderBytes, '\0');
  frame.reserve(kBatchHeaderBytes + payload.size());
  frame.append(payload);
  StoreBig(frame.data() + 8, static_cast<uint32_t>(frame.size() - kBatchLengthPrefix));
  frame[16] = static_cast<char>(EntryKind::kControl);
  StoreBig<int32_t>(frame.data() + 23, -1);
  StoreBig<int64_t>(frame.data() + 43, -1);
  StoreBig<int16_t>(frame.data() + 51, -1);
  StoreBig<int32_t>(frame.data() + 53, -1);
  StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(kChecksumBegin)));
  return frame;
}

absl::StatusOr<std::string_view> ControlPayload(std::string_view frame) {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  if (!header.ok() || header->magic != EntryKind::kControl ||
      header->total_bytes() != frame.size() || !BatchChecksumMatches(frame)) {
    return absl::DataLossError("not an intact control frame");
  }
  return frame.substr(kBatchHeaderBytes);
}

absl::StatusOr<Entry> EntryOf(LogIndex index, Bytes frame) {
  TIDEMARK_ASSIGN_OR_RETURN(const BatchHeader header, DecodeBatchHeader(frame.view()));
  if (header.total_bytes() != frame.size()) {
    return Malformed(absl::StrCat("batch_length says ", header.total_bytes(), " bytes, ",
                                  frame.size(), " given"));
  }
  return Entry{.index = index,
               .term = header.leader_epoch,
               .kind = header.magic,
               .base_offset = header.base_offset,
               .offset_span = header.offset_span(),
               .frame = std::move(frame)};
}

}  // namespace tidemark
