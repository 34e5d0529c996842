#include <algorithm>

#include "engine/base/check.h"
#include "engine/raft/raft_impl.h"

// What is committed: thesis 3.5, 3.6.2 (entries of earlier terms), 10.2.1 (the leader's own disk is
// one vote).

namespace tidemark::raft {

LogIndex Raft::Impl::own_match() const {
  return std::min(log_->durable_index(), log_->last_index());
}

LogIndex Raft::Impl::AllDurable() const {
  if (role_ != Role::kLeader) return all_durable_;
  LogIndex lowest = own_match();
  for (const Progress& peer : peers_) lowest = std::min(lowest, peer.match);
  return std::max(all_durable_, lowest);
}

bool Raft::Impl::AdvanceLeaderCommit(Effects& out) {
  const LogIndex reached = voters().CommittedIndex([this](NodeId voter) {
    return voter == config_.self ? own_match() : FindPeer(voter)->match;
  });
  // Only an entry of the own term is committed by counting (figure 3.7); those before it follow.
  if (reached <= commit_ || reached < term_start_ || reached == kReachedByNobody) return false;
  TIDEMARK_CHECK(log_->TermAt(reached) == state_.term);
  SetCommit(reached, out);
  return true;
}

void Raft::Impl::CommitAndTell(Instant now, Effects& out) {
  if (!AdvanceLeaderCommit(out)) return;
  BeginReadRound(now, out);
  TellAll(now, out);
}

void Raft::Impl::TellAll(Instant now, Effects& out) {
  if (config_.eager_commit) return BroadcastAppend(now, out);
  for (Progress& peer : peers_) TellCommit(now, peer, out);
}

void Raft::Impl::AdvanceFollowerCommit(LogIndex leader_commit, Effects& out) {
  // Never past what is verified: what lies behind it may be an old leader's.
  const LogIndex reached = std::min(leader_commit, ack_.verified);
  if (reached > commit_) SetCommit(reached, out);
}

void Raft::Impl::SetCommit(LogIndex commit, Effects& out) {
  TIDEMARK_CHECK_GT(commit, commit_);
  TIDEMARK_CHECK_LE(commit, log_->last_index());
  commit_ = commit;
  out.commit = commit;
}

void Raft::Impl::TellCommit(Instant now, Progress& peer, Effects& out) {
  // With appends in flight the next append, this peer's next acknowledgement or the heartbeat
  // brings it: under load the news costs nothing.
  if (peer.state != Progress::State::kReplicate || !peer.inflights.empty()) return;
  if (commit_ > peer.commit_sent && peer.commit_sent < peer.next - 1) {
    SendAppend(now, peer, /*also_empty=*/true, out);
  }
}

}  // namespace tidemark::raft
