#include "sim/scenario.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "sim/checkers/verdict.h"
#include "sim/decisions.h"

namespace tidemark::sim {
namespace {

// Links and nodes are told apart by numbers of three bits (Network::Actor).
constexpr size_t kSimulatedNodesMax = 8;

// Draws named parameters: each depends on the seed and its own name only.
class Draw {
 public:
  explicit Draw(uint64_t seed) : seed_(seed) {}

  bool Percent(std::string_view name, uint64_t percent) const {
    return Parameter(seed_, name, 100) < percent;
  }
  uint64_t Between(std::string_view name, uint64_t begin, uint64_t end) const {
    return begin + Parameter(seed_, name, end - begin);
  }
  template <typename T>
  T OneOf(std::string_view name, std::initializer_list<T> choices) const {
    return choices.begin()[Parameter(seed_, name, choices.size())];
  }
  // Off in most seeds, else one of `rates`.
  uint32_t Rate(std::string_view name, uint64_t percent_on,
                std::initializer_list<uint32_t> rates) const {
    if (!Percent(absl::StrCat(std::string(name), ".on"), percent_on)) return 0;
    return OneOf(name, rates);
  }

 private:
  uint64_t seed_;
};

void DrawCluster(const Draw& draw, Scenario& s) {
  const uint64_t size = draw.Between("nodes", 0, 100);
  const uint64_t count = size < 6 ? 1 : size < 14 ? 2 : size < 88 ? 3 : 5;
  const uint64_t first = draw.OneOf<uint64_t>("first_id", {1, 1, 1, 77, 0x7ffffffe, 0xfffffffe});
  const uint64_t stride = draw.OneOf<uint64_t>("id_stride", {1, 1, 10});
  s.nodes.clear();
  for (uint64_t i = 0; i < count; ++i) s.nodes.push_back(NodeId{first + i * stride});
  s.partitions = static_cast<uint32_t>(draw.OneOf<uint64_t>("partitions", {1, 1, 2, 3}));
  s.replication_factor = static_cast<uint32_t>(
      count == 5 && draw.Percent("all_replicas", 50) ? 5 : std::min<uint64_t>(count, 3));
  s.election_timeout =
      Duration::Millis(draw.OneOf<int64_t>("election_timeout", {150, 300, 500, 500}));
  s.heartbeat_interval = s.election_timeout / draw.OneOf<int64_t>("heartbeats", {3, 3, 5});
  s.pre_vote = !draw.Percent("pre_vote_off", 30);
  s.check_quorum = !draw.Percent("check_quorum_off", 15);
  s.lease_reads = s.check_quorum && draw.Percent("lease_reads", 40);
  s.quiet_groups = !draw.Percent("quiet_groups_off", 25);
  s.disk_stall_timeout = s.election_timeout * draw.OneOf<int64_t>("disk_stall_timeout", {1, 2, 4});
  s.append_entries_max = draw.OneOf<uint64_t>("append_entries_max", {1, 8, 64, 0, 0});
  s.append_bytes_max = draw.OneOf<uint64_t>("append_bytes_max", {1, 4096, 65536, 65536, 0, 0});
  s.catch_up_bytes_per_second = draw.OneOf<uint64_t>("catch_up_bytes_per_second",
                                                     {0, 1u << 20, 1u << 20, 16u << 20, 64u << 20});
  // Each entry would cost a read as large as the index is coarse: too slow to look for progress.
  if (s.append_entries_max == 1 && s.catch_up_bytes_per_second != 0) {
    s.catch_up_bytes_per_second = 64u << 20;
  }
  s.segment_bytes =
      draw.OneOf<uint64_t>("segment_bytes", {16u << 10, 16u << 10, 24u << 10, 64u << 10});
  s.catalog_snapshot_entries = draw.OneOf<uint64_t>("catalog_snapshot_entries", {1, 2, 4, 10, 40});
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
  s.one_seed = draw.Percent("one_seed", 40);
}

// One node's clock may go nearly twice as fast as another's, so that the same node is always the
// first whose patience ends. Far beyond what leases and stated ages allow for: those are off.
void WithWildClocks(const Draw& draw, Scenario& s) {
  s.clock_drift_ppm_max = 300'000;
  s.heartbeat_interval = s.election_timeout / 5;
  s.pre_vote = !draw.Percent("clock_wild.pre_vote_off", 60);
  s.lease_reads = false;
}

void DrawNetwork(const Draw& draw, Scenario& s) {
  s.latency_min = Duration::Micros(draw.OneOf<int64_t>("latency_min", {50, 200, 1000}));
  s.latency_max = s.latency_min * draw.OneOf<int64_t>("latency_spread", {2, 5, 20});
  s.ordered_links = !draw.Percent("unordered_links", 40);
  s.packed = !draw.Percent("unpacked", 25);
  s.message_lost = draw.Rate("message_lost", 50, {1000, 10'000, 50'000});
  s.message_duplicated = draw.Rate("message_duplicated", 40, {5000, 50'000});
  s.message_reordered = draw.Rate("message_reordered", 40, {5000, 50'000});
  s.leader_cut_off = draw.Rate("leader_cut_off", 50, {100'000, 500'000});
  s.datagram_lost = draw.Rate("datagram_lost", 50, {10'000, 100'000});
  s.datagram_damaged = draw.Rate("datagram_damaged", 30, {2000, 20'000});
  s.step_delay_max = Duration::Micros(draw.OneOf<int64_t>("step_delay", {20, 200, 2000}));
  s.clock_drift_ppm_max = draw.OneOf<int64_t>("clock_drift", {0, 200, 20'000});
  // Between two clocks nearly what leases allow for (NodeOptions::lease_drift_permille).
  if (s.lease_reads && draw.Percent("lease_drift", 60)) s.clock_drift_ppm_max = 49'000;
  if (draw.Percent("clock_wild", 8)) WithWildClocks(draw, s);
  s.crash_in_step = draw.Rate("crash_in_step", 40, {100, 400});
  s.crash_in_flush = draw.Rate("crash_in_flush", 40, {2000, 8000});
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
  s.read_fails = draw.Rate("read_fails", 20, {500, 3000});
  // Nobody else looks at what is full.
  if (s.scrub_bytes_per_second > 0 && draw.Percent("rot.on", 50)) {
    s.rot_gap = Duration::Millis(draw.OneOf<int64_t>("rot_gap", {300, 1000}));
  }
  s.log_end_rots = draw.Rate("log_end_rots", 25, {200'000, 500'000});
  s.frames_forged = draw.Rate("frames_forged", 40, {100'000, 400'000});
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
  s.weights.disk_hang = weight("fault.disk_hang", 35);
  s.weights.link_slow = weight("fault.link_slow", 30);
  s.weights.half_open = weight("fault.half_open", 30);
  s.weights.disk_wiped = 3 * weight("fault.disk_wiped", 40);
  s.weights.at_leader_percent = draw.OneOf<uint32_t>("fault.at_leader", {0, 40, 90});
  s.minority_away = draw.Percent("minority_away", 50);
  if (draw.Percent("quiet_restarts.on", 15)) {
    s.quiet_restarts = draw.OneOf<uint32_t>("quiet_restarts", {1, 2});
  }
}

void DrawClients(const Draw& draw, Scenario& s) {
  s.producers = static_cast<uint32_t>(draw.Between("producers", 1, 4));
  s.consumers = static_cast<uint32_t>(draw.Between("consumers", 1, 3));
  s.readers = draw.OneOf<uint32_t>("readers", {0, 1, 1, 2});
  // Their bounds hold between clocks that go nearly alike.
  if (s.clock_drift_ppm_max > 100'000) s.readers = 0;
  s.consumers_late = Duration::Millis(draw.OneOf<int64_t>("consumers_late", {0, 0, 0, 4000, 6000}));
  s.client_break = draw.Rate("client_break", 50, {500, 5000});
  s.topic_churn = draw.Percent("topic_churn", 30);
  // A new replica cannot be sent what retention or compaction let go.
  const bool all_kept = !s.compact && s.retention_bytes == 0 && s.retention_ms == 0;
  s.moves = s.nodes.size() >= 3 && all_kept && draw.Percent("moves", 40);
  if (s.moves) s.replication_factor = static_cast<uint32_t>(s.nodes.size() - 1);
  if (s.nodes.size() > 1 && draw.Percent("transfers", 40)) {
    s.transfer_gap = Duration::Millis(draw.OneOf<int64_t>("transfer_gap", {200, 1000}));
  }
  s.intruder = draw.Percent("intruder", 20);
  s.batches_in_flight = draw.OneOf<uint32_t>("in_flight", {1, 4, 16, 64});
  if (draw.Percent("impatient", 20)) {
    s.delivery_timeout = Duration::Millis(draw.OneOf<int64_t>("delivery_timeout", {40, 300, 1500}));
  }
  // Most seeds are light, a few hundred batches of up to a KiB or so: what goes wrong is a matter
  // of order, seldom of quantity, and the time that one heavy seed takes is worth many light ones.
  if (draw.Percent("heavy", 2)) {
    // Ten seconds of it are not caught up in ten at 1 MiB/s.
    if (s.catch_up_bytes_per_second != 0) s.catch_up_bytes_per_second = 64u << 20;
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
  // Whoever has lost its disk gets everything again, an entry or so at a time.
  if (s.weights.disk_wiped > 0 && (s.append_entries_max == 1 || s.append_bytes_max == 1)) {
    s.heal_bound = Duration::Seconds(40);
  }
  // A node that is down misses more of the catalog than its log keeps for it.
  if (s.topic_churn && s.catalog_snapshot_entries <= 4) {
    s.down_max = std::max(s.down_max, Duration::Seconds(4));
  }
  return s;
}

void AddNewcomers(uint64_t seed, Scenario& s) {
  const Draw draw(seed);
  const uint64_t count =
      std::min<uint64_t>(draw.Between("newcomers", 1, 4), kSimulatedNodesMax - s.nodes.size());
  const uint64_t first = s.nodes.back().value() + draw.OneOf<uint64_t>("newcomer_id", {1, 1, 100});
  for (uint64_t i = 0; i < count; ++i) s.newcomers.push_back(NodeId{first + i});
  s.member_gap = Duration::Millis(draw.OneOf<int64_t>("member_gap", {50, 300, 1000}));
  // That operator moves partitions and leadership, too.
  s.moves = false;
  s.transfer_gap = Duration();
  // Whoever it replaces has lost its disk: one copy of everything, and no other may be lost.
  s.weights.disk_wiped = 0;
  s.rot_gap = Duration();
  s.log_end_rots = 0;
  s.heal_bound = std::max(s.heal_bound, Duration::Seconds(20));
  // Whoever joins gets everything, and waits for its disk three times for each segment: hundreds
  // where a batch fills one.
  if (s.flush_max > Duration::Millis(10)) s.heal_bound = Duration::Seconds(60);
}

namespace {

// Collects the first thing that is wrong.
class Validation {
 public:
  template <typename T>
  void Within(std::string_view name, T value, T least, T most) {
    if (value >= least && value <= most) return;
    Refuse(absl::StrCat(std::string(name), " is ", value, "; must be ", least, " to ", most));
  }
  void Within(std::string_view name, Duration value, Duration least, Duration most) {
    if (value >= least && value <= most) return;
    Refuse(absl::StrCat(std::string(name), " is ", value.nanos(), " ns; must be ", least.nanos(),
                        " to ", most.nanos(), " ns"));
  }
  void Below(std::string_view a, Duration value, std::string_view b, Duration bound) {
    if (value < bound) return;
    Refuse(absl::StrCat(std::string(a), " must be less than ", std::string(b)));
  }
  void Refuse(std::string what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(what);
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

// Clients have numbers of their own (workload.cc).
constexpr uint32_t kSimulatedProducersMax = 8;
constexpr uint32_t kSimulatedConsumersMax = 64;
constexpr uint32_t kSimulatedReadersMax = 8;
constexpr Duration kHour = Duration::Seconds(3600);

void ValidateCluster(const Scenario& s, Validation& v) {
  v.Within<size_t>("nodes", s.nodes.size(), 1, kSimulatedNodesMax);
  v.Within<size_t>("newcomers", s.newcomers.size(), 0, kSimulatedNodesMax - 1);
  v.Within<size_t>("nodes and newcomers", s.nodes.size() + s.newcomers.size(), 1,
                   kSimulatedNodesMax);
  std::vector<NodeId> ids = s.nodes;
  ids.insert(ids.end(), s.newcomers.begin(), s.newcomers.end());
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) v.Refuse("two nodes have one id");
  if (!ids.empty() && ids.front() == NodeId{0}) v.Refuse("no node can have the id 0");
  v.Within<uint32_t>("partitions", s.partitions, 1, 64);
  v.Within<uint32_t>("replication_factor", s.replication_factor, 1,
                     static_cast<uint32_t>(s.nodes.size()));
  v.Within("election_timeout", s.election_timeout, Duration::Millis(10), kHour);
  v.Within("heartbeat_interval", s.heartbeat_interval, Duration::Millis(1), kHour);
  if (s.lease_reads && !s.check_quorum) v.Refuse("lease_reads needs check_quorum");
  v.Within("disk_stall_timeout", s.disk_stall_timeout, Duration::Millis(1), kHour);
  v.Below("heartbeat_interval", s.heartbeat_interval, "election_timeout", s.election_timeout);
  v.Within<uint64_t>("segment_bytes", s.segment_bytes, kSegmentBytesMin, 1u << 30);
  v.Within<uint64_t>("catalog_snapshot_entries", s.catalog_snapshot_entries, 1, 1u << 30);
  v.Within("retention_interval", s.retention_interval, Duration::Millis(1), kHour);
  v.Within<uint64_t>("retention_ms", s.retention_ms, 0, kRetentionMillisMax);
  v.Within("compaction_interval", s.compaction_interval, Duration::Millis(1), kHour);
  v.Within<uint64_t>("index_interval_bytes", s.index_interval_bytes, 1, 1u << 30);
  v.Within<uint64_t>("checkpoint_bytes", s.checkpoint_bytes, 1, 1u << 30);
  v.Within<uint64_t>("cache_bytes", s.cache_bytes, 1, 1u << 30);
  v.Within<int64_t>("gossip_speed", s.gossip_speed, 1, 1000);
  if (s.compact && (s.retention_bytes != 0 || s.retention_ms != 0)) {
    v.Refuse("a topic is compacted or has a retention, not both");
  }
}

void ValidateWorld(const Scenario& s, Validation& v) {
  for (const auto& [name, rate] :
       {std::pair<std::string_view, uint32_t>{"message_lost", s.message_lost},
        {"message_duplicated", s.message_duplicated},
        {"message_reordered", s.message_reordered},
        {"leader_cut_off", s.leader_cut_off},
        {"datagram_lost", s.datagram_lost},
        {"datagram_damaged", s.datagram_damaged},
        {"crash_in_step", s.crash_in_step},
        {"crash_in_flush", s.crash_in_flush},
        {"flush_slow", s.flush_slow},
        {"flush_fails", s.flush_fails},
        {"read_fails", s.read_fails},
        {"log_end_rots", s.log_end_rots},
        {"frames_forged", s.frames_forged},
        {"client_break", s.client_break}}) {
    v.Within<uint32_t>(name, rate, 0, 1'000'000);
  }
  if (!s.mute.empty() && !IsOracle(s.mute)) {
    v.Refuse(absl::StrCat("mute: there is no oracle '", s.mute, "', but ", OracleNames()));
  }
  v.Within("latency_min", s.latency_min, Duration::Nanos(1), kHour);
  v.Within("latency_max", s.latency_max, Duration::Nanos(2), kHour);
  v.Below("latency_min", s.latency_min, "latency_max", s.latency_max);
  v.Within("step_delay_max", s.step_delay_max, Duration::Nanos(1), kHour);
  v.Within<int64_t>("clock_drift_ppm_max", s.clock_drift_ppm_max, 0, 500'000);
  v.Within("flush_min", s.flush_min, Duration::Nanos(1), kHour);
  v.Within("flush_max", s.flush_max, Duration::Nanos(2), kHour);
  v.Below("flush_min", s.flush_min, "flush_max", s.flush_max);
  v.Within("flush_slow_max", s.flush_slow_max, Duration::Millis(11), kHour);
  v.Within("scrub_pause", s.scrub_pause, Duration::Millis(1), kHour);
  v.Within("rot_gap", s.rot_gap, Duration(), kHour);
  if (s.sector_bytes != 512 && s.sector_bytes != 4096) v.Refuse("sector_bytes is 512 or 4096");
}

void ValidateFaultsAndClients(const Scenario& s, Validation& v) {
  v.Within("fault_gap", s.fault_gap, Duration::Millis(1), kHour);
  v.Within("down_max", s.down_max, Duration::Millis(6), kHour);
  v.Within<uint32_t>("at_leader_percent", s.weights.at_leader_percent, 0, 100);
  for (const auto& [name, weight] :
       {std::pair<std::string_view, uint32_t>{"power_loss", s.weights.power_loss},
        {"process_kill", s.weights.process_kill},
        {"cluster_power_loss", s.weights.cluster_power_loss},
        {"graceful_restart", s.weights.graceful_restart},
        {"pause", s.weights.pause},
        {"partition", s.weights.partition},
        {"link_break", s.weights.link_break},
        {"disk_full", s.weights.disk_full},
        {"wall_clock", s.weights.wall_clock},
        {"disk_hang", s.weights.disk_hang},
        {"link_slow", s.weights.link_slow},
        {"half_open", s.weights.half_open},
        {"disk_wiped", s.weights.disk_wiped}}) {
    v.Within<uint32_t>(name, weight, 0, 1000);
  }
  v.Within("member_gap", s.member_gap, Duration::Millis(1), kHour);
  v.Within("transfer_gap", s.transfer_gap, Duration(), kHour);
  v.Within<uint32_t>("quiet_restarts", s.quiet_restarts, 0, 1000);
  if (!s.newcomers.empty() && s.moves) v.Refuse("moves is the operator's of newcomers");
  v.Within<uint32_t>("producers", s.producers, 1, kSimulatedProducersMax);
  v.Within<uint32_t>("consumers", s.consumers, 0, kSimulatedConsumersMax);
  v.Within<uint32_t>("readers", s.readers, 0, kSimulatedReadersMax);
  v.Within("consumers_late", s.consumers_late, Duration(), kHour);
  v.Within("produce_gap_max", s.produce_gap_max, Duration::Micros(101), kHour);
  v.Within<uint32_t>("burst_max", s.burst_max, 1, 1000);
  v.Within<uint32_t>("batches_in_flight", s.batches_in_flight, 1,
                     static_cast<uint32_t>(kProducerBatchesMax));
  v.Within("delivery_timeout", s.delivery_timeout, Duration(), kHour);
  v.Within<uint32_t>("records_max", s.records_max, 1, 1000);
  v.Within<uint32_t>("record_bytes_max", s.record_bytes_max, 1, 8000);
  v.Within("fault_phase", s.fault_phase, Duration::Millis(300), kHour * 2400);
  v.Within("heal_bound", s.heal_bound, Duration::Millis(500), kHour * 2400);
}

}  // namespace

absl::Status Scenario::Validate() const {
  Validation v;
  ValidateCluster(*this, v);
  ValidateWorld(*this, v);
  ValidateFaultsAndClients(*this, v);
  return v.status();
}

std::string Scenario::Summary() const {
  return absl::StrCat(
      nodes.size(), " nodes, ", partitions, " partition(s) x ", replication_factor,
      ", election timeout ", election_timeout.millis(), " ms, pre-vote ", pre_vote ? "on" : "off",
      ", check-quorum ", check_quorum ? "on" : "off", lease_reads ? ", leases" : "",
      ", segments of ", segment_bytes >> 10, " KiB, ", newcomers.size(), " newcomer(s), ",
      append_entries_max, " entries a message, ", producers, " producer(s) with ",
      batches_in_flight, " in flight, ", consumers, " consumer(s), ", readers,
      " reader(s), kept: ", retention_bytes, " bytes, ", retention_ms, " ms (0: all)");
}

}  // namespace tidemark::sim
