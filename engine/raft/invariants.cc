#include "engine/raft/invariants.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace tidemark::raft {
namespace {

// A promise may only be strengthened: the term rises, or within a term an unused vote is given.
void CheckNotForgotten(const HardState& before, const HardState& after) {
  TIDEMARK_CHECK_GE(after.term, before.term);
  if (after.term == before.term && before.vote != kNoNode) {
    TIDEMARK_CHECK_EQ(after.vote, before.vote);
  }
}

void CheckLog(const Facts& f) {
  TIDEMARK_CHECK_LE(f.applied, f.commit);
  TIDEMARK_CHECK_LE(f.commit, f.last_index);
  TIDEMARK_CHECK_LE(f.durable_index, f.last_index);
  TIDEMARK_CHECK_LE(f.first_index, f.last_index + 1);
  TIDEMARK_CHECK_LE(f.last_term, f.state.term);
  TIDEMARK_CHECK_LE(f.state.term.value(), kTermMax);
}

void CheckRole(const Facts& f) {
  switch (f.role) {
    case Role::kFollower:
      TIDEMARK_CHECK_NE(f.leader, f.self);
      TIDEMARK_CHECK_LE(f.acked, f.verified);
      TIDEMARK_CHECK_LE(f.verified, f.last_index);
      return;
    case Role::kPreCandidate:
      TIDEMARK_CHECK(f.is_voter);
      TIDEMARK_CHECK_EQ(f.leader, kNoNode);
      return;
    case Role::kCandidate:
      TIDEMARK_CHECK(f.is_voter);
      TIDEMARK_CHECK_EQ(f.leader, kNoNode);
      TIDEMARK_CHECK_EQ(f.state.vote, f.self);
      return;
    case Role::kLeader:
      TIDEMARK_CHECK(f.may_lead);
      TIDEMARK_CHECK_EQ(f.leader, f.self);
      // Elected by a vote of its own that no crash can take back.
      TIDEMARK_CHECK_EQ(f.state.vote, f.self);
      TIDEMARK_CHECK_EQ(f.durable.term, f.state.term);
      TIDEMARK_CHECK_EQ(f.durable.vote, f.self);
      return;
  }
}

void CheckPeers(const Facts& f) {
  if (f.role != Role::kLeader) return;
  for (const Progress& peer : f.peers) {
    TIDEMARK_CHECK_LT(peer.match, peer.next);
    TIDEMARK_CHECK_LE(peer.match, f.last_index);
    TIDEMARK_CHECK_LE(peer.next, f.last_index + 1);
    TIDEMARK_CHECK_LE(peer.session, peer.sequence + 1);
    if (peer.state != Progress::State::kReplicate) TIDEMARK_CHECK(peer.inflights.empty());
    const bool installs = peer.pending_snapshot != LogIndex{0};
    TIDEMARK_CHECK_EQ(peer.state == Progress::State::kSnapshot, installs);
  }
}

// Who sleeps lacks nothing that could be told; a quiet leader knows it of everybody.
void CheckQuiet(const Facts& f) {
  if (!f.quiet) return;
  TIDEMARK_CHECK(!f.waits);
  TIDEMARK_CHECK_NE(f.leader, kNoNode);
  TIDEMARK_CHECK_EQ(f.commit, f.last_index);
  TIDEMARK_CHECK_EQ(f.durable_index, f.last_index);
  if (f.role != Role::kLeader) {
    TIDEMARK_CHECK(f.role == Role::kFollower);
    return;
  }
  for (const Progress& peer : f.peers) {
    TIDEMARK_CHECK(peer.quiet);
    TIDEMARK_CHECK_EQ(peer.match, f.last_index);
  }
}

}  // namespace

void Invariants::Check(const Facts& f) {
  CheckLog(f);
  CheckRole(f);
  CheckPeers(f);
  CheckQuiet(f);
  // Most steps change no promise, and what was looked at holds.
  if (!primed_ || f.state != state_ || f.durable != durable_) {
    CheckNotForgotten(f.durable, f.state);
    if (primed_) {
      CheckNotForgotten(state_, f.state);
      CheckNotForgotten(durable_, f.durable);
    }
  }
  if (primed_) {
    TIDEMARK_CHECK_GE(f.commit, commit_);
    if (role_ == Role::kLeader && f.role == Role::kLeader && state_.term == f.state.term) {
      // Leader append-only, thesis figure 3.2.
      TIDEMARK_CHECK_GE(f.last_index, last_index_);
    }
  }
  primed_ = true;
  role_ = f.role;
  state_ = f.state;
  durable_ = f.durable;
  commit_ = f.commit;
  last_index_ = f.last_index;
}

}  // namespace tidemark::raft
