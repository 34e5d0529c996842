#include "engine/gossip/swim.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"

// Packets in and out, joining, timers. probe.cc finds failures, merge.cc decides what news counts.

namespace tidemark::gossip {
namespace {

// How often news is passed on, times Scale(). The customary 4 is too few beside a suspicion that
// runs out after a fixed time: at 10 % loss, 8 members counted 132 false failures in 100 runs of
// five minutes with 4, 18 with 6, 3 with 8.
constexpr int64_t kRetransmitMultiplier = 8;

Member SelfOf(const Config& config, uint64_t incarnation) {
  Member self{.id = config.id,
              .name = config.name,
              .endpoint = config.advertise,
              .state = MemberState::kAlive,
              .incarnation = incarnation,
              .tags = config.tags};
  self.tags["id"] = absl::StrCat(config.id.value());
  self.tags["addr"] = config.advertise.ToString();
  return self;
}

// Who has no news does not wake to tell it, so that the time for that may be over: what is new now
// is told at once.
Instant NotBefore(Now now, Instant gossip_at) { return std::max(now.instant, gossip_at); }

}  // namespace

void Config::SpeedUp(int64_t factor) {
  for (Duration* interval : {&probe_interval, &probe_timeout, &gossip_interval, &push_pull_interval,
                             &join_retry, &reclaim_after}) {
    *interval = *interval / factor;
  }
}

absl::Status Config::Check() const {
  if (cluster_id.empty() || cluster_id.size() > kClusterIdBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the cluster id must have 1 to ", kClusterIdBytesMax, " bytes"));
  }
  for (const Duration interval :
       {probe_interval, probe_timeout, gossip_interval, push_pull_interval, join_retry}) {
    if (interval <= Duration()) {
      return absl::InvalidArgumentError("gossip intervals must be longer than nothing");
    }
  }
  if (probe_timeout >= probe_interval) {
    return absl::InvalidArgumentError(
        "the gossip probe timeout must be shorter than the probe interval, so that others can be "
        "asked in between");
  }
  const absl::StatusOr<Keyring> keyring = Keyring::Create(keys, cluster_id);
  if (!keyring.ok()) return keyring.status();
  return CheckMember(SelfOf(*this, 0));
}

Swim::Swim(Config config, uint64_t first_incarnation, Prng prng)
    : config_(std::move(config)), prng_(prng) {
  TIDEMARK_CHECK_EQ(std::string(config_.Check().message()), "");
  absl::StatusOr<Keyring> keyring = Keyring::Create(config_.keys, config_.cluster_id);
  keyring_ = *std::move(keyring);
  members_[config_.id] = {.member = SelfOf(config_, first_incarnation), .changed = Instant()};
}

void Swim::Start(Now now, Effects& out) {
  deadline_.reset();
  started_at_ = now.instant;
  // Nodes that start together do not probe together.
  probe_at_ = now.instant + prng_.Between(Duration(), config_.probe_interval);
  gossip_at_ = now.instant + config_.gossip_interval;
  // The first comparison of views comes soon: nodes that join together hear of each other while
  // they know few others to pass it on to, and news is passed on only so often.
  push_pull_at_ = now.instant + prng_.Between(config_.join_retry, config_.join_retry * 3);
  Announce(config_.id);
  JoinNext(now, out);
}

void Swim::JoinNext(Now now, Effects& out) {
  join_at_ = Instant::Never();
  const bool was_alone = alone();
  if (leaving_) return;
  for (size_t tried = 0; tried < config_.seeds.size(); ++tried) {
    const Endpoint& seed = config_.seeds[next_seed_++ % config_.seeds.size()];
    if (seed == config_.advertise || (!was_alone && Lives(seed))) continue;
    SendStream(seed, PacketType::kPush, out);
    if (was_alone) join_at_ = now.instant + config_.join_retry;
    return;
  }
}

bool Swim::Lives(const Endpoint& endpoint) const {
  for (const auto& [id, known] : members_) {
    if (known.member.endpoint == endpoint && known.member.state == MemberState::kAlive) return true;
  }
  return false;
}

bool Swim::SeedMissing() const {
  for (const Endpoint& seed : config_.seeds) {
    if (seed != config_.advertise && !Lives(seed)) return true;
  }
  return false;
}

bool Swim::alone() const {
  for (const auto& [id, known] : members_) {
    if (id != config_.id && known.member.state == MemberState::kAlive) return false;
  }
  return true;
}

Packet Swim::Make(PacketType type) const {
  return {.cluster_id = config_.cluster_id,
          .type = type,
          .from = config_.id,
          .sequence = 0,
          .target = kNoNode,
          .endpoint = config_.advertise,
          .members = {}};
}

std::string Swim::Seal(const Packet& packet) {
  std::string plain = EncodePacket(packet);
  return keyring_.empty() ? AddChecksum(std::move(plain)) : keyring_.Seal(plain, prng_);
}

void Swim::Send(const Endpoint& to, Packet packet, Effects& out) {
  // News rides along as far as it fits, the least told first.
  constexpr size_t kOverhead = 29 + 128;
  size_t bytes = kOverhead + EncodePacket(packet).size();
  std::vector<std::pair<int64_t, NodeId>> order;
  for (const auto& [id, left] : news_) order.emplace_back(-left, id);
  std::sort(order.begin(), order.end());
  for (const auto& [told, id] : order) {
    const Member& member = members_.at(id).member;
    bytes += EncodedBytes(member);
    if (bytes > kDatagramBytesMax) break;
    packet.members.push_back(member);
    if (--news_[id] <= 0) news_.erase(id);
  }
  ++counters_.packets_out;
  out.datagrams.push_back({to, Bytes::From(Seal(packet))});
}

void Swim::SendStream(const Endpoint& to, PacketType type, Effects& out) {
  Packet packet = Make(type);
  for (const auto& [id, known] : members_) packet.members.push_back(known.member);
  ++counters_.packets_out;
  out.streams.push_back({to, Bytes::From(Seal(packet))});
}

std::optional<Packet> Swim::Open(std::string_view bytes, size_t bytes_max, Effects& out) {
  ++counters_.packets_in;
  absl::StatusOr<std::string> plain;
  if (bytes.size() > bytes_max) {
    plain = absl::InvalidArgumentError(
        absl::StrCat("a packet of ", bytes.size(), " bytes, larger than any member sends"));
  } else if (keyring_.empty()) {
    plain = CheckChecksum(bytes);
  } else {
    plain = keyring_.Open(bytes);
  }
  absl::Status status = plain.status();
  if (plain.ok()) {
    absl::StatusOr<Packet> packet = DecodePacket(*plain);
    if (packet.ok() && packet->cluster_id == config_.cluster_id) return *std::move(packet);
    status =
        packet.ok()
            ? absl::PermissionDeniedError(absl::StrCat("a packet of cluster \"", packet->cluster_id,
                                                       "\", this is \"", config_.cluster_id, "\""))
            : packet.status();
  }
  // Powers of two: strangers cannot flood the log.
  ++counters_.refused;
  if ((counters_.refused & (counters_.refused - 1)) == 0) {
    out.notes.push_back(
        absl::StrCat("refused ", status.message(), " (", counters_.refused, " so far)"));
  }
  return std::nullopt;
}

void Swim::OnDatagram(Now now, const Endpoint& from, std::string_view bytes, Effects& out) {
  deadline_.reset();
  gossip_at_ = NotBefore(now, gossip_at_);
  const std::optional<Packet> packet = Open(bytes, kDatagramBytesMax, out);
  if (packet.has_value()) Handle(now, from, *packet, out);
}

void Swim::OnStream(Now now, std::string_view bytes, Effects& out) {
  deadline_.reset();
  gossip_at_ = NotBefore(now, gossip_at_);
  const std::optional<Packet> packet = Open(bytes, kGossipStreamBytesMax, out);
  if (!packet.has_value()) return;
  for (const Member& member : packet->members) Merge(now, member, out);
  if (packet->type == PacketType::kPush) SendStream(packet->endpoint, PacketType::kPull, out);
}

void Swim::Handle(Now now, const Endpoint& from, const Packet& packet, Effects& out) {
  for (const Member& member : packet.members) Merge(now, member, out);
  if (packet.from != config_.id && Find(packet.from) == nullptr && !leaving_ &&
      now.instant >= ask_stranger_at_) {
    // It knows this node, this node does not know it: it has been restarted, and nobody noticed. A
    // seed that is its own seed would know nobody until somebody chanced to compare views with it.
    ask_stranger_at_ = now.instant + config_.join_retry;
    SendStream(packet.endpoint, PacketType::kPush, out);
  }
  switch (packet.type) {
    case PacketType::kPing: {
      if (packet.target != config_.id) return;  // meant for who was at this address before
      Packet ack = Make(PacketType::kAck);
      ack.sequence = packet.sequence;
      // It lives, and there may be nobody left who would tell it that it is thought dead.
      if (const Member* asker = Find(packet.from);
          asker != nullptr && asker->state != MemberState::kAlive) {
        ack.members.push_back(*asker);
      }
      Send(from, std::move(ack), out);
      return;
    }
    case PacketType::kAck:
      OnAck(now, packet.sequence, out);
      return;
    case PacketType::kPingRequest: {
      // Only to where this node itself believes the target to be: it is nobody's reflector.
      const Member* target = Find(packet.target);
      if (target == nullptr || relays_.size() >= kGossipRelaysMax) return;
      Packet ping = Make(PacketType::kPing);
      ping.sequence = ++sequence_;
      ping.target = packet.target;
      relays_[ping.sequence] = {from, packet.sequence, now.instant + config_.probe_interval};
      Send(target->endpoint, std::move(ping), out);
      return;
    }
    case PacketType::kNews:
    case PacketType::kPush:
    case PacketType::kPull:
      return;
  }
}

void Swim::OnTimer(Now now, Effects& out) {
  deadline_.reset();
  if (now.instant >= join_at_) JoinNext(now, out);
  ExpireSuspects(now, out);
  std::erase_if(relays_, [&](const auto& relay) { return relay.second.until <= now.instant; });
  if (probe_.has_value() && now.instant >= probe_->next) ContinueProbe(now, out);
  if (now.instant >= probe_at_) StartProbe(now, out);
  if (!news_.empty() && now.instant >= gossip_at_) {
    gossip_at_ = now.instant + config_.gossip_interval;
    Gossip(out);
  }
  if (now.instant >= push_pull_at_) {
    push_pull_at_ = now.instant + config_.push_pull_interval;
    // Also with the dead: a healed partition is found this way.
    const std::vector<NodeId> others = Others(/*alive_only=*/false);
    if (!others.empty() && !leaving_) {
      const NodeId with = others[prng_.Below(others.size())];
      SendStream(members_.at(with).member.endpoint, PacketType::kPush, out);
    }
  }
  if (join_at_ == Instant::Never() && !config_.seeds.empty() && !leaving_) {
    // Not only while alone: nodes that start together may find each other in pairs, and each
    // island would be content with itself for ever.
    if (alone()) {
      join_at_ = now.instant + config_.join_retry;
    } else if (SeedMissing()) {
      join_at_ = now.instant + config_.join_retry * 5;
    }
  }
}

void Swim::Gossip(Effects& out) {
  std::vector<NodeId> others = Others(/*alive_only=*/false);
  for (size_t i = 0; i < config_.gossip_fanout && !others.empty() && !news_.empty(); ++i) {
    const size_t pick = prng_.Below(others.size());
    Send(members_.at(others[pick]).member.endpoint, Make(PacketType::kNews), out);
    others.erase(others.begin() + static_cast<ptrdiff_t>(pick));
  }
}

absl::Status Swim::SetTags(Now now, std::map<std::string, std::string> tags, Effects& out) {
  deadline_.reset();
  gossip_at_ = NotBefore(now, gossip_at_);
  Member& self = members_.at(config_.id).member;
  tags["id"] = self.tags.at("id");
  tags["addr"] = self.tags.at("addr");
  Member changed = self;
  changed.tags = std::move(tags);
  ++changed.incarnation;
  const absl::Status fits = CheckMember(changed);
  if (!fits.ok()) return fits;
  self = std::move(changed);
  ++revision_;
  Announce(config_.id);
  out.changes.push_back({MemberChange::Kind::kUpdated, self});
  return absl::OkStatus();
}

void Swim::Leave(Now now, Effects& out) {
  deadline_.reset();
  gossip_at_ = NotBefore(now, gossip_at_);
  if (leaving_) return;
  leaving_ = true;
  Known& self = members_.at(config_.id);
  self.member.state = MemberState::kLeft;
  ++self.member.incarnation;
  self.changed = now.instant;
  ++revision_;
  Announce(config_.id);
  // At once, and to everybody: there may be no later.
  for (const NodeId other : Others(/*alive_only=*/true)) {
    news_[config_.id] = 2;
    Send(members_.at(other).member.endpoint, Make(PacketType::kNews), out);
  }
}

void Swim::Announce(NodeId id) { news_[id] = kRetransmitMultiplier * Scale(); }

int64_t Swim::Scale() const {
  int64_t scale = 1;
  for (size_t n = members_.size() + 1; n >= 10; n /= 10) ++scale;
  return scale;
}

std::vector<NodeId> Swim::Others(bool alive_only) const {
  std::vector<NodeId> others;
  for (const auto& [id, known] : members_) {
    const MemberState state = known.member.state;
    const bool reachable = state == MemberState::kAlive || state == MemberState::kSuspect;
    if (id != config_.id && (reachable || (!alive_only && state == MemberState::kDead))) {
      others.push_back(id);
    }
  }
  return others;
}

Instant Swim::EarliestDeadline() const {
  Instant deadline = std::min({join_at_, probe_at_, push_pull_at_});
  // Who has no news to tell need not wake for it.
  if (!news_.empty()) deadline = std::min(deadline, gossip_at_);
  if (probe_.has_value()) deadline = std::min(deadline, probe_->next);
  for (const auto& [id, known] : members_) deadline = std::min(deadline, known.suspect_until);
  return deadline;
}

std::vector<Member> Swim::members() const {
  std::vector<Member> all;
  for (const auto& [id, known] : members_) all.push_back(known.member);
  return all;
}

const Member* Swim::Find(NodeId id) const {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second.member;
}

}  // namespace tidemark::gossip
