#include "sim/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/base/prng.h"
#include "sim/clock.h"

namespace tidemark::sim {
namespace {

TEST(Scheduler, RunsInOrderOfTimeAndThenOfInsertion) {
  Scheduler scheduler;
  std::vector<int> order;
  const auto at = [](int64_t nanos) { return Instant::FromNanos(nanos); };
  scheduler.At(at(20), [&] { order.push_back(3); });
  scheduler.At(at(10), [&] { order.push_back(1); });
  scheduler.At(at(20), [&] { order.push_back(4); });
  scheduler.At(at(10), [&] {
    order.push_back(2);
    scheduler.At(at(5), [&] { order.push_back(9); });  // the past is now
  });
  while (scheduler.RunNext(at(15))) {
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2, 9}));
  EXPECT_EQ(scheduler.now(), at(15));
  while (scheduler.RunNext(at(100))) {
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2, 9, 3, 4}));
  EXPECT_EQ(scheduler.now(), at(100));
  EXPECT_EQ(scheduler.executed(), 5u);
}

TEST(Scheduler, KeepsManyTasksInTheOrderThatAStableSortGives) {
  Scheduler scheduler;
  Prng prng(7);
  std::vector<std::pair<int64_t, int>> expected;
  std::vector<int> order;
  int next = 0;
  const auto add = [&] {
    // Few times, so that many are equal; those in the past are now.
    const int64_t at = static_cast<int64_t>(prng.Below(400));
    const int name = next++;
    expected.emplace_back(std::max(at, scheduler.now().nanos()), name);
    scheduler.At(Instant::FromNanos(at), [&order, name] { order.push_back(name); });
  };
  for (int i = 0; i < 1000; ++i) add();
  // Some more while they run.
  while (scheduler.RunNext(Instant::FromNanos(1000))) {
    if (next < 3000) add();
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  ASSERT_EQ(order.size(), expected.size());
  for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], expected[i].second) << i;
}

TEST(Scheduler, DestroysTasksOnceWhetherTheyRanOrNot) {
  const auto token = std::make_shared<int>(1);
  {
    Scheduler scheduler;
    scheduler.At(Instant::FromNanos(1), [token] {});
    scheduler.At(Instant::FromNanos(2), [token] {});
    EXPECT_EQ(token.use_count(), 3);
    EXPECT_TRUE(scheduler.RunNext(Instant::FromNanos(1)));
    EXPECT_EQ(token.use_count(), 2);
    EXPECT_EQ(scheduler.pending(), 1u);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Scheduler, ATaskMayScheduleAnyNumberOfOthers) {
  Scheduler scheduler;
  int ran = 0;
  scheduler.At(Instant::FromNanos(1), [&scheduler, &ran, held = std::make_unique<int>(7)] {
    for (int i = 0; i < 1000; ++i) scheduler.After(Duration::Nanos(i), [&ran] { ++ran; });
    EXPECT_EQ(*held, 7);
  });
  while (scheduler.RunNext(Instant::FromNanos(2000))) {
  }
  EXPECT_EQ(ran, 1000);
  EXPECT_EQ(scheduler.executed(), 1001u);
}

TEST(Clock, ShowsItsOriginRateAndWallTime) {
  const Instant start = Instant::FromNanos(5'000'000'000);
  Clock fast(start, Instant::FromNanos(77), 1000, 250);
  EXPECT_EQ(fast.LocalOf(start), Instant::FromNanos(77));
  const Instant later = start + Duration::Seconds(10);
  EXPECT_EQ(fast.LocalOf(later) - fast.LocalOf(start), Duration::Millis(10'010));
  Clock slow(start, Instant(), -1000, 0);
  EXPECT_EQ(slow.LocalOf(later) - slow.LocalOf(start), Duration::Millis(9990));
  EXPECT_EQ(fast.At(later).wall.millis() - slow.At(later).wall.millis(), 250);
  slow.SetWallOffset(-1000);
  EXPECT_EQ(fast.At(later).wall.millis() - slow.At(later).wall.millis(), 1250);
}

TEST(Clock, FindsTheFirstVirtualTimeThatShowsALocalOne) {
  for (const int64_t ppm : {-300'000, -20'000, -200, 0, 200, 20'000, 300'000}) {
    const Clock clock(Instant::FromNanos(3), Instant::FromNanos(1'000'000), ppm, 0);
    for (const int64_t nanos :
         {1'000'000ll, 1'000'001ll, 150'000'000ll, 9'999'999'999ll, 90'000'000'000'007ll}) {
      const Instant local = Instant::FromNanos(nanos);
      const Instant found = clock.VirtualOf(local);
      EXPECT_GE(clock.LocalOf(found), local);
      EXPECT_LT(clock.LocalOf(found + Duration::Nanos(-1)), local) << ppm << " " << nanos;
    }
    EXPECT_EQ(clock.VirtualOf(Instant::Never()), Instant::Never());
  }
}

}  // namespace
}  // namespace tidemark::sim
