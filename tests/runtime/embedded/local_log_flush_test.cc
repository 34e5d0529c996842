#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <optional>
#include <string>

#include "engine/log/batch.h"
#include "engine/log/index.h"
#include "runtime/embedded/local_log.h"

namespace tidemark {
namespace {

// Eight that append again when they are answered: flushes of eight, not of four and four. How many
// there were, the sidecar tells: a run ends with its flush.
TEST(LocalLogFlush, WhatIsAppendedFromTheAnswersOfAFlushSharesTheNextOne) {
  const std::string path = std::filesystem::path(::testing::TempDir()) /
                           ("local_log_flush_" + std::to_string(::getpid()));
  auto opened = LocalLog::Open(path, LocalLogOptions());
  ASSERT_TRUE(opened.ok()) << opened.status();
  constexpr size_t kAppenders = 8;
  constexpr size_t kRounds = 100;
  BatchBuilder builder;
  builder.Add(std::nullopt, "v", 1'700'000'000'000);
  const std::string batch = builder.Finish();
  std::atomic<size_t> left{kAppenders};
  std::promise<void> done;
  std::function<void(size_t)> append = [&](size_t rounds) {
    (*opened)->Append(batch, Durability::kDurable, [&, rounds](absl::StatusOr<Offset> offset) {
      EXPECT_TRUE(offset.ok()) << offset.status();
      if (rounds > 1) {
        append(rounds - 1);
      } else if (--left == 0) {
        done.set_value();
      }
    });
  };
  for (size_t i = 0; i < kAppenders; ++i) append(kRounds);
  done.get_future().wait();
  opened->reset();
  std::ifstream file(path + "/" + PathOf({GroupId(1), FileKind::kIndex, 1}), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t flushes = 0;
  for (const DecodedIndexEntry& each : DecodeIndex(bytes)) {
    if (!each.entry.is_checkpoint()) ++flushes;
  }
  EXPECT_GE(flushes, kRounds);
  // The first appends come one by one.
  EXPECT_LE(flushes, kRounds + kAppenders);
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace tidemark
