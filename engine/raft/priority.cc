#include <algorithm>

#include "engine/raft/raft_impl.h"

// Who should rather lead. Every voter tells the leader its priority, the leader tells everybody the
// highest of the others: whoever is below that waits an election timeout longer, so the preferred
// one is usually first, and nobody waits for one that is not there. Priorities decide nothing that
// safety rests on.

namespace tidemark::raft {

uint32_t Raft::Impl::HighestPriority(Instant now) const {
  uint32_t highest = 0;
  for (const Progress& peer : peers_) {
    if (peer.heard && Active(peer, now) && voters().Contains(peer.id)) {
      highest = std::max(highest, peer.priority);
    }
  }
  return highest;
}

void Raft::Impl::HandOverIfDue(Instant now, Effects& out) {
  const uint32_t highest = HighestPriority(now);
  const auto could_lead = [&](const Progress& peer) {
    // In flight is what a transfer waits for anyway; further behind, it would stop the group.
    return peer.priority == highest && Active(peer, now) && voters().Contains(peer.id) &&
           peer.state == Progress::State::kReplicate && peer.match >= commit_;
  };
  const auto best = std::find_if(peers_.begin(), peers_.end(), could_lead);
  if (highest <= config_.priority || best == peers_.end() || !committed_in_own_term()) {
    outranked_since_ = Instant::Never();
    return;
  }
  if (outranked_since_ == Instant::Never()) outranked_since_ = now;
  if (now - outranked_since_ < config_.election_timeout || transfer_target_ != kNoNode) return;
  // If nothing comes of it, not again at once.
  outranked_since_ = Instant::Never();
  if (TransferLeadership(now, best->id, out).ok()) ++counters_.priority_transfers;
}

}  // namespace tidemark::raft
