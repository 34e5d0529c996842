#include <optional>

#include "engine/node/node_impl.h"

namespace tidemark {

void Node::Impl::DecideCompaction(Now now) {
  if (shutting_down) return;
  if (compacting != kCatalogGroup) {
    const auto at = replicas.find(compacting);
    if (at != replicas.end() && at->second->compacting()) return;
    compacting = kCatalogGroup;
  } else if (now.instant < compaction_deadline) {
    return;
  }
  Replica* dirtiest = nullptr;
  uint32_t most = 0;
  bool any = false;
  for (const auto& [group, replica] : replicas) {
    any = any || replica->compacts();
    const std::optional<CompactionSizes> work = replica->CompactionWork(now);
    if (!work.has_value() || DirtyPermille(*work) < most) continue;
    most = DirtyPermille(*work);
    dirtiest = replica.get();
  }
  compaction_deadline = any ? now.instant + options.compaction_interval : Instant::Never();
  if (dirtiest == nullptr) return;
  dirtiest->BeginCompaction(now, {.first = prng.Next(), .second = prng.Next()});
  agenda.Touch(dirtiest->group());
  if (dirtiest->compacting()) compacting = dirtiest->group();
}

}  // namespace tidemark
