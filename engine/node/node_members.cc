#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/node/node_impl.h"

namespace tidemark {

gossip::Config GossipConfig(const NodeOptions& options) {
  gossip::Config config;
  config.id = options.id;
  config.name = absl::StrCat("node-", options.id.value());
  config.cluster_id = options.cluster_id;
  config.advertise = options.advertise;
  config.tags = options.tags;
  config.tags["role"] = options.voters.empty() ? "server" : "voter";
  config.tags["version"] = options.version;
  config.seeds = options.seeds;
  config.keys = options.gossip_keys;
  config.SpeedUp(options.gossip_speed);
  return config;
}

namespace {

const char* ChangeText(gossip::MemberChange::Kind kind) {
  switch (kind) {
    case gossip::MemberChange::Kind::kJoined:
      return "joined";
    case gossip::MemberChange::Kind::kUpdated:
      return "updated";
    case gossip::MemberChange::Kind::kSuspect:
      return "suspect";
    case gossip::MemberChange::Kind::kFailed:
      return "failed";
    case gossip::MemberChange::Kind::kLeft:
      return "left";
  }
  return "?";
}

}  // namespace

Node::Impl::Impl(NodeOptions options_in, acl::Enforcer enforcer_in, Now now, Prng prng_in)
    : options(std::move(options_in)),
      enforcer(std::move(enforcer_in)),
      prng(prng_in),
      // A restarted node must outbid what the others remember of it; time only grows.
      swim(GossipConfig(options), static_cast<uint64_t>(now.wall.millis()), prng.Fork()),
      liveness({.session = prng.Next() | 1,
                .heartbeat_interval = options.heartbeat_interval,
                .election_timeout = options.election_timeout}) {
  shared.disk_stall_timeout = options.disk_stall_timeout;
  shared.reopen_delay_min = options.reopen_delay_min;
  shared.reopen_delay_max = options.reopen_delay_max;
  shared.snapshot_bytes_per_second = options.snapshot_bytes_per_second;
  shared.catch_up.SetRate(options.catch_up_bytes_per_second);
}

void Node::Impl::StartGossip(Now now, Effects& out) {
  // Raft does not wait for gossip to find everybody again.
  for (const auto& [node, address] : addresses) out.push_back(SetPeerAddress{node, address});
  gossip::Effects fx;
  swim.Start(now, fx);
  AbsorbGossip(std::move(fx), out);
}

void Node::Impl::AbsorbGossip(gossip::Effects fx, Effects& out) {
  for (const gossip::MemberChange& change : fx.changes) {
    const gossip::Member& member = change.member;
    out.push_back(Note{change.kind == gossip::MemberChange::Kind::kFailed ? Note::Level::kWarning
                                                                          : Note::Level::kInfo,
                       absl::StrCat("member_", ChangeText(change.kind)),
                       {{"member", member.name}, {"address", member.endpoint.ToString()}}});
    // A failed or departed member keeps its address: only gossip thinks it is gone, and raft's
    // next message to it finds out. Membership of raft groups is not gossip's to change.
    if (member.id == options.id || member.id == kNoNode) continue;
    auto [at, fresh] = addresses.try_emplace(member.id, member.endpoint);
    if (!fresh && at->second == member.endpoint) continue;
    at->second = member.endpoint;
    addresses_changed = true;
    out.push_back(SetPeerAddress{member.id, member.endpoint});
  }
  for (std::string& note : fx.notes) {
    out.push_back(Note{Note::Level::kWarning, "gossip", {{"what", std::move(note)}}});
  }
  for (gossip::Datagram& datagram : fx.datagrams) {
    out.push_back(SendDatagram{std::move(datagram.to), std::move(datagram.bytes)});
  }
  for (gossip::Stream& stream : fx.streams) {
    out.push_back(SendGossipStream{std::move(stream.to), std::move(stream.bytes)});
  }
}

void Node::Impl::RememberAddresses() {
  Replica& replica = catalog_replica();
  if (!addresses_changed || standing.durable().generation == 0 || !replica.node_files_durable()) {
    return;
  }
  addresses_changed = false;
  NodeAddresses now{.generation = remembered.generation + 1, .of = {}};
  for (const NodeId node : raft::MembersOf(replica.raft().membership())) {
    const auto at = addresses.find(node);
    if (at == addresses.end() || at->second.host.size() > kRememberedHostBytesMax) continue;
    if (now.of.size() < kNodesMax) now.of.insert(*at);
  }
  if (now.of == remembered.of) return;
  remembered = std::move(now);
  FileBatch batch;
  AppendAddresses(remembered, batch);
  replica.StageNodeFiles(std::move(batch));
  agenda.Touch(kCatalogGroup);
}

std::optional<Endpoint> Node::Impl::AddressOf(NodeId node) const {
  if (node == options.id) return options.advertise;
  const auto at = addresses.find(node);
  if (at == addresses.end()) return std::nullopt;
  return at->second;
}

}  // namespace tidemark
