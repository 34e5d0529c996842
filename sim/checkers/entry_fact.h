#pragma once

#include <cstdint>

#include "engine/base/ids.h"
#include "engine/log/entry.h"

namespace tidemark::sim {

// What the oracles remember of one log entry. Two entries are the same when their `prefix` is: it
// stands for the entry and everything before it.
struct EntryFact {
  LogIndex index;
  Term term;
  EntryKind kind = EntryKind::kData;
  Offset base_offset;
  uint32_t offset_span = 0;
  uint32_t bytes = 0;  // of the frame
  // The frame's own checksum.
  uint32_t crc = 0;
  // Names the batch of an idempotent producer (id, epoch, sequence); 0 for everything else.
  uint64_t batch = 0;
  uint64_t prefix = 0;

  Offset end_offset() const { return base_offset + offset_span; }
};

// The fact about `entry`, which follows an entry (or nothing: 0) with prefix `before`.
EntryFact FactOf(const Entry& entry, uint64_t before);

// EntryFact::batch of a batch with this identity.
uint64_t BatchId(int64_t producer_id, int16_t epoch, int32_t base_sequence);

}  // namespace tidemark::sim
