#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/prng.h"
#include "engine/base/trace.h"
#include "engine/gossip/swim.h"

// A network of gossip members in virtual time, all of it decided by one seed.

namespace tidemark::gossip {

class Cluster {
 public:
  explicit Cluster(uint64_t seed) : prng_(seed) {}

  // Where member `id` listens.
  static Endpoint At(uint64_t id) { return {"10.0.0." + std::to_string(id), 7000}; }

  // What Add starts a member with: its seed is member 1.
  static Config ConfigOf(uint64_t id);

  // Starts a member, or starts it again: its clock has gone on, so the later life outbids.
  void Add(uint64_t id) { Add(id, ConfigOf(id)); }
  void Add(uint64_t id, Config config);
  // Ends it without a word.
  void Crash(uint64_t id) { nodes_.erase(id); }
  void Leave(uint64_t id);
  absl::Status SetTags(uint64_t id, std::map<std::string, std::string> tags);

  // Nothing passes from `from` to `to`.
  void CutOneWay(uint64_t from, uint64_t to) { cut_.emplace(from, to); }
  void Cut(uint64_t a, uint64_t b) {
    CutOneWay(a, b);
    CutOneWay(b, a);
  }
  void Heal() { cut_.clear(); }
  // Datagrams lost per thousand.
  void Lose(uint64_t per_mille) { loss_ = per_mille; }
  // Everything gets this slower to and from the member.
  void Slow(uint64_t id, Duration delay) { slow_[id] = delay; }

  void Run(Duration length);
  // Runs until `done`, at most `bound`; false if it never was.
  bool RunUntil(Duration bound, const std::function<bool()>& done);

  Swim& at(uint64_t id) { return *nodes_.at(id); }
  // What `viewer` believes of `id`; nullopt if it never heard of it.
  std::optional<MemberState> StateOf(uint64_t id, uint64_t viewer);
  // Every running member sees every other one in `state`.
  bool AllSee(uint64_t id, MemberState state);
  // All running members see exactly each other as alive.
  bool Converged();

  struct Seen {
    uint64_t viewer;
    MemberChange::Kind kind;
    uint64_t id;
  };
  std::vector<Seen> changes;
  std::vector<std::string> notes;
  // Every datagram and stream sent, to deliver again later.
  struct Sent {
    uint64_t from;
    Endpoint to;
    Bytes bytes;
    bool stream;
  };
  std::vector<Sent> sent;
  // How many changes of this kind about `id` anybody reported.
  int Count(MemberChange::Kind kind, uint64_t id) const;

  // Hands old or foreign bytes to a member now.
  void Inject(uint64_t to, const Endpoint& from, std::string_view bytes, bool stream);

  Now now() const;
  uint64_t trace() const { return trace_.value(); }

 private:
  void Absorb(uint64_t id, Effects out);
  void Deliver(const Sent& message);

  Prng prng_;
  Instant now_ = Instant::FromNanos(1);
  std::map<uint64_t, std::unique_ptr<Swim>> nodes_;
  std::map<std::pair<Instant, uint64_t>, Sent> in_flight_;
  uint64_t count_ = 0;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::map<uint64_t, Duration> slow_;
  uint64_t loss_ = 0;
  TraceHash trace_;
};

}  // namespace tidemark::gossip
