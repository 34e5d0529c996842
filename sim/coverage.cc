#include "sim/coverage.h"

namespace tidemark::sim {
namespace {

constexpr std::array<std::string_view, kProbes> kNames = {
    "message_lost",
    "message_duplicated",
    "message_reordered",
    "datagram_lost",
    "datagram_damaged",
    "partition_split",
    "partition_isolated",
    "partition_one_way",
    "partition_pair",
    "link_broken",
    "power_loss",
    "process_killed",
    "crash_in_step",
    "cluster_power_loss",
    "write_lost",
    "write_torn",
    "name_lost",
    "pause",
    "graceful_restart",
    "slow_flush",
    "sync_failed",
    "disk_full",
    "write_failed",
    "client_disconnected",
    "wall_clock_set",
    "leader_changed",
    "truncated",
    "recovered",
    "group_reopened",
    "segment_rolled",
    "prefix_removed",
    "catalog_snapshot_made",
    "catalog_snapshot_loaded",
    "catalog_snapshot_installed",
    "consumer_behind_retention",
    "compaction_pass",
    "record_compacted",
    "consumer_across_gap",
    "cold_read",
    "batch_acked",
    "retry_recognised",
    "batch_refused",
    "record_consumed",
    "read_at_follower",
    "topic_created",
    "topic_deleted",
    "scrub_pass",
    "scrub_finding",
    "access_denied",
};

}  // namespace

std::string_view NameOf(Probe probe) { return kNames[static_cast<size_t>(probe)]; }

}  // namespace tidemark::sim
