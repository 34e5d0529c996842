#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// Elections: thesis 3.4 (leader election), 3.6.1 (up-to-date rule), 9.6 (pre-vote), 4.2.3 and 6.2
// (a server that hears a leader helps nobody to depose it).

namespace tidemark::raft {

void Raft::Impl::Campaign(Instant now, bool leadership_transfer, Effects& out) {
  if (!is_voter_) return;
  // A new random wait, so that candidates that collided once part ways.
  election_wait_ = Duration();
  ArmElection(now);
  // While the last promise is not on disk (a slow or hanging one), a further one only raises the
  // term without any chance to win.
  if (!hard_state_durable()) return SetLeader(now, kNoNode, out);
  if (state_.term.value() >= kTermMax) return;
  if (config_.pre_vote && !leadership_transfer) {
    BecomePreCandidate(now, out);
  } else {
    BecomeCandidate(now, leadership_transfer, out);
  }
}

VoteRequest Raft::Impl::MakeVoteRequest() const {
  return VoteRequest{.pre_vote = role_ == Role::kPreCandidate,
                     .last_index = log_->last_index(),
                     .last_term = log_->last_term()};
}

void Raft::Impl::BecomePreCandidate(Instant now, Effects& out) {
  ++counters_.pre_votes_started;
  SetRole(Role::kPreCandidate, out);
  SetLeader(now, kNoNode, out);
  for (Progress& peer : peers_) {
    if (peer.is_learner) continue;
    peer.vote = Vote::kUnknown;
    Message message = Make(peer.id, MakeVoteRequest());
    ++message.term;
    out.messages.push_back(std::move(message));
  }
  DecideElection(now, out);
}

void Raft::Impl::BecomeCandidate(Instant now, bool leadership_transfer, Effects& out) {
  ++counters_.elections_started;
  SetRole(Role::kCandidate, out);
  SetLeader(now, kNoNode, out);
  out.role_changed = true;
  state_ = HardState{.term = state_.term + 1, .vote = config_.self};
  Persist(out);
  for (Progress& peer : peers_) {
    if (peer.is_learner) continue;
    peer.vote = Vote::kUnknown;
    VoteRequest request = MakeVoteRequest();
    request.leadership_transfer = leadership_transfer;
    // Held for the write: the request vouches for the candidate's log up to its last entry and for
    // its term. Were it sent earlier, a crash could shorten the log, and votes granted to the
    // longer one would still arrive for a second candidacy in the same term.
    out.messages_after_persist.push_back(Make(peer.id, request));
  }
}

void Raft::Impl::BecomeLeader(Instant now, Effects& out) {
  TIDEMARK_CHECK_EQ(state_.vote, config_.self);
  ++counters_.elections_won;
  SetRole(Role::kLeader, out);
  SetLeader(now, config_.self, out);
  ack_ = Acknowledgement{};
  election_wait_ = Duration();
  election_deadline_ = Instant::Never();
  heartbeat_deadline_ = now + config_.heartbeat_interval;
  quorum_deadline_ = Instant::Never();
  if (config_.check_quorum && !peers_.empty()) quorum_deadline_ = now + config_.election_timeout;
  ForgetTransfer();
  for (Progress& peer : peers_) peer.ResetForTerm(log_->last_index(), now);
  term_start_ = log_->last_index() + 1;
  if (config_.noop_at_election) {
    log_->AppendNoop(state_.term);
    TIDEMARK_CHECK_EQ(log_->last_index(), term_start_);
    TIDEMARK_CHECK_EQ(log_->last_term(), state_.term);
    out.log_staged = true;
  }
  ReplicateToAll(out);
  CommitAndTell(out);
}

bool Raft::Impl::StickyToLeader(Instant now) const {
  // Without either, a leader that nobody can reach could never be replaced.
  if (!config_.pre_vote && !config_.check_quorum) return false;
  if (role_ == Role::kLeader) return config_.check_quorum;
  return leader_ != kNoNode && now - leader_heard_ < config_.election_timeout;
}

bool Raft::Impl::UpToDate(LogIndex last_index, Term last_term) const {
  if (last_term != log_->last_term()) return last_term > log_->last_term();
  return last_index >= log_->last_index();
}

void Raft::Impl::OnVoteRequest(Instant now, NodeId from, Term term, const VoteRequest& request,
                               Effects& out) {
  if (!is_voter_) return;
  const VoteReply refusal{.pre_vote = request.pre_vote, .granted = false};
  const bool sticky = !request.leadership_transfer && StickyToLeader(now);
  if (request.pre_vote) {
    // Changes nothing here, whatever the answer.
    if (term <= state_.term || sticky || !UpToDate(request.last_index, request.last_term)) {
      out.messages.push_back(Make(from, refusal));
      return;
    }
    Message message = Make(from, VoteReply{.pre_vote = true, .granted = true});
    message.term = term;
    out.messages.push_back(std::move(message));
    return;
  }
  if (term < state_.term) {
    out.messages.push_back(Make(from, refusal));
    return;
  }
  // As if it had not arrived: not even its term counts, or a node that merely lost its leader from
  // sight could depose it.
  if (sticky) return;
  if (term > state_.term) BecomeFollower(now, term, kNoNode, out);
  const bool free = state_.vote == from || (state_.vote == kNoNode && leader_ == kNoNode);
  if (!free || !UpToDate(request.last_index, request.last_term)) {
    out.messages.push_back(Make(from, refusal));
    return;
  }
  Message grant = Make(from, VoteReply{.pre_vote = false, .granted = true});
  if (state_.vote == from) {
    // Asked again. If the vote is not durable yet, the first answer still hangs on its write.
    if (hard_state_durable()) out.messages.push_back(std::move(grant));
    return;
  }
  state_.vote = from;
  Persist(out);
  out.messages_after_persist.push_back(std::move(grant));
  ArmElection(now);
}

void Raft::Impl::OnVoteReply(Instant now, NodeId from, Term term, const VoteReply& reply,
                             Effects& out) {
  // The reply that grants a pre-vote carries the term asked for, which nobody has reached yet.
  const bool pre_grant = reply.pre_vote && reply.granted;
  if (!pre_grant && term > state_.term) return BecomeFollower(now, term, kNoNode, out);
  const Role asking = reply.pre_vote ? Role::kPreCandidate : Role::kCandidate;
  const Term expected = pre_grant ? state_.term + 1 : state_.term;
  if (role_ != asking || term != expected) return;
  Progress* peer = FindPeer(from);
  TIDEMARK_CHECK(peer != nullptr);
  // The first answer stands: a repeated message cannot change it.
  if (peer->vote != Vote::kUnknown) return;
  peer->vote = reply.granted ? Vote::kGranted : Vote::kRefused;
  DecideElection(now, out);
}

void Raft::Impl::DecideElection(Instant now, Effects& out) {
  const VoteResult result = voters().Result([this](NodeId voter) {
    if (voter != config_.self) return FindPeer(voter)->vote;
    // The own vote is a vote like any other: it counts when no crash can take it back.
    if (role_ == Role::kPreCandidate || hard_state_durable()) return Vote::kGranted;
    return Vote::kUnknown;
  });
  if (result == VoteResult::kWon) {
    if (role_ == Role::kPreCandidate) return BecomeCandidate(now, false, out);
    // A majority of others may do without the own vote, but a leader must not forget its term.
    if (hard_state_durable()) BecomeLeader(now, out);
  } else if (result == VoteResult::kLost) {
    BecomeFollower(now, state_.term, kNoNode, out);
  }
}

}  // namespace tidemark::raft
