#include <algorithm>
#include <utility>
#include <variant>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// What arrives: which message may be believed, what its term does, who deals with it, and the
// changes of role that follow. Source: thesis 3.3 (figure 3.1, "Rules for servers").

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
  if (config.lease_reads) TIDEMARK_CHECK(config.check_quorum);
  TIDEMARK_CHECK_LT(config.lease_drift_permille, 1000u);
  return config;
}

Membership MembershipOf(const Config& config) {
  Membership membership = config.membership;
  if (MembersOf(membership).empty()) {
    membership.voters.incoming = MajorityConfig(config.voters);
    membership.learners = NodeSet(config.learners);
  }
  if (!MembersOf(membership).empty()) {
    TIDEMARK_CHECK_EQ(CheckTracker(TrackerOf(membership)).message(), "");
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

bool WellFormed(const InstallSnapshot& message, Term term) {
  const SnapshotMeta& meta = message.meta;
  const Membership& who = meta.membership;
  const size_t members = who.voters.incoming.voters().size() + who.voters.outgoing.voters().size() +
                         who.learners.size();
  return members <= kNodesMax && message.sequence != 0 && meta.index != LogIndex{0} &&
         meta.term != Term{0} && meta.term <= term && meta.index.value() < UINT64_MAX / 2 &&
         !who.voters.incoming.voters().empty() && CheckTracker(TrackerOf(who)).ok();
}

template <typename... Bodies>
bool IsOneOf(const Message& message) {
  return (std::holds_alternative<Bodies>(message.body) || ...);
}

}  // namespace

Raft::Impl::Impl(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng)
    : config_(WithDefaults(std::move(config))),
      membership_(MembershipOf(config_)),
      log_(log),
      prng_(prng),
      state_(state),
      durable_(state),
      commit_(std::clamp(commit, log->first_index() - 1, log->last_index())),
      applied_(std::clamp(config_.applied, log->first_index() - 1, commit_)) {
  // A crash between the two files of one write can leave entries of a term whose hard state was
  // lost. Nothing was promised in that term: promises leave only after the whole write.
  if (log_->last_term() > state_.term) state_ = HardState{.term = log_->last_term()};
  if (config_.validate_conf_change) CommitAllButTheLastChange();
  AdoptPeers(Instant());
  reads_.next_name = prng_.Next() >> 1;
}

void Raft::Impl::Start(Instant now, Effects& out) {
  started_ = now;
  leaderless_since_ = now;
  out.role_changed = true;
  if (!hard_state_durable()) Persist(out);
  ArmElection(now);
  const bool alone =
      config_.single_voter_campaigns_at_start && is_voter_ && voters().Voters().size() == 1;
  // What cannot be done yet the timer does.
  if (config_.campaign_at_start || alone) (void)Campaign(now, false, out);
}

bool Raft::Impl::Admissible(const Message& message) const {
  if (message.to != config_.self || message.from == config_.self) return false;
  if (message.from == kNoNode) return false;
  if (message.term == Term{0} || message.term.value() > kTermMax) return false;
  // Whoever leads or campaigns need not be a member as far as this node has applied its log: the
  // quorum that elects it has applied more. Answers count only of members.
  const bool of_member = IsOneOf<VoteReply, AppendReply, HeartbeatReply, ReadIndexRequest>(message);
  if (of_member && FindPeer(message.from) == nullptr) return false;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    return WellFormed(*append, message.term);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    return WellFormed(*vote, message.term);
  }
  if (const auto* snapshot = std::get_if<InstallSnapshot>(&message.body)) {
    return WellFormed(*snapshot, message.term);
  }
  return true;
}

void Raft::Impl::OnMessage(Instant now, const Message& message, Effects& out) {
  if (!Admissible(message)) {
    ++counters_.messages_ignored;
    return;
  }
  const NodeId from = message.from;
  const Term term = message.term;
  if (quiet_) StirBy(now, message, out);
  // Votes have their own rules about when a term counts.
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    return OnVoteRequest(now, from, term, *request, out);
  }
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    return OnVoteReply(now, from, term, *reply, out);
  }
  if (term < state_.term) return OnOldTerm(from, message, out);
  if (term > state_.term) {
    const bool leads = IsOneOf<AppendRequest, Heartbeat, InstallSnapshot>(message);
    BecomeFollower(now, term, leads ? from : kNoNode, out);
  }
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    OnAppendRequest(now, from, *append, out);
  } else if (const auto* reply = std::get_if<AppendReply>(&message.body)) {
    OnAppendReply(now, from, *reply, out);
  } else if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
    OnHeartbeat(now, from, *heartbeat, out);
  } else if (const auto* alive = std::get_if<HeartbeatReply>(&message.body)) {
    OnHeartbeatReply(now, from, *alive, out);
  } else if (const auto* snapshot = std::get_if<InstallSnapshot>(&message.body)) {
    OnInstallSnapshot(now, from, *snapshot, out);
  } else if (const auto* read = std::get_if<ReadIndexRequest>(&message.body)) {
    OnReadIndexRequest(now, from, *read, out);
  } else if (const auto* index = std::get_if<ReadIndexReply>(&message.body)) {
    OnReadIndexReply(from, *index, out);
  } else {
    OnTimeoutNow(now, from, out);
  }
}

void Raft::Impl::OnOldTerm(NodeId from, const Message& message, Effects& out) {
  // A deposed leader learns of the new term, if votes are not what would tell it: whoever hears a
  // leader ignores those, and who is no voter asks for none. Sequence 0 never looks like a current
  // refusal.
  if (!config_.check_quorum && !config_.pre_vote && is_voter_ && !fenced()) return;
  if (IsOneOf<AppendRequest, Heartbeat>(message)) out.messages.push_back(Make(from, AppendReply{}));
}

void Raft::Impl::OnTimer(Instant now, Effects& out) {
  RefuseOldReads(now, out);
  if (role_ != Role::kLeader) {
    // Whoever cannot campaign has lost its leader nevertheless.
    if (now >= election_deadline_ && !CampaignAtTimeout(now, out).ok()) {
      SetLeader(now, kNoNode, out);
    }
    return;
  }
  if (CheckQuorum(now, out)) return;
  AbortTransferIfDue(now, out);
  if (now >= heartbeat_deadline_) {
    heartbeat_deadline_ = NextHeartbeat(now);
    OnHeartbeatDue(now, out);
  }
}

Instant Raft::Impl::next_deadline() const {
  if (role_ == Role::kLeader) {
    return std::min({heartbeat_deadline_, quorum_deadline_, transfer_deadline_});
  }
  if (reads_.forwarded.empty()) return election_deadline_;
  return std::min(election_deadline_, reads_.forwarded.front().asked + config_.election_timeout);
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
      return CommitAndTell(now, out);
    case Role::kCandidate:
      return DecideElection(now, out);
    case Role::kFollower:
      return Acknowledge(out);
    case Role::kPreCandidate:
      return;
  }
}

void Raft::Impl::OnPeerReset(Instant now, NodeId id, Effects& out) {
  Progress* peer = FindPeer(id);
  if (peer == nullptr) return;
  if (role_ == Role::kLeader) {
    Stir(now);
    peer->Reset();
    SendAppend(now, *peer, /*also_empty=*/true, out);
  } else if (voters().Contains(id) && now < election_deadline_) {
    AskAgain(*peer, out);
  }
}

void Raft::Impl::OnPeerLost(Instant now, NodeId id, Effects& out) {
  if (id == leader_ && role_ == Role::kFollower) Stir(now);
  // Without a pre-vote asking costs a term, and a lease holds whatever happens to connections.
  if (!config_.pre_vote || config_.lease_reads) return;
  if (role_ != Role::kFollower || id != leader_ || !is_voter_) return;
  SetLeader(now, kNoNode, out);
  // Not all at once; the others are given the time to notice.
  const Duration soon = prng_.Between(config_.heartbeat_interval / 2, config_.heartbeat_interval);
  election_deadline_ = std::min(election_deadline_, now + soon);
}

void Raft::Impl::BecomeFollower(Instant now, Term term, NodeId leader, Effects& out) {
  TIDEMARK_CHECK_GE(term, state_.term);
  // What was verified and acknowledged is about the leader of one term.
  if (term > state_.term || role_ == Role::kLeader) ack_ = Acknowledgement{};
  if (term > state_.term) {
    state_ = HardState{.term = term};
    Persist(out);
    out.role_changed = true;
  }
  SetRole(Role::kFollower, out);
  Stir(now);
  vouches_ = false;
  ForgetTransfer();
  outranked_since_ = Instant::Never();
  heartbeat_deadline_ = quorum_deadline_ = Instant::Never();
  SetLeader(now, leader, out);
  // A higher term alone is no reason to wait longer: only a leader or a granted vote is.
  if (leader != kNoNode || election_deadline_ == Instant::Never()) ArmElection(now);
}

void Raft::Impl::SetLeader(Instant now, NodeId leader, Effects& out) {
  if (leader == leader_) return;
  RefuseReads(out);
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

bool Raft::Impl::HearLeader(Instant now, NodeId from, Effects& out) {
  if (role_ == Role::kLeader || (leader_ != kNoNode && leader_ != from)) {
    // A second leader in one term.
    CountContradiction();
    return false;
  }
  // A candidate learns here that it lost (3.4).
  if (role_ != Role::kFollower || leader_ != from) BecomeFollower(now, state_.term, from, out);
  leader_heard_ = now;
  quiet_ = false;
  ArmElection(now);
  return true;
}

void Raft::Impl::ForgetLeader(Instant now, Effects& out) {
  if (role_ != Role::kFollower || config_.lease_reads) return;
  Stir(now);
  SetLeader(now, kNoNode, out);
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

void Raft::Impl::CheckInvariants() {
  invariants_.Check(Facts{.self = config_.self,
                          .role = role_,
                          .leader = leader_,
                          .state = state_,
                          .durable = durable_,
                          .commit = commit_,
                          .applied = applied_,
                          .first_index = log_->first_index(),
                          .last_index = log_->last_index(),
                          .durable_index = log_->durable_index(),
                          .last_term = log_->last_term(),
                          .verified = ack_.verified,
                          .acked = ack_.acked,
                          .is_voter = is_voter_,
                          .quiet = quiet_,
                          .waits = quiet_ && next_deadline() != Instant::Never(),
                          .may_lead = is_voter_ || !config_.step_down_on_removal,
                          .peers = peers_});
}

}  // namespace tidemark::raft
