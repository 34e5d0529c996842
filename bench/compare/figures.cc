#include "bench/compare/figures.h"

#include <algorithm>

#include "bench/compare/append_engine.h"
#include "bench/compare/cases.h"

namespace tidemark::compare {
namespace {

std::string In(const char* task, const std::string& who) { return std::string(task) + "/" + who; }

auto Value(std::string case_name, std::string metric) {
  return [=](const Results& results, size_t round) {
    return ValueAt(results, case_name, metric, round);
  };
}

auto Ratio(std::string over, std::string under, std::string metric) {
  return [=](const Results& results, size_t round) -> std::optional<double> {
    const std::optional<double> a = ValueAt(results, over, metric, round);
    const std::optional<double> b = ValueAt(results, under, metric, round);
    if (!a.has_value() || !b.has_value() || *b == 0) return std::nullopt;
    return *a / *b;
  };
}

// Against the peer that was best in that round.
auto RatioToBestPeer(const char* task, std::string metric, EngineKind::Role role) {
  return [=](const Results& results, size_t round) -> std::optional<double> {
    double best = 0;
    for (const EngineKind& kind : EngineKinds()) {
      if (kind.role != role) continue;
      best = std::max(best, ValueAt(results, In(task, kind.name), metric, round).value_or(0));
    }
    const std::optional<double> ours = ValueAt(results, In(task, "tidemark"), metric, round);
    if (!ours.has_value() || best == 0) return std::nullopt;
    return *ours / best;
  };
}

}  // namespace

std::optional<double> ValueAt(const Results& results, const std::string& case_name,
                              const std::string& metric, size_t round) {
  const auto found = results.find(case_name);
  if (found == results.end() || round >= found->second.size()) return std::nullopt;
  const auto value = found->second[round].find(metric);
  if (value == found->second[round].end()) return std::nullopt;
  return value->second;
}

const std::vector<Figure>& Figures() {
  static const std::vector<Figure> figures = {
      {"durable_bandwidth",
       "durable append, 1 KiB records, 64 KiB batches / pwrite+fdatasync, growing file", "", true,
       0.90, Ratio(In(kDurableTask, "tidemark"), In(kDurableTask, "file-growing"), "mb_per_s")},
      {"durable_bandwidth_written", "the same / pwrite+fdatasync on written space", "", true, 0.90,
       Ratio(In(kDurableTask, "tidemark"), In(kDurableTask, "file-written"), "mb_per_s")},
      {"unsynced_over_record_peer",
       "un-synced append, 100 B records, 64 KiB batches / best peer with a key per record", "",
       true, 3, RatioToBestPeer(kMemoryTask, "records_per_s", EngineKind::Role::kRecordPeer)},
      {"unsynced_over_batch_peer", "the same / best peer given the ready batch as one value", "",
       true, 1, RatioToBestPeer(kMemoryTask, "records_per_s", EngineKind::Role::kBatchPeer)},
      {"unsynced_records_per_s", "un-synced append, 100 B records, 64 KiB batches", "records/s",
       true, 10e6, Value(In(kMemoryTask, "tidemark"), "records_per_s")},
      {"durable_latency", "durable append p50, one in flight / fdatasync p50 on written space", "",
       false, 1.2, Ratio(In(kLatencyTask, "tidemark"), In(kLatencyTask, "file-written"), "p50_us")},
      {"durable_over_unsynced",
       "durable / un-synced throughput, 4,096 in flight, both until synced", "", true, 0.8,
       Ratio(In(kWindowTask, "tidemark-durable"), In(kWindowTask, "tidemark-memory"),
             "settled_records_per_s")},
      {"sequential_read", "sequential read, verified / memcpy + crc32c", "", true, 0.7,
       Ratio(In(kScanTask, "tidemark"), In(kScanTask, "memory"), "mb_per_s")},
      {"offset_lookup", "offset look-up in a 1 GiB segment, hot", "ns", false, 100,
       Value(In(kLookupTask, "batches-of-4KiB"), "ns")},
      {"random_read", "random read of one 100 B record, hot, p50", "us", false, 2,
       Value(In(kRandomTask, "batches-of-one"), "p50_us")},
      {"disk_bytes", "bytes written to disk / payload, 64 KiB batches", "", false, 1.03,
       Value(In(kPipelinedTask, "tidemark"), "disk_bytes_per_byte"), true},
      {"disk_bytes_one_by_one", "the same, each batch synced on its own / pwrite+fdatasync", "",
       false, 1.03,
       Ratio(In(kDurableTask, "tidemark"), In(kDurableTask, "file-growing"),
             "disk_bytes_per_byte")},
      {"reopen_slope", "time to reopen against log size", "ms/GiB", false, 1,
       Value(In(kReopenTask, "tidemark"), "slope_ms_per_gib")},
  };
  return figures;
}

std::vector<Verdict> Judge(const Results& results, size_t rounds) {
  std::vector<Verdict> verdicts;
  for (const Figure& figure : Figures()) {
    std::vector<double> values;
    for (size_t round = 0; round < rounds; ++round) {
      const std::optional<double> value = figure.of(results, round);
      if (value.has_value()) values.push_back(*value);
    }
    if (values.empty()) continue;
    const double median = Median(values);
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    const double judged = figure.noise_only_adds ? *min : median;
    verdicts.push_back(
        {.figure = &figure,
         .median = median,
         .min = *min,
         .max = *max,
         .met = figure.at_least ? judged >= figure.target : judged <= figure.target});
  }
  return verdicts;
}

}  // namespace tidemark::compare
