#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "engine/base/ids.h"
#include "engine/base/time.h"

namespace tidemark {

// When a leader reads what members lack that lag and that nobody waits for (raft::Raft::MayWait):
// reads of all groups of the node take turns, so many bytes a second to each node. While nothing is
// appended that is the rate given; else a part of it (limits.h), and besides as much as is appended
// meanwhile, so that whoever lags comes nearer however fast the logs grow.
//   Source  a bucket of tokens per receiver that may go into debt, since what a read brings is
//           known afterwards. Of the same purpose are Kafka's replication quotas (KIP-73), which
//           can be set too low for what is appended to ever end, and Redpanda's (#1695, #5958).
class CatchUpPace {
 public:
  struct Turn {
    GroupId group;
    NodeId to;
    uint64_t bytes = 0;  // about so many may be read
  };

  // 0: there is no bound, and nobody should wait.
  void SetRate(uint64_t bytes_per_second);
  uint64_t rate() const { return rate_; }

  // A leader of this node appended so much.
  void OnAppended(Instant now, uint64_t bytes);

  // The group has a read for `to` that waits for its turn. It gets one, sooner or later.
  void Wait(GroupId group, NodeId to);
  // Whose turn it is now, first come first served; to be asked until there is none. What it may
  // read counts as read.
  std::optional<Turn> Next(Instant now);
  // What came of it instead: so many bytes; 0 if nothing was read.
  void OnRead(const Turn& turn, uint64_t bytes);

  // When Next will have somebody at the latest; Never() if nobody waits.
  Instant next_deadline() const;

  uint64_t waiting() const { return waiting_; }

 private:
  struct Receiver {
    std::deque<GroupId> waiting;
    int64_t left =
        1;  // bytes that may be read, as of `filled`: there are turns while it is positive
    Instant filled;
    uint64_t appended_seen = 0;
  };

  uint64_t RateAt(Instant now) const;
  void Fill(Instant now, Receiver& receiver) const;

  uint64_t rate_ = 0;
  uint64_t appended_ = 0;
  Instant last_append_;
  Instant now_;  // of the last call
  uint64_t waiting_ = 0;
  std::map<NodeId, Receiver> receivers_;
};

}  // namespace tidemark
