#include "sim/explore/disk_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/prng.h"
#include "engine/raft/conf_entry.h"

namespace tidemark::sim::explore {

DiskLog::DiskLog(NodeId self, std::vector<Entry> disk)
    : self_(self), entries_(std::move(disk)), durable_(entries_.size()), writing_(durable_) {}

Term DiskLog::last_term() const { return entries_.empty() ? Term{} : entries_.back().term; }

std::optional<Term> DiskLog::TermAt(LogIndex index) const {
  if (index == LogIndex{0}) return Term{};
  if (index > last_index()) return std::nullopt;
  return entries_[index.value() - 1].term;
}

void DiskLog::Append(const Entry& entry) {
  TIDEMARK_CHECK_EQ(entry.index, last_index() + 1);
  entries_.push_back(entry);
  staged_.push_back(Op{.cut = LogIndex{}, .entry = entry});
}

void DiskLog::TruncateSuffix(LogIndex from) {
  entries_.resize(from.value() - 1);
  durable_ = std::min(durable_, from - 1);
  writing_ = std::min(writing_, from - 1);
  staged_.push_back(Op{.cut = from, .entry = {}});
}

void DiskLog::Make(Term term, EntryKind kind, uint32_t span, std::string frame) {
  Append(Entry{.index = last_index() + 1,
               .term = term,
               .kind = kind,
               .base_offset = entries_.empty() ? Offset{} : entries_.back().end_offset(),
               .offset_span = span,
               .frame = Bytes::From(std::move(frame))});
}

void DiskLog::AppendNoop(Term term) {
  Make(term, EntryKind::kControl, 0, absl::StrCat("N", self_.value()));
}

void DiskLog::AppendRecord(Term term) {
  Make(term, EntryKind::kData, 1, absl::StrCat("R", self_.value()));
}

void DiskLog::AppendConfChange(Term term, const raft::ConfChange& change) {
  Make(term, EntryKind::kControl, 0, raft::EncodeConfChange(change));
}

std::optional<raft::ConfChange> DiskLog::ConfChangeAt(LogIndex index) const {
  if (index == LogIndex{0} || index > last_index()) return std::nullopt;
  const Entry& entry = entries_[index.value() - 1];
  if (!raft::IsConfChange(entry.frame.view())) return std::nullopt;
  absl::StatusOr<raft::ConfChange> change = raft::DecodeConfChange(entry.frame.view());
  TIDEMARK_CHECK(change.ok());
  return *std::move(change);
}

EntryList DiskLog::Entries(LogIndex first, uint64_t /*max_bytes*/, size_t max_entries) {
  if (first > last_index()) return {};
  const auto begin = entries_.begin() + static_cast<ptrdiff_t>(first.value() - 1);
  const size_t count = std::min(max_entries, entries_.size() - (first.value() - 1));
  return {begin, begin + static_cast<ptrdiff_t>(count)};
}

void DiskLog::ReadAsync(NodeId /*to*/, LogIndex /*first*/, uint64_t /*max_bytes*/) {
  // All of it is in memory.
  TIDEMARK_CHECK(false);
}

std::vector<DiskLog::Op> DiskLog::TakeStaged() {
  writing_ = last_index();
  return std::exchange(staged_, {});
}

void DiskLog::WriteDone() { durable_ = std::max(durable_, writing_); }

void DiskLog::AppendFingerprint(std::string& out) const {
  AppendVarint(out, static_cast<int64_t>(entries_.size()));
  for (const Entry& entry : entries_) explore::AppendFingerprint(entry, out);
  AppendVarint(out, static_cast<int64_t>(durable_.value()));
  AppendVarint(out, static_cast<int64_t>(writing_.value()));
  explore::AppendFingerprint(staged_, out);
}

void Replay(const std::vector<DiskLog::Op>& ops, size_t count, std::vector<Entry>& disk) {
  for (size_t i = 0; i < count; ++i) {
    if (ops[i].cut != LogIndex{0}) {
      TIDEMARK_CHECK_LE(ops[i].cut.value(), disk.size());
      disk.resize(ops[i].cut.value() - 1);
    } else {
      TIDEMARK_CHECK_EQ(ops[i].entry.index.value(), disk.size() + 1);
      disk.push_back(ops[i].entry);
    }
  }
}

void AppendFingerprint(const Entry& entry, std::string& out) {
  AppendVarint(out, static_cast<int64_t>(entry.term.value()));
  AppendVarint(out, static_cast<int64_t>(entry.frame.size()));
  out.append(entry.frame.view());
}

void AppendFingerprint(const std::vector<DiskLog::Op>& ops, std::string& out) {
  AppendVarint(out, static_cast<int64_t>(ops.size()));
  for (const DiskLog::Op& op : ops) {
    AppendVarint(out, static_cast<int64_t>(op.cut.value()));
    if (op.cut == LogIndex{0}) AppendFingerprint(op.entry, out);
  }
}

uint64_t CodeOf(const Entry& entry) {
  uint64_t hash = 0;
  for (const char c : entry.frame.view()) hash = Mix64(hash ^ static_cast<unsigned char>(c));
  return entry.term.value() << 32 | (hash & 0xffffffff);
}

}  // namespace tidemark::sim::explore
