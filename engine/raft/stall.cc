#include "engine/raft/raft_impl.h"

// A disk that hangs: a write neither ends nor fails. A leader goes on being heard, so nobody
// replaces it, while whatever needs its disk waits: consumers at this node, and with a second slow
// disk every commit. So it hands over, or steps down, and stays out of elections until its disk is
// back: a vote or a candidacy of its own could not be made durable. As a follower it goes on: what
// it stages it acknowledges later, and it learns what is committed.
// Source: hashicorp/raft#503 and #612; Redpanda a2c13992c5.

namespace tidemark::raft {

void Raft::Impl::SetDiskStalled(Instant now, bool stalled, Effects& out) {
  if (disk_stalled_ == stalled) return;
  disk_stalled_ = stalled;
  Stir(now);
  if (!stalled) return;
  // Its vote for itself may become durable all the same, and votes arrive: it would lead.
  if (role_ == Role::kCandidate || role_ == Role::kPreCandidate) {
    BecomeFollower(now, state_.term, kNoNode, out);
  }
  LeaveStalled(now, out);
}

void Raft::Impl::LeaveStalled(Instant now, Effects& out) {
  if (role_ != Role::kLeader) return;
  bool others = false;
  ForEachVoter([&](const Progress&) { others = true; });
  // Nobody else could lead: what is staged waits for the disk in any case.
  if (!others) return;
  ++counters_.stall_step_downs;
  if (!HandOverStalled(now, out)) BecomeFollower(now, state_.term, kNoNode, out);
}

bool Raft::Impl::HandOverStalled(Instant now, Effects& out) {
  if (transfer_target_ != kNoNode) return true;  // under way already
  const Progress* best = MostUpToDate(now);
  // Whoever lacks what is committed would not be elected soon.
  if (!Active(*best, now) || best->match < commit_) return false;
  return TransferLeadership(now, kNoNode, out).ok();
}

}  // namespace tidemark::raft
