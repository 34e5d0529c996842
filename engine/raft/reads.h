#pragma once

#include <cstdint>
#include <deque>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/raft/types.h"

namespace tidemark::raft {

// The linearizable reads that wait at one member: as leader for a round of heartbeats, as follower
// for the leader's answer.
struct Reads {
  struct Waiting {
    NodeId from;  // who asked
    ReadId id;
    Instant asked;
    // Leader: set with the round that will show whether it leads still.
    LogIndex index;
    uint64_t round = 0;  // 0: of a later round than has begun
  };
  struct Forwarded {
    ReadId id;
    ReadId name;  // the leader knows it by
    Instant asked;
  };

  // Begins at random.
  uint64_t next_name = 0;
  // Rounds begun in this leadership.
  uint64_t round = 0;
  // Oldest first: those of rounds in order, then those that wait for one.
  std::deque<Waiting> waiting;
  std::deque<Forwarded> forwarded;

  bool round_under_way() const { return !waiting.empty() && waiting.front().round != 0; }
  // Whether any read waits for a round to begin.
  bool wants_round() const { return !waiting.empty() && waiting.back().round == 0; }
};

}  // namespace tidemark::raft
