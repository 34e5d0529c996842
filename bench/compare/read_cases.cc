#include <algorithm>
#include <cstring>

#include "bench/compare/append_engine.h"
#include "bench/compare/cases.h"
#include "engine/base/crc32c.h"
#include "engine/base/prng.h"
#include "engine/log/batch.h"
#include "engine/log/log.h"
#include "runtime/embedded/local_log.h"

namespace tidemark::compare {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr uint32_t kReadBytes = 1 << 20;

// The compiler must believe that somebody looks at it.
void Keep(uint64_t value) { asm volatile("" ::"r"(value) : "memory"); }

std::unique_ptr<LocalLog> OpenLog(const std::string& directory) {
  absl::StatusOr<std::unique_ptr<LocalLog>> log = LocalLog::Open(directory, {});
  RequireOk(log.status());
  return *std::move(log);
}

// Appends `load` until the log holds `bytes` of frames, all durable.
void Fill(LocalLog& log, const Load& load, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += load.frame.size()) {
    log.Append(load.frame, Durability::kMemory,
               [](const absl::StatusOr<Offset>& offset) { RequireOk(offset.status()); });
  }
  RequireOk(log.Sync());
}

// Reads the whole log, as a consumer would, several times; what was just written is in the page
// cache.
Sample ScanLog(const Where& where) {
  const Load load = MakeLoad(1024, 64 << 10);
  const std::unique_ptr<LocalLog> log = OpenLog(where.directory);
  Fill(*log, load, where.Scaled(kGiB / 2));
  const Offset end = log->durable_end();
  std::vector<double> rates;
  for (int repetition = 0; repetition < 4; ++repetition) {
    const int64_t begin = NowNanos();
    uint64_t bytes = 0;
    for (Offset at; at < end;) {
      const absl::StatusOr<std::vector<Bytes>> runs = log->Read(at, kReadBytes);
      RequireOk(runs.status());
      uint64_t read = 0;
      for (const Bytes& run : *runs) read += run.size();
      // All batches are equal.
      at = at + read / load.frame.size() * load.records;
      bytes += read;
    }
    rates.push_back(static_cast<double>(bytes) / SecondsSince(begin) / 1e6);
  }
  // The first pass warms up.
  return {{"mb_per_s", Median({rates.begin() + 1, rates.end()})}};
}

// The floor: each byte is copied once and summed once, from memory to memory.
Sample ScanMemory(const Where& where) {
  const std::string from(where.Scaled(kGiB / 2) / kReadBytes * kReadBytes + kReadBytes, 'x');
  std::string to(kReadBytes, '\0');
  std::vector<double> rates;
  for (int repetition = 0; repetition < 4; ++repetition) {
    const int64_t begin = NowNanos();
    for (size_t at = 0; at < from.size(); at += kReadBytes) {
      std::memcpy(to.data(), from.data() + at, kReadBytes);
      Keep(Crc32c(to));
    }
    rates.push_back(static_cast<double>(from.size()) / SecondsSince(begin) / 1e6);
  }
  return {{"mb_per_s", Median({rates.begin() + 1, rates.end()})}};
}

class NoFiles : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId&) const override {
    return absl::NotFoundError("no files");
  }
};

// The engine's log alone, nothing written anywhere: one segment with batches of `batch_bytes` until
// it holds 1 GiB, then look-ups of random offsets.
Sample LookUp(size_t batch_bytes, const Where& where) {
  const Load load = batch_bytes == 0 ? MakeSingleRecord(100) : MakeLoad(100, batch_bytes);
  absl::StatusOr<Log> log = Log::Recover(
      GroupId(1), {.segment_bytes = 1ull << 30, .cache_bytes = 0}, NoFiles(), LogIndex(0));
  RequireOk(log.status());
  const Bytes frame = Bytes::Copy(load.frame);
  const uint64_t frames = where.Scaled(kGiB - 8192) / frame.size();
  for (uint64_t i = 0; i < frames; ++i) {
    log->Append({.index = log->last_index() + 1,
                 .term = Term(1),
                 .kind = EntryKind::kData,
                 .base_offset = log->next_offset(),
                 .offset_span = load.records,
                 .frame = frame},
                WallTime::FromMillis(1'700'000'000'000));
    if (i % 1024 == 0 || i + 1 == frames) {
      (void)log->TakeBatch();
      log->OnBatchDurable();
    }
  }
  const LogIndex last = log->last_index();
  const uint64_t records = log->next_offset().value();
  Prng prng(1);
  std::vector<Offset> wanted;
  for (int i = 0; i < 4096; ++i) wanted.emplace_back(prng.Next() % records);
  const int64_t begin = NowNanos();
  constexpr int kRepetitions = 100;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (const Offset offset : wanted) {
      const absl::StatusOr<FileRange> range = log->RangeOfOffset(offset, last, 1);
      Keep(range->pos.value());
    }
  }
  return {{"ns", SecondsSince(begin) * 1e9 / (kRepetitions * double(wanted.size()))}};
}

// Through LocalLog: a system call into the page cache, the checksum of the batch that holds the
// record, and the way to the record inside it is left to the caller.
Sample ReadRandom(size_t batch_bytes, const Where& where) {
  const Load load = batch_bytes == 0 ? MakeSingleRecord(100) : MakeLoad(100, batch_bytes);
  const std::unique_ptr<LocalLog> log = OpenLog(where.directory);
  Fill(*log, load, where.Scaled(kGiB / 16));
  const uint64_t records = log->durable_end().value();
  Prng prng(1);
  std::vector<double> latencies;
  for (int i = 0; i < 100'000; ++i) {
    const Offset offset(prng.Next() % records);
    const int64_t begin = NowNanos();
    const absl::StatusOr<std::vector<Bytes>> runs = log->Read(offset, 1);
    latencies.push_back(SecondsSince(begin) * 1e6);
    RequireOk(runs.status());
  }
  return {{"p50_us", Percentile(latencies, 50)}, {"p99_us", Percentile(latencies, 99)}};
}

// Time until a log that was closed is ready for the next append; its files are in the page cache.
Sample Reopen(const Where& where) {
  const Load load = MakeLoad(1024, 64 << 10);
  Sample sample;
  double filled = 0;
  for (const double gib : {0.25, 1.0, 4.0}) {
    {
      const std::unique_ptr<LocalLog> log = OpenLog(where.directory);
      Fill(*log, load, where.Scaled((gib - filled) * kGiB));
      filled = gib;
    }
    std::vector<double> times;
    for (int repetition = 0; repetition < 3; ++repetition) {
      const int64_t begin = NowNanos();
      const std::unique_ptr<LocalLog> log = OpenLog(where.directory);
      times.push_back(SecondsSince(begin) * 1e3);
    }
    sample["at_" + std::to_string(static_cast<int>(gib * 1024)) + "_mib_ms"] = Median(times);
  }
  sample["slope_ms_per_gib"] =
      (sample["at_4096_mib_ms"] - sample["at_256_mib_ms"]) / 3.75 / std::max(where.scale, 1e-9);
  return sample;
}

}  // namespace

void AddReadCases(std::vector<Case>& cases) {
  const auto add = [&](const char* task, const char* who, std::function<Sample(const Where&)> run) {
    cases.push_back({std::string(task) + "/" + who, std::move(run)});
  };
  const auto sized = [](auto measure, size_t batch_bytes) {
    return [=](const Where& where) { return measure(batch_bytes, where); };
  };
  add(kScanTask, "tidemark", ScanLog);
  add(kScanTask, "memory", ScanMemory);
  add(kLookupTask, "batches-of-4KiB", sized(LookUp, 4096));
  add(kLookupTask, "batches-of-64KiB", sized(LookUp, 64 << 10));
  add(kLookupTask, "batches-of-one", sized(LookUp, 0));
  add(kRandomTask, "batches-of-one", sized(ReadRandom, 0));
  add(kRandomTask, "batches-of-4KiB", sized(ReadRandom, 4096));
  add(kRandomTask, "batches-of-64KiB", sized(ReadRandom, 64 << 10));
  add(kReopenTask, "tidemark", Reopen);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  AddAppendCases(cases);
  AddReadCases(cases);
  return cases;
}

}  // namespace tidemark::compare
