#include "sim/checkers/acked_durability.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void AckedDurability::OnSubmitted(uint64_t batch, uint32_t producer, uint64_t order, uint32_t crc) {
  batches_[batch] = {.producer = producer, .order = order, .crc = crc};
}

void AckedDurability::OnAcked(uint64_t batch, GroupId group, Offset base_offset) {
  const auto found = batches_.find(batch);
  if (found == batches_.end()) {
    verdict_->Fail("acked_durability", "a batch that nobody sent was acknowledged");
    return;
  }
  const EntryFact* entry = committed_->At(group, base_offset);
  if (entry == nullptr || entry->batch != batch || entry->base_offset != base_offset) {
    verdict_->Fail(
        "acked_durability",
        absl::StrCat("producer ", found->second.producer, " was told that its batch ",
                     found->second.order, " is at offset ", base_offset.value(), " of group ",
                     group.value(),
                     entry == nullptr ? ", which is not committed" : ", where another batch is"));
    return;
  }
  if (!found->second.acked) ++acked_;
  found->second.acked = true;
  found->second.group = group;
  found->second.base_offset = base_offset;
}

void AckedDurability::OnCommitted(GroupId group, const EntryFact& entry) {
  if (entry.kind != EntryKind::kData) return;
  const auto found = batches_.find(entry.batch);
  if (found == batches_.end() || found->second.crc != entry.crc) {
    verdict_->Fail("acked_durability",
                   absl::StrCat("group ", group.value(), " committed at offset ",
                                entry.base_offset.value(), " a batch that nobody sent"));
    return;
  }
  Batch& batch = found->second;
  if (batch.committed) {
    verdict_->Fail("acked_durability",
                   absl::StrCat("batch ", batch.order, " of producer ", batch.producer,
                                " is in group ", group.value(),
                                " twice, the second time at offset ", entry.base_offset.value()));
    return;
  }
  batch.committed = true;
  const auto [last, first] = last_order_.try_emplace({group, batch.producer}, batch.order);
  if (!first && batch.order < last->second) {
    verdict_->Fail("acked_durability",
                   absl::StrCat("batch ", batch.order, " of producer ", batch.producer,
                                " is in group ", group.value(), " after its batch ", last->second));
  }
  last->second = batch.order;
}

void AckedDurability::Finish() {
  for (const auto& [id, batch] : batches_) {
    if (!batch.acked) continue;
    const EntryFact* entry = committed_->At(batch.group, batch.base_offset);
    if (entry != nullptr && entry->batch == id) continue;
    verdict_->Fail("acked_durability",
                   absl::StrCat("batch ", batch.order, " of producer ", batch.producer,
                                " was acknowledged at offset ", batch.base_offset.value(),
                                " of group ", batch.group.value(), " and is not there"));
  }
}

}  // namespace tidemark::sim
