#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/log/batch.h"
#include "engine/log/log.h"

// What the log costs without a disk: patch the frame, append, hand out the file operations, hear
// that they are durable. Bytes per second here is the ceiling the engine sets for one partition.

namespace tidemark {
namespace {

class EmptyDirectory final : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId&) const override {
    return absl::NotFoundError("the directory is empty");
  }
};

Log EmptyLog() {
  const EmptyDirectory directory;
  absl::StatusOr<Log> log = Log::Recover(GroupId{1}, LogOptions{}, directory, LogIndex{0});
  TIDEMARK_CHECK(log.ok());
  return *std::move(log);
}

std::string BatchOf(uint32_t records, size_t record_bytes) {
  const std::string value(record_bytes, 'v');
  BatchBuilder builder;
  for (uint32_t i = 0; i < records; ++i) builder.Add(std::nullopt, value, 1'700'000'000'000);
  return builder.Finish();
}

// The log keeps metadata for ever; a new one at times keeps the benchmark in bounds.
constexpr uint64_t kBytesPerLog = 256u << 20;

// Arguments: records in a batch, bytes of a record, batches made durable together.
void BM_LogAppend(benchmark::State& state) {
  const auto records = static_cast<uint32_t>(state.range(0));
  const std::string batch = BatchOf(records, static_cast<size_t>(state.range(1)));
  const int64_t batches = state.range(2);
  Log log = EmptyLog();
  uint64_t appended = 0;
  for (auto _ : state) {
    if (appended >= kBytesPerLog) {
      state.PauseTiming();
      log = EmptyLog();
      appended = 0;
      state.ResumeTiming();
    }
    for (int64_t i = 0; i < batches; ++i) {
      // The copy stands for taking the frame out of the client's request.
      std::string frame = batch;
      PatchBatch(frame.data(), log.next_offset(), Term{1});
      absl::StatusOr<Entry> entry = EntryOf(log.last_index() + 1, Bytes::From(std::move(frame)));
      TIDEMARK_CHECK(entry.ok());
      log.Append(*std::move(entry), WallTime::FromMillis(1'700'000'000'000));
      appended += batch.size();
    }
    benchmark::DoNotOptimize(log.TakeBatch());
    log.OnBatchDurable();
  }
  state.SetItemsProcessed(state.iterations() * batches * records);
  state.SetBytesProcessed(state.iterations() * batches * static_cast<int64_t>(batch.size()));
}
BENCHMARK(BM_LogAppend)
    ->ArgNames({"records", "record_bytes", "batches"})
    ->Args({1, 100, 1})
    ->Args({1, 100, 64})
    ->Args({500, 100, 8})
    ->Args({64, 1024, 8});

// What the leader checks of a client's batch first: the sum and every record.
void BM_ValidateClientBatch(benchmark::State& state) {
  const auto records = static_cast<uint32_t>(state.range(0));
  const std::string batch = BatchOf(records, static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    absl::StatusOr<BatchHeader> header = ValidateClientBatch(batch);
    TIDEMARK_CHECK(header.ok());
    benchmark::DoNotOptimize(header);
  }
  state.SetItemsProcessed(state.iterations() * records);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(batch.size()));
}
BENCHMARK(BM_ValidateClientBatch)
    ->ArgNames({"records", "record_bytes"})
    ->Args({1, 100})
    ->Args({500, 100})
    ->Args({64, 1024});

}  // namespace
}  // namespace tidemark
