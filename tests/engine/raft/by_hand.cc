#include <utility>

#include "engine/base/check.h"
#include "tests/engine/raft/cluster.h"

// A Cluster that somebody plays step by step: what ClusterOptions::by_hand leaves to its caller.

namespace tidemark::raft {

void Cluster::DeliverAt(size_t place, bool keep) {
  TIDEMARK_CHECK_LT(place, in_flight_.size());
  Message message = in_flight_[place];
  if (!keep) LoseAt(place);
  const NodeId to = message.to;
  if (!nodes_.contains(to) || !up(to) || cut_.contains({message.from, to})) return;
  ++delivered_;
  Effects effects;
  raft(to).OnMessage(now_, message, effects);
  Absorb(to, effects);
}

void Cluster::LoseAt(size_t place) {
  in_flight_.erase(in_flight_.begin() + static_cast<ptrdiff_t>(place));
}

bool Cluster::EndWrite(NodeId id) {
  if (!up(id) || !Node(id).writing) return false;
  FinishWrite(id);
  return true;
}

bool Cluster::EndInstall(NodeId id, bool ok) {
  // The log is not replaced below a write.
  if (!up(id) || !Node(id).installing || Node(id).writing) return false;
  FinishInstall(id, ok);
  return true;
}

bool Cluster::TimeOut(NodeId id) {
  if (!up(id) || raft(id).role() == Role::kLeader) return false;
  raft(id).OverrideElectionTimeout(Duration());
  // Somebody who is no voter goes on waiting.
  if (raft(id).next_deadline() > now_) return false;
  Effects effects;
  raft(id).OnTimer(now_, effects);
  Absorb(id, effects);
  return true;
}

void Cluster::Reconnect(NodeId at, NodeId peer) {
  if (!up(at)) return;
  Effects effects;
  raft(at).OnPeerReset(now_, peer, effects);
  Absorb(at, effects);
}

Duration Cluster::HandTimeout(NodeId id) const {
  const Duration timeout = options_.config.election_timeout;
  return timeout + timeout / 2 + timeout / 20 * static_cast<int64_t>(id.value());
}

std::vector<Message> Cluster::HeldAt(NodeId id) const {
  const NodeState& node = Node(id);
  std::vector<Message> held;
  if (node.writing) held = node.writing->held;
  held.insert(held.end(), node.next_held.begin(), node.next_held.end());
  return held;
}

}  // namespace tidemark::raft
