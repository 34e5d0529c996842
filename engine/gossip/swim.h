#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/gossip/keyring.h"
#include "engine/gossip/member.h"
#include "engine/gossip/wire.h"

// Who is there: SWIM with the parts of Lifeguard that keep a slow node from accusing others.
//   Source  Das, Gupta, Motivala, "SWIM", DSN 2002; Dadgar, Phillips, Currey, "Lifeguard", 2017.

namespace tidemark::gossip {

struct Config {
  NodeId id;
  std::string name;
  std::string cluster_id;
  Endpoint advertise;
  std::map<std::string, std::string> tags;
  // Any nodes that are probably up; this one's own address may be among them.
  std::vector<Endpoint> seeds;
  // First one seals; empty: the cluster id is checked, nothing is encrypted.
  std::vector<std::string> keys;

  Duration probe_interval = Duration::Seconds(1);
  Duration probe_timeout = Duration::Millis(500);
  int64_t suspicion_multiplier = 4;
  Duration gossip_interval = Duration::Millis(200);
  size_t gossip_fanout = 3;
  size_t indirect_probes = 3;
  Duration push_pull_interval = Duration::Seconds(30);
  Duration join_retry = Duration::Seconds(1);
  // The dead are remembered this long, so that old news cannot bring them back.
  Duration reclaim_after = Duration::Seconds(3600);

  // Divides every interval: for simulations, and for clusters on one machine.
  void SpeedUp(int64_t factor);

  // Whether a Swim can be made of this.
  //   Errors  kInvalidArgument, with what to change.
  absl::Status Check() const;
};

struct Datagram {
  Endpoint to;
  Bytes bytes;
};
struct Stream {
  Endpoint to;
  Bytes bytes;
};
struct MemberChange {
  enum class Kind : uint8_t { kJoined, kUpdated, kSuspect, kFailed, kLeft };
  Kind kind = Kind::kJoined;
  Member member;
};

struct Effects {
  std::vector<Datagram> datagrams;
  std::vector<Stream> streams;  // reliable, larger: push and pull of the whole list
  std::vector<MemberChange> changes;
  std::vector<std::string> notes;  // for an operator
};

struct Counters {
  uint64_t packets_in = 0;
  uint64_t packets_out = 0;
  uint64_t refused = 0;  // malformed, another cluster's, or not opened by our keys
  uint64_t probes = 0;
  uint64_t probes_failed = 0;
  uint64_t refutations = 0;
  uint64_t conflicts = 0;  // claims to an id, or to this node's id, that another holds
};

// One member's view. Pure; single-threaded. A failure seen here marks, it removes nobody from
// anything.
class Swim {
 public:
  // `first_incarnation` must be above what this member ever had: the wall clock in milliseconds.
  // If it is not, the others' memory of the earlier life is outbid as soon as it is heard.
  //   Checks  dies unless config.Check() is ok.
  Swim(Config config, uint64_t first_incarnation, Prng prng);

  // Begins to join by the seeds; tries them in turn until another member is known.
  void Start(Now now, Effects& out);
  void OnDatagram(Now now, const Endpoint& from, std::string_view bytes, Effects& out);
  void OnStream(Now now, std::string_view bytes, Effects& out);
  void OnTimer(Now now, Effects& out);
  // Replaces this member's tags and tells everybody. `id` and `addr` stay.
  //   Errors  kInvalidArgument, and nothing changes, if they are too large: see CheckMember.
  absl::Status SetTags(Now now, std::map<std::string, std::string> tags, Effects& out);
  // Says goodbye: the others see `left`, not `failed`.
  void Leave(Now now, Effects& out);

  Instant next_deadline() const {
    if (!deadline_.has_value()) deadline_ = EarliestDeadline();
    return *deadline_;
  }
  const Member& self() const { return members_.at(config_.id).member; }
  // Everybody ever met and not yet forgotten, this node included, by id.
  std::vector<Member> members() const;
  // Grows whenever members() has come to answer otherwise.
  uint64_t revision() const { return revision_; }
  const Member* Find(NodeId id) const;
  const Counters& counters() const { return counters_; }

 private:
  struct Known {
    Member member;
    Instant changed;                           // of the state
    Instant suspect_until = Instant::Never();  // when a suspect is declared dead
  };
  struct Probe {
    NodeId target;
    uint64_t sequence = 0;
    bool indirect = false;
    Instant next;  // when to go on: ask others, or give up
    Instant end;
  };
  // A ping sent for somebody else.
  struct Relay {
    Endpoint asker;
    uint64_t asker_sequence = 0;
    Instant until;
  };

  Instant EarliestDeadline() const;
  Packet Make(PacketType type) const;
  void Send(const Endpoint& to, Packet packet, Effects& out);
  void SendStream(const Endpoint& to, PacketType type, Effects& out);
  std::string Seal(const Packet& packet);
  std::optional<Packet> Open(std::string_view bytes, size_t bytes_max, Effects& out);
  void Handle(Now now, const Endpoint& from, const Packet& packet, Effects& out);
  void Merge(Now now, const Member& news, Effects& out);
  void MergeSelf(const Member& news, Effects& out);
  void Accept(Now now, Known& known, const Member& news, Effects& out);
  void Announce(NodeId id);
  // Finds room for one more member: forgets the one gone longest. False if nobody is gone.
  bool MakeRoom();
  void NoteConflict(std::string_view text, Effects& out);
  void JoinNext(Now now, Effects& out);
  void StartProbe(Now now, Effects& out);
  void ContinueProbe(Now now, Effects& out);
  void OnAck(Now now, uint64_t sequence, Effects& out);
  void Gossip(Effects& out);
  void ExpireSuspects(Now now, Effects& out);
  std::vector<NodeId> Others(bool alive_only) const;
  bool alone() const;
  // Whether an alive member is at `endpoint`; whether some seed has none.
  bool Lives(const Endpoint& endpoint) const;
  bool SeedMissing() const;
  // Grows with the number of members: 1 below 10, 2 below 100...
  int64_t Scale() const;

  Config config_;
  Prng prng_;
  Keyring keyring_;
  std::map<NodeId, Known> members_;  // at most kGossipMembersMax
  // How often the latest news about a member may still be passed on.
  std::map<NodeId, int64_t> news_;
  uint64_t sequence_ = 0;
  std::optional<Probe> probe_;
  std::map<uint64_t, Relay> relays_;  // at most kGossipRelaysMax
  std::vector<NodeId> probe_order_;
  // Lifeguard's local health: how late this node itself seems to be, 0..8.
  int64_t health_ = 0;
  size_t next_seed_ = 0;
  bool leaving_ = false;
  Instant started_at_;
  Instant join_at_ = Instant::Never();
  Instant probe_at_ = Instant::Never();
  Instant gossip_at_ = Instant::Never();
  Instant push_pull_at_ = Instant::Never();
  // Asked for twice in every step of the node; whoever is told something resets it.
  mutable std::optional<Instant> deadline_;
  Instant ask_stranger_at_;  // not earlier
  uint64_t revision_ = 0;
  Counters counters_;
};

}  // namespace tidemark::gossip
