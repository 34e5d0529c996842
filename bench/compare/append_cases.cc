#include <algorithm>

#include "bench/compare/append_engine.h"
#include "bench/compare/cases.h"

namespace tidemark::compare {
namespace {

constexpr size_t kBatchBytes = 64 << 10;
// A slow competitor is stopped after this long; rates do not depend on it.
constexpr double kSecondsMax = 2;

struct Task {
  Load load;
  bool durable = false;
  uint32_t in_flight = 1;
  double bytes_max = 0;  // of frames, before scaling
};

// From the first append to the last acknowledgement. Opening and closing are not in it.
Sample RunAppends(const EngineKind& kind, const Task& task, const Where& where) {
  const uint64_t batches = std::max<uint64_t>(where.Scaled(task.bytes_max) / task.load.frame.size(),
                                              2 * uint64_t{task.in_flight});
  const std::unique_ptr<AppendEngine> engine =
      kind.make({.directory = where.directory,
                 .durable = task.durable,
                 .in_flight = task.in_flight,
                 .bytes_max = (batches + 1) * task.load.frame.size()});
  // Creates what is created with the first append.
  engine->Append(task.load, 0);
  engine->Finish();
  engine->Settle();
  std::vector<double> latencies;
  latencies.reserve(batches);
  const bool one_by_one = task.in_flight == 1;
  const uint64_t written = task.durable ? DeviceBytesWritten(where.directory) : 0;
  const int64_t begin = NowNanos();
  int64_t before = begin;
  uint64_t done = 0;
  while (done < batches && static_cast<double>(before - begin) < kSecondsMax * 1e9) {
    ++done;
    engine->Append(task.load, done * task.load.records);
    if (!one_by_one && done % 64 != 0) continue;
    const int64_t now = NowNanos();
    if (one_by_one) latencies.push_back(static_cast<double>(now - before) / 1000);
    before = now;
  }
  engine->Finish();
  const double seconds = SecondsSince(begin);
  engine->Settle();
  const double settled_seconds = SecondsSince(begin);
  const auto records = static_cast<double>(done * task.load.records);
  const auto payload = static_cast<double>(done * task.load.payload_bytes());
  Sample sample = {{"records_per_s", records / seconds},
                   {"mb_per_s", payload / seconds / 1e6},
                   {"settled_records_per_s", records / settled_seconds}};
  if (written > 0) {
    const uint64_t after = DeviceBytesWritten(where.directory);
    sample["disk_bytes_per_byte"] = static_cast<double>(after - written) / payload;
  }
  if (one_by_one) {
    sample["p50_us"] = Percentile(latencies, 50);
    sample["p99_us"] = Percentile(latencies, 99);
  }
  return sample;
}

void Add(std::vector<Case>& cases, const char* name, const EngineKind& kind, const Task& task,
         const char* suffix = "") {
  cases.push_back({std::string(name) + "/" + kind.name + suffix,
                   [&kind, task](const Where& where) { return RunAppends(kind, task, where); }});
}

}  // namespace

void AddAppendCases(std::vector<Case>& cases) {
  const std::vector<EngineKind>& kinds = EngineKinds();
  const EngineKind& ours = kinds.front();
  const Task durable = {
      .load = MakeLoad(1024, kBatchBytes), .durable = true, .bytes_max = 128 << 20};
  for (const EngineKind& kind : kinds) Add(cases, kDurableTask, kind, durable);
  Task pipelined = durable;
  pipelined.in_flight = 64;
  pipelined.bytes_max = 512 << 20;
  Add(cases, kPipelinedTask, ours, pipelined);
  const Task memory = {.load = MakeLoad(100, kBatchBytes), .bytes_max = 768 << 20};
  for (const EngineKind& kind : kinds) Add(cases, kMemoryTask, kind, memory);
  const Task latency = {.load = MakeSingleRecord(100), .durable = true, .bytes_max = 300 << 10};
  for (const EngineKind& kind : kinds) {
    // A batch of one record is a record.
    if (kind.name.ends_with("-batch")) continue;
    Add(cases, kLatencyTask, kind, latency);
  }
  Task window = {
      .load = MakeSingleRecord(100), .durable = true, .in_flight = 4096, .bytes_max = 384 << 20};
  Add(cases, kWindowTask, ours, window, "-durable");
  window.durable = false;
  Add(cases, kWindowTask, ours, window, "-memory");
}

}  // namespace tidemark::compare
