#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

#include "engine/base/coding.h"
#include "engine/raft/raft_impl.h"

// What a member goes by, for explorers of all schedules: two members of one fingerprint need not be
// followed both. Whatever is left out must be without influence; what is put in without need only
// costs states.

namespace tidemark::raft {
namespace {

class Writer {
 public:
  Writer(Instant now, Duration long_ago, std::string& out)
      : now_(now), long_ago_(long_ago), out_(out) {}

  void Put(std::unsigned_integral auto value) { AppendVarint(out_, static_cast<int64_t>(value)); }
  template <typename Tag, typename Rep>
  void Put(StrongInt<Tag, Rep> value) {
    Put(value.value());
  }
  void Put(const HardState& state) {
    Put(state.term);
    Put(state.vote);
  }
  void Put(const NodeSet& nodes) {
    Put(nodes.size());
    for (const NodeId node : nodes) Put(node);
  }
  void Put(const Membership& membership) {
    Put(membership.voters.incoming.voters());
    Put(membership.voters.outgoing.voters());
    Put(membership.learners);
    Put(membership.learners_next);
    Put(membership.auto_leave ? 1u : 0u);
  }
  // A time that was: how long ago.
  void Past(Instant then) { Put(static_cast<uint64_t>(std::min(now_ - then, long_ago_).nanos())); }
  // A time to come: how long until then; 0 for never and for what is due.
  void Deadline(Instant then) {
    const bool never = then == Instant::Never();
    Put(never ? 0u : 1u);
    if (!never) Put(static_cast<uint64_t>(std::max<int64_t>((then - now_).nanos(), 0)));
  }

 private:
  Instant now_;
  Duration long_ago_;
  std::string& out_;
};

// What only a leader knows of a peer: it begins by forgetting what it knew in an earlier term.
void PutLeadersView(const Progress& peer, Writer& to) {
  to.Put(peer.match);
  to.Put(peer.next);
  to.Put(static_cast<uint32_t>(peer.state));
  to.Put((peer.paused ? 1u : 0u) | (peer.no_room ? 2u : 0u) | (peer.read_failed ? 4u : 0u) |
         (peer.heard ? 8u : 0u) | (peer.behind ? 16u : 0u));
  to.Put(peer.pending_snapshot);
  if (peer.state == Progress::State::kSnapshot) to.Past(peer.snapshot_sent);
  to.Put(peer.session);
  to.Put(peer.commit_sent);
  to.Past(peer.last_heard);
  to.Put(peer.read_round);
  to.Put(peer.inflights.messages());
  to.Put(peer.inflights.window());
  peer.inflights.ForEach([&](LogIndex last, uint64_t bytes) {
    to.Put(last);
    to.Put(bytes);
  });
}

void PutReads(const Reads& reads, Writer& to) {
  to.Put(reads.next_name);
  to.Put(reads.waiting.size());
  for (const Reads::Waiting& read : reads.waiting) {
    to.Put(read.from);
    to.Put(read.id);
    to.Past(read.asked);
    to.Put(read.index);
    to.Put(read.round);
  }
  to.Put(reads.forwarded.size());
  for (const Reads::Forwarded& read : reads.forwarded) {
    to.Put(read.id);
    to.Put(read.name);
    to.Past(read.asked);
  }
}

}  // namespace

void Raft::Impl::AppendFingerprint(Instant now, std::string& out) const {
  Writer to(now, config_.election_timeout, out);
  const bool leads = role_ == Role::kLeader;
  const bool campaigns = role_ == Role::kCandidate || role_ == Role::kPreCandidate;
  to.Put(membership_);
  to.Put(state_);
  to.Put(durable_);
  to.Put(commit_);
  to.Put(applied_);
  to.Put(all_durable_);
  to.Put(static_cast<uint32_t>(role_));
  to.Put(leader_);
  to.Deadline(election_deadline_);
  to.Put(static_cast<uint64_t>(election_wait_.nanos()));
  to.Past(leader_heard_);
  if (config_.lease_reads) {
    to.Past(started_);
    to.Put(leader_heard_ == kLongAgo ? 1u : 0u);
  }
  to.Put(priority_known_);
  to.Put(ack_.verified);
  to.Put(ack_.acked);
  to.Put(ack_.owed ? 1u : 0u);
  to.Put(ack_.sequence);
  to.Put(install_.has_value() ? 1u : 0u);
  if (install_.has_value()) {
    to.Put(install_->meta.index);
    to.Put(install_->meta.term);
    to.Put(install_->meta.membership);
    to.Put(install_->leader);
    to.Put(install_->term);
    to.Put(install_->sequence);
  }
  to.Put(disk_stalled_ ? 1u : 0u);
  if (config_.quiet) {
    to.Put((quiet_ ? 1u : 0u) | (vouches_ ? 2u : 0u));
    to.Put(idle_beats_);
    to.Put(quiet_offered_ == Instant::Never() ? 0u : 1u);
    if (quiet_offered_ != Instant::Never()) to.Past(quiet_offered_);
  }
  to.Put(transfer_target_);
  to.Deadline(transfer_deadline_);
  to.Put(sequence_floor_);
  to.Put(orphan_reads_);
  PutReads(reads_, to);
  if (leads) {
    to.Deadline(heartbeat_deadline_);
    to.Deadline(quorum_deadline_);
    to.Put(term_start_);
    to.Put(pending_change_);
    to.Put(timeout_now_sent_ ? 1u : 0u);
    to.Put(reads_.round);
    to.Put(outranked_since_ == Instant::Never() ? 0u : 1u);
    if (outranked_since_ != Instant::Never()) to.Past(outranked_since_);
  }
  for (const Progress& peer : peers_) {
    to.Put((peer.is_learner ? 1u : 0u) | (peer.read_pending ? 2u : 0u));
    // Whoever begins to campaign asks all voters anew.
    if (campaigns || !voters().Contains(peer.id)) to.Put(static_cast<uint32_t>(peer.vote));
    to.Put(peer.sequence);
    to.Put(peer.born);
    to.Put(peer.priority);
    if (peer.read_pending) to.Put(peer.read_from);
    if (leads) PutLeadersView(peer, to);
    if (leads && config_.lease_reads) to.Past(peer.lease_from);
    if (leads && config_.quiet) to.Put(peer.quiet ? 1u : 0u);
  }
}

}  // namespace tidemark::raft
