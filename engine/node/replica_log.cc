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
  } else if (std::optional<raft::ConfChange> change = ChangeInFrame(entry.frame.view())) {
    changes_.emplace_back(entry.index, *std::move(change));
  }
  if (options_.keep_entries && entry.index > taken_) unapplied_.push_back(entry);
}

void Replica::TruncateSuffix(LogIndex from) {
  producers_.TruncateSuffix(from);
  while (!changes_.empty() && changes_.back().first >= from) changes_.pop_back();
  while (!unapplied_.empty() && unapplied_.back().index >= from) unapplied_.pop_back();
  while (!uncommitted_.empty() && uncommitted_.back().first >= from) {
    uncommitted_bytes_ -= uncommitted_.back().second;
    uncommitted_.pop_back();
  }
  log_->TruncateSuffix(from);
}

void Replica::AppendNoop(Term term) { AppendControl(term, ""); }

void Replica::AppendConfChange(Term term, const raft::ConfChange& change) {
  AppendControl(term, raft::EncodeConfChange(change));
}

std::optional<raft::ConfChange> Replica::ConfChangeAt(LogIndex index) const {
  for (const auto& [at, change] : changes_) {
    if (at == index) return change;
  }
  return std::nullopt;
}

void Replica::ApplyChanges(Now now, Effects& out) {
  if (raft_.applied() == raft_.commit()) return;
  raft::Effects fx;
  raft_.OnApplied(now.instant, raft_.commit(), fx);
  DropAppliedChanges();
  Absorb(std::move(fx), out);
}

raft::Config Replica::RaftConfig(const std::optional<raft::Membership>& recovered) const {
  raft::Config config = options_.raft;
  raft::Membership membership = recovered.value_or(raft::Membership{});
  if (!recovered.has_value()) {
    membership.voters.incoming = raft::MajorityConfig(config.voters);
    membership.learners = raft::NodeSet(config.learners);
  }
  config.applied = log_->committed_index();
  LoggedChanges applied = changes_;
  while (!applied.empty() && applied.back().first > config.applied) applied.pop_back();
  config.membership = After(std::move(membership), applied);
  return config;
}

void Replica::DropAppliedChanges() {
  while (!changes_.empty() && changes_.front().first <= raft_.applied()) changes_.pop_front();
}

void Replica::AppendState(std::string& out) const {
  AppendMembership(After(raft_.membership(), changes_), out);
  producers_.AppendTo(out);
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
