#include "sim/network.h"

#include <algorithm>

namespace tidemark::sim {

Network::Network(const Scenario& scenario, Decisions* decisions, Coverage* coverage)
    : nodes_(scenario.nodes.size() + scenario.newcomers.size()),
      scenario_(&scenario),
      decisions_(decisions),
      coverage_(coverage),
      links_(nodes_ * nodes_) {}

Duration Network::Latency(const Place& at) {
  return decisions_->Between(at, scenario_->latency_min, scenario_->latency_max);
}

Network::Arrivals Network::PlanMessage(Instant now, size_t from, size_t to) {
  Arrivals arrivals;
  Link& link = LinkOf(from, to);
  const uint32_t actor = Actor(from, to);
  if (!link.connected || link.blocked || link.half_open) return arrivals;
  bool overtakes = !scenario_->ordered_links && !calm_;
  const bool same_packet =
      scenario_->packed && !overtakes && link.last_sent == now && link.last_arrival > now;
  link.last_sent = now;
  Instant at = same_packet ? link.last_arrival
                           : now + Latency(Place(Site::kMessageLatency, actor)) + link.delay;
  if (!calm_ && scenario_->message_lost > 0 &&
      decisions_->Fault(Site::kMessageLost, actor, scenario_->message_lost)) {
    coverage_->Hit(Probe::kMessageLost);
    return arrivals;
  }
  if (!calm_ && scenario_->message_reordered > 0 &&
      decisions_->Fault(Site::kMessageReordered, actor, scenario_->message_reordered)) {
    coverage_->Hit(Probe::kMessageReordered);
    at = at + scenario_->election_timeout * 1;
    overtakes = true;
  }
  if (!overtakes) {
    at = std::max(at, link.last_arrival);
    link.last_arrival = at;
  }
  arrivals.at[arrivals.count++] = at;
  if (!calm_ && scenario_->message_duplicated > 0 &&
      decisions_->Fault(Site::kMessageDuplicated, actor, scenario_->message_duplicated)) {
    coverage_->Hit(Probe::kMessageDuplicated);
    arrivals.at[arrivals.count++] = at + Latency(Place(Site::kDuplicateLatency, actor)) * 3;
  }
  return arrivals;
}

Network::Arrivals Network::PlanDatagram(Instant now, size_t from, size_t to) {
  Arrivals arrivals;
  if (LinkOf(from, to).blocked) return arrivals;
  if (!calm_ && scenario_->datagram_lost > 0 &&
      decisions_->Fault(Site::kDatagramLost, Actor(from, to), scenario_->datagram_lost)) {
    coverage_->Hit(Probe::kDatagramLost);
    return arrivals;
  }
  arrivals.at[arrivals.count++] =
      now + Latency(Place(Site::kMessageLatency, Actor(from, to))) + LinkOf(from, to).delay;
  return arrivals;
}

Duration Network::DialTime(size_t from, size_t to) {
  return decisions_->Between(Site::kDialLatency, Actor(from, to), scenario_->latency_min * 2,
                             scenario_->latency_max * 2 + Duration::Millis(1));
}

void Network::HalfOpen(size_t from, size_t to) {
  LinkOf(from, to).half_open = LinkOf(from, to).connected;
}

void Network::HealAll() {
  for (Link& link : links_) {
    link.blocked = false;
    link.delay = Duration();
  }
}

void Network::Disconnect(size_t from, size_t to) {
  Link& link = LinkOf(from, to);
  link.connected = false;
  link.half_open = false;
  ++link.epoch;
}

}  // namespace tidemark::sim
