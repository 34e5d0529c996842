#include "runtime/client/pump.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"

namespace tidemark::client {
namespace {

using By = Pump::By;

Instant Never() { return Instant::Never(); }

// The pump's thread, found out by a job that only it runs; it may still be in afterwards.
std::thread::id ThreadOf(Pump& pump) {
  std::promise<std::thread::id> id;
  pump.Post(By::kPump, [&] { id.set_value(std::this_thread::get_id()); });
  return id.get_future().get();
}

void BringOrPost(Pump& pump, By by, std::function<void()> job) {
  if (by == By::kPump) {
    pump.Post(by, std::move(job));
  } else {
    pump.Bring(by, std::move(job));
  }
}

TEST(Pump, WhoeverBringsAJobRunsItIfNobodyIsIn) {
  Pump pump([] {}, Never);
  for (const By by : {By::kAnybody, By::kInternal}) {
    std::thread::id ran;
    pump.Bring(by, [&] { ran = std::this_thread::get_id(); });
    EXPECT_EQ(ran, std::this_thread::get_id());
  }
}

TEST(Pump, WhatIsPostedRunsOnItsOwnThread) {
  Pump pump([] {}, Never);
  const std::thread::id own = ThreadOf(pump);
  EXPECT_NE(own, std::this_thread::get_id());
  std::promise<std::thread::id> ran;
  pump.Post(By::kAnybody, [&] { ran.set_value(std::this_thread::get_id()); });
  EXPECT_EQ(ran.get_future().get(), own);
}

// Who is in runs what comes meanwhile as far as it may, in the order in which it came.
struct Meanwhile {
  explicit Meanwhile(By in, std::vector<By> others) {
    Pump pump([] {}, Never);
    std::promise<void> last;
    ran.resize(others.size());
    pump.Bring(in, [&] {
      std::thread([&] {
        for (size_t i = 0; i < others.size(); ++i) {
          const auto job = [&, i] {
            ran[i] = std::this_thread::get_id();
            order.push_back(i);
            if (i + 1 == others.size()) last.set_value();
          };
          BringOrPost(pump, others[i], job);
        }
      }).join();
      EXPECT_TRUE(order.empty());
    });
    last.get_future().wait();
    own = ThreadOf(pump);
    for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
  }
  std::thread::id own;
  std::vector<std::thread::id> ran;
  std::vector<size_t> order;
};

TEST(Pump, WhoIsInRunsWhatOthersBringMeanwhile) {
  const Meanwhile seen(By::kInternal, {By::kAnybody, By::kInternal});
  for (const std::thread::id ran : seen.ran) EXPECT_EQ(ran, std::this_thread::get_id());
}

// A user's thread in Append must not find itself in the user's own callback.
TEST(Pump, WhatTheOneWhoIsInMayNotRunAndAllThatCameAfterIsForThePumpsThread) {
  const Meanwhile user(By::kAnybody, {By::kAnybody, By::kInternal, By::kAnybody});
  EXPECT_EQ(user.ran[0], std::this_thread::get_id());
  EXPECT_EQ(user.ran[1], user.own);
  EXPECT_EQ(user.ran[2], user.own);

  const Meanwhile internal(By::kInternal, {By::kInternal, By::kPump, By::kAnybody});
  EXPECT_EQ(internal.ran[0], std::this_thread::get_id());
  EXPECT_EQ(internal.ran[1], internal.own);
  EXPECT_EQ(internal.ran[2], internal.own);
}

TEST(Pump, WhatAJobHoldsIsGoneWhenBringReturns) {
  Pump pump([] {}, Never);
  auto held = std::make_shared<int>(1);
  pump.Bring(By::kAnybody, [held] {});
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Pump, TheTimerRunsOnItsThreadWhoeverSetTheDeadline) {
  Instant deadline = Instant::Never();  // of jobs and the timer, which exclude each other
  std::promise<std::thread::id> fired;
  Pump pump(
      [&] {
        deadline = Instant::Never();
        fired.set_value(std::this_thread::get_id());
      },
      [&] { return deadline; });
  const std::thread::id own = ThreadOf(pump);
  pump.Bring(By::kAnybody, [&] { deadline = MonotonicNow() + Duration::Millis(1); });
  EXPECT_EQ(fired.get_future().get(), own);
}

TEST(Pump, ADeadlineThatMovedAwayIsMet) {
  Instant deadline = MonotonicNow() + Duration::Millis(5);
  std::promise<Instant> fired;
  Pump pump(
      [&] {
        deadline = Instant::Never();
        fired.set_value(MonotonicNow());
      },
      [&] { return deadline; });
  const Instant later = MonotonicNow() + Duration::Millis(20);
  pump.Bring(By::kAnybody, [&] { deadline = later; });
  EXPECT_GE(fired.get_future().get(), later);
}

TEST(Pump, RunsWhatWasPostedBeforeItEnds) {
  int ran = 0;
  Pump pump([] {}, Never);
  for (int i = 0; i < 100; ++i) pump.Post(By::kPump, [&] { ++ran; });
  pump.Stop();
  EXPECT_EQ(ran, 100);
}

TEST(Pump, RunsOneJobAtATimeAndEachThreadsInOrder) {
  constexpr int kJobs = 2000;
  constexpr std::array<By, 4> kKinds = {By::kAnybody, By::kInternal, By::kInternal, By::kPump};
  std::array<int, kKinds.size()> next{};  // no lock: that jobs exclude each other is what is tested
  int inside = 0;
  {
    Pump pump([] {}, Never);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kKinds.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kJobs; ++i) {
          const auto job = [&, t, i] {
            EXPECT_EQ(++inside, 1);
            EXPECT_EQ(next[t]++, i);
            --inside;
          };
          BringOrPost(pump, kKinds[t], job);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const int count : next) EXPECT_EQ(count, kJobs);
}

}  // namespace
}  // namespace tidemark::client
