#pragma once

#include <span>

#include "engine/base/ids.h"
#include "engine/raft/progress.h"
#include "engine/raft/types.h"

namespace tidemark::raft {

// What one member looks like between two steps; everything an invariant may speak of.
struct Facts {
  NodeId self;
  Role role = Role::kFollower;
  NodeId leader;
  HardState state;    // in memory
  HardState durable;  // last reported durable
  LogIndex commit;
  LogIndex applied;
  LogIndex first_index;
  LogIndex last_index;
  LogIndex durable_index;
  Term last_term;
  // Last index known to agree with the leader's log (follower).
  LogIndex verified;
  // Acknowledged to the leader (follower).
  LogIndex acked;
  bool is_voter = false;
  bool quiet = false;
  bool waits = false;  // is quiet and has a deadline
  bool may_lead = false;
  std::span<const Progress> peers;
};

// The facts that must hold after every public step, in production too: O(peers), no allocation.
// Remembers the step before, so it also sees what may never go back.
//   Checks  dies on the first fact that does not hold: memory or logic is broken, and whatever this
//           member would say next could unmake a promise.
class Invariants {
 public:
  void Check(const Facts& facts);

 private:
  bool primed_ = false;
  Role role_ = Role::kFollower;
  HardState state_;
  HardState durable_;
  LogIndex commit_;
  LogIndex last_index_;
};

}  // namespace tidemark::raft
