#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/time.h"
#include "sim/coverage.h"
#include "sim/decisions.h"
#include "sim/scenario.h"

namespace tidemark::sim {

// What happens to what nodes send each other: connections, latency, loss, repetition, and who can
// reach whom. Decides only; the world schedules the arrivals. Nodes are dense indexes here.
class Network {
 public:
  Network(const Scenario& scenario, Decisions* decisions, Coverage* coverage);

  // When a message sent now on the connection `from` -> `to` arrives: never, once or twice.
  struct Arrivals {
    Instant at[2];
    size_t count = 0;
  };
  Arrivals PlanMessage(Instant now, size_t from, size_t to);
  Arrivals PlanDatagram(Instant now, size_t from, size_t to);
  Duration DialTime(size_t from, size_t to);

  // One-way reachability.
  bool Reachable(size_t from, size_t to) const { return !LinkOf(from, to).blocked; }
  void Block(size_t from, size_t to) { LinkOf(from, to).blocked = true; }
  // What travels `from` -> `to` from now on is `delay` late; nothing: it is as ever.
  void Slow(size_t from, size_t to, Duration delay) { LinkOf(from, to).delay = delay; }
  // The far end has forgotten the connection `from` -> `to` and something between them swallows
  // what is sent on it: it arrives nowhere and nobody says so. Until it is broken and dialled anew.
  void HalfOpen(size_t from, size_t to);
  bool IsHalfOpen(size_t from, size_t to) const { return LinkOf(from, to).half_open; }
  void Unblock(size_t from, size_t to) { LinkOf(from, to).blocked = false; }
  void HealAll();
  // No more losses, repetitions and delays beyond the ordinary.
  void Calm() { calm_ = true; }

  // The connection that `from` dialled to `to`. Each one has an epoch: what was sent on an earlier
  // connection does not arrive any more.
  bool Connected(size_t from, size_t to) const { return LinkOf(from, to).connected; }
  uint32_t Epoch(size_t from, size_t to) const { return LinkOf(from, to).epoch; }
  void Connect(size_t from, size_t to) { LinkOf(from, to).connected = true; }
  void Disconnect(size_t from, size_t to);

  size_t nodes() const { return nodes_; }

 private:
  struct Link {
    bool blocked = false;
    bool connected = false;
    // Of this connection nothing arrives.
    bool half_open = false;
    uint32_t epoch = 0;
    Duration delay;
    Instant last_sent;
    Instant last_arrival;  // of those in order
  };
  Link& LinkOf(size_t from, size_t to) { return links_[from * nodes_ + to]; }
  const Link& LinkOf(size_t from, size_t to) const { return links_[from * nodes_ + to]; }
  uint32_t Actor(size_t from, size_t to) const { return static_cast<uint32_t>(from * 8 + to); }
  Duration Latency(const Place& at);

  size_t nodes_;
  const Scenario* scenario_;
  Decisions* decisions_;
  Coverage* coverage_;
  std::vector<Link> links_;
  bool calm_ = false;
};

}  // namespace tidemark::sim
