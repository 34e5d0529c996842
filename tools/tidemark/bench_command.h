#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "runtime/client/client.h"

namespace CLI {
class App;
}

// `tidemark bench produce`: loads one partition and says how it did. bench/cluster is built on it.

namespace tidemark {

struct BenchProduceOptions {
  std::string topic;
  uint32_t partition = 0;
  uint64_t records = 100'000;
  // Size of each record's value; there are no keys.
  uint32_t record_bytes = 100;
  // A batch is sent at this size (client.h, ProducerOptions).
  size_t batch_bytes = 64u << 10;
  // Waits for the acknowledgement of each record before the next one: latency, not throughput.
  bool one_at_a_time = false;
  // With one_at_a_time: their pace; 0: the next one as soon as there is an answer. Latencies count
  // from when a record was due: a late answer delays those behind it, and they say so.
  uint64_t per_second = 0;
  // With one_at_a_time: a file that gets a line per record, as soon as it is acknowledged: when it
  // was handed over (or due) and when it was acknowledged, in microseconds since 1970. Empty: none.
  std::string acks_file;
};

// Adds the flags to the subcommand `app`.
//   Lives  `options` must outlive the parsing of `app`.
void AddBenchProduceFlags(CLI::App& app, BenchProduceOptions& options);

// Produces and prints key=value lines to standard output:
//   records, seconds, records_per_s, mb_per_s   acknowledged ones; from the first Append to the
//   last
//                                               acknowledgement; 10^6 bytes of values
//   latency_p50_us, latency_p99_us              of one record (one_at_a_time: Append to Flush's
//                                               return) or of one batch (network to
//                                               acknowledgement)
//   longest_ack_gap_ms                          client.h, ProducerStats
//   Errors  the producer's first one; kInvalidArgument: no records, an acks file or a pace
//           without one_at_a_time, or one that cannot be written.
absl::Status BenchProduce(client::Client& client, const BenchProduceOptions& options);

}  // namespace tidemark
