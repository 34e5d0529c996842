#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "engine/base/check.h"
#include "engine/log/batch.h"
#include "runtime/base/clock.h"
#include "runtime/embedded/local_log.h"

// What the embedded log's flushes do for appenders that wait: so many durable appends of one record
// of 100 bytes are in flight, and whoever is answered appends the next one from the answer
// (DECISIONS.md 26). Writes to TMPDIR, which must be on the disk that is meant.

namespace tidemark {
namespace {

std::string OneRecord() {
  BatchBuilder builder;
  builder.Add(std::nullopt, std::string(100, 'x'), 1);
  return builder.Finish();
}

class Window {
 public:
  Window(LocalLog& log, uint64_t appends) : log_(log), left_(appends) { micros_.reserve(appends); }

  // Runs `in_flight` appends at a time until all are answered.
  void Run(uint64_t in_flight) {
    for (uint64_t i = 0; i < in_flight; ++i) Append();
    std::unique_lock<std::mutex> hold(mutex_);
    finished_.wait(hold, [this] { return left_ == 0 && in_flight_ == 0; });
  }

  double MicrosAt(double part) {
    std::sort(micros_.begin(), micros_.end());
    return micros_[static_cast<size_t>(part * static_cast<double>(micros_.size() - 1))];
  }

 private:
  void Append() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (left_ == 0) return;
      --left_;
      ++in_flight_;
    }
    const Instant begin = MonotonicNow();
    log_.Append(record_, Durability::kDurable, [this, begin](const absl::StatusOr<Offset>& offset) {
      TIDEMARK_CHECK(offset.ok());
      const Duration took = MonotonicNow() - begin;
      Append();
      const std::lock_guard<std::mutex> hold(mutex_);
      micros_.push_back(static_cast<double>(took.nanos()) / 1e3);
      if (--in_flight_ == 0) finished_.notify_one();
    });
  }

  LocalLog& log_;
  const std::string record_ = OneRecord();
  std::mutex mutex_;
  std::condition_variable finished_;
  uint64_t left_;
  uint64_t in_flight_ = 0;
  std::vector<double> micros_;
};

// Argument: appends in flight.
void BM_DurableAppends(benchmark::State& state) {
  std::string folder = (std::filesystem::temp_directory_path() / "tidemark-XXXXXX").string();
  TIDEMARK_CHECK(::mkdtemp(folder.data()) != nullptr);
  {
    const std::unique_ptr<LocalLog> log = *LocalLog::Open(folder, {});
    const auto in_flight = static_cast<uint64_t>(state.range(0));
    const uint64_t appends = 20'000 + 40 * in_flight;
    for (auto _ : state) {
      Window window(*log, appends);
      window.Run(in_flight);
      state.PauseTiming();
      state.counters["p50_us"] = window.MicrosAt(0.5);
      state.counters["p99_us"] = window.MicrosAt(0.99);
      state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(appends));
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(BM_DurableAppends)
    ->ArgName("in_flight")
    ->Arg(1)
    ->Arg(2)
    ->Arg(8)
    ->Arg(32)
    ->Arg(128)
    ->Arg(1024)
    ->Iterations(3)
    ->UseRealTime();

}  // namespace
}  // namespace tidemark
