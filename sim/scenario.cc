#include "sim/scenario.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sim/decisions.h"

namespace tidemark::sim {
namespace {

// Draws named parameters: each depends on the seed and its own name only.
class Draw {
 public:
  explicit Draw(uint64_t seed) : decisions_(seed) {}

  bool Percent(std::string_view name, uint64_t percent) const {
    return decisions_.Parameter(name, 100) < percent;
  }
  uint64_t Between(std::string_view name, uint64_t begin, uint64_t end) const {
    return begin + decisions_.Parameter(name, end - begin);
  }
  template <typename T>
  T OneOf(std::string_view name, std::initializer_list<T> choices) const {
    return choices.begin()[decisions_.Parameter(name, choices.size())];
  }
  // Off in most seeds, else one of `rates`.
  uint32_t Rate(std::string_view name, uint64_t percent_on,
                std::initializer_list<uint32_t> rates) const {
    if (!Percent(absl::StrCat(std::string(name), ".on"), percent_on)) return 0;
    return OneOf(name, rates);
  }

 private:
  Decisions decisions_;
};

void DrawCluster(const Draw& draw, Scenario& s) {
  const uint64_t size = draw.Between("nodes", 0, 100);
  const uint64_t count = size < 6 ? 1 : size < 14 ? 2 : size < 88 ? 3 : 5;
  const uint64_t first = draw.OneOf<uint64_t>("first_id", {1, 1, 1, 77, 0x7ffffffe, 0xfffffffe});
  const uint64_t stride = draw.OneOf<uint64_t>("id_stride", {1, 1, 10});
  for (uint64_t i = 0; i < count; ++i) s.nodes.push_back(NodeId{first + i * stride});
  s.partitions = static_cast<uint32_t>(draw.OneOf<uint64_t>("partitions", {1, 1, 2, 3}));
  s.replication_factor = static_cast<uint32_t>(
      count == 5 && draw.Percent("all_replicas", 50) ? 5 : std::min<uint64_t>(count, 3));
  s.election_timeout =
      Duration::Millis(draw.OneOf<int64_t>("election_timeout", {150, 300, 500, 500}));
  s.heartbeat_interval = s.election_timeout / draw.OneOf<int64_t>("heartbeats", {3, 3, 5});
  s.pre_vote = !draw.Percent("pre_vote_off", 30);
  s.check_quorum = !draw.Percent("check_quorum_off", 15);
  s.append_entries_max = draw.OneOf<uint64_t>("append_entries_max", {1, 8, 64, 0, 0});
  s.append_bytes_max = draw.OneOf<uint64_t>("append_bytes_max", {1, 4096, 65536, 65536, 0, 0});
  s.segment_bytes =
      draw.OneOf<uint64_t>("segment_bytes", {16u << 10, 16u << 10, 24u << 10, 64u << 10});
  if (draw.Percent("retention_bytes.on", 35)) {
    s.retention_bytes = draw.OneOf<uint64_t>("retention_bytes", {1, 40'000, 100'000});
  }
  if (draw.Percent("retention_ms.on", 25)) {
    s.retention_ms = draw.OneOf<uint64_t>("retention_ms", {100, 1000, 4000});
  }
  s.compact = draw.Percent("compact.on", 35);
  if (s.compact) {
    s.retention_bytes = 0;
    s.retention_ms = 0;
    s.min_compaction_lag_ms = draw.OneOf<uint64_t>("min_compaction_lag", {0, 0, 300});
    s.tombstone_retention_ms = draw.OneOf<uint64_t>("tombstone_retention", {1, 300, 2000});
  }
  s.compaction_interval =
      Duration::Millis(draw.OneOf<int64_t>("compaction_interval", {50, 300, 1000}));
  s.retention_interval =
      Duration::Millis(draw.OneOf<int64_t>("retention_interval", {100, 1000, 10'000}));
  s.index_interval_bytes = draw.OneOf<uint64_t>("index_interval", {1, 512, 4096, 4096});
  s.checkpoint_bytes =
      draw.OneOf<uint64_t>("checkpoint_interval", {1, 4096, 4096, 4096, 32u << 10, 32u << 10});
  s.index_memory_bytes = draw.OneOf<uint64_t>("index_memory", {0, 2048, 1u << 20});
  s.cache_bytes = draw.OneOf<uint64_t>("cache_bytes", {1, 4096, 65536, 65536, 1u << 20, 1u << 20});
  s.gossip_speed = draw.OneOf<int64_t>("gossip_speed", {2, 4, 4});
}

void DrawNetwork(const Draw& draw, Scenario& s) {
  s.latency_min = Duration::Micros(draw.OneOf<int64_t>("latency_min", {50, 200, 1000}));
  s.latency_max = s.latency_min * draw.OneOf<int64_t>("latency_spread", {2, 5, 20});
  s.ordered_links = !draw.Percent("unordered_links", 40);
  s.packed = !draw.Percent("unpacked", 25);
  s.message_lost = draw.Rate("message_lost", 50, {1000, 10'000, 50'000});
  s.message_duplicated = draw.Rate("message_duplicated", 40, {5000, 50'000});
  s.message_reordered = draw.Rate("message_reordered", 40, {5000, 50'000});
  s.datagram_lost = draw.Rate("datagram_lost", 50, {10'000, 100'000});
  s.step_delay_max = Duration::Micros(draw.OneOf<int64_t>("step_delay", {20, 200, 2000}));
  s.clock_drift_ppm_max = draw.OneOf<int64_t>("clock_drift", {0, 200, 20'000});
  s.crash_in_step = draw.Rate("crash_in_step", 40, {100, 400});
}

void DrawDisks(const Draw& draw, Scenario& s) {
  s.flush_min = Duration::Micros(draw.OneOf<int64_t>("flush_min", {50, 500, 3000}));
  s.flush_max = s.flush_min * draw.OneOf<int64_t>("flush_spread", {2, 10});
  s.flush_slow = draw.Rate("flush_slow", 40, {1000, 10'000});
  s.flush_slow_max = Duration::Millis(draw.OneOf<int64_t>("flush_slow_max", {50, 400, 1500}));
  s.flush_fails = draw.Rate("flush_fails", 15, {200, 1000});
  if (draw.Percent("scrub.on", 40)) {
    s.scrub_bytes_per_second = draw.OneOf<uint64_t>("scrub_rate", {5'000'000, 50'000'000});
  }
  s.scrub_pause = Duration::Millis(draw.OneOf<int64_t>("scrub_pause", {300, 2000}));
  s.sector_bytes = draw.OneOf<uint32_t>("sector_bytes", {512, 4096});
}

void DrawFaults(const Draw& draw, Scenario& s) {
  s.fault_gap = Duration::Millis(draw.OneOf<int64_t>("fault_gap", {200, 500, 1200}));
  s.down_max = Duration::Millis(draw.OneOf<int64_t>("down_max", {20, 500, 3000}));
  const auto weight = [&](std::string_view name, uint64_t percent_on) {
    return draw.Percent(name, percent_on) ? uint32_t{1} : uint32_t{0};
  };
  s.weights.power_loss = 2 * weight("fault.power_loss", 60);
  s.weights.process_kill = weight("fault.process_kill", 40);
  s.weights.cluster_power_loss = weight("fault.cluster_power_loss", 25);
  s.weights.graceful_restart = weight("fault.graceful_restart", 40);
  s.weights.pause = weight("fault.pause", 40);
  s.weights.partition = 3 * weight("fault.partition", 60);
  s.weights.link_break = weight("fault.link_break", 40);
  s.weights.disk_full = weight("fault.disk_full", 15);
  s.weights.wall_clock = weight("fault.wall_clock", 25);
  s.weights.at_leader_percent = draw.OneOf<uint32_t>("fault.at_leader", {0, 40, 90});
}

void DrawClients(const Draw& draw, Scenario& s) {
  s.producers = static_cast<uint32_t>(draw.Between("producers", 1, 4));
  s.consumers = static_cast<uint32_t>(draw.Between("consumers", 1, 3));
  s.consumers_late = Duration::Millis(draw.OneOf<int64_t>("consumers_late", {0, 0, 0, 4000, 6000}));
  s.client_break = draw.Rate("client_break", 50, {500, 5000});
  s.topic_churn = draw.Percent("topic_churn", 30);
  // A new replica cannot be sent what retention or compaction let go.
  const bool all_kept = !s.compact && s.retention_bytes == 0 && s.retention_ms == 0;
  s.moves = s.nodes.size() >= 3 && all_kept && draw.Percent("moves", 40);
  if (s.moves) s.replication_factor = static_cast<uint32_t>(s.nodes.size() - 1);
  s.batches_in_flight = draw.OneOf<uint32_t>("in_flight", {1, 4, 16, 64});
  // Most seeds are light, a few hundred batches of up to a KiB or so: what goes wrong is a matter
  // of order, seldom of quantity, and the time that one heavy seed takes is worth many light ones.
  if (draw.Percent("heavy", 2)) {
    s.produce_gap_max = Duration::Millis(draw.OneOf<int64_t>("produce_gap", {20, 50, 100}));
    s.records_max = draw.OneOf<uint32_t>("records_max", {1, 3, 20});
    s.record_bytes_max = draw.OneOf<uint32_t>("record_bytes_max", {1, 100, 1000, 6000});
    return;
  }
  s.burst_max = draw.OneOf<uint32_t>("burst", {3, 12});
  s.produce_gap_max = Duration::Millis(12) * (s.producers * (1 + s.burst_max));
  s.records_max = draw.OneOf<uint32_t>("records_max", {1, 3, 20});
  s.record_bytes_max = s.records_max == 20
                           ? draw.OneOf<uint32_t>("record_bytes_max", {1, 100, 100})
                           : draw.OneOf<uint32_t>("record_bytes_max", {1, 100, 1000, 1000});
}

}  // namespace

Scenario ScenarioOf(uint64_t seed) {
  const Draw draw(seed);
  Scenario s;
  DrawCluster(draw, s);
  DrawNetwork(draw, s);
  DrawDisks(draw, s);
  DrawFaults(draw, s);
  DrawClients(draw, s);
  return s;
}

std::string Scenario::Summary() const {
  return absl::StrCat(nodes.size(), " nodes, ", partitions, " partition(s) x ", replication_factor,
                      ", election timeout ", election_timeout.millis(), " ms, pre-vote ",
                      pre_vote ? "on" : "off", ", check-quorum ", check_quorum ? "on" : "off",
                      ", segments of ", segment_bytes >> 10, " KiB, ", append_entries_max,
                      " entries a message, ", producers, " producer(s) with ", batches_in_flight,
                      " in flight, ", consumers, " consumer(s), kept: ", retention_bytes,
                      " bytes, ", retention_ms, " ms (0: all)");
}

}  // namespace tidemark::sim
