#include <utility>

#include "engine/base/check.h"
#include "engine/node/replica.h"

// The log of a replica as raft sees it.

namespace tidemark {

bool Replica::Fits(const Entry& entry) const {
  return entry.base_offset == log_->EndOffsetOf(entry.index - 1);
}

void Replica::Append(const Entry& entry) {
  // First: a checkpoint that it brings about holds what came before.
  log_->Append(entry, wall_);
  if (entry.kind == EntryKind::kData) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(entry.frame.view());
    TIDEMARK_CHECK(header.ok());
    producers_.Record(*header, entry.index, entry.base_offset);
  } else {
    // What a peer sent was looked at when it came (MustIgnore).
    TIDEMARK_CHECK(members_.AppendFrame(entry.index, entry.kind, entry.frame.view()).ok());
  }
  if (options_.catalog != nullptr && entry.index > taken_) unapplied_.push_back(entry);
}

void Replica::TruncateSuffix(LogIndex from) {
  producers_.TruncateSuffix(from);
  members_.TruncateSuffix(from);
  while (!states_.empty() && states_.back().index >= from) states_.pop_back();
  while (!unapplied_.empty() && unapplied_.back().index >= from) unapplied_.pop_back();
  while (!uncommitted_.empty() && uncommitted_.back().first >= from) {
    uncommitted_bytes_ -= uncommitted_.back().second;
    uncommitted_.pop_back();
  }
  log_->TruncateSuffix(from);
}

void Replica::AppendControl(Term term, std::string_view payload) {
  std::string frame = EncodeControlFrame(payload);
  PatchBatch(frame.data(), log_->next_offset(), term);
  Append(Entry{.index = log_->last_index() + 1,
               .term = term,
               .kind = EntryKind::kControl,
               .base_offset = log_->next_offset(),
               .offset_span = 0,
               .frame = Bytes::From(std::move(frame))});
}

std::vector<Entry> Replica::Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) {
  return log_->CachedEntries(first, max_bytes, max_entries);
}

void Replica::ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) {
  wanted_reads_.push_back({.to = to, .first = first, .max_bytes = max_bytes});
}

}  // namespace tidemark
