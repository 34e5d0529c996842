#include "engine/node/catch_up_pace.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};
constexpr uint64_t kRate = 1u << 20;

Instant At(int64_t millis) { return Instant::FromNanos(1) + Duration::Millis(100'000 + millis); }

// Reads that bring `bytes` each and end at once, begun within [from, to), all for node 2.
int TurnsWithin(CatchUpPace& pace, int64_t from, int64_t to, uint64_t bytes = kCatchUpReadBytes,
                uint64_t appended_each_milli = 0) {
  int turns = 0;
  for (int64_t now = from; now < to; ++now) {
    if (appended_each_milli > 0) pace.OnAppended(At(now), appended_each_milli);
    if (pace.waiting() == 0) pace.Wait(GroupId(1), kTwo);
    while (const auto turn = pace.Next(At(now))) {
      pace.OnRead(*turn, bytes);
      pace.Wait(GroupId(1), kTwo);
      ++turns;
    }
  }
  return turns;
}

TEST(CatchUpPace, NobodyHasATurnWhoDoesNotWait) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  EXPECT_FALSE(pace.Next(At(0)).has_value());
  EXPECT_EQ(pace.next_deadline(), Instant::Never());
}

TEST(CatchUpPace, TheFirstTurnIsAtOnceAndTheNextOnesFollowTheRate) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  // 16 a second, and what is saved up in the beginning.
  const int turns = TurnsWithin(pace, 0, 10'000);
  EXPECT_GE(turns, 160);
  EXPECT_LE(turns, 162);
}

TEST(CatchUpPace, TheDeadlineIsWhenThereIsATurnAndNotBefore) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  Instant now = At(0);
  for (int i = 0; i < 50; ++i) {
    pace.Wait(GroupId(1), kTwo);
    while (!pace.Next(now).has_value()) {
      const Instant deadline = pace.next_deadline();
      ASSERT_GT(deadline, now);
      EXPECT_FALSE(pace.Next(Instant::FromNanos(deadline.nanos() - 1'000)).has_value());
      now = deadline;
      ASSERT_LE(deadline - At(0), Duration::Seconds(10));
    }
  }
}

TEST(CatchUpPace, ManyShortStepsEarnAsMuchAsOneLongOne) {
  CatchUpPace pace;
  pace.SetRate(kCatchUpRateMin);
  pace.Wait(GroupId(1), kTwo);
  ASSERT_TRUE(pace.Next(At(0)).has_value());
  pace.Wait(GroupId(1), kTwo);
  Instant now = At(0);
  // A byte takes 15 us.
  while (!pace.Next(now).has_value()) now = now + Duration::Micros(4);
  EXPECT_LE(now - At(0), Duration::Millis(1005));
}

TEST(CatchUpPace, WhileClientsAppendItIsAPartOfTheRateAndWhatTheyAppend) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  const uint64_t appended = 500 * 1000;  // a second
  const uint64_t busy = kRate / kCatchUpBusyParts;
  const int turns = TurnsWithin(pace, 0, 10'000, kCatchUpReadBytes, appended / 1000);
  // And a little more, since reads begin too early.
  const auto expected = static_cast<int>(10 * (busy + appended + appended / 8) / kCatchUpReadBytes);
  EXPECT_GE(turns, expected - 1);
  EXPECT_LE(turns, expected + 2);
  // A second after the last append nobody is in the way any more.
  const int idle = TurnsWithin(pace, 11'100, 21'100);
  EXPECT_GE(idle, 159);
  EXPECT_LE(idle, 162);
}

TEST(CatchUpPace, AFloodOfAppendsIsOutrunInLargeReads) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  pace.Wait(GroupId(1), kTwo);
  ASSERT_TRUE(pace.Next(At(0)).has_value());
  pace.Wait(GroupId(1), kTwo);
  pace.OnAppended(At(1), 4u << 20);
  const auto turn = pace.Next(At(1));
  ASSERT_TRUE(turn.has_value());
  EXPECT_EQ(turn->bytes, kAppendBytesMax);
}

TEST(CatchUpPace, WhatWasAppendedWhileNobodyWaitedIsNoReasonToHurry) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  pace.OnAppended(At(0), 100u << 20);
  pace.Wait(GroupId(1), kTwo);
  const auto turn = pace.Next(At(5000));
  ASSERT_TRUE(turn.has_value());
  EXPECT_EQ(turn->bytes, kCatchUpReadBytes);
  EXPECT_LE(TurnsWithin(pace, 5001, 5100), 3);
}

TEST(CatchUpPace, GroupsTakeTurnsAndNodesDoNotWaitForEachOther) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  pace.Wait(GroupId(7), kTwo);
  pace.Wait(GroupId(1), kTwo);
  pace.Wait(GroupId(5), kThree);
  std::vector<std::pair<uint64_t, uint64_t>> turns;
  for (int64_t now = 0; now < 1000 && pace.waiting() > 0; ++now) {
    while (const auto turn = pace.Next(At(now))) {
      turns.emplace_back(turn->group.value(), turn->to.value());
    }
    if (now == 0) {
      EXPECT_EQ(turns.size(), 2u);
    }
  }
  EXPECT_EQ(turns, (std::vector<std::pair<uint64_t, uint64_t>>{{7, 2}, {5, 3}, {1, 2}}));
}

TEST(CatchUpPace, OnlyWhatCameOfATurnCounts) {
  CatchUpPace pace;
  pace.SetRate(kRate);
  // Ten thousand groups that lack next to nothing need not wait for each other.
  EXPECT_GT(TurnsWithin(pace, 0, 1000, 100), 10'000);
  // One batch that is larger than a turn is paid for later.
  const int turns = TurnsWithin(pace, 5000, 15'000, 1u << 20);
  EXPECT_GE(turns, 10);
  EXPECT_LE(turns, 12);
}

}  // namespace
}  // namespace tidemark
