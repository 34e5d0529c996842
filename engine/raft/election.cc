#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// Elections: thesis 3.4 (leader election), 3.6.1 (up-to-date rule), 9.6 (pre-vote), 4.2.3 and 6.2
// (a server that hears a leader helps nobody to depose it).

namespace tidemark::raft {

void Raft::Impl::ArmElection(Instant now) {
  if (!is_voter_) return;
  if (election_wait_ == Duration()) {
    election_wait_ = prng_.Between(config_.election_timeout, config_.election_timeout * 2);
    // Rather somebody else (priority.cc).
    if (config_.priority < priority_known_) {
      election_wait_ = election_wait_ + config_.election_timeout;
    }
  }
  election_armed_ = now;
  election_deadline_ = now + election_wait_;
}

void Raft::Impl::OverrideElectionTimeout(Duration wait) {
  if (election_deadline_ == Instant::Never()) return;
  election_wait_ = wait;
  election_deadline_ = election_armed_ + wait;
}

absl::Status Raft::Impl::MayCampaign() const {
  const auto refuse = [](const char* why) { return absl::FailedPreconditionError(why); };
  if (role_ == Role::kLeader) return refuse("this node leads already");
  if (!is_voter_) return refuse("this node is no voter of the group");
  // A candidacy could win by votes that are none of its, and each would depose who leads.
  if (fenced()) return refuse("this node does not have its own addition to the group yet");
  if (install_.has_value()) return refuse("a snapshot is being installed here");
  if (disk_stalled_) return refuse("the disk of this node hangs: its vote could not be kept");
  if (state_.term.value() >= kTermMax) return refuse("there are no terms left");
  if (!log_->is_whole()) return refuse("a part of the log is damaged here and not repaired yet");
  // It could be elected by a quorum of members that are none any more.
  if (HasUnappliedChange()) return refuse("a committed change of members is not applied here yet");
  return absl::OkStatus();
}

absl::Status Raft::Impl::CampaignUnasked(Instant now, Effects& out) {
  // Whoever campaigns does not remember a leader, and leases rest on that it is remembered.
  if (config_.lease_reads && StickyToLeader(now) && role_ != Role::kLeader) {
    return absl::FailedPreconditionError(
        "the leader was heard within an election timeout, and reads rest on its lease; transfer "
        "leadership instead");
  }
  return Campaign(now, /*leadership_transfer=*/false, out);
}

absl::Status Raft::Impl::CampaignAtTimeout(Instant now, Effects& out) {
  if (hard_state_durable()) {
    const absl::Status campaigns = Campaign(now, /*leadership_transfer=*/false, out);
    // A leader may sleep that counts on entries which this node has lost: without a candidacy that
    // wakes it nobody would tell it.
    if (!campaigns.ok() && !log_->is_whole() && leader_ == kNoNode) CallLeader(out);
    return campaigns;
  }
  // While the last promise is not on disk (a slow or hanging one), a further one only raises the
  // term without any chance to win.
  election_wait_ = Duration();
  ArmElection(now);
  return absl::FailedPreconditionError("the last vote of this node is not durable yet");
}

absl::Status Raft::Impl::Campaign(Instant now, bool leadership_transfer, Effects& out) {
  const absl::Status may = MayCampaign();
  if (role_ == Role::kLeader) return may;
  Stir(now);
  // A new random wait, so that candidates that collided once part ways.
  election_wait_ = Duration();
  ArmElection(now);
  if (!may.ok()) return may;
  if (config_.pre_vote && !leadership_transfer) {
    BecomePreCandidate(now, out);
  } else {
    BecomeCandidate(now, leadership_transfer, out);
  }
  return absl::OkStatus();
}

VoteRequest Raft::Impl::MakeVoteRequest() const {
  return VoteRequest{.pre_vote = role_ == Role::kPreCandidate,
                     .last_index = log_->last_index(),
                     .last_term = log_->last_term(),
                     .commit = commit_,
                     .commit_term = log_->TermAt(commit_).value_or(Term{})};
}

void Raft::Impl::BecomePreCandidate(Instant now, Effects& out) {
  ++counters_.pre_votes_started;
  SetRole(Role::kPreCandidate, out);
  SetLeader(now, kNoNode, out);
  ForEachVoter([&](Progress& peer) {
    peer.vote = Vote::kUnknown;
    AskAgain(peer, out);
  });
  DecideElection(now, out);
}

void Raft::Impl::BecomeCandidate(Instant now, bool leadership_transfer, Effects& out) {
  ++counters_.elections_started;
  SetRole(Role::kCandidate, out);
  SetLeader(now, kNoNode, out);
  out.role_changed = true;
  ack_ = Acknowledgement{};
  state_ = HardState{.term = state_.term + 1, .vote = config_.self};
  Persist(out);
  ForEachVoter([&](Progress& peer) {
    peer.vote = Vote::kUnknown;
    VoteRequest request = MakeVoteRequest();
    request.leadership_transfer = leadership_transfer;
    // Held for the write: the request vouches for the candidate's log up to its last entry and for
    // its term. Were it sent earlier, a crash could shorten the log, and votes granted to the
    // longer one would still arrive for a second candidacy in the same term.
    out.messages_after_persist.push_back(Make(peer.id, request));
  });
}

void Raft::Impl::AskAgain(const Progress& peer, Effects& out) const {
  if (peer.vote != Vote::kUnknown) return;
  if (role_ == Role::kPreCandidate) {
    Message message = Make(peer.id, MakeVoteRequest());
    ++message.term;
    out.messages.push_back(std::move(message));
  } else if (role_ == Role::kCandidate && hard_state_durable() &&
             log_->durable_index() == log_->last_index()) {
    // The request may have been lost with the connection; asking again beats a whole timeout.
    out.messages.push_back(Make(peer.id, MakeVoteRequest()));
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
  heartbeat_deadline_ = NextHeartbeat(now);
  idle_beats_ = 0;
  vouches_ = false;
  quorum_deadline_ = Instant::Never();
  ArmCheckQuorum(now);
  ForgetTransfer();
  timeout_now_sent_ = false;
  outranked_since_ = Instant::Never();
  reads_.round = 0;
  for (Progress& peer : peers_) peer.ResetForTerm(log_->last_index(), now);
  // Whatever is in the log may be a change that an earlier leader proposed.
  pending_change_ = log_->last_index();
  term_start_ = log_->last_index() + 1;
  if (config_.noop_at_election) {
    log_->AppendNoop(state_.term);
    TIDEMARK_CHECK_EQ(log_->last_index(), term_start_);
    TIDEMARK_CHECK_EQ(log_->last_term(), state_.term);
    out.log_staged = true;
  }
  BroadcastAppend(now, out);
  CommitAndTell(now, out);
}

bool Raft::Impl::StickyToLeader(Instant now) const {
  if (!config_.check_quorum) return false;
  if (role_ == Role::kLeader) return true;
  if (leader_ != kNoNode && now - leader_heard_ < config_.election_timeout) return true;
  // Before it started again it may have heard a leader, which may count on it still.
  return config_.lease_reads && leader_ == kNoNode && leader_heard_ == kLongAgo &&
         durable_.term > Term{0} && now - started_ < config_.election_timeout;
}

bool Raft::Impl::FreeToVoteFor(NodeId candidate) const {
  return state_.vote == candidate || (state_.vote == kNoNode && leader_ == kNoNode);
}

bool Raft::Impl::UpToDate(LogIndex last_index, Term last_term) const {
  if (last_term != log_->last_term()) return last_term > log_->last_term();
  return last_index >= log_->last_index();
}

void Raft::Impl::OnVoteRequest(Instant now, NodeId from, Term term, const VoteRequest& request,
                               Effects& out) {
  // What an earlier replica of this node promised, this one does not know.
  if (fenced()) return;
  // Learners vote too when asked: they may be voters already, as the candidate knows.
  // As if it had not arrived: not even its term counts, or a node that merely lost its leader from
  // sight could depose it.
  if (term > state_.term && !request.leadership_transfer && StickyToLeader(now)) return;
  LearnCommit(now, request.commit, request.commit_term, out);
  // An answer would promise what this node cannot write down.
  if (disk_stalled_) return;
  VoteReply reply{.pre_vote = request.pre_vote,
                  .granted = false,
                  .commit = commit_,
                  .commit_term = log_->TermAt(commit_).value_or(Term{})};
  if (request.pre_vote) {
    // Changes nothing here, whatever the answer.
    const bool may = term > state_.term || (term == state_.term && FreeToVoteFor(from));
    reply.granted = may && UpToDate(request.last_index, request.last_term);
    Message message = Make(from, reply);
    if (reply.granted) message.term = term;
    out.messages.push_back(std::move(message));
    return;
  }
  if (term < state_.term) {
    // Who knows other members than this node does is not asked by it for votes, and might never
    // hear of its term: thesis 3.3, RequestVote, receiver rule 1.
    out.messages.push_back(Make(from, reply));
    return;
  }
  if (term > state_.term) BecomeFollower(now, term, kNoNode, out);
  if (!FreeToVoteFor(from) || !UpToDate(request.last_index, request.last_term)) {
    out.messages.push_back(Make(from, reply));
    return;
  }
  reply.granted = true;
  Message grant = Make(from, reply);
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

void Raft::Impl::LearnCommit(Instant now, LogIndex commit, Term term, Effects& out) {
  if (!config_.votes_tell_commit || role_ == Role::kLeader) return;
  if (commit <= commit_ || log_->TermAt(commit) != term) return;
  // Same index, same term: the same entry, and it is committed for ever.
  SetCommit(commit, out);
  // Elected by members that are none any more it must not be.
  if (role_ != Role::kFollower && HasUnappliedChange()) {
    BecomeFollower(now, state_.term, kNoNode, out);
  }
}

void Raft::Impl::OnVoteReply(Instant now, NodeId from, Term term, const VoteReply& reply,
                             Effects& out) {
  LearnCommit(now, reply.commit, reply.commit_term, out);
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
