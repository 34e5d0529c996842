#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// The receiving side of AppendEntries: thesis 3.5 and figure 3.1, with acknowledgements that wait
// for the disk (10.2.1) instead of the disk being waited for.

namespace tidemark::raft {

void Raft::Impl::OnAppendRequest(Instant now, NodeId from, const AppendRequest& request,
                                 Effects& out) {
  if (!HearLeader(now, from, out)) return;
  all_durable_ = std::max(all_durable_, request.all_durable);
  if (request.prev_index < commit_) {
    // A late message, or a leader that does not know how far this log agrees with its own: so far
    // it does, and what follows is worth a message of its own.
    if (ContradictsCommitted(request)) return CountContradiction();
    ack_.verified = std::max(ack_.verified, commit_);
    return Owe(commit_, request.sequence, out);
  }
  const std::optional<bool> agrees = AgreesAt(request.prev_index, request.prev_term);
  if (!agrees.has_value()) return CountContradiction();
  if (!*agrees) return Refuse(request, out);
  std::span<const Entry> entries = request.entries;
  if (!takes_records()) entries = BeforeNewRecords(entries);
  const LogIndex end = request.prev_index + entries.size();
  if (!StageEntries(entries, out)) return CountContradiction();
  ack_.verified = std::max(ack_.verified, end);
  AdvanceFollowerCommit(request.commit, out);
  Owe(end, request.sequence, out);
}

bool Raft::Impl::ContradictsCommitted(const AppendRequest& request) const {
  const auto differs = [this](LogIndex index, Term term) {
    const std::optional<Term> here = index <= commit_ ? log_->TermAt(index) : std::nullopt;
    return here.has_value() && *here != term;
  };
  if (differs(request.prev_index, request.prev_term)) return true;
  return std::any_of(request.entries.begin(), request.entries.end(),
                     [&](const Entry& entry) { return differs(entry.index, entry.term); });
}

// Whether the logs agree up to the entry before the message, which is not behind the commit index;
// nullopt if the leader contradicts what is committed.
std::optional<bool> Raft::Impl::AgreesAt(LogIndex prev_index, Term prev_term) const {
  if (prev_index > log_->last_index()) return false;
  if (log_->TermAt(prev_index) == prev_term) return true;
  if (prev_index == commit_) return std::nullopt;
  return false;
}

bool Raft::Impl::StageEntries(std::span<const Entry> entries, Effects& out) {
  // Skip what is here already: a message that is late, repeated or shorter cuts nothing.
  size_t i = 0;
  for (; i < entries.size() && entries[i].index <= log_->last_index(); ++i) {
    if (log_->TermAt(entries[i].index) != entries[i].term) break;
  }
  if (i == entries.size()) return true;
  const LogIndex from = entries[i].index;
  const bool conflict = from <= log_->last_index();
  if (conflict && from <= std::max(commit_, ack_.verified)) return false;
  if (!log_->Fits(entries[i])) return false;
  if (conflict) {
    TIDEMARK_CHECK_GT(from, commit_);
    ++counters_.truncations;
    log_->TruncateSuffix(from);
  }
  for (; i < entries.size(); ++i) {
    TIDEMARK_CHECK_EQ(entries[i].index, log_->last_index() + 1);
    log_->Append(entries[i]);
  }
  out.log_staged = true;
  return true;
}

std::span<const Entry> Raft::Impl::BeforeNewRecords(std::span<const Entry> entries) const {
  // While a snapshot is being installed the log does not change at all.
  const auto is_unwanted = [&](const Entry& entry) {
    if (log_->TermAt(entry.index) == entry.term) return false;
    return install_.has_value() || entry.kind == EntryKind::kData;
  };
  const auto unwanted = std::find_if(entries.begin(), entries.end(), is_unwanted);
  return entries.first(static_cast<size_t>(unwanted - entries.begin()));
}

void Raft::Impl::Refuse(const AppendRequest& request, Effects& out) {
  // The hint skips every entry of a term above prev_term: none of them can be in the leader's log
  // at or before prev_index. What is committed agrees in any case.
  const LogIndex hint = LastWithTermAtMost(std::min(request.prev_index, log_->last_index()),
                                           commit_, request.prev_term);
  Answer(AppendReply{.success = false,
                     .match = hint,
                     .hint_term = log_->TermAt(hint).value_or(Term{}),
                     .refused = request.prev_index,
                     .sequence = request.sequence},
         out);
}

void Raft::Impl::Answer(AppendReply reply, Effects& out) {
  reply.no_room = !takes_records();
  if (config_.cumulative_acks) {
    Emit(leader_, reply, out.messages);
    return;
  }
  // In the order of what is answered, and behind everything that is not written yet. Whoever leads
  // by then, this is the answer to who asked.
  Persist(out);
  Emit(leader_, reply, out.messages_after_persist);
}

void Raft::Impl::Owe(LogIndex match, uint64_t sequence, Effects& out) {
  if (!config_.cumulative_acks) {
    return Answer(AppendReply{.success = true, .match = match, .sequence = sequence}, out);
  }
  ack_.owed = true;
  ack_.sequence = std::max(ack_.sequence, sequence);
  Acknowledge(out);
}

void Raft::Impl::Acknowledge(Effects& out) {
  if (role_ != Role::kFollower || leader_ == kNoNode) return;
  // An acknowledgement is also a promise to refuse earlier leaders, so the term must be durable
  // too.
  if (durable_.term != state_.term) return;
  const LogIndex match = std::min(ack_.verified, log_->durable_index());
  const bool all = match == ack_.verified;
  if (!ack_.owed || (match <= ack_.acked && !all)) return;
  ack_.acked = std::max(ack_.acked, match);
  ack_.owed = !all;
  Emit(leader_,
       AppendReply{
           .success = true, .match = match, .sequence = ack_.sequence, .no_room = !takes_records()},
       out.messages);
}

}  // namespace tidemark::raft
