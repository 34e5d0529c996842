#pragma once

#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"

namespace tidemark {

enum class EntryKind : uint8_t {
  kData = 2,        // a client's record batch; the value is Kafka's magic
  kControl = 0x54,  // Tidemark's own (no-op, configuration); never shown to clients
};

// One raft entry = one frame of the log = one record batch, in the exact bytes that are on disk, on
// the wire to peers and at the consumer. Cheap to copy.
struct Entry {
  LogIndex index;
  Term term;
  EntryKind kind = EntryKind::kData;
  // Offset of its first record; a control entry has the offset the next record will get.
  Offset base_offset;
  // Client offsets it occupies: 0 for control entries.
  uint32_t offset_span = 0;
  Bytes frame;

  Offset end_offset() const { return base_offset + offset_span; }
};

// Entries that follow each other, as an append carries them: mostly one, for which no memory is
// asked.
using EntryList = absl::InlinedVector<Entry, 1>;

}  // namespace tidemark
