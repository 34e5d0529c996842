#include "tools/tidemark/bench_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

using Clock = std::chrono::steady_clock;

int64_t NanosSince(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

// Civil time: bench/cluster compares it with the time of a kill in another process.
int64_t WallMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t WallMillis() { return WallMicros() / 1000; }

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// Latencies in nanoseconds; added to by the producer's thread.
class Latencies {
 public:
  void Add(int64_t nanos) {
    const std::lock_guard lock(mutex_);
    nanos_.push_back(nanos);
  }
  // The smallest latency that `percent` of all do not exceed, in microseconds; 0 if there are none.
  double Percentile(size_t percent) {
    const std::lock_guard lock(mutex_);
    if (nanos_.empty()) return 0;
    const size_t rank = (nanos_.size() * percent + 99) / 100;
    const auto at = nanos_.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
    std::nth_element(nanos_.begin(), at, nanos_.end());
    return static_cast<double>(*at) / 1000.0;
  }

 private:
  std::mutex mutex_;
  std::vector<int64_t> nanos_;
};

absl::Status ProduceOneAtATime(client::Producer& producer, const BenchProduceOptions& options,
                               std::FILE* acks, Latencies& latencies) {
  const std::string value(options.record_bytes, 'r');
  const Clock::time_point start = Clock::now();
  for (uint64_t i = 0; i < options.records; ++i) {
    Clock::time_point begin = Clock::now();
    if (options.per_second > 0) {
      begin = start + std::chrono::nanoseconds(i * 1'000'000'000 / options.per_second);
      std::this_thread::sleep_until(begin);
    }
    const int64_t handed_over = WallMicros() - NanosSince(begin) / 1000;
    TIDEMARK_RETURN_IF_ERROR(producer.Append(std::nullopt, value, handed_over / 1000));
    TIDEMARK_RETURN_IF_ERROR(producer.Flush());
    latencies.Add(NanosSince(begin));
    if (acks == nullptr) continue;
    std::fprintf(acks, "%lld %lld\n", static_cast<long long>(handed_over),
                 static_cast<long long>(WallMicros()));
    // Whoever waits for this line sees it now, and whole.
    if (std::fflush(acks) != 0) {
      return absl::InvalidArgumentError("cannot write the file of --acks; is its disk full?");
    }
  }
  return absl::OkStatus();
}

absl::Status ProducePipelined(client::Producer& producer, const BenchProduceOptions& options) {
  const std::string value(options.record_bytes, 'r');
  for (uint64_t i = 0; i < options.records; ++i) {
    TIDEMARK_RETURN_IF_ERROR(producer.Append(std::nullopt, value, WallMillis()));
  }
  return producer.Flush();
}

}  // namespace

void AddBenchProduceFlags(CLI::App& app, BenchProduceOptions& options) {
  app.add_option("--topic", options.topic, "Topic to load; it must exist")->required();
  app.add_option("--partition", options.partition, "Partition")->capture_default_str();
  app.add_option("--records", options.records, "How many records")->capture_default_str();
  app.add_option("--record-bytes", options.record_bytes, "Size of each record's value")
      ->capture_default_str();
  app.add_option("--batch-bytes", options.batch_bytes, "A batch is sent at this size")
      ->capture_default_str();
  app.add_flag("--one-at-a-time", options.one_at_a_time,
               "Wait for each record's acknowledgement: measures latency");
  app.add_option("--per-second", options.per_second,
                 "With --one-at-a-time: so many records a second at most, each counted from when "
                 "it was due");
  app.add_option("--acks", options.acks_file,
                 "With --one-at-a-time: write when each record was handed over and acknowledged");
}

absl::Status BenchProduce(client::Client& client, const BenchProduceOptions& options) {
  if (options.records == 0) return absl::InvalidArgumentError("--records must be at least 1");
  if (options.per_second > 0 && !options.one_at_a_time) {
    return absl::InvalidArgumentError("--per-second needs --one-at-a-time");
  }
  File acks;
  if (!options.acks_file.empty()) {
    if (!options.one_at_a_time) {
      return absl::InvalidArgumentError("--acks needs --one-at-a-time");
    }
    acks.reset(std::fopen(options.acks_file.c_str(), "w"));
    if (acks == nullptr) {
      return absl::InvalidArgumentError("cannot write the file of --acks: " + options.acks_file);
    }
  }
  client::ProducerOptions producer_options{.topic = options.topic,
                                           .partition = PartitionId{options.partition},
                                           .batch_bytes = options.batch_bytes};
  // Outlives the producer, whose thread adds to it.
  Latencies latencies;
  absl::StatusOr<std::unique_ptr<client::Producer>> producer =
      client.NewProducer(std::move(producer_options));
  if (!producer.ok()) return producer.status();
  if (!options.one_at_a_time) {
    (*producer)->OnAck(
        [&latencies](const client::Ack& ack) { latencies.Add(ack.latency.nanos()); });
  }

  const Clock::time_point begin = Clock::now();
  TIDEMARK_RETURN_IF_ERROR(options.one_at_a_time
                               ? ProduceOneAtATime(**producer, options, acks.get(), latencies)
                               : ProducePipelined(**producer, options));
  const double seconds = static_cast<double>(std::max<int64_t>(NanosSince(begin), 1)) / 1e9;

  const client::ProducerStats stats = (*producer)->stats();
  const auto records = static_cast<double>(stats.records_acked);
  std::printf(
      "records=%llu\nseconds=%.3f\nrecords_per_s=%.0f\nmb_per_s=%.2f\nlatency_p50_us=%.1f\n"
      "latency_p99_us=%.1f\nlongest_ack_gap_ms=%lld\n",
      static_cast<unsigned long long>(stats.records_acked), seconds, records / seconds,
      records * options.record_bytes / 1e6 / seconds, latencies.Percentile(50),
      latencies.Percentile(99), static_cast<long long>(stats.longest_ack_gap.millis()));
  return absl::OkStatus();
}

}  // namespace tidemark
