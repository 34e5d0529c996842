#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"

namespace tidemark::sim {

// Everything about one run that is chosen before it starts, as data: the cluster, its options, the
// workload and how often each fault happens. Rates are per million (of messages, flushes, ...).
//
// Without changes it is a small, healthy cluster: what a scenario file leaves out
// (scenario_file.h).
//
// Each seed is one member of a swarm: many faults are off altogether, so that none of them hides
// what another one would show, and the product's own safety nets (pre-vote, check-quorum) are off
// in some.
struct Scenario {
  // Cluster.
  std::vector<NodeId> nodes = {NodeId{1}, NodeId{2}, NodeId{3}};
  // Nodes that are not there at first: an operator lets them join, and others leave, under load
  // (operator.h). None: who is there stays.
  std::vector<NodeId> newcomers = {};
  // The mean time between two of the operator's actions.
  Duration member_gap = Duration::Millis(500);
  uint32_t partitions = 1;
  uint32_t replication_factor = 3;
  Duration election_timeout = Duration::Millis(150);
  Duration heartbeat_interval = Duration::Millis(50);
  bool pre_vote = true;
  bool check_quorum = true;
  bool lease_reads = false;
  bool quiet_groups = true;
  Duration disk_stall_timeout = Duration::Millis(500);
  uint64_t append_bytes_max = 0;
  uint64_t append_entries_max = 0;
  // 0: no bound.
  uint64_t catch_up_bytes_per_second = 64u << 20;
  uint64_t segment_bytes = 64u << 10;
  // After how many entries the catalog's log is cut short by a snapshot.
  uint64_t catalog_snapshot_entries = 4096;
  // Of the topic that is produced to; 0: for ever.
  uint64_t retention_bytes = 0;
  uint64_t retention_ms = 0;
  Duration retention_interval = Duration::Seconds(1);
  // That topic is compacted by key instead.
  bool compact = false;
  uint64_t min_compaction_lag_ms = 0;
  uint64_t tombstone_retention_ms = 0;
  Duration compaction_interval = Duration::Seconds(1);
  uint64_t index_interval_bytes = 4096;
  uint64_t checkpoint_bytes = 32u << 10;
  uint64_t index_memory_bytes = 1u << 20;
  uint64_t cache_bytes = 1u << 20;
  int64_t gossip_speed = 4;
  // Founders are told of one node only, to find the rest by.
  bool one_seed = false;

  // Network.
  Duration latency_min = Duration::Micros(200);
  Duration latency_max = Duration::Millis(1);
  // Messages of one connection stay in order, as over TCP; else each goes its own way.
  bool ordered_links = true;
  // What is sent at one instant on one connection travels and arrives together, as TCP would pack
  // it; else each message draws a latency of its own.
  bool packed = true;
  uint32_t message_lost = 0;
  uint32_t message_duplicated = 0;
  uint32_t message_reordered = 0;
  // Faults that come with what makes them matter: a leader that has just told another to take over,
  // or sent a change of members, hears nothing for up to two election timeouts.
  uint32_t leader_cut_off = 0;
  uint32_t datagram_lost = 0;
  uint32_t datagram_damaged = 0;

  // Nodes.
  Duration step_delay_max = Duration::Micros(20);
  int64_t clock_drift_ppm_max = 0;
  uint32_t crash_in_step = 0;
  // Of the flushes behind which the log's files are others than before: the power goes before such
  // a flush is done, or soon after. Whoever has met that once meets it more often for a while.
  uint32_t crash_in_flush = 0;

  // Disks.
  Duration flush_min = Duration::Micros(500);
  Duration flush_max = Duration::Millis(1);
  uint32_t flush_slow = 0;
  Duration flush_slow_max = Duration::Millis(50);
  uint32_t flush_fails = 0;
  // How fast nodes verify their full segments; 0: not at all.
  uint64_t scrub_bytes_per_second = 0;
  Duration scrub_pause = Duration::Millis(1000);
  // Reads that fail once.
  uint32_t read_fails = 0;
  // Mean time between two bytes that some disk changes in a full segment while all goes on, one
  // after the other is repaired; 0: none does.
  Duration rot_gap;
  // Starts before which the disk has changed a byte near the end of a log.
  uint32_t log_end_rots = 0;
  // Answers to whoever fetches entries that it lost, in which one of them is another than it was,
  // whole in itself: changed where no checksum was looking.
  uint32_t frames_forged = 0;
  // What a power loss decides about at once: 512 or 4096 bytes.
  uint32_t sector_bytes = 512;

  // Faults that last: the mean time between two of them, and how likely each kind is.
  Duration fault_gap = Duration::Millis(500);
  struct Weights {
    uint32_t power_loss = 0;
    uint32_t process_kill = 0;
    uint32_t cluster_power_loss = 0;
    uint32_t graceful_restart = 0;
    uint32_t pause = 0;
    uint32_t partition = 0;
    uint32_t link_break = 0;
    uint32_t disk_full = 0;
    uint32_t wall_clock = 0;
    uint32_t disk_hang = 0;
    // One direction of a connection is late for a while, by up to four election timeouts.
    uint32_t link_slow = 0;
    // One connection swallows what is sent on it, until the sender gives it up.
    uint32_t half_open = 0;
    // At most one in a run, and only while every other node is there and has its disk.
    uint32_t disk_wiped = 0;
    // Faults that hit a leader if there is one, in percent.
    uint32_t at_leader_percent = 50;
  } weights;
  Duration down_max = Duration::Millis(500);

  // Clients.
  uint32_t producers = 1;
  uint32_t consumers = 1;
  // Who read linearizably, and with a bounded staleness.
  uint32_t readers = 0;
  Duration consumers_late;  // how long after the producers they start
  // Each producer submits up to `burst_max` batches, then waits up to `produce_gap_max`.
  Duration produce_gap_max = Duration::Millis(30);
  uint32_t burst_max = 3;
  uint32_t batches_in_flight = 1;
  uint32_t records_max = 1;
  uint32_t record_bytes_max = 100;
  uint32_t client_break = 0;
  // After which producers give a batch up, not knowing what became of it; 0: never.
  Duration delivery_timeout;
  bool topic_churn = false;
  // Partitions begin on all nodes but one and get a replica there, too, under load; and leadership
  // is handed around.
  bool moves = false;
  // The mean time between two requests to hand leadership over, each to who leads then; 0: none.
  Duration transfer_gap;
  // Access is controlled, and a client that may do nothing asks for everything.
  bool intruder = false;

  // Phases.
  Duration fault_phase = Duration::Seconds(10);
  // As many nodes as the others can do without are gone when the last fault is over, and all must
  // be well without them before they come back.
  bool minority_away = false;
  // So many processes are restarted in the end, one after the other: each when all is well, and
  // nobody has asked for anything, or does, until all is well again.
  uint32_t quiet_restarts = 0;
  // After healing, everything must be well again within this time.
  Duration heal_bound = Duration::Seconds(12);

  // The canary: an oracle that speaks of what is allowed, so that a failure can be had at will
  // (checkers/canary.h).
  bool canary = false;
  // An oracle that is not listened to (checkers/verdict.h); empty: all are.
  std::string mute;

  // Errors  kInvalidArgument: a value that the world cannot be made of, by its name.
  absl::Status Validate() const;
  // One line for a person.
  std::string Summary() const;
};

// The scenario that `seed` names.
Scenario ScenarioOf(uint64_t seed);

// Adds nodes that come and go to a scenario of `seed`.
void AddNewcomers(uint64_t seed, Scenario& scenario);

}  // namespace tidemark::sim
