#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/raft/raft_impl.h"

// Changes of members: thesis 4.1 (one voter at a time), 4.2 (learners, removal of the leader), 4.3
// (joint consensus). As in etcd-io/raft a change takes effect when it is applied, not when it is
// appended; what keeps quorums of one membership and the next intersecting is then that a leader
// proposes a change only after it has applied the one before, and that nobody campaigns who has
// committed changes to apply.

namespace tidemark::raft {

absl::Status Raft::Impl::ProposeConfChange(Instant now, const ConfChange& change, Effects& out) {
  if (role_ != Role::kLeader) {
    return absl::FailedPreconditionError(absl::StrCat("node ", config_.self.value(),
                                                      " does not lead; ask the leader, node ",
                                                      leader_.value(), " (0: unknown)"));
  }
  if (transfer_target_ != kNoNode) {
    return absl::FailedPreconditionError(absl::StrCat(
        "leadership is being handed to node ", transfer_target_.value(), "; ask that node soon"));
  }
  if (!is_member_) {
    return absl::FailedPreconditionError("this leader is no member any more; ask the next one");
  }
  if (change.changes.size() > kConfChangesMax) {
    return absl::InvalidArgumentError(absl::StrCat(change.changes.size(), " steps in one change, ",
                                                   kConfChangesMax, " are the most"));
  }
  for (const Change& each : change.changes) {
    if (each.node == kNoNode) return absl::InvalidArgumentError("node 0 cannot be a member");
  }
  if (config_.validate_conf_change) TIDEMARK_RETURN_IF_ERROR(CheckConfChange(change));
  AppendConfChange(now, change, out);
  return absl::OkStatus();
}

absl::Status Raft::Impl::CheckConfChange(const ConfChange& change) const {
  if (pending_change_ > applied_) {
    return absl::FailedPreconditionError(
        absl::StrCat("an earlier change, at or before index ", pending_change_.value(),
                     ", may not be applied yet (", applied_.value(), " is); try again soon"));
  }
  const bool leaves = change.leaves_joint();
  if (membership_.joint() && !leaves) return absl::FailedPreconditionError(kAlreadyJoint);
  if (!membership_.joint() && leaves) return absl::FailedPreconditionError(kNotJoint);
  return ApplyConfChange(MakeTracker(), log_->last_index(), change).status();
}

void Raft::Impl::AppendConfChange(Instant now, const ConfChange& change, Effects& out) {
  const LogIndex before = log_->last_index();
  log_->AppendConfChange(state_.term, change);
  TIDEMARK_CHECK_EQ(log_->last_index(), before + 1);
  pending_change_ = log_->last_index();
  OnAppended(now, out);
}

Tracker Raft::Impl::MakeTracker() const {
  Tracker tracker = TrackerOf(membership_);
  for (MemberProgress& member : tracker.members) {
    const Progress* peer = FindPeer(member.id);
    member.match = peer == nullptr ? own_match() : peer->match;
    member.next = peer == nullptr ? log_->last_index() + 1 : peer->next;
  }
  return tracker;
}

bool Raft::Impl::HasUnappliedChange() const {
  for (LogIndex index = applied_ + 1; index <= commit_; ++index) {
    if (log_->ConfChangeAt(index).has_value()) return true;
  }
  return false;
}

void Raft::Impl::CommitAllButTheLastChange() {
  LogIndex last;
  for (LogIndex index = applied_ + 1; index <= log_->last_index(); ++index) {
    if (!log_->ConfChangeAt(index).has_value()) continue;
    commit_ = std::max(commit_, last);
    last = index;
  }
}

void Raft::Impl::OnApplied(Instant now, LogIndex applied, Effects& out) {
  ApplyChanges(now, applied, out);
  LeaveJointIfDue(now, out);
}

void Raft::Impl::ApplyChanges(Instant now, LogIndex applied, Effects& out) {
  TIDEMARK_CHECK_LE(applied, commit_);
  while (applied_ < applied) {
    ++applied_;
    if (const std::optional<ConfChange> change = log_->ConfChangeAt(applied_)) {
      ApplyChange(now, *change, out);
    }
  }
}

void Raft::Impl::ApplyChange(Instant now, const ConfChange& change, Effects& out) {
  absl::StatusOr<Tracker> to = ApplyConfChange(MakeTracker(), log_->last_index(), change);
  if (!to.ok()) {
    // Every member comes to the same conclusion.
    ++counters_.conf_changes_void;
    return;
  }
  ++counters_.conf_changes_applied;
  SwitchTo(now, std::move(to->membership), out);
}

void Raft::Impl::SwitchTo(Instant now, Membership membership, Effects& out) {
  membership_ = std::move(membership);
  Stir(now);
  out.membership_changed = true;
  AdoptPeers(now);
  if (role_ == Role::kLeader) return LeaderSwitched(now, out);
  if (!is_voter_) {
    if (role_ != Role::kFollower) BecomeFollower(now, state_.term, kNoNode, out);
    election_deadline_ = Instant::Never();
  } else if (election_deadline_ == Instant::Never()) {
    ArmElection(now);
  }
}

void Raft::Impl::AdoptPeers(Instant now) {
  NodeSet members = MembersOf(membership_);
  is_voter_ = voters().Contains(config_.self);
  is_member_ = members.Erase(config_.self);
  std::vector<Progress> peers;
  peers.reserve(members.size());
  for (Progress& peer : peers_) {
    if (members.Contains(peer.id)) continue;
    sequence_floor_ = std::max(sequence_floor_, peer.sequence);
    if (peer.read_pending) orphan_reads_.Insert(peer.id);
  }
  for (const NodeId member : members) {
    if (Progress* known = FindPeer(member)) {
      peers.push_back(std::move(*known));
    } else {
      Progress& added = peers.emplace_back(member, config_.inflight_messages_max,
                                           config_.inflight_bytes_max, sequence_floor_);
      // A group that has been running does not expect newcomers to have nothing, and the first
      // answer tells. They count as heard from: nobody should step down because they had no time
      // to answer.
      added.next = std::max(log_->last_index(), LogIndex{1});
      added.last_heard = now;
      added.heard = true;
      added.read_pending = orphan_reads_.Contains(member);
    }
    peers.back().is_learner = membership_.learners.Contains(member);
  }
  peers_ = std::move(peers);
}

void Raft::Impl::LeaderSwitched(Instant now, Effects& out) {
  if (!is_voter_) {
    // Otherwise it goes on leading, without a say of its own, until somebody campaigns.
    if (config_.step_down_on_removal) BecomeFollower(now, state_.term, kNoNode, out);
    return;
  }
  if (quorum_deadline_ == Instant::Never()) ArmCheckQuorum(now);
  if (AdvanceLeaderCommit(out)) {
    BeginReadRound(now, out);
    TellAll(now, out);
  }
  // Newcomers need not wait for the next proposal.
  for (Progress& peer : peers_) SendAppend(now, peer, /*also_empty=*/false, out);
  if (transfer_target_ != kNoNode && !voters().Contains(transfer_target_)) AbortTransfer(out);
  FinishReadRounds(now, out);
  // Whoever was to take over votes no more, or somebody can only now.
  if (disk_stalled_ && transfer_target_ == kNoNode) LeaveStalled(now, out);
}

void Raft::Impl::LeaveJointIfDue(Instant now, Effects& out) {
  // While leadership is handed over nothing is proposed: the next leader will, or this one later.
  if (role_ != Role::kLeader || !membership_.auto_leave || !is_member_) return;
  if (transfer_target_ != kNoNode || applied_ < pending_change_) return;
  AppendConfChange(now, ConfChange{}, out);
}

}  // namespace tidemark::raft
