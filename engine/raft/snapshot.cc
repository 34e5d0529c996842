#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/raft/raft_impl.h"

// Snapshots, as far as they are raft's: who needs one, which, and what follows from having it. The
// bytes go another way. Source: thesis 5; SCENARIOS of other systems' bugs R1 (a log that conflicts
// is discarded whole), R3 and R21 (no endless loop, and a transfer that fails is begun again).

namespace tidemark::raft {

bool Raft::Impl::SendSnapshot(Instant now, Progress& peer, Effects& out) {
  // To somebody who may not be there it would only have to be made again.
  if (!peer.heard || !Active(peer, now) || peer.no_room) return false;
  const std::optional<SnapshotMeta> snapshot = log_->Snapshot();
  if (!snapshot.has_value()) return false;
  TIDEMARK_CHECK_GE(snapshot->index + 1, log_->first_index());
  TIDEMARK_CHECK_LE(snapshot->index, commit_);
  peer.EnterSnapshot(snapshot->index, now);
  ++peer.sequence;
  ++counters_.snapshots_sent;
  out.messages.push_back(
      Make(peer.id, InstallSnapshot{.meta = *snapshot, .sequence = peer.sequence}));
  return true;
}

void Raft::Impl::OnInstallSnapshot(Instant now, NodeId from, const InstallSnapshot& message,
                                   Effects& out) {
  if (!HearLeader(now, from, out)) return;
  const SnapshotMeta& meta = message.meta;
  if (meta.index > commit_ && log_->TermAt(meta.index) == meta.term) {
    // The log has it all, and the snapshot says that it is committed.
    SetCommit(meta.index, out);
  }
  // One that was made before this node was added is as good as any: what follows adds it.
  if (meta.index <= commit_) {
    install_.reset();
    ack_.verified = std::max(ack_.verified, commit_);
    return Owe(commit_, message.sequence, out);
  }
  const bool known = install_.has_value() && install_->meta == meta;
  install_ =
      Install{.meta = meta, .leader = from, .term = state_.term, .sequence = message.sequence};
  if (!known) out.install = meta;
}

void Raft::Impl::OnSnapshotInstalled(Instant now, const SnapshotMeta& meta, Effects& out) {
  TIDEMARK_CHECK_GT(meta.index, commit_);
  TIDEMARK_CHECK_LE(log_->first_index(), meta.index + 1);
  TIDEMARK_CHECK_EQ(log_->last_index(), meta.index);
  TIDEMARK_CHECK_EQ(log_->durable_index(), meta.index);
  TIDEMARK_CHECK_EQ(log_->last_term(), meta.term);
  ++counters_.snapshots_installed;
  // Whatever was verified is behind the snapshot or discarded with the log that did not have it.
  ack_.verified = meta.index;
  ack_.acked = std::min(ack_.acked, meta.index);
  commit_ = applied_ = meta.index;
  out.commit = commit_;
  const std::optional<Install> install = std::exchange(install_, std::nullopt);
  SwitchTo(now, meta.membership, out);
  // Only the leader that asked knows what the answer is about.
  if (!install.has_value() || install->term != state_.term || install->leader != leader_) return;
  Owe(meta.index, install->sequence, out);
}

void Raft::Impl::OnSnapshotFailed(const SnapshotMeta& meta) {
  // The leader sees by the answers to its heartbeats that nothing is being installed.
  if (install_.has_value() && install_->meta == meta) install_.reset();
}

void Raft::Impl::ReportSnapshot(NodeId id, bool ok) {
  Progress* peer = FindPeer(id);
  if (role_ != Role::kLeader || peer == nullptr) return;
  if (peer->state != Progress::State::kSnapshot) return;
  // After a failure it is probed from where it was.
  if (!ok) peer->pending_snapshot = LogIndex{0};
  peer->EnterProbe();
  // Its answer, or else the next heartbeat's, tells where to go on.
  peer->paused = true;
}

}  // namespace tidemark::raft
