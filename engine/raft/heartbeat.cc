#include <algorithm>

#include "engine/raft/raft_impl.h"

// That the leader is there, and that a quorum is: messages that name no place in the log, so that
// those of many groups can be one. An answer is also the occasion to look whether anything sent to
// the peer was lost. Source: thesis 3.4, 6.2 (a leader without a quorum steps down).

namespace tidemark::raft {

void Raft::Impl::OnHeartbeatDue(Instant now, Effects& out) {
  // Also if a round is under way: its answers may have been lost.
  AssignReadRound();
  const bool offer = OffersQuiet(now);
  if (offer && peers_.empty()) {
    ++counters_.quieted;
    return FallAsleep();
  }
  SendHeartbeats(now, out);
  HandOverIfDue(now, out);
}

void Raft::Impl::SendHeartbeats(Instant now, Effects& out) {
  all_durable_ = AllDurable();
  Heartbeat beat{.context = reads_.round_under_way() ? reads_.round : 0,
                 .all_durable = all_durable_,
                 .sent = now,
                 .priority = HighestPriority(now),
                 .quiet = quiet_offered_ != Instant::Never()};
  for (Progress& peer : peers_) {
    // Beyond its match this node does not know that the peer has what is committed. What it was
    // told before may be lost: the next occasion tells it again.
    beat.commit = peer.commit_sent = std::min(peer.match, commit_);
    Emit(peer.id, beat, out.messages);
  }
}

void Raft::Impl::OnHeartbeat(Instant now, NodeId from, const Heartbeat& heartbeat, Effects& out) {
  const bool asleep = quiet_;
  if (!HearLeader(now, from, out)) return;
  all_durable_ = std::max(all_durable_, heartbeat.all_durable);
  priority_known_ = heartbeat.priority;
  AdvanceFollowerCommit(heartbeat.commit, out);
  if (AcceptsQuiet(heartbeat)) {
    FallAsleep();
    counters_.quieted += !asleep;
  }
  AnswerHeartbeat(heartbeat, out);
}

void Raft::Impl::AnswerHeartbeat(const Heartbeat& heartbeat, Effects& out) {
  out.messages.push_back(
      Make(leader_, HeartbeatReply{.context = heartbeat.context,
                                   .sent = heartbeat.sent,
                                   .no_room = !takes_records(),
                                   .unverified = heartbeat.commit > commit_,
                                   .installing = install_ ? install_->meta.index : LogIndex{0},
                                   .priority = config_.priority,
                                   .quiet = quiet_}));
}

void Raft::Impl::OnHeartbeatReply(Instant now, NodeId from, const HeartbeatReply& reply,
                                  Effects& out) {
  if (role_ != Role::kLeader) return;
  if (reply.context > reads_.round || reply.sent > now) {
    ++counters_.messages_ignored;
    return;
  }
  Progress& peer = *FindPeer(from);
  peer.last_heard = std::max(peer.last_heard, now);
  peer.heard = true;
  peer.paused = false;
  peer.read_failed = false;
  peer.no_room = reply.no_room;
  peer.priority = reply.priority;
  OnQuietReply(now, peer, reply);
  peer.lease_from = std::max(peer.lease_from, reply.sent);
  peer.read_round = std::max(peer.read_round, reply.context);
  // It does not install what it was told of: the message, or its answer, was lost.
  if (peer.state == Progress::State::kSnapshot && reply.installing == LogIndex{0} &&
      now - peer.snapshot_sent >= config_.election_timeout) {
    peer.EnterProbe();
  }
  // Nobody knows what it has, and what would be sent first is gone: perhaps it has what is left.
  if (peer.state == Progress::State::kProbe && !log_->TermAt(peer.next - 1).has_value() &&
      !log_->Snapshot().has_value()) {
    peer.next = std::max(peer.next, log_->first_index());
  }
  // It may have lost what it had acknowledged (a disk, or a log that was dropped). Only to a probe
  // its word on that counts.
  if (reply.unverified && peer.state == Progress::State::kReplicate &&
      peer.next == peer.match + 1) {
    peer.EnterProbe();
  }
  // Whether anything that was sent is missing shows only when something is sent again.
  if (peer.match < log_->last_index() || peer.state == Progress::State::kProbe ||
      reply.unverified) {
    SendAppend(now, peer, /*also_empty=*/true, out);
  }
  if (reply.context != 0) FinishReadRounds(now, out);
}

void Raft::Impl::ArmCheckQuorum(Instant now) {
  if (config_.check_quorum && !peers_.empty()) quorum_deadline_ = now + config_.election_timeout;
}

bool Raft::Impl::CheckQuorum(Instant now, Effects& out) {
  if (now < quorum_deadline_) return false;
  const Instant heard = voters().HeardAt([this, now](NodeId voter) {
    if (voter == config_.self) return now;
    const Progress& peer = *FindPeer(voter);
    if (!config_.quorum_rounds) return peer.last_heard;
    return peer.heard ? now : now + config_.election_timeout * -1;
  });
  quorum_deadline_ = heard + config_.election_timeout;
  if (now < quorum_deadline_) {
    for (Progress& peer : peers_) peer.heard &= !config_.quorum_rounds;
    return false;
  }
  ++counters_.quorum_losses;
  BecomeFollower(now, state_.term, kNoNode, out);
  return true;
}

}  // namespace tidemark::raft
