#include <algorithm>

#include "engine/base/check.h"
#include "tests/engine/raft/cluster.h"

namespace tidemark::raft {

std::optional<Term> TestLog::TermAt(LogIndex index) const {
  if (index == first_ - 1) return before_first_;
  if (index < first_ || index > last_index()) return std::nullopt;
  return At(index).term;
}

void TestLog::Append(const Entry& entry) {
  TIDEMARK_CHECK_EQ(entry.index, last_index() + 1);
  TIDEMARK_CHECK_GE(entry.term, last_term());
  TIDEMARK_CHECK_EQ(entry.base_offset, NextOffset());
  entries_.push_back(entry);
  ++changes_;
  staged_.push_back(Op{.cut = LogIndex{}, .entry = entry});
  if (on_append) on_append(entry.index);
}

void TestLog::AppendNew(Term term, const std::string& payload) {
  Append(Entry{.index = last_index() + 1,
               .term = term,
               .kind = payload.empty() ? EntryKind::kControl : EntryKind::kData,
               .base_offset = NextOffset(),
               .offset_span = payload.empty() ? 0u : 1u,
               .frame = Bytes::Copy(payload)});
}

void TestLog::AppendConfChange(Term term, const ConfChange& change) {
  Append(Entry{.index = last_index() + 1,
               .term = term,
               .kind = EntryKind::kControl,
               .base_offset = NextOffset(),
               .offset_span = 0,
               .frame = Bytes::From(EncodeConfChange(change))});
}

std::optional<ConfChange> TestLog::ConfChangeAt(LogIndex index) const {
  if (index < first_ || index > last_index()) return std::nullopt;
  const Entry& entry = At(index);
  if (entry.kind != EntryKind::kControl || !IsConfChange(entry.frame.view())) return std::nullopt;
  absl::StatusOr<ConfChange> change = DecodeConfChange(entry.frame.view());
  TIDEMARK_CHECK(change.ok());
  return *std::move(change);
}

void TestLog::TruncateSuffix(LogIndex from) {
  TIDEMARK_CHECK_GE(from, first_);
  TIDEMARK_CHECK_LE(from, last_index());
  if (on_truncate) on_truncate(from);
  entries_.resize(from - first_);
  durable_ = std::min(durable_, from - 1);
  writing_ = std::min(writing_, from - 1);
  ++changes_;
  staged_.push_back(Op{.cut = from, .entry = {}});
}

EntryList TestLog::Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) {
  EntryList result;
  if (first < first_ || first > last_index() || first < cached_from) return result;
  uint64_t bytes = 0;
  for (LogIndex i = first; i <= last_index() && result.size() < max_entries; ++i) {
    bytes += At(i).frame.size();
    if (bytes > max_bytes && !result.empty()) break;
    result.push_back(At(i));
  }
  return result;
}

void TestLog::ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) {
  TIDEMARK_CHECK_GE(first, first_);
  TIDEMARK_CHECK_LE(first, durable_);
  for (const Read& read : reads) TIDEMARK_CHECK_NE(read.to, to);
  reads.push_back(Read{.to = to, .first = first, .max_bytes = max_bytes});
}

bool TestLog::Fits(const Entry& entry) const {
  return EndOffset(entry.index - 1) == entry.base_offset;
}

void TestLog::RemovePrefix(LogIndex first) {
  TIDEMARK_CHECK_LE(first, durable_ + 1);
  before_first_ = *TermAt(first - 1);
  before_offset_ = EndOffset(first - 1);
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(first - first_));
  first_ = first;
}

std::vector<TestLog::Op> TestLog::TakeStaged() {
  writing_ = last_index();
  return std::exchange(staged_, {});
}

void TestLog::WriteDone() { durable_ = std::max(durable_, writing_); }

void TestLog::Restore(std::vector<Entry> disk, const Before& before) {
  first_ = before.index + 1;
  before_first_ = before.term;
  before_offset_ = before.end_offset;
  entries_ = std::move(disk);
  staged_.clear();
  reads.clear();
  durable_ = writing_ = last_index();
}

}  // namespace tidemark::raft
