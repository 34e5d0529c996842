#include "tests/engine/gossip/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/base/limits.h"

namespace tidemark::gossip {
namespace {

std::optional<uint64_t> IdAt(const Endpoint& endpoint) {
  for (uint64_t id = 1; id < 255; ++id) {
    if (Cluster::At(id) == endpoint) return id;
  }
  return std::nullopt;
}

}  // namespace

Config Cluster::ConfigOf(uint64_t id) {
  Config config;
  config.id = NodeId(id);
  config.name = "node-" + std::to_string(id);
  config.cluster_id = "green";
  config.advertise = At(id);
  config.tags = {{"role", "voter"}};
  config.seeds = {At(1)};
  return config;
}

Now Cluster::now() const {
  return {now_, WallTime::FromMillis(1'700'000'000'000 + (now_ - Instant()).millis())};
}

void Cluster::Add(uint64_t id, Config config) {
  nodes_[id] = std::make_unique<Swim>(std::move(config), static_cast<uint64_t>(now().wall.millis()),
                                      prng_.Fork());
  Effects out;
  nodes_[id]->Start(now(), out);
  Absorb(id, std::move(out));
}

void Cluster::Leave(uint64_t id) {
  Effects out;
  at(id).Leave(now(), out);
  Absorb(id, std::move(out));
}

absl::Status Cluster::SetTags(uint64_t id, std::map<std::string, std::string> tags) {
  Effects out;
  const absl::Status status = at(id).SetTags(now(), std::move(tags), out);
  Absorb(id, std::move(out));
  return status;
}

void Cluster::Absorb(uint64_t id, Effects out) {
  const auto post = [&](Endpoint to, Bytes bytes, bool stream) {
    Sent message{id, std::move(to), std::move(bytes), stream};
    trace_.Add(id);
    trace_.Add(message.to.ToString());
    trace_.Add(message.bytes.view());
    EXPECT_LE(message.bytes.size(), stream ? kGossipStreamBytesMax : kDatagramBytesMax);
    sent.push_back(message);
    // A stream is TCP: late rather than lost.
    if (!stream && prng_.Chance(loss_, 1000)) return;
    Duration delay = prng_.Between(Duration::Micros(200), Duration::Millis(5));
    delay = delay + slow_[id] + slow_[IdAt(message.to).value_or(0)];
    in_flight_.emplace(std::pair(now_ + delay, ++count_), std::move(message));
  };
  for (Datagram& datagram : out.datagrams) post(datagram.to, std::move(datagram.bytes), false);
  for (Stream& stream : out.streams) post(stream.to, std::move(stream.bytes), true);
  for (const MemberChange& change : out.changes) {
    trace_.Add(static_cast<uint64_t>(change.kind));
    trace_.Add(change.member.id.value());
    changes.push_back({id, change.kind, change.member.id.value()});
  }
  for (std::string& note : out.notes) notes.push_back(std::move(note));
}

void Cluster::Inject(uint64_t to, const Endpoint& from, std::string_view bytes, bool stream) {
  Effects out;
  if (stream) {
    at(to).OnStream(now(), bytes, out);
  } else {
    at(to).OnDatagram(now(), from, bytes, out);
  }
  Absorb(to, std::move(out));
}

void Cluster::Deliver(const Sent& message) {
  const std::optional<uint64_t> to = IdAt(message.to);
  if (!to.has_value() || !nodes_.contains(*to) || cut_.contains({message.from, *to})) return;
  Inject(*to, At(message.from), message.bytes.view(), message.stream);
}

void Cluster::Run(Duration length) {
  RunUntil(length, [] { return false; });
}

bool Cluster::RunUntil(Duration bound, const std::function<bool()>& done) {
  const Instant end = now_ + bound;
  while (!done()) {
    Instant next = in_flight_.empty() ? Instant::Never() : in_flight_.begin()->first.first;
    uint64_t timer = 0;
    for (const auto& [id, node] : nodes_) {
      if (node->next_deadline() < next) {
        next = node->next_deadline();
        timer = id;
      }
    }
    if (next > end) {
      now_ = end;
      return done();
    }
    // A deadline in the past is a machine that did not do what it announced.
    EXPECT_GE(next, now_);
    now_ = std::max(now_, next);
    if (timer != 0) {
      Effects out;
      at(timer).OnTimer(now(), out);
      Absorb(timer, std::move(out));
      EXPECT_GT(at(timer).next_deadline(), now_) << "member " << timer << " does not get on";
      if (at(timer).next_deadline() <= now_) return false;
    } else {
      const Sent message = std::move(in_flight_.begin()->second);
      in_flight_.erase(in_flight_.begin());
      Deliver(message);
    }
  }
  return true;
}

std::optional<MemberState> Cluster::StateOf(uint64_t id, uint64_t viewer) {
  const Member* member = at(viewer).Find(NodeId(id));
  if (member == nullptr) return std::nullopt;
  return member->state;
}

bool Cluster::AllSee(uint64_t id, MemberState state) {
  for (const auto& [viewer, node] : nodes_) {
    if (viewer != id && StateOf(id, viewer) != state) return false;
  }
  return true;
}

bool Cluster::Converged() {
  for (const auto& [viewer, node] : nodes_) {
    size_t alive = 0;
    for (const Member& member : node->members()) {
      if (member.state != MemberState::kAlive) continue;
      const auto found = nodes_.find(member.id.value());
      if (found == nodes_.end() || found->second->self() != member) return false;
      ++alive;
    }
    if (alive != nodes_.size()) return false;
  }
  return true;
}

int Cluster::Count(MemberChange::Kind kind, uint64_t id) const {
  return static_cast<int>(std::count_if(changes.begin(), changes.end(), [&](const Seen& seen) {
    return seen.kind == kind && seen.id == id;
  }));
}

}  // namespace tidemark::gossip
