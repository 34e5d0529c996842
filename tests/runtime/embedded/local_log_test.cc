#include "runtime/embedded/local_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "runtime/base/clock.h"

namespace tidemark {
namespace {

std::string BatchOf(const std::vector<std::string>& values) {
  BatchBuilder builder;
  for (const std::string& value : values) builder.Add(std::nullopt, value, 1'700'000'000'000);
  return builder.Finish();
}

class LocalLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("local_log_" + std::to_string(::getpid()) + "_" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override {
    log_.reset();
    std::filesystem::remove_all(path_);
  }
  void Reopen() {
    log_.reset();
    absl::StatusOr<std::unique_ptr<LocalLog>> opened = LocalLog::Open(path_, options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    log_ = *std::move(opened);
  }
  // Appends and waits for the answer.
  absl::StatusOr<Offset> Append(std::string batch, Durability durability = Durability::kDurable) {
    std::promise<absl::StatusOr<Offset>> answer;
    log_->Append(std::move(batch), durability,
                 [&](absl::StatusOr<Offset> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  // The values of all records from `from` on.
  std::vector<std::string> Values(Offset from) {
    std::vector<std::string> values;
    while (from < log_->durable_end()) {
      const absl::StatusOr<std::vector<Bytes>> runs = log_->Read(from, 64 << 10);
      EXPECT_TRUE(runs.ok()) << runs.status();
      if (!runs.ok()) return values;
      for (const Bytes& run : *runs) {
        for (size_t pos = 0; pos < run.size();) {
          const std::string_view rest = run.view().substr(pos);
          const size_t bytes = DecodeBatchHeader(rest)->total_bytes();
          const auto records = DecodeBatch(rest.substr(0, bytes));
          EXPECT_TRUE(records.ok()) << records.status();
          for (const DecodedRecord& each : *records) {
            if (each.offset < from) continue;
            EXPECT_EQ(each.offset, from);
            values.push_back(*each.record.value);
            ++from;
          }
          pos += bytes;
        }
      }
    }
    return values;
  }

  LocalLogOptions options_;
  std::string path_;
  std::unique_ptr<LocalLog> log_;
};

TEST_F(LocalLogTest, DurableAppendIsReadBackAtOnceAndAfterReopen) {
  Reopen();
  EXPECT_EQ(*Append(BatchOf({"a", "b"})), Offset(0));
  EXPECT_EQ(*Append(BatchOf({"c"})), Offset(2));
  EXPECT_EQ(log_->durable_end(), Offset(3));
  EXPECT_EQ(Values(Offset(1)), (std::vector<std::string>{"b", "c"}));
  Reopen();
  EXPECT_EQ(log_->next_offset(), Offset(3));
  EXPECT_EQ(*Append(BatchOf({"d"})), Offset(3));
  EXPECT_EQ(Values(Offset(0)), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST_F(LocalLogTest, MemoryAppendIsAnsweredInsideTheCallAndSyncMakesItDurable) {
  Reopen();
  for (uint64_t i = 0; i < 100; ++i) {
    bool answered = false;
    log_->Append(BatchOf({absl::StrCat(i)}), Durability::kMemory, [&](absl::StatusOr<Offset> at) {
      ASSERT_TRUE(at.ok()) << at.status();
      EXPECT_EQ(*at, Offset(i));
      answered = true;
    });
    EXPECT_TRUE(answered);
  }
  ASSERT_TRUE(log_->Sync().ok());
  EXPECT_EQ(log_->durable_end(), Offset(100));
  EXPECT_EQ(Values(Offset(0)).size(), 100u);
}

TEST_F(LocalLogTest, AppendsOfManyThreadsGetDenseOffsetsAndAnswersInOrder) {
  Reopen();
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::atomic<int> answered = 0;
  std::atomic<bool> in_order = true;
  Offset next;  // only touched by answers, which come one at a time
  std::promise<void> all;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        log_->Append(BatchOf({"one"}), Durability::kDurable, [&](absl::StatusOr<Offset> at) {
          if (!at.ok() || *at != next) in_order = false;
          ++next;
          if (++answered == kThreads * kEach) all.set_value();
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all.get_future().get();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(Values(Offset(0)).size(), size_t{kThreads} * kEach);
}

TEST_F(LocalLogTest, ThreadsThatWaitGetTheirOffsetsBesideThoseThatDoNot) {
  Reopen();
  constexpr int kEach = 300;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const std::string value = absl::StrCat(i);
        const absl::StatusOr<Offset> at = log_->AppendAndWait(BatchOf({value}));
        ASSERT_TRUE(at.ok()) << at.status();
        EXPECT_LT(*at, log_->durable_end());
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < kEach; ++i) {
      log_->Append(BatchOf({"x"}), Durability::kDurable, [&](absl::StatusOr<Offset> at) {
        if (at.ok()) ++answered;
      });
    }
  });
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log_->Close().ok());
  EXPECT_EQ(Values(Offset(0)).size(), size_t{3} * kEach);
  log_.reset();
  EXPECT_EQ(answered, kEach);
}

TEST_F(LocalLogTest, AnAnswerMayAppend) {
  Reopen();
  constexpr uint64_t kAppends = 50;
  std::promise<void> all;
  std::function<void(absl::StatusOr<Offset>)> again = [&](absl::StatusOr<Offset> at) {
    ASSERT_TRUE(at.ok()) << at.status();
    if (*at + 1 == Offset(kAppends)) {
      all.set_value();
    } else {
      log_->Append(BatchOf({"x"}), Durability::kDurable, again);
    }
  };
  log_->Append(BatchOf({"x"}), Durability::kDurable, again);
  all.get_future().get();
  EXPECT_EQ(log_->durable_end(), Offset(kAppends));
}

TEST_F(LocalLogTest, SegmentsRollAndAreReadAcross) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  const std::string value(10'000, 'v');
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(Append(BatchOf({value})).ok());
  EXPECT_EQ(Values(Offset(0)), std::vector<std::string>(30, value));
  Reopen();
  EXPECT_EQ(Values(Offset(0)), std::vector<std::string>(30, value));
}

TEST_F(LocalLogTest, DestructionAnswersEverythingUnderWay) {
  Reopen();
  std::atomic<int> answered = 0;
  for (int i = 0; i < 200; ++i) {
    log_->Append(BatchOf({"x"}), Durability::kDurable, [&](absl::StatusOr<Offset> at) {
      if (at.ok()) ++answered;
    });
  }
  log_.reset();
  EXPECT_EQ(answered, 200);
}

TEST_F(LocalLogTest, WhatIsNotABatchIsRefused) {
  Reopen();
  EXPECT_TRUE(absl::IsInvalidArgument(Append(std::string(100, 'x')).status()));
  std::string damaged = BatchOf({"value"});
  damaged.back() ^= 1;
  EXPECT_TRUE(absl::IsInvalidArgument(Append(damaged).status()));
  EXPECT_EQ(log_->next_offset(), Offset(0));
}

TEST_F(LocalLogTest, ClosedLogIsReadableAndRefusesAppends) {
  Reopen();
  ASSERT_TRUE(Append(BatchOf({"a"})).ok());
  ASSERT_TRUE(log_->Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Append(BatchOf({"b"})).status()));
  EXPECT_EQ(Values(Offset(0)), std::vector<std::string>{"a"});
}

TEST_F(LocalLogTest, ReadOutsideTheDurableLogIsOutOfRange) {
  Reopen();
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(Offset(0), 1).status()));
  ASSERT_TRUE(Append(BatchOf({"a"})).ok());
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(Offset(1), 1).status()));
}

TEST_F(LocalLogTest, TimeOfAnAppendFindsItAndTheFutureFindsTheEnd) {
  Reopen();
  ASSERT_TRUE(Append(BatchOf({"a"})).ok());
  EXPECT_EQ(log_->OffsetAtTime(WallTime::FromMillis(0)), Offset(0));
  EXPECT_EQ(log_->OffsetAtTime(WallTime::FromMillis(WallNow().millis() + 3'600'000)), Offset(1));
}

TEST_F(LocalLogTest, DamageOnTheDiskIsDataLossNotAWrongRecord) {
  Reopen();
  ASSERT_TRUE(Append(BatchOf({"precious"})).ok());
  const std::string segment = absl::StrCat(path_, "/", PathOf({GroupId(1), FileKind::kSegment, 1}));
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  std::string contents(8192, '\0');
  file.read(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.clear();
  file.seekp(static_cast<std::streamoff>(contents.find("precious")));
  file.write("P", 1);
  file.close();
  const absl::StatusOr<std::vector<Bytes>> read = log_->Read(Offset(0), 1);
  ASSERT_FALSE(read.ok());
  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
}

// The kernel refuses to size files beyond the limit with EFBIG (and SIGXFSZ, ignored here).
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit small = {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_ = {};
};

TEST_F(LocalLogTest, AfterAFailedWriteNothingIsAppendedUntilReopened) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  const std::string value(10'000, 'v');
  uint64_t acknowledged = 0;
  absl::Status failure;
  {
    const FileSizeLimit limit(32 << 10);  // room in the first segment, none for a second one
    while (acknowledged < 100 && failure.ok()) {
      failure = Append(BatchOf({value})).status();
      if (failure.ok()) ++acknowledged;
    }
  }
  EXPECT_FALSE(failure.ok());
  EXPECT_EQ(Append(BatchOf({"later"})).status(), failure);
  EXPECT_EQ(Append(BatchOf({"later"}), Durability::kMemory).status(), failure);
  EXPECT_EQ(log_->AppendAndWait(BatchOf({"later"})).status(), failure);
  EXPECT_EQ(log_->Sync(), failure);
  EXPECT_EQ(log_->Close(), failure);
  EXPECT_EQ(Values(Offset(0)).size(), acknowledged);
  Reopen();
  EXPECT_GE(log_->durable_end(), Offset(acknowledged));
  EXPECT_TRUE(Append(BatchOf({"later"})).ok());
}

std::string ChangeOf(const std::string& key, std::optional<std::string_view> value) {
  BatchBuilder builder;
  builder.Add(key, value, 1'700'000'000'000);
  return builder.Finish();
}

using State = std::map<std::string, std::string>;

// Hands all records from `from` to the durable end to `visit`, as a reader gets them who goes from
// offset to offset. Ends early where retention removes what comes next.
template <typename Visit>
void ForEachRecord(const LocalLog& log, Offset from, Visit visit) {
  Offset at = from;
  const Offset end = log.durable_end();
  while (at < end) {
    const absl::StatusOr<std::vector<Bytes>> runs = log.Read(at, 64 << 10);
    if (absl::IsOutOfRange(runs.status()) && at < log.start_offset()) return;
    ASSERT_TRUE(runs.ok()) << runs.status();
    ASSERT_FALSE(runs->empty());
    for (const Bytes& run : *runs) {
      for (std::string_view rest = run.view(); !rest.empty();) {
        const size_t bytes = DecodeBatchHeader(rest)->total_bytes();
        const auto records = DecodeBatch(rest.substr(0, bytes));
        ASSERT_TRUE(records.ok()) << records.status();
        for (const DecodedRecord& each : *records) {
          if (each.offset < at) continue;
          at = each.offset + 1;
          visit(each);
        }
        rest.remove_prefix(bytes);
      }
    }
  }
}

State ReadState(const LocalLog& log, Offset from, size_t* count = nullptr) {
  State state;
  ForEachRecord(log, from, [&](const DecodedRecord& each) {
    if (count != nullptr) ++*count;
    if (each.record.value.has_value()) {
      state[*each.record.key] = *each.record.value;
    } else {
      state.erase(*each.record.key);
    }
  });
  return state;
}

uint64_t SegmentBytesIn(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.path().extension() == ".log") bytes += entry.file_size();
  }
  return bytes;
}

TEST_F(LocalLogTest, CompactionLeavesTheLastValueOfEachKeyBeforeAndAfterReopen) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  State expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = absl::StrCat("key", i % 20);
    const std::string value = absl::StrCat(i, std::string(500, 'v'));
    ASSERT_TRUE(Append(ChangeOf(key, value), Durability::kMemory).ok());
    expected[key] = value;
  }
  ASSERT_TRUE(log_->Sync().ok());
  const uint64_t disk_before = SegmentBytesIn(path_);
  const absl::StatusOr<CompactionReport> report = log_->Compact();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->bytes_before, 900'000u);
  EXPECT_LT(report->bytes_after, 100'000u);
  EXPECT_EQ(report->bytes_dirty, 0u);
  EXPECT_GT(report->records_removed, 1700u);
  // What was replaced is gone from the disk, too.
  EXPECT_LT(SegmentBytesIn(path_) + 800'000, disk_before);
  size_t records = 0;
  EXPECT_EQ(ReadState(*log_, Offset(0), &records), expected);
  EXPECT_EQ(records + report->records_removed, 2000u);
  Reopen();
  EXPECT_EQ(log_->next_offset(), Offset(2000));
  EXPECT_EQ(ReadState(*log_, Offset(0)), expected);
  const absl::StatusOr<CompactionReport> again = log_->Compact();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->bytes_before, report->bytes_after);
  EXPECT_EQ(again->records_removed, 0u);
  EXPECT_EQ(*Append(ChangeOf("key1", "last")), Offset(2000));
  expected["key1"] = "last";
  EXPECT_EQ(ReadState(*log_, Offset(0)), expected);
}

TEST_F(LocalLogTest, TombstonesGoAfterTheirRetentionWithWhatTheyDelete) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  const auto fill = [&](const std::string& key) {
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(Append(ChangeOf(key, std::string(500, 'v')), Durability::kMemory).ok());
    }
  };
  const auto tombstones = [&] {
    std::vector<Offset> found;
    ForEachRecord(*log_, Offset(0), [&](const DecodedRecord& each) {
      if (!each.record.value.has_value()) found.push_back(each.offset);
    });
    return found;
  };
  fill("deleted");
  ASSERT_TRUE(Append(ChangeOf("deleted", std::nullopt)).ok());
  fill("kept");
  // Long: the tombstone is the only record of its key now.
  ASSERT_TRUE(log_->Compact({.tombstone_retention = Duration::Seconds(3600)}).ok());
  EXPECT_EQ(tombstones(), std::vector<Offset>{Offset(200)});
  EXPECT_EQ(ReadState(*log_, Offset(0)).size(), 1u);
  // None: it goes with the pass after the one that settles it.
  uint64_t removed = 0;
  for (int i = 0; i < 3; ++i) {
    fill("kept");
    const absl::StatusOr<CompactionReport> pass =
        log_->Compact({.tombstone_retention = Duration::Millis(0)});
    ASSERT_TRUE(pass.ok()) << pass.status();
    removed += pass->records_removed;
  }
  EXPECT_GT(removed, 400u);
  EXPECT_TRUE(tombstones().empty());
  Reopen();
  EXPECT_TRUE(tombstones().empty());
  EXPECT_EQ(ReadState(*log_, Offset(0)).size(), 1u);
}

TEST_F(LocalLogTest, ReadersAndWritersBesideCompactionAndRetentionSeeNoWrongRecord) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> read = 0;
  // The value tells the offset, whatever was removed.
  const auto value_of = [](uint64_t i) { return absl::StrCat(i, ":", std::string(300, 'v')); };
  std::thread writer([&] {
    for (uint64_t i = 0; i < 12'000; ++i) {
      log_->Append(ChangeOf(absl::StrCat(i % 50), value_of(i)), Durability::kMemory,
                   [](absl::StatusOr<Offset> at) { ASSERT_TRUE(at.ok()); });
    }
    EXPECT_TRUE(log_->Sync().ok());
    stop = true;
  });
  std::thread reader([&] {
    while (!stop) {
      ForEachRecord(*log_, log_->start_offset(), [&](const DecodedRecord& each) {
        ASSERT_EQ(*each.record.value, value_of(each.offset.value()));
        ++read;
      });
    }
  });
  uint64_t removed = 0;
  while (!stop) {
    const absl::StatusOr<CompactionReport> report = log_->Compact();
    EXPECT_TRUE(report.ok()) << report.status();
    if (report.ok()) removed += report->records_removed;
    EXPECT_TRUE(log_->Retain({.bytes = 150'000, .age = std::nullopt}).ok());
  }
  writer.join();
  reader.join();
  EXPECT_GT(removed, 0u);
  EXPECT_GT(read, 0u);
  const State before = ReadState(*log_, log_->start_offset());
  EXPECT_EQ(before.size(), 50u);
  const Offset start = log_->start_offset();
  Reopen();
  EXPECT_EQ(log_->start_offset(), start);
  EXPECT_EQ(ReadState(*log_, start), before);
}

TEST_F(LocalLogTest, RetentionByBytesAndByAgeRemovesThePrefixForGood) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  const std::string value(10'000, 'v');
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(Append(BatchOf({value})).ok());
  EXPECT_EQ(*log_->Retain({.bytes = 10'000'000, .age = std::nullopt}), Offset(0));
  const uint64_t disk_before = SegmentBytesIn(path_);
  const absl::StatusOr<Offset> start = log_->Retain({.bytes = 200'000, .age = std::nullopt});
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_GT(*start, Offset(30));
  EXPECT_LT(*start, Offset(42));
  EXPECT_LT(SegmentBytesIn(path_) + 300'000, disk_before);
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(Offset(0), 1).status()));
  EXPECT_EQ(Values(*start).size(), 60 - start->value());
  Reopen();
  EXPECT_EQ(log_->start_offset(), *start);
  EXPECT_EQ(Values(*start).size(), 60 - start->value());
  // By age everything goes but the segment that is written to.
  const absl::StatusOr<Offset> last =
      log_->Retain({.bytes = std::nullopt, .age = Duration::Millis(-1000)});
  ASSERT_TRUE(last.ok());
  EXPECT_GT(*last, *start);
  EXPECT_LT(*last, Offset(60));
  Reopen();
  EXPECT_EQ(log_->start_offset(), *last);
  EXPECT_EQ(*Append(BatchOf({value})), Offset(60));
}

TEST_F(LocalLogTest, CompactionThatTheDiskRefusesLeavesTheLogAsItWasAndAppendable) {
  options_.log.segment_bytes = 64 << 10;
  Reopen();
  // Every key once: the pass writes as much as it reads.
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Append(ChangeOf(absl::StrCat(i), std::string(2000, 'v'))).ok());
  }
  const State before = ReadState(*log_, Offset(0));
  {
    const FileSizeLimit limit(20 << 10);
    EXPECT_FALSE(log_->Compact().ok());
  }
  EXPECT_EQ(ReadState(*log_, Offset(0)), before);
  ASSERT_TRUE(Append(ChangeOf("0", "new")).ok());
  const absl::StatusOr<CompactionReport> again = log_->Compact();
  ASSERT_TRUE(again.ok()) << again.status();
  State after = before;
  after["0"] = "new";
  Reopen();
  EXPECT_EQ(ReadState(*log_, Offset(0)), after);
}

// Appends until killed. For every acknowledgement one byte goes to `acknowledged`.
[[noreturn]] void AppendForEver(const std::string& path, const LocalLogOptions& options,
                                int acknowledged) {
  absl::StatusOr<std::unique_ptr<LocalLog>> log = LocalLog::Open(path, options);
  if (!log.ok()) ::_exit(1);
  for (;;) {
    const Offset at = (*log)->next_offset();
    std::string value = absl::StrCat(at.value(), ":", std::string(at.value() % 3000, 'v'));
    (*log)->Append(BatchOf({std::move(value)}), Durability::kDurable,
                   [acknowledged](absl::StatusOr<Offset> result) {
                     if (!result.ok() || ::write(acknowledged, "a", 1) != 1) ::_exit(1);
                   });
  }
}

TEST_F(LocalLogTest, KillingTheProcessLosesNothingThatWasAcknowledged) {
  options_.log.segment_bytes = 256 << 10;
  uint64_t before = 0;
  for (const int wanted : {1, 40, 700, 3}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      AppendForEver(path_, options_, ends[1]);
    }
    ::close(ends[1]);
    uint64_t acknowledged = 0;
    char bytes[256];
    bool killed = false;
    for (;;) {
      const ssize_t got = ::read(ends[0], bytes, sizeof(bytes));
      if (got <= 0) break;
      acknowledged += static_cast<uint64_t>(got);
      if (!killed && acknowledged >= static_cast<uint64_t>(wanted)) {
        ::kill(child, SIGKILL);
        killed = true;
      }
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(killed && WIFSIGNALED(status)) << "the child ended by itself: " << status;

    Reopen();
    const std::vector<std::string> values = Values(Offset(0));
    EXPECT_GE(values.size(), before + acknowledged);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], absl::StrCat(i, ":", std::string(i % 3000, 'v')));
    }
    before = values.size();
    log_.reset();
  }
}

}  // namespace
}  // namespace tidemark
