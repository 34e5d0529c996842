#include "runtime/node/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace tidemark {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

double Seconds(Duration duration) { return static_cast<double>(duration.nanos()) / 1e9; }

// One gauge or counter of a whole node, set from the engine's own numbers at each scrape.
void AddValue(std::vector<prometheus::MetricFamily>& to, std::string name, std::string help,
              prometheus::MetricType type, double value,
              std::vector<prometheus::ClientMetric::Label> labels = {}) {
  if (to.empty() || to.back().name != name) {
    to.push_back({.name = std::move(name), .help = std::move(help), .type = type, .metric = {}});
  }
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  to.back().metric.push_back(std::move(metric));
}

void AddCounters(const NodeCounters& counters, std::vector<prometheus::MetricFamily>& out) {
  const auto add = [&](const char* name, const char* help, uint64_t value) {
    AddValue(out, name, help, prometheus::MetricType::Counter, static_cast<double>(value));
  };
  add("tidemark_requests_total", "Requests that reached the engine.", counters.requests);
  add("tidemark_requests_denied_total", "Requests refused by the access policy.",
      counters.requests_denied);
  add("tidemark_appended_batches_total", "Batches appended as leader.", counters.batches_appended);
  add("tidemark_appended_records_total", "Records appended as leader.", counters.records_appended);
  add("tidemark_appended_bytes_total", "Batch bytes appended as leader.", counters.bytes_appended);
  add("tidemark_duplicate_batches_total", "Retries of idempotent producers answered from the log.",
      counters.duplicates);
  add("tidemark_fetches_total", "Reads by consumers.", counters.fetches);
  add("tidemark_flushes_total", "Writes made durable.", counters.flushes);
  add("tidemark_peer_messages_received_total", "Raft messages received.",
      counters.peer_messages_in);
  add("tidemark_peer_messages_sent_total", "Raft messages sent.", counters.peer_messages_out);
  add("tidemark_reads_linearizable_total", "Linearizable reads that were answered.",
      counters.reads_linearizable);
  add("tidemark_reads_bounded_total", "Reads with a bounded staleness that were answered.",
      counters.reads_bounded);
  add("tidemark_reads_refused_total",
      "Linearizable and bounded reads that were refused: nobody could say in time what had been "
      "acknowledged.",
      counters.reads_refused);
  add("tidemark_elections_won_total", "Times this node became leader of a group.",
      counters.elections_won);
  add("tidemark_compaction_passes_total", "Passes of compaction that came to their end.",
      counters.compaction_passes);
  add("tidemark_compaction_removed_records_total", "Records that compaction has removed.",
      counters.compaction_records_removed);
  add("tidemark_compaction_removed_bytes_total", "Bytes of segments that compaction has removed.",
      counters.compaction_bytes_removed);
  add("tidemark_catch_up_bytes_total",
      "Bytes of logs read for replicas that lag, no faster than --catch-up-bytes-per-second.",
      counters.catch_up_bytes);
  add("tidemark_snapshot_sent_bytes_total",
      "Bytes of full segments sent to replicas that lack them.", counters.snapshot_bytes_sent);
  add("tidemark_snapshot_received_bytes_total", "Bytes of full segments received as snapshots.",
      counters.snapshot_bytes_received);
  add("tidemark_snapshots_installed_total", "Logs of this node that a snapshot has replaced.",
      counters.snapshots_installed);
  add("tidemark_segments_repaired_total",
      "Full segments that the disk had changed, made whole with frames of other replicas.",
      counters.segments_repaired);
  add("tidemark_digests_compared_total",
      "Times a log's running digest was compared with that of another replica.",
      counters.digests_compared);
  add("tidemark_digests_differing_total",
      "Of these, times they differed: replicas of a group have become different ones.",
      counters.digests_differing);
  add("tidemark_groups_outvoted_total",
      "Replicas of this node that stopped since most others have another log; 'tidemark status' "
      "says "
      "which, and what to do.",
      counters.groups_outvoted);
  add("tidemark_catalog_snapshots_made_total", "States of the catalog written to its log.",
      counters.catalog_snapshots_made);
  add("tidemark_catalog_snapshots_loaded_total",
      "States of the catalog read, at a start or from another node.",
      counters.catalog_snapshots_loaded);
  add("tidemark_groups_failed_total", "Groups whose storage failed.", counters.groups_failed);
  add("tidemark_groups_reopened_total", "Groups whose files were read again after that.",
      counters.groups_reopened);
}

void AddScrub(const ScrubProgress& scrub, std::vector<prometheus::MetricFamily>& out) {
  using prometheus::MetricType;
  const auto add = [&](const char* name, const char* help, MetricType type, double value) {
    AddValue(out, name, help, type, value);
  };
  add("tidemark_scrub_bytes_total", "Bytes of full log files read again and verified.",
      MetricType::Counter, static_cast<double>(scrub.bytes));
  add("tidemark_scrub_passes_total", "Times all full log files were verified.", MetricType::Counter,
      static_cast<double>(scrub.passes));
  add("tidemark_scrub_findings_total", "Damage found; found again in each pass until it is gone.",
      MetricType::Counter, static_cast<double>(scrub.findings));
  add("tidemark_scrub_damaged_segments", "Damaged segments found by the pass under way or last.",
      MetricType::Gauge, static_cast<double>(scrub.damaged_segments));
  add("tidemark_scrub_pass_bytes", "Of the pass under way, or the last one: bytes verified.",
      MetricType::Gauge, static_cast<double>(scrub.pass_bytes));
  add("tidemark_scrub_pass_bytes_expected", "Bytes there were to verify when it began.",
      MetricType::Gauge, static_cast<double>(scrub.pass_bytes_total));
  add("tidemark_scrub_last_pass_seconds", "How long the last whole pass took.", MetricType::Gauge,
      Seconds(scrub.last_pass));
}

using GroupValue = double (*)(const GroupInfo&);

void AddGroups(const std::vector<GroupInfo>& groups, std::vector<prometheus::MetricFamily>& out) {
  const std::pair<std::pair<const char*, const char*>, GroupValue> families[] = {
      {{"tidemark_group_leader", "1 where this node leads the raft group."},
       [](const GroupInfo& g) { return g.role == raft::Role::kLeader ? 1.0 : 0.0; }},
      {{"tidemark_group_term", "Raft term."},
       [](const GroupInfo& g) { return static_cast<double>(g.term.value()); }},
      {{"tidemark_group_commit_index", "Last committed raft index."},
       [](const GroupInfo& g) { return static_cast<double>(g.commit_index.value()); }},
      {{"tidemark_group_last_index", "Last raft index in the log."},
       [](const GroupInfo& g) { return static_cast<double>(g.last_index.value()); }},
      {{"tidemark_partition_high_watermark", "First offset not readable here yet."},
       [](const GroupInfo& g) { return static_cast<double>(g.high_watermark.value()); }},
  };
  for (const auto& [family, value] : families) {
    for (const GroupInfo& group : groups) {
      AddValue(out, family.first, family.second, prometheus::MetricType::Gauge, value(group),
               {{"group", std::to_string(group.group.value())},
                {"topic", group.topic},
                {"partition", std::to_string(group.partition.value())}});
    }
  }
  for (const GroupInfo& group : groups) {
    if (group.group != kCatalogGroup) continue;
    AddValue(out, "tidemark_catalog_snapshot_index",
             "The newest state of the catalog in its log stands for the entries before this one.",
             prometheus::MetricType::Gauge, static_cast<double>(group.snapshot_index.value()));
    AddValue(out, "tidemark_catalog_snapshot_bytes", "Bytes of that state.",
             prometheus::MetricType::Gauge, static_cast<double>(group.snapshot_bytes));
  }
  for (const GroupInfo& group : groups) {
    for (const auto& [peer, lag] : group.lag_entries) {
      AddValue(out, "tidemark_replica_lag_entries", "Entries a replica lacks, as its leader knows.",
               prometheus::MetricType::Gauge, static_cast<double>(lag),
               {{"group", std::to_string(group.group.value())},
                {"replica", std::to_string(peer.value())}});
    }
  }
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& calls =
      BuildHistogram()
          .Name("tidemark_rpc_duration_seconds")
          .Help("Duration of RPCs by method and code.")
          .Register(registry);
  prometheus::Histogram& flushes = BuildHistogram()
                                       .Name("tidemark_flush_duration_seconds")
                                       .Help("Time to write and sync one flush.")
                                       .Register(registry)
                                       .Add({}, kSeconds);
  prometheus::Counter& flush_failures = BuildCounter()
                                            .Name("tidemark_flush_failures_total")
                                            .Help("Flushes that failed.")
                                            .Register(registry)
                                            .Add({});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::OnCall(const std::string& method, const std::string& code, Duration duration) {
  impl_->calls.Add({{"method", method}, {"code", code}}, kSeconds).Observe(Seconds(duration));
}

void Metrics::OnFlush(Duration duration, bool ok) {
  impl_->flushes.Observe(Seconds(duration));
  if (!ok) impl_->flush_failures.Increment();
}

std::string Metrics::Render(const Snapshot& snapshot) {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  const auto gauge = [&](const char* name, const char* help, double value,
                         std::vector<prometheus::ClientMetric::Label> labels = {}) {
    AddValue(families, name, help, prometheus::MetricType::Gauge, value, std::move(labels));
  };
  gauge("tidemark_build_info", "Always 1; the labels tell who this is.", 1,
        {{"version", snapshot.status.version},
         {"node", std::to_string(snapshot.status.node.value())},
         {"cluster", snapshot.status.cluster_id}});
  gauge("tidemark_healthy", "1 while a catalog leader is known.", snapshot.healthy ? 1 : 0);
  gauge("tidemark_disk_lost", "1 while the node takes no part because its disk came back empty.",
        snapshot.lost_disk ? 1 : 0);
  gauge("tidemark_disk_free_bytes", "Free space where the data directory is.",
        static_cast<double>(snapshot.disk_free_bytes));
  gauge("tidemark_disk_full", "1 while topics are read-only for lack of space.",
        snapshot.status.disk_full ? 1 : 0);
  gauge("tidemark_disk_stalled", "1 while a write hangs: this node leads nothing.",
        snapshot.status.disk_stalled ? 1 : 0);
  for (const ServerInfo& member : snapshot.status.members) {
    gauge("tidemark_member_alive", "1 for members gossip believes alive.",
          member.state == gossip::MemberState::kAlive ? 1 : 0,
          {{"member", std::to_string(member.id.value())}});
  }
  AddCounters(snapshot.counters, families);
  AddScrub(snapshot.scrub, families);
  AddGroups(snapshot.status.groups, families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tidemark
