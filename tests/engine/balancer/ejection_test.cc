#include "engine/balancer/ejection.h"

#include <gtest/gtest.h>

namespace tidemark::balancer {
namespace {

Instant At(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

TEST(Ejection, ComesAfterFailuresInARowAndEndsByTime) {
  OutlierEjector ejector({}, Prng(1));
  ejector.OnFailure(At(0), "a", 3);
  ejector.OnFailure(At(1), "a", 3);
  ejector.OnSuccess(At(2), "a");
  ejector.OnFailure(At(3), "a", 3);
  ejector.OnFailure(At(4), "a", 3);
  EXPECT_FALSE(ejector.IsEjected(At(4), "a"));
  ejector.OnFailure(At(5), "a", 3);
  EXPECT_TRUE(ejector.IsEjected(At(5), "a"));
  EXPECT_TRUE(ejector.IsEjected(At(504), "a"));
  EXPECT_FALSE(ejector.IsEjected(At(5 + 626), "a"));
}

TEST(Ejection, DoublesWhileItGoesOnFailingUpToTheMaximum) {
  OutlierEjector ejector({}, Prng(1));
  int64_t now = 1;
  for (int i = 0; i < 3; ++i) ejector.OnFailure(At(now), "a", 3);
  int64_t last = 0;
  for (int n = 0; n < 12; ++n) {
    const int64_t begin = now;
    while (ejector.IsEjected(At(now), "a")) ++now;
    const int64_t length = now - begin;
    const int64_t floor = std::min<int64_t>(int64_t{500} << n, 30'000);
    EXPECT_GE(length, floor) << n;
    EXPECT_LE(length, floor + floor / 4 + 1) << n;
    last = length;
    ejector.OnFailure(At(now), "a", 3);  // One failure on parole is enough.
    EXPECT_TRUE(ejector.IsEjected(At(now), "a"));
  }
  EXPECT_GE(last, 30'000);
}

TEST(Ejection, NeverTakesMoreThanItsShare) {
  OutlierEjector ejector({}, Prng(1));
  for (int i = 0; i < 10; ++i) {
    for (const char* address : {"a", "b", "c", "d"}) ejector.OnFailure(At(i), address, 4);
  }
  EXPECT_EQ(ejector.EjectedCount(At(10)), 2u);
  OutlierEjector lone({}, Prng(1));
  for (int i = 0; i < 10; ++i) lone.OnFailure(At(i), "a", 1);
  EXPECT_EQ(lone.EjectedCount(At(10)), 0u);
}

TEST(Ejection, GoodServiceIsForgiving) {
  OutlierEjector ejector({}, Prng(1));
  for (int i = 0; i < 3; ++i) ejector.OnFailure(At(0), "a", 3);
  ejector.OnSuccess(At(10'000), "a");
  ejector.OnFailure(At(10'001), "a", 3);
  EXPECT_FALSE(ejector.IsEjected(At(10'001), "a"));
}

}  // namespace
}  // namespace tidemark::balancer
