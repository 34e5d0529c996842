#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/raft/raft_impl.h"

// Leadership transfer: thesis 3.10. The leader stops taking proposals, brings the target up to
// date, and tells it to campaign at once; if nothing comes of it within an election timeout, it
// goes on.

namespace tidemark::raft {

absl::Status Raft::Impl::TransferLeadership(Instant now, NodeId to, Effects& out) {
  if (role_ != Role::kLeader) {
    return absl::FailedPreconditionError(absl::StrCat("node ", config_.self.value(),
                                                      " does not lead; ask the leader, node ",
                                                      leader_.value(), " (0: unknown)"));
  }
  Progress* target = to == kNoNode ? nullptr : FindPeer(to);
  if (target != nullptr && target->is_learner) target = nullptr;
  if (to == kNoNode) {
    for (Progress& peer : peers_) {
      if (peer.is_learner) continue;
      // Whoever answered and has most; a silent one only if all are silent.
      const bool active = now - peer.last_heard < config_.election_timeout;
      const bool best_active =
          target != nullptr && now - target->last_heard < config_.election_timeout;
      if (target == nullptr || active > best_active ||
          (active == best_active && peer.match > target->match)) {
        target = &peer;
      }
    }
  }
  if (target == nullptr) {
    return absl::FailedPreconditionError(
        to == kNoNode ? absl::StrCat("node ", config_.self.value(), " is the only voter")
                      : absl::StrCat("node ", to.value(), " is not another voter of this group"));
  }
  if (transfer_target_ == target->id) return absl::OkStatus();
  transfer_target_ = target->id;
  transfer_deadline_ = now + config_.election_timeout;
  out.role_changed = true;
  Replicate(*target, out);
  ContinueTransfer(*target, out);
  return absl::OkStatus();
}

void Raft::Impl::ContinueTransfer(Progress& peer, Effects& out) {
  if (peer.match == log_->last_index()) out.messages.push_back(Make(peer.id, TimeoutNow{}));
}

void Raft::Impl::OnTimeoutNow(Instant now, NodeId from, Effects& out) {
  if (role_ == Role::kLeader || (leader_ != kNoNode && leader_ != from)) return;
  Campaign(now, /*leadership_transfer=*/true, out);
}

void Raft::Impl::AbortTransferIfDue(Instant now, Effects& out) {
  if (now < transfer_deadline_) return;
  out.role_changed = true;
  ++counters_.transfers_aborted;
  ForgetTransfer();
}

void Raft::Impl::ForgetTransfer() {
  transfer_target_ = kNoNode;
  transfer_deadline_ = Instant::Never();
}

}  // namespace tidemark::raft
