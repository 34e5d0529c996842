#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"

// Any bytes as a batch from a client. The checksum is made right half of the time, or nothing would
// get past it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  std::string frame(reinterpret_cast<const char*>(data), size);
  if (size >= kBatchHeaderBytes && (data[0] & 1) != 0) {
    StoreBig(frame.data() + 8, static_cast<uint32_t>(frame.size() - 12));
    StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
  }
  const absl::StatusOr<BatchHeader> valid = ValidateClientBatch(frame);
  const auto records = DecodeBatch(frame);
  if (valid.ok()) {
    PatchBatch(frame.data(), Offset(7), Term(3));
    TIDEMARK_CHECK(BatchChecksumMatches(frame));
    TIDEMARK_CHECK(EntryOf(LogIndex(1), Bytes::Copy(frame)).ok());
    if (valid->codec() == Codec::kNone) {
      TIDEMARK_CHECK(records.ok());
      TIDEMARK_CHECK_EQ(records->size(), size_t{valid->record_count});
    }
  } else if (records.ok()) {
    // What a server refuses and a client reads: only for its attributes, its
    // producer fields or gaps in its offsets.
    TIDEMARK_CHECK_EQ(records->size(), size_t{DecodeBatchHeader(frame)->record_count});
  }
  static_cast<void>(ControlPayload(frame).ok());
  return 0;
}
