#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/log/entry.h"

// Kafka's RecordBatch v2, byte for byte: the one set of bytes on disk, on the wire and at both
// ends. Layout in FORMAT.md section 1.

namespace tidemark {

inline constexpr size_t kBatchHeaderBytes = 61;

enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

// The decoded 61-byte header.
struct BatchHeader {
  Offset base_offset;
  uint32_t batch_length = 0;  // bytes after this field: total size - 12
  Term leader_epoch;
  EntryKind magic = EntryKind::kData;
  uint32_t crc = 0;
  uint16_t attributes = 0;
  int32_t last_offset_delta = 0;  // records - 1, or more if sparse; -1 in control frames
  int64_t base_timestamp_ms = 0;
  int64_t max_timestamp_ms = 0;
  int64_t producer_id = -1;  // -1: not idempotent
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  uint32_t record_count = 0;

  uint64_t total_bytes() const { return uint64_t{batch_length} + 12; }
  Codec codec() const { return static_cast<Codec>(attributes & 7); }
  // Offsets, and sequence numbers of its producer, that the batch stands for.
  uint32_t offset_span() const { return static_cast<uint32_t>(last_offset_delta) + 1; }
  // Compaction took records out of it, maybe all (batch_rewrite.h).
  bool is_sparse() const { return record_count != offset_span(); }
};

// Reads the header at the front of `bytes` and checks what can be checked without the records:
// lengths within limits.h, magic, not more records than offsets. Does not look at the checksum.
//   Errors  kOutOfRange: fewer than 61 bytes (need more); kInvalidArgument: not a batch; the
//   message
//           says which field and what it should be.
absl::StatusOr<BatchHeader> DecodeBatchHeader(std::string_view bytes);

// Whether the checksum in the header matches bytes 21..end of `frame` (a whole frame).
bool BatchChecksumMatches(std::string_view frame);

// Everything a server checks of a batch from a client before it becomes an entry: exactly one whole
// frame, header sane, data magic, not sparse, checksum right, attributes known (no control or
// transactional bit), and for uncompressed batches every record well-formed with dense offset
// deltas.
//   Errors  kInvalidArgument with the reason; kResourceExhausted over kBatchBytesMax.
absl::StatusOr<BatchHeader> ValidateClientBatch(std::string_view frame);

// Ok if compaction by key can work on a valid client batch: not compressed, for its keys must be
// readable, and every record has a key.
//   Errors  kInvalidArgument with the reason.
absl::Status CheckHasKeys(const BatchHeader& header, std::string_view frame);

// Writes base_offset and leader_epoch into a frame, the only fields a leader sets; both are outside
// the checksum. `frame` points at a whole frame.
void PatchBatch(char* frame, Offset base_offset, Term term);

struct RecordHeader {
  std::string key;
  std::optional<std::string> value;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

struct Record {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<RecordHeader> headers;
  int64_t timestamp_ms = 0;
  friend bool operator==(const Record&, const Record&) = default;
};

struct ProducerStamp {
  int64_t producer_id = -1;
  int16_t epoch = -1;
  int32_t base_sequence = -1;
};

// Builds an uncompressed batch (base offset and epoch zero) of at least one record.
//   Errors  kInvalidArgument: no records; kResourceExhausted: over kBatchBytesMax/kBatchRecordsMax.
absl::StatusOr<std::string> EncodeBatch(std::span<const Record> records, ProducerStamp stamp = {});

// Builds batches record by record without copies of the records; for clients' hot paths.
class BatchBuilder {
 public:
  BatchBuilder();
  // Adds a record. Timestamps may go back; deltas are relative to the first record's.
  void Add(std::optional<std::string_view> key, std::optional<std::string_view> value,
           int64_t timestamp_ms, std::span<const RecordHeader> headers = {});
  uint32_t record_count() const { return record_count_; }
  // Size of the batch so far.
  size_t size() const { return buffer_.size(); }
  bool empty() const { return record_count_ == 0; }
  // Finishes the batch and starts the next one. Dies if empty.
  std::string Finish(ProducerStamp stamp = {});

 private:
  std::string buffer_;
  uint32_t record_count_ = 0;
  int64_t base_timestamp_ms_ = 0;
  int64_t max_timestamp_ms_ = 0;
};

struct DecodedRecord {
  Offset offset;
  Record record;
};

// Decodes all records of a whole, uncompressed frame, which may be sparse: then there are gaps
// between their offsets, or no records. Verifies the checksum.
//   Errors  kDataLoss: checksum or shape wrong; kUnimplemented: a compressed batch (names the
//   codec).
absl::StatusOr<std::vector<DecodedRecord>> DecodeBatch(std::string_view frame);

// Builds a control frame (magic 0x54, no client offsets) with `payload` as its only contents.
std::string EncodeControlFrame(std::string_view payload);
// The payload of a control frame whose header was decoded. kDataLoss if the checksum is wrong.
absl::StatusOr<std::string_view> ControlPayload(std::string_view frame);

// The entry a whole, sane frame is, at raft position `index`; offset and term come from its header.
absl::StatusOr<Entry> EntryOf(LogIndex index, Bytes frame);

}  // namespace tidemark
