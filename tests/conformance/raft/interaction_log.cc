#include "tests/conformance/raft/interaction_log.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"

namespace tidemark::conformance {

InteractionLog::InteractionLog(raft::SnapshotMeta snapshot)
    : before_stored_(snapshot.index),
      before_stored_term_(snapshot.term),
      offset_(snapshot.index + 1),
      in_progress_(offset_),
      durable_(snapshot.index),
      applied_state_(std::move(snapshot)) {}

LogIndex InteractionLog::first_index() const {
  return snapshot_ ? snapshot_->index + 1 : stored_first();
}

std::optional<Term> InteractionLog::TermAt(LogIndex index) const {
  if (index + 1 < first_index() || index > last_index()) return std::nullopt;
  if (index >= offset_) return unstable_[index - offset_].term;
  if (snapshot_ && index == snapshot_->index) return snapshot_->term;
  if (index == before_stored_) return before_stored_term_;
  return stored_[index - stored_first()].term;
}

const Entry& InteractionLog::At(LogIndex index) const {
  TIDEMARK_CHECK_GE(index, first_index());
  TIDEMARK_CHECK_LE(index, last_index());
  return index >= offset_ ? unstable_[index - offset_] : stored_[index - stored_first()];
}

void InteractionLog::Append(const Entry& entry) {
  TIDEMARK_CHECK_EQ(entry.index, last_index() + 1);
  unstable_.push_back(entry);
}

void InteractionLog::TruncateSuffix(LogIndex from) {
  TIDEMARK_CHECK_GE(from, first_index());
  TIDEMARK_CHECK_LE(from, last_index());
  // What is stored stays until what replaces it is.
  if (from < offset_) {
    unstable_.clear();
    offset_ = from;
  } else {
    unstable_.resize(from - offset_);
  }
  in_progress_ = std::min(in_progress_, from);
  durable_ = std::min(durable_, from - 1);
}

void InteractionLog::AppendNew(Term term, Payload payload) {
  ++own_appends_;
  Append(
      Entry{.index = last_index() + 1,
            .term = term,
            .kind = payload.kind == Payload::Kind::kNormal ? EntryKind::kData : EntryKind::kControl,
            .frame = EncodePayload(payload)});
}

void InteractionLog::AppendConfChange(Term term, const raft::ConfChange& change) {
  AppendNew(term, Payload{.kind = conf_change_kind_, .change = change});
}

std::optional<raft::ConfChange> InteractionLog::ConfChangeAt(LogIndex index) const {
  const Payload payload = DecodePayload(At(index).frame);
  if (payload.kind == Payload::Kind::kNormal) return std::nullopt;
  return payload.change;
}

EntryList InteractionLog::Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) {
  EntryList entries;
  if (first < first_index()) return entries;
  uint64_t bytes = 0;
  for (LogIndex i = first; i <= last_index() && entries.size() < max_entries; ++i) {
    bytes += At(i).frame.size();
    if (bytes > max_bytes && !entries.empty()) break;
    entries.push_back(At(i));
  }
  return entries;
}

void InteractionLog::ReadAsync(NodeId /*to*/, LogIndex /*first*/, uint64_t /*max_bytes*/) {
  TIDEMARK_CHECK(false);
}

std::vector<Entry> InteractionLog::NextUnstable() const {
  return {unstable_.begin() + static_cast<ptrdiff_t>(in_progress_ - offset_), unstable_.end()};
}

std::optional<raft::SnapshotMeta> InteractionLog::NextSnapshot() const {
  return snapshot_in_progress_ ? std::nullopt : snapshot_;
}

void InteractionLog::AcceptUnstable() {
  in_progress_ = last_index() + 1;
  snapshot_in_progress_ = snapshot_.has_value();
}

void InteractionLog::StableTo(LogIndex index, uint64_t shown_term) {
  if (index < offset_ || index > last_index()) return;
  if (ShownLogTerm(At(index).term) != shown_term) return;
  unstable_.erase(unstable_.begin(),
                  unstable_.begin() + static_cast<ptrdiff_t>(index + 1 - offset_));
  offset_ = index + 1;
  in_progress_ = std::max(in_progress_, offset_);
}

void InteractionLog::SnapshotStableTo(LogIndex index) {
  if (!snapshot_ || snapshot_->index != index) return;
  snapshot_.reset();
  snapshot_in_progress_ = false;
}

void InteractionLog::Restore(const raft::SnapshotMeta& snapshot) {
  offset_ = in_progress_ = snapshot.index + 1;
  unstable_.clear();
  snapshot_ = snapshot;
  snapshot_in_progress_ = false;
  durable_ = snapshot.index;
}

void InteractionLog::Store(std::span<const Entry> entries) {
  // What was compacted away meanwhile is not brought back.
  while (!entries.empty() && entries.front().index < stored_first()) entries = entries.subspan(1);
  if (entries.empty()) return;
  TIDEMARK_CHECK_LE(entries.front().index, stored_last() + 1);
  stored_.resize(entries.front().index - stored_first());
  stored_.insert(stored_.end(), entries.begin(), entries.end());
}

void InteractionLog::StoreSnapshot(const raft::SnapshotMeta& snapshot) {
  if (snapshot.index <= before_stored_) return;
  before_stored_ = snapshot.index;
  before_stored_term_ = snapshot.term;
  stored_.clear();
}

bool InteractionLog::Compact(LogIndex to) {
  if (to <= before_stored_) return false;
  TIDEMARK_CHECK_LE(to, stored_last());
  before_stored_term_ = stored_[to - stored_first()].term;
  stored_.erase(stored_.begin(), stored_.begin() + static_cast<ptrdiff_t>(to - before_stored_));
  before_stored_ = to;
  return true;
}

}  // namespace tidemark::conformance
