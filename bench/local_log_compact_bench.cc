#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/prng.h"
#include "engine/log/batch.h"
#include "runtime/base/clock.h"
#include "runtime/embedded/local_log.h"

// A pass of compaction over a log on the disk (in TMPDIR), beside reading the same files twice from
// the page cache, and what it does to appends that go on meanwhile.

namespace tidemark {
namespace {

constexpr uint64_t kRecordsPerBatch = 100;
constexpr uint64_t kRecords = 1u << 20;

std::string BatchOf(Prng& prng, uint64_t keys) {
  BatchBuilder builder;
  for (uint64_t i = 0; i < kRecordsPerBatch; ++i) {
    std::string key = std::to_string(prng.Below(keys));
    key.insert(0, 16 - key.size(), '0');
    builder.Add(key, std::string(84, 'v'), 1'700'000'000'000);
  }
  return builder.Finish();
}

// A log of records of 100 bytes in a directory of its own.
class Fixture {
 public:
  explicit Fixture(uint64_t keys)
      : path_(std::filesystem::temp_directory_path() / absl::StrCat("compact_bench_", ::getpid())) {
    std::filesystem::remove_all(path_);
    auto opened = LocalLog::Open(path_, {});
    TIDEMARK_CHECK(opened.ok());
    log_ = *std::move(opened);
    Prng prng(1);
    for (uint64_t i = 0; i < kRecords; i += kRecordsPerBatch) {
      log_->Append(BatchOf(prng, keys), Durability::kMemory,
                   [](absl::StatusOr<Offset> at) { TIDEMARK_CHECK(at.ok()); });
    }
    TIDEMARK_CHECK(log_->Sync().ok());
  }
  ~Fixture() {
    log_.reset();
    std::filesystem::remove_all(path_);
  }
  LocalLog& log() { return *log_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<LocalLog> log_;
};

void BM_CompactOnDisk(benchmark::State& state) {
  uint64_t bytes = 0;
  uint64_t left = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto fixture = std::make_unique<Fixture>(static_cast<uint64_t>(state.range(0)));
    state.ResumeTiming();
    const auto report = fixture->log().Compact();
    TIDEMARK_CHECK(report.ok());
    bytes += report->bytes_before;
    left = report->bytes_after;
    state.PauseTiming();
    fixture.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["MB_left"] = static_cast<double>(left) / 1e6;
}
BENCHMARK(BM_CompactOnDisk)
    ->ArgName("keys")
    ->Arg(1000)
    ->Arg(1'000'000)
    ->Iterations(3)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void BM_ReadSegmentsTwice(benchmark::State& state) {
  const Fixture fixture(1000);
  std::vector<std::filesystem::path> files;
  for (const auto& each : std::filesystem::recursive_directory_iterator(fixture.path())) {
    if (each.path().extension() == ".log") files.push_back(each.path());
  }
  std::string piece(1u << 20, '\0');
  int64_t bytes = 0;
  for (auto _ : state) {
    for (int pass = 0; pass < 2; ++pass) {
      for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) ||
               file.gcount() > 0) {
          if (pass == 0) bytes += file.gcount();
        }
      }
    }
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(BM_ReadSegmentsTwice)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

// Latency of durable appends of one batch each, argument: with passes under way or without.
void BM_AppendBesideCompaction(benchmark::State& state) {
  Fixture fixture(1000);
  std::atomic<bool> stop = false;
  std::thread compactor;
  if (state.range(0) != 0) {
    compactor = std::thread([&] {
      while (!stop) TIDEMARK_CHECK(fixture.log().Compact().ok());
    });
  }
  Prng prng(2);
  std::vector<int64_t> micros;
  for (auto _ : state) {
    std::string batch = BatchOf(prng, 1000);
    const Instant begin = MonotonicNow();
    TIDEMARK_CHECK(fixture.log().AppendAndWait(std::move(batch)).ok());
    micros.push_back((MonotonicNow() - begin).nanos() / 1000);
  }
  stop = true;
  if (compactor.joinable()) compactor.join();
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = static_cast<double>(micros[micros.size() / 2]);
  state.counters["p99_us"] = static_cast<double>(micros[micros.size() * 99 / 100]);
}
BENCHMARK(BM_AppendBesideCompaction)
    ->ArgName("compacting")
    ->Arg(0)
    ->Arg(1)
    ->Iterations(3000)
    ->UseRealTime();

}  // namespace
}  // namespace tidemark
