#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/raft/raft_impl.h"

// The receiving side of AppendEntries: thesis 3.5 and figure 3.1, with acknowledgements that wait
// for the disk (10.2.1) instead of the disk being waited for.

namespace tidemark::raft {

void Raft::Impl::OnAppendRequest(Instant now, NodeId from, AppendRequest& request, Effects& out) {
  if (role_ == Role::kLeader || (leader_ != kNoNode && leader_ != from)) {
    // A second leader in one term.
    ++counters_.contradictions;
    ++counters_.messages_ignored;
    return;
  }
  // A candidate learns here that it lost (3.4).
  if (role_ != Role::kFollower || leader_ != from) BecomeFollower(now, state_.term, from, out);
  leader_heard_ = now;
  ArmElection(now);

  const std::optional<bool> agrees = AgreesAt(request.prev_index, request.prev_term);
  if (agrees == false) return Refuse(from, request, out);
  if (!log_->has_room()) DropNewRecords(request.entries);
  const LogIndex end = request.prev_index + request.entries.size();
  const LogIndex leader_commit = request.commit;
  const Stage staged = agrees ? StageEntries(request, out) : Stage::kContradiction;
  if (staged == Stage::kContradiction) {
    ++counters_.contradictions;
    ++counters_.messages_ignored;
    return;
  }
  // What is committed agrees with every later leader's log.
  ack_.verified = std::max({ack_.verified, end, commit_});
  ack_.sequence = std::max(ack_.sequence, request.sequence);
  all_durable_ = std::max(all_durable_, request.all_durable);
  AdvanceFollowerCommit(leader_commit, out);
  // What was staged is acknowledged when it is durable; everything else is answered at once.
  MaybeAcknowledge(/*answer_owed=*/staged == Stage::kNothingNew, out);
}

// Whether the logs agree up to the entry before the message; nullopt if the leader contradicts what
// is committed.
std::optional<bool> Raft::Impl::AgreesAt(LogIndex prev_index, Term prev_term) const {
  if (prev_index < log_->first_index() - 1) return true;  // committed and removed since
  if (prev_index > log_->last_index()) return false;
  if (log_->TermAt(prev_index) == prev_term) return true;
  if (prev_index <= commit_) return std::nullopt;
  return false;
}

Raft::Impl::Stage Raft::Impl::StageEntries(AppendRequest& request, Effects& out) {
  std::vector<Entry>& entries = request.entries;
  // Skip what is here already: a message that is late, repeated or shorter cuts nothing.
  size_t i = 0;
  for (; i < entries.size() && entries[i].index <= log_->last_index(); ++i) {
    if (entries[i].index < log_->first_index()) continue;
    if (log_->TermAt(entries[i].index) != entries[i].term) break;
  }
  if (i == entries.size()) return Stage::kNothingNew;
  const LogIndex from = entries[i].index;
  const bool conflict = from <= log_->last_index();
  if (conflict && from <= std::max(commit_, ack_.verified)) return Stage::kContradiction;
  if (!log_->Fits(entries[i])) return Stage::kContradiction;
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
  return Stage::kStaged;
}

void Raft::Impl::DropNewRecords(std::vector<Entry>& entries) const {
  const auto is_new = [&](const Entry& entry) {
    return entry.kind == EntryKind::kData && entry.index >= log_->first_index() &&
           log_->TermAt(entry.index) != entry.term;
  };
  entries.erase(std::find_if(entries.begin(), entries.end(), is_new), entries.end());
}

void Raft::Impl::Refuse(NodeId leader, const AppendRequest& request, Effects& out) {
  // The hint skips every entry of a term above prev_term: none of them can be in the leader's log
  // at or before prev_index. What is committed agrees in any case.
  const LogIndex hint =
      LastWithTermAtMost(std::min(request.prev_index, log_->last_index()),
                         std::max(commit_, log_->first_index() - 1), request.prev_term);
  out.messages.push_back(Make(leader, AppendReply{.success = false,
                                                  .match = hint,
                                                  .hint_term = log_->TermAt(hint).value_or(Term{}),
                                                  .sequence = request.sequence}));
}

void Raft::Impl::MaybeAcknowledge(bool answer_owed, Effects& out) {
  if (leader_ == kNoNode) return;
  ack_.owed |= answer_owed;
  // An acknowledgement is also a promise to refuse earlier leaders, so the term must be durable
  // too.
  if (durable_.term != state_.term) return;
  const LogIndex match = std::min(ack_.verified, log_->durable_index());
  if (!ack_.owed && match <= ack_.acked) return;
  if (ack_.sequence == 0) return;
  ack_.acked = std::max(ack_.acked, match);
  ack_.owed = false;
  out.messages.push_back(Make(leader_, AppendReply{.success = true,
                                                   .match = match,
                                                   .sequence = ack_.sequence,
                                                   .no_room = !log_->has_room()}));
}

}  // namespace tidemark::raft
