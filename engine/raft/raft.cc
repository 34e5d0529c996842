#include "engine/raft/raft.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// Dispatch, terms and role changes. Source: thesis 3.3 (figure 3.1, "Rules for servers").

namespace tidemark::raft {
namespace {

Config WithDefaults(Config config) {
  if (config.append_bytes_max == 0) config.append_bytes_max = kAppendBytesMax;
  if (config.append_entries_max == 0) config.append_entries_max = kAppendEntriesMax;
  if (config.inflight_bytes_max == 0) config.inflight_bytes_max = kInflightBytesMax;
  if (config.inflight_messages_max == 0) config.inflight_messages_max = kInflightMessagesMax;
  TIDEMARK_CHECK_NE(config.self, kNoNode);
  TIDEMARK_CHECK_GT(config.heartbeat_interval.nanos(), 0);
  TIDEMARK_CHECK_LT(config.heartbeat_interval.nanos(), config.election_timeout.nanos());
  return config;
}

Membership MembershipOf(const Config& config) {
  Membership membership{.voters = {.incoming = MajorityConfig(config.voters), .outgoing = {}},
                        .learners = NodeSet(config.learners)};
  for (const NodeId learner : membership.learners) {
    TIDEMARK_CHECK(!membership.voters.Contains(learner));
  }
  return membership;
}

// Entries of one append: contiguous behind prev, terms that never fall and never pass the sender's,
// offsets that continue each other, and no number that overflows.
bool WellFormed(const AppendRequest& request, Term term) {
  if (request.sequence == 0 || request.prev_term > term) return false;
  if ((request.prev_index == LogIndex{0}) != (request.prev_term == Term{0})) return false;
  if (request.entries.size() >= UINT64_MAX - request.prev_index.value()) return false;
  LogIndex index = request.prev_index;
  Term last = request.prev_term;
  std::optional<Offset> next_offset;
  for (const Entry& entry : request.entries) {
    ++index;
    if (entry.index != index || entry.term < last || entry.term > term) return false;
    if (entry.term == Term{0}) return false;
    if (entry.base_offset.value() > UINT64_MAX - entry.offset_span) return false;
    if (next_offset && entry.base_offset != *next_offset) return false;
    next_offset = entry.end_offset();
    last = entry.term;
  }
  return true;
}

bool WellFormed(const VoteRequest& request, Term term) {
  // A log has no entry of a term that is still being campaigned for.
  return request.last_term < term &&
         (request.last_index == LogIndex{0}) == (request.last_term == Term{0});
}

}  // namespace

Raft::Impl::Impl(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng)
    : config_(WithDefaults(std::move(config))),
      membership_(MembershipOf(config_)),
      is_voter_(voters().Contains(config_.self)),
      log_(log),
      prng_(prng),
      state_(state),
      durable_(state),
      commit_(std::clamp(commit, log->first_index() - 1, log->last_index())) {
  // A crash between the two files of one write can leave entries of a term whose hard state was
  // lost. Nothing was promised in that term: promises leave only after the whole write.
  if (log_->last_term() > state_.term) state_ = HardState{.term = log_->last_term()};
  NodeSet members = voters().Voters();
  for (const NodeId learner : membership_.learners) members.Insert(learner);
  members.Erase(config_.self);
  for (const NodeId member : members) {
    peers_.emplace_back(member, config_.inflight_messages_max, config_.inflight_bytes_max);
    peers_.back().is_learner = membership_.learners.Contains(member);
  }
}

void Raft::Impl::Start(Instant now, Effects& out) {
  leaderless_since_ = now;
  out.role_changed = true;
  if (!hard_state_durable()) Persist(out);
  ArmElection(now);
  if (config_.campaign_at_start || voters().Voters().size() == 1) Campaign(now, false, out);
}

bool Raft::Impl::Admissible(const Message& message) const {
  if (message.to != config_.self || message.from == config_.self) return false;
  if (!voters().Contains(message.from)) {
    // All that a learner ever says is what it has.
    const bool learner = membership_.learners.Contains(message.from);
    if (!learner || !std::holds_alternative<AppendReply>(message.body)) return false;
  }
  if (message.term == Term{0} || message.term.value() > kTermMax) return false;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    return WellFormed(*append, message.term);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    return WellFormed(*vote, message.term);
  }
  return true;
}

void Raft::Impl::OnMessage(Instant now, Message message, Effects& out) {
  if (!Admissible(message)) {
    ++counters_.messages_ignored;
    return;
  }
  const NodeId from = message.from;
  const Term term = message.term;
  // Votes have their own rules about when a term counts.
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    return OnVoteRequest(now, from, term, *request, out);
  }
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    return OnVoteReply(now, from, term, *reply, out);
  }
  auto* append = std::get_if<AppendRequest>(&message.body);
  if (term < state_.term) {
    // A deposed leader learns of the new term; sequence 0 never looks like a current refusal.
    if (append != nullptr) out.messages.push_back(Make(from, AppendReply{}));
    return;
  }
  if (term > state_.term) BecomeFollower(now, term, append != nullptr ? from : kNoNode, out);
  if (append != nullptr) {
    OnAppendRequest(now, from, *append, out);
  } else if (const auto* reply = std::get_if<AppendReply>(&message.body)) {
    OnAppendReply(now, from, *reply, out);
  } else {
    OnTimeoutNow(now, from, out);
  }
}

void Raft::Impl::OnTimer(Instant now, Effects& out) {
  if (role_ != Role::kLeader) {
    if (now >= election_deadline_) Campaign(now, false, out);
    return;
  }
  if (CheckQuorum(now, out)) return;
  AbortTransferIfDue(now, out);
  if (now >= heartbeat_deadline_) {
    heartbeat_deadline_ = now + config_.heartbeat_interval;
    Heartbeat(out);
  }
}

Instant Raft::Impl::next_deadline() const {
  if (role_ != Role::kLeader) return election_deadline_;
  return std::min({heartbeat_deadline_, quorum_deadline_, transfer_deadline_});
}

void Raft::Impl::OnPersisted(Instant now, std::optional<HardState> state, Effects& out) {
  if (state) {
    TIDEMARK_CHECK_LE(state->term, state_.term);
    // Writes complete in order, so this only guards against a repeated report.
    if (state->term > durable_.term || (state->term == durable_.term && durable_.vote == kNoNode)) {
      durable_ = *state;
    }
  }
  switch (role_) {
    case Role::kLeader:
      return CommitAndTell(out);
    case Role::kCandidate:
      return DecideElection(now, out);
    case Role::kFollower:
      return MaybeAcknowledge(/*answer_owed=*/false, out);
    case Role::kPreCandidate:
      return;
  }
}

void Raft::Impl::OnPeerReset(Instant now, NodeId id, Effects& out) {
  Progress* peer = FindPeer(id);
  if (peer == nullptr) return;
  if (role_ == Role::kLeader) {
    peer->EnterProbe(peer->match + 1, /*guess=*/false);
    Replicate(*peer, out);
  } else if (!peer->is_learner && peer->vote == Vote::kUnknown && now < election_deadline_) {
    // The request may have been lost with the connection; asking again beats a whole timeout.
    if (role_ == Role::kPreCandidate) {
      Message message = Make(id, MakeVoteRequest());
      ++message.term;
      out.messages.push_back(std::move(message));
    } else if (role_ == Role::kCandidate && hard_state_durable() &&
               log_->durable_index() == log_->last_index()) {
      out.messages.push_back(Make(id, MakeVoteRequest()));
    }
  }
}

void Raft::Impl::BecomeFollower(Instant now, Term term, NodeId leader, Effects& out) {
  TIDEMARK_CHECK_GE(term, state_.term);
  if (term > state_.term) {
    state_ = HardState{.term = term};
    Persist(out);
    out.role_changed = true;
  }
  SetRole(Role::kFollower, out);
  ack_ = Acknowledgement{};
  ForgetTransfer();
  heartbeat_deadline_ = quorum_deadline_ = Instant::Never();
  SetLeader(now, leader, out);
  // A higher term alone is no reason to wait longer: only a leader or a granted vote is.
  if (leader != kNoNode || election_deadline_ == Instant::Never()) ArmElection(now);
}

void Raft::Impl::SetLeader(Instant now, NodeId leader, Effects& out) {
  if (leader == leader_) return;
  leader_ = leader;
  out.role_changed = true;
  if (leader == kNoNode) {
    leaderless_since_ = now;
  } else {
    leaderless_since_.reset();
  }
}

void Raft::Impl::SetRole(Role role, Effects& out) {
  if (role == role_) return;
  role_ = role;
  out.role_changed = true;
}

void Raft::Impl::ArmElection(Instant now) {
  if (!is_voter_) return;
  if (election_wait_ == Duration()) {
    election_wait_ = prng_.Between(config_.election_timeout, config_.election_timeout * 2);
  }
  election_deadline_ = now + election_wait_;
}

Progress* Raft::Impl::FindPeer(NodeId id) {
  for (Progress& peer : peers_) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

const Progress* Raft::Impl::FindPeer(NodeId id) const {
  return const_cast<Impl*>(this)->FindPeer(id);
}

LogIndex Raft::Impl::LastWithTermAtMost(LogIndex from, LogIndex floor, Term term) const {
  // Invariant: the answer lies in [low, high].
  LogIndex low = floor;
  LogIndex high = std::max(from, floor);
  while (low < high) {
    const LogIndex middle = low + ((high - low) + 1) / 2;
    const std::optional<Term> at = log_->TermAt(middle);
    TIDEMARK_CHECK(at.has_value());
    if (*at <= term) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void Raft::Impl::CheckInvariants() {
  invariants_.Check(Facts{.self = config_.self,
                          .role = role_,
                          .leader = leader_,
                          .state = state_,
                          .durable = durable_,
                          .commit = commit_,
                          .first_index = log_->first_index(),
                          .last_index = log_->last_index(),
                          .durable_index = log_->durable_index(),
                          .last_term = log_->last_term(),
                          .verified = ack_.verified,
                          .acked = ack_.acked,
                          .is_voter = is_voter_,
                          .peers = peers_});
}

Raft::Raft(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng)
    : impl_(std::make_unique<Impl>(std::move(config), state, commit, log, prng)) {}
Raft::~Raft() = default;
Raft::Raft(Raft&&) noexcept = default;
Raft& Raft::operator=(Raft&&) noexcept = default;

void Raft::Start(Instant now, Effects& out) {
  impl_->Start(now, out);
  impl_->CheckInvariants();
}
void Raft::OnMessage(Instant now, Message message, Effects& out) {
  impl_->OnMessage(now, std::move(message), out);
  impl_->CheckInvariants();
}
void Raft::OnTimer(Instant now, Effects& out) {
  impl_->OnTimer(now, out);
  impl_->CheckInvariants();
}
void Raft::OnAppended(Instant now, Effects& out) {
  impl_->OnAppended(now, out);
  impl_->CheckInvariants();
}
void Raft::OnPersisted(Instant now, std::optional<HardState> state, Effects& out) {
  impl_->OnPersisted(now, state, out);
  impl_->CheckInvariants();
}
void Raft::OnEntriesRead(Instant now, NodeId to, std::vector<Entry> entries, Effects& out) {
  impl_->OnEntriesRead(now, to, std::move(entries), out);
  impl_->CheckInvariants();
}
void Raft::OnPeerReset(Instant now, NodeId peer, Effects& out) {
  impl_->OnPeerReset(now, peer, out);
  impl_->CheckInvariants();
}
absl::Status Raft::TransferLeadership(Instant now, NodeId to, Effects& out) {
  absl::Status status = impl_->TransferLeadership(now, to, out);
  impl_->CheckInvariants();
  return status;
}

Instant Raft::next_deadline() const { return impl_->next_deadline(); }
Role Raft::role() const { return impl_->role_; }
Term Raft::term() const { return impl_->state_.term; }
NodeId Raft::leader() const { return impl_->leader_; }
NodeId Raft::self() const { return impl_->config_.self; }
LogIndex Raft::commit() const { return impl_->commit_; }
LogIndex Raft::all_durable() const { return impl_->AllDurable(); }
HardState Raft::hard_state() const { return impl_->state_; }
bool Raft::serving() const { return accepts_proposals() && impl_->commit_ >= impl_->term_start_; }
bool Raft::accepts_proposals() const {
  return impl_->role_ == Role::kLeader && impl_->transfer_target_ == kNoNode;
}
std::optional<Instant> Raft::leaderless_since() const { return impl_->leaderless_since_; }
LogIndex Raft::MatchOf(NodeId peer) const {
  if (impl_->role_ != Role::kLeader) return LogIndex{0};
  if (peer == impl_->config_.self) return impl_->own_match();
  const Progress* progress = impl_->FindPeer(peer);
  return progress == nullptr ? LogIndex{0} : progress->match;
}
bool Raft::PeerActive(Instant now, NodeId peer) const {
  if (impl_->role_ != Role::kLeader) return false;
  if (peer == impl_->config_.self) return true;
  const Progress* progress = impl_->FindPeer(peer);
  return progress != nullptr && now - progress->last_heard < impl_->config_.election_timeout;
}
const Config& Raft::config() const { return impl_->config_; }
const Counters& Raft::counters() const { return impl_->counters_; }

}  // namespace tidemark::raft
