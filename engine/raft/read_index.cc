#include <algorithm>
#include <utility>

#include "engine/base/limits.h"
#include "engine/raft/raft_impl.h"

// Linearizable reads without a log entry: thesis 6.4. The commit index of a leader that is known to
// have led after the read was asked for covers whatever was acknowledged before. That it leads a
// quorum's answers to a later round of heartbeats show, or the lease that earlier ones gave it.

namespace tidemark::raft {

void Raft::Impl::ReadIndex(Instant now, ReadId id, Effects& out) {
  if (role_ == Role::kFollower && quiet_) {
    Stir(now);
    TellAwake(out);
  }
  if (role_ == Role::kLeader) return LeadRead(now, config_.self, id, out);
  if (leader_ == kNoNode || reads_.forwarded.size() >= kReadsPendingMax) {
    return AnswerRead(config_.self, id, std::nullopt, out);
  }
  // A name that was never used before, nor by this node before it started again: a late answer to
  // an earlier read must not look like one to this.
  const ReadId name{reads_.next_name++};
  reads_.forwarded.push_back({.id = id, .name = name, .asked = now});
  out.messages.push_back(Make(leader_, ReadIndexRequest{.id = name}));
}

void Raft::Impl::OnReadIndexRequest(Instant now, NodeId from, const ReadIndexRequest& request,
                                    Effects& out) {
  if (role_ == Role::kLeader) return LeadRead(now, from, request.id, out);
  AnswerRead(from, request.id, std::nullopt, out);
}

void Raft::Impl::OnReadIndexReply(NodeId from, const ReadIndexReply& reply, Effects& out) {
  if (role_ != Role::kFollower || from != leader_) return;
  const auto at = std::find_if(reads_.forwarded.begin(), reads_.forwarded.end(),
                               [&](const auto& read) { return read.name == reply.id; });
  if (at == reads_.forwarded.end()) return;
  AnswerRead(config_.self, at->id, reply.index, out);
  reads_.forwarded.erase(at);
}

void Raft::Impl::LeadRead(Instant now, NodeId from, ReadId id, Effects& out) {
  // While leadership is handed over the next leader may be elected at any time.
  if (transfer_target_ != kNoNode || reads_.waiting.size() >= kReadsPendingMax) {
    return AnswerRead(from, id, std::nullopt, out);
  }
  // Before that its commit index may be behind the one of the leader before.
  if (committed_in_own_term() && now < LeaseEnd()) {
    ++counters_.reads_by_lease;
    return AnswerRead(from, id, commit_, out);
  }
  // A quiet group has no lease for long: it takes heartbeats to renew one.
  Stir(now);
  reads_.waiting.push_back({.from = from, .id = id, .asked = now});
  BeginReadRound(now, out);
}

void Raft::Impl::AnswerRead(NodeId from, ReadId id, std::optional<LogIndex> index, Effects& out) {
  ++(index.has_value() ? counters_.reads_answered : counters_.reads_refused);
  if (from == config_.self) {
    out.reads.push_back({.id = id, .index = index});
  } else {
    out.messages.push_back(Make(from, ReadIndexReply{.id = id, .index = index}));
  }
}

bool Raft::Impl::AssignReadRound() {
  if (role_ != Role::kLeader || !committed_in_own_term() || !reads_.wants_round()) return false;
  ++reads_.round;
  ++counters_.read_rounds;
  for (auto read = reads_.waiting.rbegin(); read != reads_.waiting.rend() && read->round == 0;
       ++read) {
    read->round = reads_.round;
    read->index = commit_;
  }
  return true;
}

void Raft::Impl::BeginReadRound(Instant now, Effects& out) {
  // One at a time: what comes meanwhile shares the next.
  if (reads_.round_under_way() || !AssignReadRound()) return;
  if (ReachedByQuorum(reads_.round)) return FinishReadRounds(now, out);  // the only voter
  SendHeartbeats(now, out);
}

bool Raft::Impl::ReachedByQuorum(uint64_t round) const {
  return voters().Result([&](NodeId voter) {
    const bool reached = voter == config_.self || FindPeer(voter)->read_round >= round;
    return reached ? Vote::kGranted : Vote::kUnknown;
  }) == VoteResult::kWon;
}

void Raft::Impl::FinishReadRounds(Instant now, Effects& out) {
  while (reads_.round_under_way() && ReachedByQuorum(reads_.waiting.front().round)) {
    const Reads::Waiting read = reads_.waiting.front();
    reads_.waiting.pop_front();
    AnswerRead(read.from, read.id, read.index, out);
  }
  BeginReadRound(now, out);
}

void Raft::Impl::RefuseReads(Effects& out) {
  for (const Reads::Waiting& read : std::exchange(reads_.waiting, {})) {
    // Whoever follows somebody else by now has refused them by itself.
    if (read.from == config_.self || role_ == Role::kLeader) {
      AnswerRead(read.from, read.id, std::nullopt, out);
    }
  }
  for (const Reads::Forwarded& read : std::exchange(reads_.forwarded, {})) {
    AnswerRead(config_.self, read.id, std::nullopt, out);
  }
}

void Raft::Impl::RefuseOldReads(Instant now, Effects& out) {
  const auto old = [&](const auto& reads) {
    return !reads.empty() && reads.front().asked + config_.election_timeout <= now;
  };
  while (old(reads_.waiting)) {
    AnswerRead(reads_.waiting.front().from, reads_.waiting.front().id, std::nullopt, out);
    reads_.waiting.pop_front();
  }
  while (old(reads_.forwarded)) {
    AnswerRead(config_.self, reads_.forwarded.front().id, std::nullopt, out);
    reads_.forwarded.pop_front();
  }
}

Instant Raft::Impl::LeaseEnd() const {
  // Whoever was told to campaign may win in spite of all leases.
  if (!config_.lease_reads || role_ != Role::kLeader || timeout_now_sent_) return kLongAgo;
  const Instant from = voters().HeardAt([this](NodeId voter) {
    return voter == config_.self ? Instant::Never() : FindPeer(voter)->lease_from;
  });
  if (from <= kLongAgo) return kLongAgo;
  const int64_t permille = 1000 - static_cast<int64_t>(config_.lease_drift_permille);
  return from + config_.election_timeout / 1000 * permille;
}

}  // namespace tidemark::raft
