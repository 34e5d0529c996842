#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/raft/raft_impl.h"

// Leadership transfer: thesis 3.10. The leader stops taking proposals and reads, brings the target
// up to date, and tells it to campaign at once; if nothing comes of it within an election timeout,
// it goes on.

namespace tidemark::raft {

Progress* Raft::Impl::MostUpToDate(Instant now) {
  Progress* best = nullptr;
  ForEachVoter([&](Progress& peer) {
    // Whoever answered and has most; a silent one only if all are silent.
    const bool active = Active(peer, now);
    const bool best_active = best != nullptr && Active(*best, now);
    if (best == nullptr || active > best_active ||
        (active == best_active && peer.match > best->match)) {
      best = &peer;
    }
  });
  return best;
}

absl::Status Raft::Impl::TransferLeadership(Instant now, NodeId to, Effects& out) {
  if (role_ != Role::kLeader) {
    return absl::FailedPreconditionError(absl::StrCat("node ", config_.self.value(),
                                                      " does not lead; ask the leader, node ",
                                                      leader_.value(), " (0: unknown)"));
  }
  Progress* target = to == kNoNode ? MostUpToDate(now) : FindPeer(to);
  if (target != nullptr && !voters().Contains(target->id)) target = nullptr;
  if (target == nullptr) {
    return absl::FailedPreconditionError(
        to == kNoNode ? absl::StrCat("node ", config_.self.value(), " is the only voter")
                      : absl::StrCat("node ", to.value(), " is not another voter of this group"));
  }
  if (transfer_target_ == target->id) return absl::OkStatus();
  Stir(now);
  transfer_target_ = target->id;
  transfer_deadline_ = now + config_.election_timeout;
  if (config_.quorum_rounds) ArmCheckQuorum(now);
  out.role_changed = true;
  // The next leader may be elected before these could be answered.
  RefuseReads(out);
  if (target->match == log_->last_index()) {
    ContinueTransfer(*target, out);
  } else {
    SendAppend(now, *target, /*also_empty=*/true, out);
  }
  return absl::OkStatus();
}

void Raft::Impl::ContinueTransfer(Progress& peer, Effects& out) {
  if (peer.match != log_->last_index()) return;
  timeout_now_sent_ = true;
  out.messages.push_back(Make(peer.id, TimeoutNow{}));
}

void Raft::Impl::OnTimeoutNow(Instant now, NodeId from, Effects& out) {
  if (role_ != Role::kFollower || (leader_ != kNoNode && leader_ != from)) return;
  // What cannot be done yet the timer does.
  (void)Campaign(now, /*leadership_transfer=*/true, out);
}

void Raft::Impl::AbortTransferIfDue(Instant now, Effects& out) {
  if (now < transfer_deadline_) return;
  AbortTransfer(out);
  // Whoever should have taken over did not; somebody else may.
  if (disk_stalled_) BecomeFollower(now, state_.term, kNoNode, out);
}

void Raft::Impl::AbortTransfer(Effects& out) {
  out.role_changed = true;
  ++counters_.transfers_aborted;
  ForgetTransfer();
}

void Raft::Impl::ForgetTransfer() {
  transfer_target_ = kNoNode;
  transfer_deadline_ = Instant::Never();
}

}  // namespace tidemark::raft
