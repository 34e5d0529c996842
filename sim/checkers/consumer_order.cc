#include "sim/checkers/consumer_order.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"

namespace tidemark::sim {

void ConsumerOrder::OnDelivered(uint32_t consumer, GroupId group, std::string_view frame,
                                uint64_t skip) {
  const auto fail = [&](std::string_view what) {
    verdict_->Fail("consumer_order", absl::StrCat("consumer ", consumer, " of group ",
                                                  group.value(), ": ", std::string(what)));
  };
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  if (!header.ok() || header->total_bytes() != frame.size() || !BatchChecksumMatches(frame)) {
    fail("was given bytes that are not a batch");
    return;
  }
  Offset& position = positions_[{consumer, group}];
  if (header->base_offset + skip != position) {
    fail(absl::StrCat("was given offset ", header->base_offset.value() + skip, " when ",
                      position.value(), " was next"));
    return;
  }
  const EntryFact* entry = committed_->At(group, header->base_offset);
  if (entry == nullptr) {
    fail(absl::StrCat("was given offset ", position.value(), ", which is not committed"));
    return;
  }
  if (entry->base_offset != header->base_offset || entry->crc != header->crc ||
      entry->term != header->leader_epoch || entry->offset_span != header->offset_span()) {
    fail(absl::StrCat("was given another batch at offset ", position.value(),
                      " than the committed one"));
    return;
  }
  position = entry->end_offset();
}

Offset ConsumerOrder::PositionOf(uint32_t consumer, GroupId group) const {
  const auto found = positions_.find({consumer, group});
  return found == positions_.end() ? Offset{} : found->second;
}

}  // namespace tidemark::sim
