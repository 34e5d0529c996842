#pragma once

#include "sim/scenario.h"

namespace tidemark::sim {

// Every field of a scenario, by the group and name it has in a file. `visit.Group(name)` begins a
// group; `visit.Field(name, field)` is called for each field of it. `S` is Scenario or const
// Scenario.
template <typename Visitor, typename S>
void VisitFields(Visitor& visit, S& s) {
  visit.Group("cluster");
  visit.Field("nodes", s.nodes);
  visit.Field("newcomers", s.newcomers);
  visit.Field("partitions", s.partitions);
  visit.Field("replication_factor", s.replication_factor);
  visit.Field("election_timeout", s.election_timeout);
  visit.Field("heartbeat_interval", s.heartbeat_interval);
  visit.Field("pre_vote", s.pre_vote);
  visit.Field("check_quorum", s.check_quorum);
  visit.Field("lease_reads", s.lease_reads);
  visit.Field("quiet_groups", s.quiet_groups);
  visit.Field("disk_stall_timeout", s.disk_stall_timeout);
  visit.Field("append_bytes_max", s.append_bytes_max);
  visit.Field("append_entries_max", s.append_entries_max);
  visit.Field("catch_up_bytes_per_second", s.catch_up_bytes_per_second);
  visit.Field("segment_bytes", s.segment_bytes);
  visit.Field("catalog_snapshot_entries", s.catalog_snapshot_entries);
  visit.Field("retention_bytes", s.retention_bytes);
  visit.Field("retention_ms", s.retention_ms);
  visit.Field("retention_interval", s.retention_interval);
  visit.Field("compact", s.compact);
  visit.Field("min_compaction_lag_ms", s.min_compaction_lag_ms);
  visit.Field("tombstone_retention_ms", s.tombstone_retention_ms);
  visit.Field("compaction_interval", s.compaction_interval);
  visit.Field("index_interval_bytes", s.index_interval_bytes);
  visit.Field("checkpoint_bytes", s.checkpoint_bytes);
  visit.Field("index_memory_bytes", s.index_memory_bytes);
  visit.Field("cache_bytes", s.cache_bytes);
  visit.Field("gossip_speed", s.gossip_speed);
  visit.Field("one_seed", s.one_seed);

  visit.Group("network");
  visit.Field("latency_min", s.latency_min);
  visit.Field("latency_max", s.latency_max);
  visit.Field("ordered_links", s.ordered_links);
  visit.Field("packed", s.packed);
  visit.Field("message_lost", s.message_lost);
  visit.Field("message_duplicated", s.message_duplicated);
  visit.Field("message_reordered", s.message_reordered);
  visit.Field("leader_cut_off", s.leader_cut_off);
  visit.Field("datagram_lost", s.datagram_lost);
  visit.Field("datagram_damaged", s.datagram_damaged);

  visit.Group("nodes");
  visit.Field("step_delay_max", s.step_delay_max);
  visit.Field("clock_drift_ppm_max", s.clock_drift_ppm_max);
  visit.Field("crash_in_step", s.crash_in_step);
  visit.Field("crash_in_flush", s.crash_in_flush);

  visit.Group("disks");
  visit.Field("flush_min", s.flush_min);
  visit.Field("flush_max", s.flush_max);
  visit.Field("flush_slow", s.flush_slow);
  visit.Field("flush_slow_max", s.flush_slow_max);
  visit.Field("flush_fails", s.flush_fails);
  visit.Field("scrub_bytes_per_second", s.scrub_bytes_per_second);
  visit.Field("scrub_pause", s.scrub_pause);
  visit.Field("read_fails", s.read_fails);
  visit.Field("rot_gap", s.rot_gap);
  visit.Field("log_end_rots", s.log_end_rots);
  visit.Field("frames_forged", s.frames_forged);
  visit.Field("sector_bytes", s.sector_bytes);

  visit.Group("faults");
  visit.Field("fault_gap", s.fault_gap);
  visit.Field("power_loss", s.weights.power_loss);
  visit.Field("process_kill", s.weights.process_kill);
  visit.Field("cluster_power_loss", s.weights.cluster_power_loss);
  visit.Field("graceful_restart", s.weights.graceful_restart);
  visit.Field("pause", s.weights.pause);
  visit.Field("partition", s.weights.partition);
  visit.Field("link_break", s.weights.link_break);
  visit.Field("disk_full", s.weights.disk_full);
  visit.Field("wall_clock", s.weights.wall_clock);
  visit.Field("disk_hang", s.weights.disk_hang);
  visit.Field("link_slow", s.weights.link_slow);
  visit.Field("half_open", s.weights.half_open);
  visit.Field("disk_wiped", s.weights.disk_wiped);
  visit.Field("at_leader_percent", s.weights.at_leader_percent);
  visit.Field("down_max", s.down_max);

  visit.Group("operator");
  visit.Field("member_gap", s.member_gap);

  visit.Group("clients");
  visit.Field("producers", s.producers);
  visit.Field("consumers", s.consumers);
  visit.Field("readers", s.readers);
  visit.Field("consumers_late", s.consumers_late);
  visit.Field("produce_gap_max", s.produce_gap_max);
  visit.Field("burst_max", s.burst_max);
  visit.Field("batches_in_flight", s.batches_in_flight);
  visit.Field("delivery_timeout", s.delivery_timeout);
  visit.Field("records_max", s.records_max);
  visit.Field("record_bytes_max", s.record_bytes_max);
  visit.Field("client_break", s.client_break);
  visit.Field("topic_churn", s.topic_churn);
  visit.Field("moves", s.moves);
  visit.Field("transfer_gap", s.transfer_gap);
  visit.Field("intruder", s.intruder);

  visit.Group("phases");
  visit.Field("fault_phase", s.fault_phase);
  visit.Field("minority_away", s.minority_away);
  visit.Field("quiet_restarts", s.quiet_restarts);
  visit.Field("heal_bound", s.heal_bound);

  visit.Group("oracles");
  visit.Field("canary", s.canary);
  visit.Field("mute", s.mute);
}

}  // namespace tidemark::sim
