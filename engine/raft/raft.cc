#include "engine/raft/raft.h"

#include <memory>
#include <utility>

#include "engine/raft/raft_impl.h"

// The public face. Impl::Step: a look at the invariants follows every step.

namespace tidemark::raft {

Raft::Raft(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng)
    : impl_(std::make_unique<Impl>(std::move(config), state, commit, log, prng)) {}
Raft::~Raft() = default;
Raft::Raft(Raft&&) noexcept = default;
Raft& Raft::operator=(Raft&&) noexcept = default;

void Raft::Start(Instant now, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->Start(now, out);
}
void Raft::OnMessage(Instant now, const Message& message, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnMessage(now, message, out);
}
void Raft::OnTimer(Instant now, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnTimer(now, out);
}
void Raft::OnAppended(Instant now, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnAppended(now, out);
}
void Raft::OnPersisted(Instant now, std::optional<HardState> state, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnPersisted(now, state, out);
}
void Raft::OnEntriesRead(Instant now, NodeId to, EntryList entries, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnEntriesRead(now, to, std::move(entries), out);
}
void Raft::OnPeerReset(Instant now, NodeId peer, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnPeerReset(now, peer, out);
}
void Raft::OnPeerLost(Instant now, NodeId peer, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnPeerLost(now, peer, out);
}
void Raft::ReportUnreachable(Instant now, NodeId peer, Effects& /*out*/) {
  const Impl::Step step(*impl_, now);
  impl_->ReportUnreachable(peer);
}
void Raft::ReportSnapshot(Instant now, NodeId peer, bool ok, Effects& /*out*/) {
  const Impl::Step step(*impl_, now);
  impl_->ReportSnapshot(peer, ok);
}
absl::Status Raft::Campaign(Instant now, Effects& out) {
  const Impl::Step step(*impl_, now);
  return impl_->CampaignUnasked(now, out);
}
void Raft::ForgetLeader(Instant now, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->ForgetLeader(now, out);
}
void Raft::Wake(Instant now, const std::function<Instant(NodeId)>& heard, Effects& out) {
  // It wakes by itself, and goes by when the others were heard.
  impl_->Wake(now, heard, out);
  impl_->CheckInvariants();
}
void Raft::SetDiskStalled(Instant now, bool stalled, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->SetDiskStalled(now, stalled, out);
}
void Raft::OverrideElectionTimeout(Duration wait) { impl_->OverrideElectionTimeout(wait); }
absl::Status Raft::ProposeConfChange(Instant now, const ConfChange& change, Effects& out) {
  const Impl::Step step(*impl_, now);
  return impl_->ProposeConfChange(now, change, out);
}
void Raft::ApplyConfChanges(Instant now, LogIndex applied, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->ApplyChanges(now, applied, out);
}
void Raft::OnApplied(Instant now, LogIndex applied, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnApplied(now, applied, out);
}
void Raft::OnSnapshotInstalled(Instant now, const SnapshotMeta& meta, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->OnSnapshotInstalled(now, meta, out);
}
void Raft::OnSnapshotFailed(Instant now, const SnapshotMeta& meta, Effects& /*out*/) {
  const Impl::Step step(*impl_, now);
  impl_->OnSnapshotFailed(meta);
}
void Raft::ReadIndex(Instant now, ReadId id, Effects& out) {
  const Impl::Step step(*impl_, now);
  impl_->ReadIndex(now, id, out);
}
absl::Status Raft::TransferLeadership(Instant now, NodeId to, Effects& out) {
  const Impl::Step step(*impl_, now);
  return impl_->TransferLeadership(now, to, out);
}

Raft::Raft(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Raft Raft::Clone(RaftLog* log) const {
  auto impl = std::make_unique<Impl>(*impl_);
  impl->log_ = log;
  return Raft(std::move(impl));
}
void Raft::AppendFingerprint(Instant now, std::string& out) const {
  impl_->AppendFingerprint(now, out);
}

Instant Raft::next_deadline() const { return impl_->next_deadline(); }
Role Raft::role() const { return impl_->role_; }
Term Raft::term() const { return impl_->state_.term; }
NodeId Raft::leader() const { return impl_->leader_; }
NodeId Raft::self() const { return impl_->config_.self; }
LogIndex Raft::commit() const { return impl_->commit_; }
LogIndex Raft::applied() const { return impl_->applied_; }
LogIndex Raft::all_durable() const { return impl_->AllDurable(); }
HardState Raft::hard_state() const { return impl_->state_; }
const Membership& Raft::membership() const { return impl_->membership_; }
bool Raft::promotable() const { return impl_->promotable(); }
bool Raft::quiet() const { return impl_->quiet_; }
bool Raft::vouches() const { return impl_->role_ == Role::kLeader && impl_->vouches_; }
bool Raft::disk_stalled() const { return impl_->disk_stalled_; }
Instant Raft::lease_end() const { return impl_->LeaseEnd(); }
bool Raft::serving() const { return accepts_proposals() && impl_->commit_ >= impl_->term_start_; }
bool Raft::accepts_proposals() const {
  return impl_->role_ == Role::kLeader && impl_->transfer_target_ == kNoNode && impl_->is_member_;
}
bool Raft::change_pending() const {
  return impl_->role_ == Role::kLeader && impl_->pending_change_ > impl_->applied_;
}
std::optional<Instant> Raft::leaderless_since() const { return impl_->leaderless_since_; }

std::vector<PeerStatus> Raft::Peers(Instant now) const {
  std::vector<PeerStatus> all;
  if (impl_->role_ != Role::kLeader) return all;
  if (impl_->is_member_) {
    all.push_back({.id = impl_->config_.self,
                   .state = PeerStatus::State::kReplicate,
                   .is_learner = impl_->membership_.learners.Contains(impl_->config_.self),
                   .match = impl_->own_match(),
                   .next = impl_->own_match() + 1,
                   .active = true});
  }
  for (const Progress& peer : impl_->peers_) {
    all.push_back({.id = peer.id,
                   .state = static_cast<PeerStatus::State>(peer.state),
                   .is_learner = peer.is_learner,
                   .match = peer.match,
                   .next = peer.next,
                   .paused = peer.paused || peer.state == Progress::State::kSnapshot,
                   .active = peer.heard && impl_->Active(peer, now),
                   .inflight_messages = peer.inflights.messages(),
                   .inflight_full = peer.inflights.full(),
                   .pending_snapshot = peer.pending_snapshot});
  }
  std::sort(all.begin(), all.end(),
            [](const PeerStatus& a, const PeerStatus& b) { return a.id < b.id; });
  return all;
}

bool Raft::MayWait(Instant now, NodeId peer) const {
  const Progress* progress = impl_->FindPeer(peer);
  return progress != nullptr && impl_->MayWait(now, *progress);
}
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
  return progress != nullptr && impl_->Active(*progress, now);
}
const Config& Raft::config() const { return impl_->config_; }
const Counters& Raft::counters() const { return impl_->counters_; }

}  // namespace tidemark::raft
