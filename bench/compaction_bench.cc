#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/prng.h"
#include "engine/log/batch.h"
#include "engine/log/compaction.h"

// What a pass of compaction costs without a disk, beside the least it can cost: to check the sum of
// all bytes and copy them.

namespace tidemark {
namespace {

constexpr uint32_t kRecordsPerBatch = 100;
constexpr uint32_t kRecords = 1u << 20;

// Records of 100 bytes, key of 16 included, whose keys are drawn from `keys`.
std::vector<std::string> LogOf(uint64_t keys) {
  Prng prng(1);
  std::vector<std::string> log;
  Offset next;
  for (uint32_t records = 0; records < kRecords; records += kRecordsPerBatch) {
    BatchBuilder builder;
    for (uint32_t i = 0; i < kRecordsPerBatch; ++i) {
      std::string key = std::to_string(prng.Below(keys));
      key.insert(0, 16 - key.size(), '0');
      builder.Add(key, std::string(84, 'v'), 1'700'000'000'000);
    }
    std::string frame = builder.Finish();
    PatchBatch(frame.data(), next, Term(1));
    next = next + kRecordsPerBatch;
    log.push_back(std::move(frame));
  }
  return log;
}

int64_t BytesOf(const std::vector<std::string>& log) {
  int64_t bytes = 0;
  for (const std::string& frame : log) bytes += static_cast<int64_t>(frame.size());
  return bytes;
}

class NoContext final : public CompactionContext {
 public:
  std::optional<Offset> LastBatchOf(int64_t) const override { return std::nullopt; }
  bool IsSuperseded(const CompactionFrame&) const override { return false; }
};

// Copies, as the writer of a segment does.
class CopyingSink final : public CompactionSink {
 public:
  explicit CopyingSink(std::string& segment) : segment_(segment) {}
  void OnSegment(LogIndex, Offset) override {}
  void OnFrame(const CompactionFrame& frame, const BatchHeader&, bool) override {
    std::memcpy(segment_.data() + used_, frame.bytes.data(), frame.bytes.size());
    used_ += frame.bytes.size();
  }

 private:
  std::string& segment_;
  size_t used_ = 0;
};

// Argument: keys. Time is for both readings of a log that is all dirty.
void BM_Compact(benchmark::State& state) {
  const std::vector<std::string> log = LogOf(static_cast<uint64_t>(state.range(0)));
  const int64_t bytes = BytesOf(log);
  std::string segment(static_cast<size_t>(bytes), '\0');
  CompactionStats stats;
  for (auto _ : state) {
    CopyingSink sink(segment);
    Compactor compactor({.seed = {.first = 1, .second = 2}}, {.begin_index = LogIndex(1)});
    int64_t budget = INT64_MAX;
    LogIndex index(1);
    for (const std::string& frame : log) {
      TIDEMARK_CHECK(*compactor.FeedDirty({index, WallTime(), frame}, budget) ==
                     Compactor::Progress::kDone);
      ++index;
    }
    compactor.BeginRewrite(WallTime());
    index = LogIndex(1);
    for (const std::string& frame : log) {
      TIDEMARK_CHECK(*compactor.Rewrite({index, WallTime(), frame}, NoContext(), sink, budget) ==
                     Compactor::Progress::kDone);
      ++index;
    }
    stats = compactor.stats();
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.SetBytesProcessed(state.iterations() * bytes);
  state.counters["kept"] = static_cast<double>(stats.records_out) / kRecords;
}
BENCHMARK(BM_Compact)
    ->ArgName("keys")
    ->Arg(1000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

// The first reading alone.
void BM_FeedDirty(benchmark::State& state) {
  const std::vector<std::string> log = LogOf(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    Compactor compactor({.seed = {.first = 1, .second = 2}}, {.begin_index = LogIndex(1)});
    int64_t budget = INT64_MAX;
    LogIndex index(1);
    for (const std::string& frame : log) {
      TIDEMARK_CHECK(compactor.FeedDirty({index, WallTime(), frame}, budget).ok());
      ++index;
    }
    benchmark::DoNotOptimize(compactor.clean_end());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.SetBytesProcessed(state.iterations() * BytesOf(log));
}
BENCHMARK(BM_FeedDirty)->ArgName("keys")->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

// The floor of a pass over the same bytes: both readings check the sums, the second one copies.
void BM_Crc32cTwiceAndMemcpy(benchmark::State& state) {
  const std::vector<std::string> log = LogOf(1000);
  const int64_t bytes = BytesOf(log);
  std::string segment(static_cast<size_t>(bytes), '\0');
  for (auto _ : state) {
    for (const std::string& frame : log) benchmark::DoNotOptimize(Crc32c(frame));
    size_t used = 0;
    for (const std::string& frame : log) {
      benchmark::DoNotOptimize(Crc32c(frame));
      std::memcpy(segment.data() + used, frame.data(), frame.size());
      used += frame.size();
    }
    benchmark::DoNotOptimize(segment.data());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.SetBytesProcessed(state.iterations() * bytes);
}
BENCHMARK(BM_Crc32cTwiceAndMemcpy)->Unit(benchmark::kMillisecond);

// Keys alone, argument: bytes of one.
void BM_HashKey(benchmark::State& state) {
  const std::string key(static_cast<size_t>(state.range(0)), 'k');
  KeySeed seed{.first = 1, .second = 2};
  for (auto _ : state) {
    seed.first = HashKey(seed, key).low;  // one after the other: latency
  }
  benchmark::DoNotOptimize(seed);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_HashKey)->ArgName("key_bytes")->Arg(8)->Arg(16)->Arg(64);

}  // namespace
}  // namespace tidemark
