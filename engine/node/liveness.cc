#include "engine/node/liveness.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace tidemark {

const Liveness::Tie* Liveness::Find(GroupId group) const {
  const auto at = ties_.find(group);
  return at == ties_.end() ? nullptr : &at->second;
}

void Liveness::Set(Instant now, GroupId group, std::optional<Tie> tie) {
  const auto at = ties_.find(group);
  if (at != ties_.end()) {
    const Tie& before = at->second;
    for (const NodeId node : before.nodes) {
      --peers_[node].ties;
      if (!before.leads) continue;
      const bool stays = tie.has_value() && tie->leads && tie->term == before.term &&
                         std::binary_search(tie->nodes.begin(), tie->nodes.end(), node);
      if (!stays) ReleaseTo(node, group, before.term);
    }
  }
  if (tie.has_value()) {
    for (const NodeId node : tie->nodes) ++peers_[node].ties;
    ties_[group] = *std::move(tie);
  } else if (at != ties_.end()) {
    ties_.erase(at);
  }
  Arm(now);
}

void Liveness::ReleaseTo(NodeId node, GroupId group, Term term) {
  Peer& peer = peers_[node];
  const auto earlier = peer.numbers.find(group);
  if (earlier != peer.numbers.end()) peer.releases.erase(earlier->second);
  const uint64_t number = ++peer.last_release;
  peer.numbers[group] = number;
  peer.releases[number] = {.group = group, .term = term};
}

Liveness::News Liveness::OnMessage(Instant now, NodeId from, const BeatMessage& message) {
  Peer& peer = peers_[from];
  News news{.new_session = peer.session != 0 && peer.session != message.session,
            .released = message.released};
  if (peer.session != message.session) peer.seen = 0;
  peer.session = message.session;
  peer.heard = now;
  peer.silent = false;
  peer.seen = std::max(peer.seen, message.released_to);
  peer.owes_ack |= !message.released.empty();
  if (message.ack_session == options_.session) {
    while (!peer.releases.empty() && peer.releases.begin()->first <= message.ack) {
      peer.numbers.erase(peer.releases.begin()->second.group);
      peer.releases.erase(peer.releases.begin());
    }
  }
  Arm(now);
  return news;
}

std::vector<NodeId> Liveness::Due(Instant now) {
  const bool tick = now >= next_tick_;
  std::vector<NodeId> due;
  bool again = false;
  for (auto& [node, peer] : peers_) {
    const bool wanted = Wanted(peer, now);
    if (std::exchange(peer.owes_ack, false) || (tick && wanted)) due.push_back(node);
    again |= wanted;
  }
  if (tick) next_tick_ = Instant::Never();
  if (again) Arm(now);
  return due;
}

BeatMessage Liveness::Begin(NodeId to) {
  Peer& peer = peers_[to];
  BeatMessage message{.session = options_.session,
                      .ack_session = peer.session,
                      .ack = peer.seen,
                      .released = {},
                      .released_to = 0,
                      .beats = {}};
  for (const auto& [number, release] : peer.releases) {
    if (message.released.size() == kReleasesMax) break;
    message.released.push_back(release);
    message.released_to = number;
  }
  return message;
}

std::vector<NodeId> Liveness::TakeSilent(Instant now) {
  std::vector<NodeId> silent;
  for (auto& [node, peer] : peers_) {
    if (peer.ties == 0 || peer.silent || now - peer.heard < options_.election_timeout) continue;
    peer.silent = true;
    silent.push_back(node);
  }
  return silent;
}

Instant Liveness::Heard(NodeId node) const {
  const auto at = peers_.find(node);
  return at == peers_.end() ? Instant() : at->second.heard;
}

bool Liveness::Wanted(const Peer& peer, Instant now) const {
  if (peer.ties > 0) return true;
  // Who does not answer, and hears nothing either, wakes by that. Whatever is sent to it for other
  // reasons still has the releases in it.
  return !peer.releases.empty() && now - peer.heard < options_.election_timeout;
}

void Liveness::Arm(Instant now) {
  if (next_tick_ != Instant::Never()) return;
  const bool wanted = std::any_of(peers_.begin(), peers_.end(),
                                  [&](const auto& each) { return Wanted(each.second, now); });
  if (!wanted) return;
  const int64_t interval = options_.heartbeat_interval.nanos();
  next_tick_ = Instant::FromNanos((now.nanos() / interval + 1) * interval);
}

}  // namespace tidemark
