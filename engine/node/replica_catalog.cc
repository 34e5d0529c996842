#include <algorithm>
#include <utility>

#include "engine/base/limits.h"
#include "engine/node/replica.h"

// Snapshots of the catalog. Its state is in the checkpoints of its log's sidecars, with the entries
// that were not applied yet; a segment begins with one and is synced with it. So a snapshot is made
// by beginning a segment: appends go on, a crash leaves both or neither, and the segments that
// follow are shipped, received and verified as those of any log. What is before goes once such a
// segment is durable and what it stands for is committed. CATALOG.md.

namespace tidemark {

void Replica::AppendState(std::string& out) const {
  if (options_.catalog == nullptr) {
    AppendGroupState(producers_, members_, out);
    return;
  }
  const LogIndex last = log_->last_index();
  const std::optional<uint64_t> bytes = AppendCatalogGroupState(
      {.producers = producers_,
       .members = members_,
       .applied = taken_,
       .catalog = loaded_.has_value() ? loaded_->catalog : *options_.catalog,
       .pending = unapplied_,
       .last = last},
      out);
  if (!bytes.has_value()) return;
  if (log_->last_segment_base() != last + 1) return;
  states_.push_back({.index = last + 1, .bytes = *bytes});
  ++shared_->counters.catalog_snapshots_made;
}

void Replica::LoadCatalog(RecoveredGroup& recovered) {
  states_.clear();
  if (options_.catalog != nullptr) log_->SetSegmentBytes(options_.catalog_segment_bytes);
  unapplied_ = std::move(recovered.entries);
  for (const auto& [index, bytes] : recovered.states) {
    states_.push_back({.index = index, .bytes = bytes});
  }
  if (recovered.catalog.has_value()) {
    const CatalogSnapshot& snapshot = *recovered.catalog;
    // The last segment is not full.
    if (states_.empty() || states_.back().index < snapshot.at) {
      states_.push_back({.index = snapshot.at, .bytes = snapshot.bytes});
    }
    if (snapshot.applied > taken_) {
      taken_ = snapshot.applied;
      loaded_ = std::move(recovered.catalog);
      ++shared_->counters.catalog_snapshots_loaded;
    }
  }
  // The state machine has the first of them already.
  std::erase_if(unapplied_, [&](const Entry& entry) { return entry.index <= taken_; });
}

void Replica::DecideCatalogSnapshot(Now now) {
  const LogIndex base = log_->last_segment_base();
  if (taken_ >= base + options_.snapshot_entries ||
      log_->last_segment_bytes() >= kCatalogSnapshotBytes) {
    log_->EndSegment();
  }
  // A state whose segment's first entry is durable is durable itself.
  const LogIndex here = std::min(raft_.commit(), log_->durable_index());
  const LogIndex everywhere = std::min(here, std::max(all_durable_, raft_.all_durable()));
  const LogIndex unpinned = std::min(here, shipping_.pin.From(now.instant).value_or(here + 1) - 1);
  const LogIndex lost_end = repair_.lost_end();
  while (!states_.empty() && states_.front().index < kept_from_) states_.pop_front();
  size_t usable = 0;
  for (size_t i = states_.size(); i-- > 0;) {
    if (states_[i].index > here) continue;
    ++usable;
    const bool lets_go =
        (usable >= kCatalogSnapshotsKept && states_[i].index <= everywhere + 1) ||
        (usable >= kCatalogSnapshotsForLaggards && states_[i].index <= unpinned + 1) ||
        // Damaged everywhere, and a state stands for it: nobody can be sent it.
        (lost_end > LogIndex(0) && usable >= kCatalogSnapshotsKept && states_[i].index >= lost_end);
    if (!lets_go) continue;
    kept_from_ = std::max(kept_from_, states_[i].index);
    return;
  }
}

void Replica::OnCatalogSidecarRebuilt(LogIndex base) {
  if (options_.catalog == nullptr) return;
  const auto at = std::find_if(states_.begin(), states_.end(),
                               [&](const CatalogStateMark& each) { return each.index == base; });
  if (at == states_.end()) return;
  states_.erase(at);
  log_->EndSegment();
}

bool Replica::ShipsCatalog(LogIndex end) const {
  if (options_.catalog == nullptr || log_->first_index() == LogIndex(1)) return true;
  return std::any_of(states_.begin(), states_.end(),
                     [&](const CatalogStateMark& each) { return each.index < end; });
}

std::optional<CatalogStateMark> Replica::DurableCatalog() const {
  const LogIndex here = std::min(raft_.commit(), log_->durable_index());
  for (auto at = states_.rbegin(); at != states_.rend(); ++at) {
    if (at->index <= here + 1) return *at;
  }
  return std::nullopt;
}

}  // namespace tidemark
