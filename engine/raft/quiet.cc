#include <algorithm>

#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// Groups in which nothing happens: no heartbeats, no timers. Heartbeats say two things, that the
// leader's node is there and that it still leads. In a quiet group the caller answers for the first
// (one exchange for all groups of two nodes), and silence stands for the second: a leader that ends
// its leadership is known to have done so by the caller, which wakes those that slept by its word.
// Source: CockroachDB's quiescence, TiKV's hibernated regions, and what went wrong there.
//
// When. The leader offers it once nothing was going on for kQuietAfterBeats heartbeats in a row:
// every member has the whole log, all of it is committed, no read, transfer, snapshot or change of
// members is pending, everybody answers. A follower accepts if its own log ends exactly with what
// the offer says is committed, all of it durable and known to be the leader's: it never has to
// learn of a commit in its sleep. The leader itself falls silent only when everybody has accepted
// this very offer; until then those who have, sleep, and the others get heartbeats. So a member
// that is down keeps its groups awake.
//
// What wakes. Whatever happens in the group: a proposal, a read, a transfer, any message but the
// answer to an offer. A follower that wakes by itself tells the leader, which answers with
// heartbeats if it leads; otherwise the follower's election timeout ends. One that knows no leader
// and must not campaign, because its disk lost some of the log, calls whoever leads. And Wake: the
// node of a member was not heard for an election timeout, is another process now, or says that it
// leads no more.
//
// Safety rests on none of it: terms, votes and logs are what they were, and one that sleeps only
// waits longer. Leases: a follower that sleeps helps nobody to depose its leader, as after a
// heartbeat just now, and when woken remembers to have heard it no earlier than it did; the leader
// counts its lease from heartbeats alone, so that in a quiet group it runs out, and the next read
// asks a quorum.
// Liveness: a quiet leader steps down when a quorum was silent for an election timeout, as its
// caller saw it. If the group was stirred within that time the silence counts from then: two
// timeouts at most.

namespace tidemark::raft {

bool Raft::Impl::Idle(Instant now) const {
  if (role_ != Role::kLeader || !is_member_ || !committed_in_own_term()) return false;
  const LogIndex last = log_->last_index();
  if (commit_ != last || own_match() != last || !hard_state_durable()) return false;
  if (transfer_target_ != kNoNode || !reads_.waiting.empty() || disk_stalled_) return false;
  if (membership_.joint() || HasUnappliedChange()) return false;
  if (outranked_since_ != Instant::Never()) return false;
  return std::all_of(peers_.begin(), peers_.end(), [&](const Progress& peer) {
    return peer.state == Progress::State::kReplicate && peer.match == last && !peer.no_room &&
           !peer.read_pending && peer.inflights.empty() && peer.heard && Active(peer, now);
  });
}

bool Raft::Impl::OffersQuiet(Instant now) {
  if (!config_.quiet) return false;
  if (!Idle(now)) {
    idle_beats_ = 0;
    quiet_offered_ = Instant::Never();
    return false;
  }
  if (idle_beats_ < kQuietAfterBeats) {
    ++idle_beats_;
    return false;
  }
  if (quiet_offered_ == Instant::Never()) {
    quiet_offered_ = now;
    for (Progress& peer : peers_) peer.quiet = false;
  }
  vouches_ = true;
  return true;
}

void Raft::Impl::OnQuietReply(Instant now, Progress& peer, const HeartbeatReply& reply) {
  // An answer to an earlier offer says nothing: it was woken since.
  if (reply.sent < quiet_offered_) return;
  peer.quiet = reply.quiet;
  if (!peer.quiet || quiet_ || !Idle(now)) return;
  if (std::all_of(peers_.begin(), peers_.end(), [](const Progress& each) { return each.quiet; })) {
    ++counters_.quieted;
    FallAsleep();
  }
}

bool Raft::Impl::AcceptsQuiet(const Heartbeat& heartbeat) const {
  const LogIndex last = log_->last_index();
  return config_.quiet && heartbeat.quiet && heartbeat.commit == last && commit_ == last &&
         ack_.verified == last && log_->durable_index() == last && hard_state_durable() &&
         !ack_.owed && takes_records() && reads_.forwarded.empty() && !HasUnappliedChange() &&
         !disk_stalled_;
}

void Raft::Impl::FallAsleep() {
  quiet_ = true;
  election_deadline_ = heartbeat_deadline_ = quorum_deadline_ = Instant::Never();
}

void Raft::Impl::Stir(Instant now) {
  idle_beats_ = 0;
  quiet_offered_ = Instant::Never();
  if (!quiet_) return;
  quiet_ = false;
  if (role_ == Role::kLeader) {
    // Until now the caller knew their nodes to be there.
    for (Progress& peer : peers_) peer.last_heard = std::max(peer.last_heard, now);
    heartbeat_deadline_ = now;
    ArmCheckQuorum(now);
  } else {
    leader_heard_ = std::max(leader_heard_, now);
    ArmElection(now);
  }
}

void Raft::Impl::StirIfAppended(Instant now) {
  if (quiet_ && role_ == Role::kLeader && log_->last_index() > commit_) Stir(now);
}

void Raft::Impl::StirBy(Instant now, const Message& message, Effects& out) {
  if (role_ == Role::kLeader) {
    const auto* reply = std::get_if<HeartbeatReply>(&message.body);
    if (reply == nullptr || !reply->quiet || message.term != state_.term) Stir(now);
    return;
  }
  // The leader's own messages are dealt with where they are believed.
  if (std::holds_alternative<VoteRequest>(message.body)) {
    Stir(now);
    TellAwake(out);
  }
}

void Raft::Impl::TellAwake(Effects& out) {
  if (leader_ != kNoNode) AnswerHeartbeat(Heartbeat{}, out);
}

void Raft::Impl::CallLeader(Effects& out) {
  ForEachVoter([&](const Progress& peer) {
    out.messages.push_back(
        Make(peer.id, HeartbeatReply{.no_room = !takes_records(),
                                     .unverified = true,
                                     .installing = install_ ? install_->meta.index : LogIndex{0},
                                     .priority = config_.priority}));
  });
}

void Raft::Impl::Wake(Instant now, const std::function<Instant(NodeId)>& heard, Effects& out) {
  if (!quiet_) return;
  ++counters_.woken;
  quiet_ = false;
  idle_beats_ = 0;
  quiet_offered_ = Instant::Never();
  if (role_ == Role::kLeader) {
    for (Progress& peer : peers_) {
      peer.last_heard = std::max(peer.last_heard, std::min(heard(peer.id), now));
    }
    heartbeat_deadline_ = now;
    // The next look counts from when they were heard.
    if (config_.check_quorum && !peers_.empty()) quorum_deadline_ = now;
    return;
  }
  leader_heard_ = std::max(leader_heard_, std::min(heard(leader_), now));
  ArmElection(leader_heard_);
  TellAwake(out);
}

Instant Raft::Impl::NextHeartbeat(Instant now) const {
  if (!config_.aligned_heartbeats) return now + config_.heartbeat_interval;
  const int64_t interval = config_.heartbeat_interval.nanos();
  return Instant::FromNanos((now.nanos() / interval + 1) * interval);
}

}  // namespace tidemark::raft
