#include "runtime/net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/unique_fd.h"

namespace tidemark::net {
namespace {

constexpr Duration kLong = Duration::Seconds(30);
constexpr Duration kNone = Duration::Nanos(0);

std::unique_ptr<EventLoop> MakeLoop() {
  auto loop = EventLoop::Create();
  EXPECT_TRUE(loop.ok()) << loop.status();
  return *std::move(loop);
}

struct Pair {
  Pair() {
    std::array<int, 2> fds;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    a.Reset(fds[0]);
    b.Reset(fds[1]);
  }
  UniqueFd a;
  UniqueFd b;
};

TEST(EventLoop, CallsAHandlerAgainUntilItsBytesAreRead) {
  auto loop = MakeLoop();
  Pair pair;
  int calls = 0;
  const auto watch = loop->Watch(pair.a.get(), {.read = true}, [&](EventLoop::Ready ready) {
    EXPECT_TRUE(ready.readable);
    EXPECT_FALSE(ready.writable);
    if (++calls < 3) return;
    char c;
    EXPECT_EQ(::read(pair.a.get(), &c, 1), 1);
  });
  ASSERT_TRUE(watch.ok());
  ASSERT_EQ(::write(pair.b.get(), "x", 1), 1);
  for (int i = 0; i < 3; ++i) loop->RunOnce(kLong);
  loop->RunOnce(kNone);
  EXPECT_EQ(calls, 3);
  loop->Unwatch(*watch);
  EXPECT_EQ(loop->watch_count(), 0u);
}

TEST(EventLoop, ReportsWritableOnlyWhileAskedTo) {
  auto loop = MakeLoop();
  Pair pair;
  int writable = 0;
  const auto watch = loop->Watch(pair.a.get(), {.write = true},
                                 [&](EventLoop::Ready ready) { writable += ready.writable; });
  ASSERT_TRUE(watch.ok());
  loop->RunOnce(kLong);
  EXPECT_EQ(writable, 1);
  loop->SetInterest(*watch, {});
  loop->RunOnce(kNone);
  EXPECT_EQ(writable, 1);
  loop->SetInterest(*watch, {.write = true});
  loop->RunOnce(kLong);
  EXPECT_EQ(writable, 2);
}

TEST(EventLoop, HangUpSetsEverythingSoThatTheNextCallSeesIt) {
  auto loop = MakeLoop();
  Pair pair;
  EventLoop::Ready seen;
  ASSERT_TRUE(loop->Watch(pair.a.get(), {}, [&](EventLoop::Ready ready) { seen = ready; }).ok());
  pair.b.Reset();
  loop->RunOnce(kLong);
  EXPECT_TRUE(seen.failed && seen.readable && seen.writable);
}

TEST(EventLoop, HandlerMayRemoveItselfAndAnotherThatIsReadyInTheSameTurn) {
  auto loop = MakeLoop();
  std::array<Pair, 2> pairs;
  std::array<EventLoop::WatchId, 2> watches{};
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    auto kept = std::make_shared<std::string>("alive");
    const auto watch = loop->Watch(pairs[i].a.get(), {.read = true}, [&, kept](EventLoop::Ready) {
      ++calls;
      for (const EventLoop::WatchId id : watches) loop->Unwatch(id);
      EXPECT_EQ(*kept, "alive");  // the handler outlives its own removal
    });
    ASSERT_TRUE(watch.ok());
    watches[i] = *watch;
    ASSERT_EQ(::write(pairs[i].b.get(), "x", 1), 1);
  }
  loop->RunOnce(kLong);
  loop->RunOnce(kNone);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop->watch_count(), 0u);
}

TEST(EventLoop, WhatAHandlerPostsRunsInTheSameTurnAndWhatThatPostsInTheNext) {
  auto loop = MakeLoop();
  Pair pair;
  std::string order;
  const auto watch = loop->Watch(pair.a.get(), {.write = true}, [&](EventLoop::Ready) {
    order += 'h';
    loop->Post([&] {
      order += 'p';
      loop->Post([&] { order += 'q'; });
    });
  });
  ASSERT_TRUE(watch.ok());
  loop->RunOnce(kLong);
  EXPECT_EQ(order, "hp");
  loop->Unwatch(*watch);
  loop->RunOnce(kLong);
  EXPECT_EQ(order, "hpq");
}

TEST(EventLoop, TimersRunInOrderOfTheirMomentsAndCancelledOnesNever) {
  auto loop = MakeLoop();
  std::string order;
  loop->After(Duration::Millis(3), [&] { order += 'c'; });
  const auto cancelled = loop->After(Duration::Millis(1), [&] { order += 'x'; });
  loop->After(Duration::Millis(1), [&] { order += 'a'; });
  loop->After(Duration::Millis(2), [&] { order += 'b'; });
  loop->Cancel(cancelled);
  loop->Cancel(cancelled);
  loop->Cancel({});
  while (order.size() < 3) loop->RunOnce(kLong);
  EXPECT_EQ(order, "abc");
}

TEST(EventLoop, TimerMayCancelAnotherThatIsDue) {
  auto loop = MakeLoop();
  int runs = 0;
  EventLoop::TimerId second;
  loop->After(kNone, [&] {
    ++runs;
    loop->Cancel(second);
  });
  second = loop->After(kNone, [&] { ++runs; });
  loop->RunOnce(kLong);
  loop->RunOnce(kNone);
  EXPECT_EQ(runs, 1);
}

TEST(EventLoop, DeadlineIsOneSlotThatFiresOnce) {
  auto loop = MakeLoop();
  std::string fired;
  loop->SetDeadline(loop->now(), [&] { fired += 'x'; });
  loop->SetDeadline(loop->now() + Duration::Millis(1), [&] { fired += 'a'; });
  while (fired.empty()) loop->RunOnce(kLong);
  loop->RunOnce(Duration::Millis(2));
  EXPECT_EQ(fired, "a");
  loop->SetDeadline(loop->now(), [&] { fired += 'b'; });
  loop->SetDeadline(Instant::Never(), nullptr);
  loop->RunOnce(kNone);
  EXPECT_EQ(fired, "a");
}

TEST(EventLoop, DeadlineMaySetTheNextOne) {
  auto loop = MakeLoop();
  int fired = 0;
  loop->SetDeadline(loop->now(), [&] {
    ++fired;
    loop->SetDeadline(loop->now(), [&] { ++fired; });
  });
  while (fired < 2) loop->RunOnce(kLong);
  EXPECT_EQ(fired, 2);
}

TEST(EventLoop, PostWakesASleepingLoopFromAnotherThreadAndKeepsOrder) {
  auto loop = MakeLoop();
  constexpr int kCount = 10'000;
  std::vector<int> seen;
  std::thread poster([&] {
    for (int i = 0; i < kCount; ++i) {
      loop->Post([&seen, i] { seen.push_back(i); });
    }
    loop->Stop();
  });
  loop->Run();
  poster.join();
  ASSERT_EQ(seen.size(), static_cast<size_t>(kCount));
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(seen[i], i);
}

TEST(EventLoop, PostFromAHandlerRunsAtTheEndOfTheTurnAndTheNextInTheNextWithoutWaiting) {
  auto loop = MakeLoop();
  int runs = 0;
  loop->Post([&] {
    ++runs;
    loop->Post([&] {
      ++runs;
      loop->Post([&] { ++runs; });
    });
  });
  loop->RunOnce(kLong);
  EXPECT_EQ(runs, 2);
  loop->RunOnce(kLong);
  EXPECT_EQ(runs, 3);
}

// A loop with a thread of its own, which sleeps unless it is told something.
struct Running {
  Running() : loop(MakeLoop()), thread([this] { loop->Run(); }) {
    std::promise<std::thread::id> id;
    loop->Post([&] { id.set_value(std::this_thread::get_id()); });
    own = id.get_future().get();
  }
  ~Running() {
    loop->Stop();
    thread.join();
  }
  // Brings `function` until this thread ran it: the loop's may still be on its way to sleep.
  void BringHere(const std::function<void()>& function) {
    for (bool here = false; !here;) {
      std::promise<bool> ran;
      loop->Bring([&, me = std::this_thread::get_id()] {
        const bool mine = std::this_thread::get_id() == me;
        if (mine) function();
        ran.set_value(mine);
      });
      here = ran.get_future().get();
    }
  }
  std::unique_ptr<EventLoop> loop;
  std::thread thread;
  std::thread::id own;
};

TEST(EventLoop, RunsWhatIsBroughtWhileItSleepsAndWhatThatPostsAtOnceOnThatThread) {
  Running running;
  std::string order;
  running.BringHere([&] {
    EXPECT_TRUE(running.loop->OnLoopThread());
    running.loop->Bring([&] { order += 'b'; });
    running.loop->Post([&] { order += 'p'; });
    order += 'f';
  });
  EXPECT_EQ(order, "fbp");
  EXPECT_FALSE(running.loop->OnLoopThread());
  std::promise<bool> own;
  running.loop->Post([&] { own.set_value(running.loop->OnLoopThread()); });
  EXPECT_TRUE(own.get_future().get());
}

TEST(EventLoop, WhatIsBroughtWhileItDoesNotSleepIsPosted) {
  auto loop = MakeLoop();
  std::thread::id ran;
  std::thread([&] { loop->Bring([&] { ran = std::this_thread::get_id(); }); }).join();
  EXPECT_EQ(ran, std::thread::id());
  loop->RunOnce(kLong);
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST(EventLoop, WakesForTimersAndDeadlinesThatWereSetByWhatWasBrought) {
  Running running;
  std::promise<std::thread::id> timer;
  running.BringHere([&] {
    running.loop->After(Duration::Millis(1), [&] { timer.set_value(std::this_thread::get_id()); });
  });
  EXPECT_EQ(timer.get_future().get(), running.own);
  std::promise<std::thread::id> deadline;
  running.BringHere([&] {
    running.loop->SetDeadline(running.loop->now() + Duration::Millis(1),
                              [&] { deadline.set_value(std::this_thread::get_id()); });
  });
  EXPECT_EQ(deadline.get_future().get(), running.own);
}

TEST(EventLoop, WhatIsLeftWhenABroughtFunctionEndsIsForTheLoopsThread) {
  Running running;
  std::promise<std::thread::id> left;
  running.BringHere([&] {
    running.loop->Post(
        [&] { running.loop->Post([&] { left.set_value(std::this_thread::get_id()); }); });
  });
  EXPECT_EQ(left.get_future().get(), running.own);
}

TEST(EventLoop, CanBeStoppedByWhatWasBrought) {
  auto loop = MakeLoop();
  std::thread runner([&] { loop->Run(); });
  loop->Bring([&] { loop->Stop(); });
  runner.join();
}

// What they touch has no lock: that they exclude each other is what is tested.
TEST(EventLoop, HandlersAndWhatIsBroughtByManyThreadsExcludeEachOther) {
  constexpr int kCount = 2000;
  constexpr int kThreads = 3;
  Running running;
  Pair pair;
  int touched = 0;
  int bytes = 0;
  std::promise<void> all;
  const auto touch = [&] {
    if (++touched == kCount * (kThreads + 1)) all.set_value();
  };
  EventLoop::WatchId watch = 0;
  running.BringHere([&] {
    watch = *running.loop->Watch(pair.a.get(), {.read = true}, [&](EventLoop::Ready) {
      char c;
      while (::read(pair.a.get(), &c, 1) == 1 && ++bytes > 0) touch();
    });
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      int next = 0;  // of jobs that are in order
      for (int i = 0; i < kCount; ++i) {
        std::promise<void> done;
        running.loop->Bring([&, i] {
          EXPECT_EQ(next++, i);
          touch();
          done.set_value();
        });
        // Some wait, some do not, so that the loop's thread meets both.
        if (t > 0 || i % 2 == 0) {
          done.get_future().wait();
        } else {
          std::promise<void> passed;
          running.loop->Post([&] { passed.set_value(); });
          passed.get_future().wait();
        }
      }
    });
  }
  for (int i = 0; i < kCount; ++i) {
    while (::write(pair.b.get(), "x", 1) != 1) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  all.get_future().wait();
  running.BringHere([&] {
    EXPECT_EQ(bytes, kCount);
    running.loop->Unwatch(watch);
  });
}

TEST(EventLoop, StopBeforeRunEndsItAtOnceAndItCanRunAgain) {
  auto loop = MakeLoop();
  loop->Stop();
  loop->Run();
  bool ran = false;
  loop->Post([&] {
    ran = true;
    loop->Stop();
  });
  loop->Run();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, KnowsItsThread) {
  auto loop = MakeLoop();
  EXPECT_TRUE(loop->OnLoopThread());
  std::atomic<bool> inside{false};
  std::thread runner([&] {
    EXPECT_FALSE(loop->OnLoopThread());
    loop->Post([&] {
      inside = loop->OnLoopThread();
      loop->Stop();
    });
    loop->Run();
  });
  runner.join();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(loop->OnLoopThread());
}

TEST(EventLoop, DestroysWhatWasPostedAndNotRun) {
  auto loop = MakeLoop();
  auto token = std::make_shared<int>(1);
  loop->Post([token] {});
  EXPECT_EQ(token.use_count(), 2);
  loop.reset();
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace tidemark::net
