#include "runtime/base/clock.h"

#include <time.h>

#include "engine/base/check.h"

namespace tidemark {
namespace {

timespec ReadClock(clockid_t clock) {
  timespec time{};
  TIDEMARK_CHECK_EQ(::clock_gettime(clock, &time), 0);
  return time;
}

}  // namespace

Instant MonotonicNow() {
  const timespec time = ReadClock(CLOCK_MONOTONIC);
  return Instant::FromNanos(time.tv_sec * 1'000'000'000 + time.tv_nsec);
}

WallTime WallNow() {
  const timespec time = ReadClock(CLOCK_REALTIME);
  return WallTime::FromMillis(time.tv_sec * 1000 + time.tv_nsec / 1'000'000);
}

Now ReadNow() { return Now{.instant = MonotonicNow(), .wall = WallNow()}; }

}  // namespace tidemark
