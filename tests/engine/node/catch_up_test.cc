#include "engine/node/catch_up.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

constexpr Duration kTimeout = Duration::Millis(1000);
constexpr Duration kPause = Duration::Millis(100);

struct Member {
  CatchUp progress;
  Instant now = Instant::FromNanos(1);

  void See(Duration later, uint64_t last, uint64_t match, bool active = true) {
    now = now + later;
    progress.Observe(now, {.last = LogIndex(last), .match = LogIndex(match), .active = active},
                     kTimeout, kPause);
  }
};

TEST(CatchUp, MemberThatKeepsPaceUnderLoadIsDone) {
  Member member;
  for (uint64_t i = 1; i <= 4; ++i) member.See(kPause, 1000 * i, 1000 * (i - 1));
  EXPECT_TRUE(member.progress.done());
}

TEST(CatchUp, MemberThatFallsBehindIsNot) {
  Member member;
  for (uint64_t i = 1; i <= 100; ++i) member.See(kPause, 1000 * i, 100 * i);
  EXPECT_FALSE(member.progress.done());
}

TEST(CatchUp, IdleGroupProvesNothingWithinAnInstant) {
  Member member;
  for (int i = 0; i < 100; ++i) member.See(Duration(), 5, 5);
  EXPECT_FALSE(member.progress.done());
}

TEST(CatchUp, SilenceBeginsItAnew) {
  Member member;
  for (int i = 0; i < 3; ++i) member.See(kPause, 5, 5);
  EXPECT_FALSE(member.progress.done());
  member.See(kPause, 5, 5, /*active=*/false);
  for (int i = 0; i < 2; ++i) member.See(kPause, 5, 5);
  EXPECT_FALSE(member.progress.done());
  member.See(kPause, 5, 5);
  EXPECT_TRUE(member.progress.done());
}

}  // namespace
}  // namespace tidemark
