#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/node/replica.h"

// Who is a member of a replica's group, and how that changes: the log says it, raft obeys.

namespace tidemark {

raft::Config Replica::RaftConfig() const {
  raft::Config config = options_.raft;
  MembershipLog::Start start = members_.AtRestart(log_->committed_index());
  config.membership = std::move(start.membership);
  config.applied = start.applied;
  config.fence = options_.fence.index;
  return config;
}

LogIndex Replica::CommitAtStart() const {
  return std::max(log_->committed_index(), members_.AtRestart(log_->committed_index()).applied);
}

raft::HardState Replica::HardStateAtStart() const {
  if (hard_record_.term < options_.fence.term) return {.term = options_.fence.term};
  return {.term = hard_record_.term, .vote = hard_record_.vote};
}

bool Replica::lacks() const {
  if (hard_record_.lost.index == LogIndex(0)) return false;
  const LogIndex last = log_->durable_index();
  if (regain_.enough != LogIndex(0) && last >= regain_.enough) return false;
  return !hard_record_.lost.AreIn(log_->TermAt(last).value_or(Term()), last);
}

void Replica::HearWhatWasCommitted(const raft::Message& message) {
  const auto* append = std::get_if<raft::AppendRequest>(&message.body);
  if (append == nullptr || !regain_.since_start || !lacks()) return;
  const Term term = hard_record_.lost.term;
  if (message.term != term || raft_.leader() != message.from || raft_.term() != term) return;
  if (raft_.commit() < append->commit || log_->TermAt(append->commit) != term) return;
  regain_.enough = append->commit;
}

bool Replica::MustIgnore(const raft::Message& message, Effects& out) {
  if (lacks()) {
    // As if it still had all of it: whoever has as much may be elected.
    const auto* vote = std::get_if<raft::VoteRequest>(&message.body);
    if (vote != nullptr && !hard_record_.lost.AreIn(vote->last_term, vote->last_index)) return true;
    if (std::holds_alternative<raft::TimeoutNow>(message.body)) return true;
  }
  const auto* append = std::get_if<raft::AppendRequest>(&message.body);
  if (append == nullptr) return false;
  for (const Entry& entry : append->entries) {
    if (entry.kind != EntryKind::kControl) continue;
    const absl::Status readable =
        MembershipLog().AppendFrame(entry.index, entry.kind, entry.frame.view());
    if (readable.ok()) continue;
    if (!std::exchange(unreadable_noted_, true)) {
      out.push_back(Note{Note::Level::kError,
                         "control_entry_unreadable",
                         {{"group", absl::StrCat(options_.group.value())},
                          {"from", absl::StrCat(message.from.value())},
                          {"error", std::string(readable.message())}}});
    }
    return true;
  }
  return false;
}

void Replica::Wake(Now now, const std::function<Instant(NodeId)>& heard, Effects& out) {
  if (!active()) return;
  raft::Effects fx;
  raft_.Wake(now.instant, heard, fx);
  Absorb(std::move(fx), out);
}

void Replica::TransferLeadership(Now now, Effects& out) {
  if (!active() || raft_.role() != raft::Role::kLeader) return;
  raft::Effects fx;
  // A refusal means that there is nobody to hand over to; the shutdown goes on regardless.
  const absl::Status started = raft_.TransferLeadership(now.instant, kNoNode, fx);
  if (!started.ok()) {
    out.push_back(Note{Note::Level::kInfo,
                       "leadership_kept",
                       {{"group", absl::StrCat(options_.group.value())},
                        {"reason", std::string(started.message())}}});
  }
  Absorb(std::move(fx), out);
}

absl::Status Replica::TransferLeadershipTo(Now now, NodeId to, Effects& out) {
  if (!active()) return absl::UnavailableError(absl::StrCat("storage failed: ", failure_.what));
  raft::Effects fx;
  absl::Status started = raft_.TransferLeadership(now.instant, to, fx);
  Absorb(std::move(fx), out);
  return started;
}

absl::Status Replica::ProposeConfChange(Now now, const raft::ConfChange& change, Effects& out) {
  if (!active()) return absl::UnavailableError(absl::StrCat("storage failed: ", failure_.what));
  wall_ = now.wall;
  raft::Effects fx;
  absl::Status proposed = raft_.ProposeConfChange(now.instant, change, fx);
  Absorb(std::move(fx), out);
  return proposed;
}

void Replica::RecordOrigin(Now now, Effects& out) {
  if (!active() || members_.changed() || !raft_.accepts_proposals()) return;
  wall_ = now.wall;
  const raft::NodeSet& voters = raft_.membership().voters.incoming.voters();
  AppendControl(raft_.term(), EncodeRoster({.voters = {voters.begin(), voters.end()}}));
  raft::Effects fx;
  raft_.OnAppended(now.instant, fx);
  Absorb(std::move(fx), out);
}

std::optional<LogIndex> Replica::WriteRoster(Now now, Effects& out) {
  if (!active() || !raft_.accepts_proposals() || raft_.membership().joint()) return std::nullopt;
  // Of a change that is under way it would say that it is committed.
  for (LogIndex at = raft_.applied() + 1; at <= log_->last_index(); ++at) {
    if (ConfChangeAt(at).has_value()) return std::nullopt;
  }
  wall_ = now.wall;
  const raft::NodeSet& voters = raft_.membership().voters.incoming.voters();
  AppendControl(raft_.term(), EncodeRoster({.voters = {voters.begin(), voters.end()}}));
  const LogIndex index = log_->last_index();
  raft::Effects fx;
  raft_.OnAppended(now.instant, fx);
  Absorb(std::move(fx), out);
  return index;
}

bool Replica::SealMembers(Now now, Effects& out) {
  if (!active() || !raft_.accepts_proposals() || raft_.membership().joint()) return false;
  if (!members_.changed() || shipping_.memberships.empty()) return true;
  const LogIndex since = shipping_.memberships.back().first;
  if (seal_.term != raft_.term() || seal_.since != since) {
    const std::optional<LogIndex> index = WriteRoster(now, out);
    if (!index.has_value()) return false;
    seal_ = {.term = raft_.term(), .since = since, .index = *index};
  }
  return raft_.commit() >= seal_.index;
}

void Replica::ApplyMembers(Now now, Effects& out) {
  while (raft_.applied() < raft_.commit()) {
    const LogIndex commit = raft_.commit();
    // Raft knows changes from what was before; what a roster replaces it is told in between.
    const std::optional<LogIndex> roster = members_.NextRoster(raft_.applied(), commit);
    // One change at a time: a snapshot names the members as of its index.
    const LogIndex until = roster.has_value() ? *roster - 1 : commit;
    LogIndex next = raft_.applied();
    bool change = false;
    while (next < until && !change) {
      ++next;
      change = ConfChangeAt(next).has_value();
    }
    raft::Effects fx;
    raft_.OnApplied(now.instant, next, fx);
    Absorb(std::move(fx), out);
    if (next < until) continue;
    if (!roster.has_value()) {
      members_.Fold(commit);
    } else if (members_.Fold(*roster); members_.After(*roster) == raft_.membership()) {
      raft::Effects more;
      raft_.OnApplied(now.instant, *roster, more);
      Absorb(std::move(more), out);
    } else {
      RestartRaft(now, out);
    }
  }
  if (!raft_.membership().auto_leave) return;
  // A hand-over that came to nothing may have kept the leader from leaving.
  raft::Effects fx = NoEffects();
  raft_.OnApplied(now.instant, raft_.applied(), fx);
  Absorb(std::move(fx), out);
}

void Replica::RestartRaft(Now now, Effects& out) {
  raft::Config config = RaftConfig();
  config.campaign_at_start = false;
  const LogIndex commit = std::max(raft_.commit(), config.applied);
  raft_ = raft::Raft(std::move(config), raft_.hard_state(), commit, this, prng_.Fork());
  membership_changed_ = true;
  raft::Effects fx;
  raft_.Start(now.instant, fx);
  Absorb(std::move(fx), out);
  OnDiskStall(now, out);
}

}  // namespace tidemark
