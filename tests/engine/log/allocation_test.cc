#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/log/log.h"
#include "tests/engine/log/memory_disk.h"
#include "tests/support/allocations.h"

// The log asks for no memory once it runs steadily, if its caller hands back the batches.

namespace tidemark {
namespace {

// Of one append with its flush (Append, TakeBatch, OnBatchDurable), of eight appends with one
// flush, and of a look-up.
// (Not quite none: the table of a segment's runs doubles now and then.)
constexpr double kPerFlushMax = 0.02;
constexpr double kPerFlushOfEightMax = 0.02;
constexpr double kPerCachedEntriesMax = 1;
constexpr double kPerRangeMax = 0;

constexpr GroupId kGroupOfTest{7};

class SteadyLog {
 public:
  SteadyLog() {
    // No segment is full within the test: beginning one may cost what it needs.
    const LogOptions options{.segment_bytes = 64 << 20, .cache_bytes = 64 << 10};
    const DiskImage nothing;
    log_.emplace(*Log::Recover(kGroupOfTest, options, ImageView(nothing), LogIndex(0)));
    BatchBuilder builder;
    builder.Add(std::nullopt, std::string(100, 'v'), 1000);
    frame_ = builder.Finish();
    for (int i = 0; i < 5000; ++i) AppendAndFlush(1);
  }

  // Mean number of allocations.
  double AppendAndFlush(size_t appends) {
    std::vector<Entry> entries;
    for (size_t i = 0; i < appends; ++i) {
      std::string frame = frame_;
      PatchBatch(frame.data(), log_->next_offset() + i, Term(1));
      entries.push_back(*EntryOf(log_->last_index() + 1 + i, Bytes::From(std::move(frame))));
    }
    FileBatch batch;
    return Count([&] {
      for (Entry& entry : entries) log_->Append(std::move(entry), WallTime::FromMillis(1000));
      batch = log_->TakeBatch();
      log_->OnBatchDurable(std::move(batch));
    });
  }

  template <typename Action>
  static double Mean(const Action& action) {
    constexpr int kTimes = 1000;
    double sum = 0;
    for (int i = 0; i < kTimes; ++i) sum += action();
    return sum / kTimes;
  }

  template <typename LookUp>
  static double Count(const LookUp& look_up) {
    return static_cast<double>(AllocationsOf(look_up));
  }

  Log& log() { return *log_; }

 private:
  std::optional<Log> log_;
  std::string frame_;
};

TEST(Allocations, OfAnAppendWithItsFlushAreFew) {
  SteadyLog steady;
  const double one = SteadyLog::Mean([&] { return steady.AppendAndFlush(1); });
  const double eight = SteadyLog::Mean([&] { return steady.AppendAndFlush(8); });
  std::printf("allocations: %.2f per append with its flush, %.2f per eight appends with one\n", one,
              eight);
  EXPECT_LE(one, kPerFlushMax);
  EXPECT_LE(eight, kPerFlushOfEightMax);
}

TEST(Allocations, OfLookUpsAreFew) {
  SteadyLog steady;
  const Log& log = steady.log();
  size_t cached = 0;
  const double entries = SteadyLog::Mean([&] {
    return SteadyLog::Count(
        [&] { cached += log.CachedEntries(log.last_index() - 2, 1 << 20, 1).size(); });
  });
  uint64_t length = 0;
  const double range = SteadyLog::Mean([&] {
    return SteadyLog::Count([&] {
      length += log.RangeOfOffset(Offset(17), log.last_index(), 4096)->length;
      length += log.RangeOf(LogIndex(18), 4096).length;
      length += log.OffsetAtTime(WallTime::FromMillis(1000)).value();
    });
  });
  std::printf("allocations: %.2f per CachedEntries of one, %.2f per look-up of a range\n", entries,
              range);
  EXPECT_EQ(cached, 1000u);
  EXPECT_GT(length, 0u);
  EXPECT_LE(entries, kPerCachedEntriesMax);
  EXPECT_LE(range, kPerRangeMax);
}

}  // namespace
}  // namespace tidemark
