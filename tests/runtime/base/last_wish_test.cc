#include "runtime/base/last_wish.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

TEST(LastWish, IsDoneOnceAndOnlyTheLatestCounts) {
  int first = 0;
  int second = 0;
  SetLastWish([&] { ++first; });
  SetLastWish([&] { ++second; });
  RunLastWish();
  RunLastWish();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(LastWish, ThatWasTakenBackIsNotDone) {
  int done = 0;
  SetLastWish([&] { ++done; });
  SetLastWish(nullptr);
  RunLastWish();
  EXPECT_EQ(done, 0);
}

}  // namespace
}  // namespace tidemark
