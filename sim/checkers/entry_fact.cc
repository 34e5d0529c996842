#include "sim/checkers/entry_fact.h"

#include <string_view>

#include "engine/base/coding.h"
#include "engine/base/prng.h"
#include "engine/log/batch.h"

namespace tidemark::sim {

uint64_t BatchId(int64_t producer_id, int16_t epoch, int32_t base_sequence) {
  if (producer_id < 0) return 0;
  const uint64_t rest =
      uint64_t{static_cast<uint16_t>(epoch)} << 32 | static_cast<uint32_t>(base_sequence);
  return Mix64(Mix64(static_cast<uint64_t>(producer_id)) ^ rest) | 1;
}

EntryFact FactOf(const Entry& entry, uint64_t before) {
  EntryFact fact{.index = entry.index,
                 .term = entry.term,
                 .kind = entry.kind,
                 .base_offset = entry.base_offset,
                 .offset_span = entry.offset_span,
                 .bytes = static_cast<uint32_t>(entry.frame.size())};
  const std::string_view frame = entry.frame.view();
  if (frame.size() >= kBatchHeaderBytes) {
    fact.crc = LoadBig<uint32_t>(frame.data() + 17);
    if (entry.kind == EntryKind::kData) {
      fact.batch = BatchId(LoadBig<int64_t>(frame.data() + 43), LoadBig<int16_t>(frame.data() + 51),
                           LoadBig<int32_t>(frame.data() + 53));
    }
  }
  uint64_t prefix = Mix64(before ^ fact.term.value());
  prefix = Mix64(prefix ^ (uint64_t{fact.crc} << 32 | static_cast<uint64_t>(fact.kind)));
  prefix = Mix64(prefix ^ fact.base_offset.value());
  fact.prefix = Mix64(prefix ^ (fact.index.value() << 20 | fact.offset_span));
  return fact;
}

}  // namespace tidemark::sim
