#include "engine/node/fresh_reads.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"

// SCENARIOS R8 (etcd #7331, #12762) and thesis 6.4, as far as one replica decides them.

namespace tidemark {
namespace {

using Verdict = FreshReads::Verdict;

constexpr Duration kPatience = Duration::Millis(200);

Instant At(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

WaitingFetch Linearizable(uint64_t request) {
  return {.request = RequestId{request},
          .fetch = {.topic = "t", .consistency = Consistency::kLinearizable}};
}

WaitingFetch Bounded(uint64_t request, Duration bound) {
  return {.request = RequestId{request},
          .fetch = {.topic = "t", .consistency = Consistency::kBounded, .max_staleness = bound}};
}

class FreshReadsTest : public testing::Test {
 protected:
  // Asks, and is answered with `index`.
  void Learn(Instant asked, LogIndex index) {
    reads_.Wait(asked, Linearizable(1000));
    reads_.OnResult({.id = *reads_.BeginRound(asked), .index = index});
    reads_.Cancel(RequestId{1000});
  }
  std::vector<std::pair<uint64_t, Verdict>> Settle(Instant now, uint64_t visible) {
    std::vector<std::pair<uint64_t, Verdict>> all;
    for (const FreshReads::Outcome& outcome : reads_.Settle(now, LogIndex{visible})) {
      all.emplace_back(outcome.read.request.value(), outcome.verdict);
    }
    return all;
  }
  using Outcomes = std::vector<std::pair<uint64_t, Verdict>>;

  FreshReads reads_{kPatience, 100};
};

TEST_F(FreshReadsTest, S6_4_ALinearizableReadWaitsForTheIndexAndUntilThatMuchIsShown) {
  reads_.Wait(At(1), Linearizable(1));
  const std::optional<raft::ReadId> round = reads_.BeginRound(At(1));
  ASSERT_TRUE(round.has_value());
  EXPECT_FALSE(reads_.BeginRound(At(1)).has_value()) << "nobody came since";
  EXPECT_EQ(Settle(At(2), 100), Outcomes{}) << "not answered yet";
  reads_.OnResult({.id = *round, .index = LogIndex{7}});
  EXPECT_EQ(Settle(At(3), 6), Outcomes{});
  EXPECT_EQ(Settle(At(4), 7), (Outcomes{{1, Verdict::kReady}}));
  EXPECT_EQ(Settle(At(5), 7), Outcomes{}) << "once";
}

TEST_F(FreshReadsTest, WhatWasAskedBeforeAReadCameDoesNotServeIt) {
  reads_.Wait(At(1), Linearizable(1));
  const raft::ReadId first = *reads_.BeginRound(At(1));
  reads_.Wait(At(2), Linearizable(2));
  const raft::ReadId second = *reads_.BeginRound(At(2));
  reads_.OnResult({.id = first, .index = LogIndex{5}});
  EXPECT_EQ(Settle(At(3), 9), (Outcomes{{1, Verdict::kReady}}));
  reads_.OnResult({.id = second, .index = LogIndex{9}});
  EXPECT_EQ(Settle(At(4), 9), (Outcomes{{2, Verdict::kReady}}));
}

TEST_F(FreshReadsTest, AReplicaThatIsAlwaysALittleBehindServesWhatItHasReached) {
  for (uint64_t i = 1; i <= 10 * kReadFactsMax; ++i) {
    const Instant now = At(static_cast<int64_t>(i));
    reads_.Wait(now, Linearizable(i));
    reads_.OnResult({.id = *reads_.BeginRound(now), .index = LogIndex{i}});
    const Outcomes before = i == 1 ? Outcomes{} : Outcomes{{i - 1, Verdict::kReady}};
    EXPECT_EQ(Settle(now, i - 1), before);
  }
}

TEST_F(FreshReadsTest, R8_AReadIsRefusedWhenRaftRefusesOrSaysNothing) {
  reads_.Wait(At(1), Linearizable(1));
  reads_.OnResult({.id = *reads_.BeginRound(At(1)), .index = std::nullopt});
  EXPECT_EQ(Settle(At(2), 9), (Outcomes{{1, Verdict::kNotConfirmed}}));
  // The answer is lost, or the raft that was asked is not there any more.
  reads_.Wait(At(10), Linearizable(2));
  ASSERT_TRUE(reads_.BeginRound(At(10)).has_value());
  EXPECT_EQ(reads_.next_deadline(), At(10) + kPatience);
  EXPECT_EQ(Settle(At(209), 9), Outcomes{});
  EXPECT_EQ(Settle(At(210), 9), (Outcomes{{2, Verdict::kNotConfirmed}}));
  EXPECT_EQ(reads_.next_deadline(), Instant::Never());
  // What is known does not come true here.
  reads_.Wait(At(300), Linearizable(3));
  reads_.OnResult({.id = *reads_.BeginRound(At(300)), .index = LogIndex{10}});
  EXPECT_EQ(Settle(At(500), 9), (Outcomes{{3, Verdict::kNotConfirmed}}));
}

TEST_F(FreshReadsTest, TheAgeCountsFromTheQuestionAndIsStatedForASlowClock) {
  EXPECT_FALSE(reads_.Age(At(50)).has_value());
  Learn(At(100), LogIndex{5});
  EXPECT_FALSE(reads_.Age(At(150)).has_value()) << "not shown yet";
  Settle(At(150), 5);
  EXPECT_EQ(reads_.Age(At(100)), Duration());
  EXPECT_EQ(reads_.Age(At(190)), Duration::Millis(100));
  EXPECT_EQ(reads_.Age(At(100) + Duration::Nanos(1)), Duration::Nanos(2)) << "rounded up";
  // 106 days are more than can be multiplied by a thousand.
  EXPECT_GT(*reads_.Age(At(20'000'000'000)), Duration::Millis(20'000'000'000));
}

TEST_F(FreshReadsTest, ABoundedReadIsServedWithinItsBoundAndRefusedBehindIt) {
  Learn(At(100), LogIndex{5});
  Settle(At(100), 5);
  EXPECT_TRUE(reads_.Within(At(190), Duration::Millis(100)));
  EXPECT_FALSE(reads_.Within(At(191), Duration::Millis(100)));
  reads_.Wait(At(191), Bounded(1, Duration::Millis(100)));
  const raft::ReadId round = *reads_.BeginRound(At(191));
  EXPECT_EQ(Settle(At(192), 5), Outcomes{});
  reads_.OnResult({.id = round, .index = LogIndex{5}});
  EXPECT_EQ(Settle(At(200), 5), (Outcomes{{1, Verdict::kReady}}));
  // To ask takes longer than the read allows.
  reads_.Wait(At(300), Bounded(2, Duration::Millis(5)));
  reads_.OnResult({.id = *reads_.BeginRound(At(300)), .index = LogIndex{5}});
  EXPECT_EQ(Settle(At(305), 5), (Outcomes{{2, Verdict::kTooStale}}));
}

TEST_F(FreshReadsTest, WhatIsParkedIsLookedAtAsSoonAsItsBoundIsPassed) {
  Learn(At(0), LogIndex{5});
  Settle(At(0), 5);
  for (const int64_t nanos : {1'000'000, 1'000'999, 123'456'789}) {
    const Duration bound = Duration::Nanos(nanos);
    reads_.ParkedWereSeen();
    reads_.OnParked(bound);
    const Instant due = reads_.next_deadline();
    EXPECT_FALSE(reads_.Within(due, bound)) << nanos;
    EXPECT_TRUE(reads_.Within(due + Duration::Nanos(-1), bound)) << nanos;
    EXPECT_TRUE(reads_.ParkedAreDue(due));
    EXPECT_FALSE(reads_.ParkedAreDue(due + Duration::Nanos(-1)));
  }
}

TEST_F(FreshReadsTest, NothingIsKnownOfFilesThatWereReadAgain) {
  Learn(At(100), LogIndex{5});
  Settle(At(100), 5);
  reads_.Wait(At(101), Linearizable(1));
  const raft::ReadId old = *reads_.BeginRound(At(101));
  reads_.Forget();
  EXPECT_FALSE(reads_.Age(At(102)).has_value());
  reads_.OnResult({.id = old, .index = LogIndex{5}});
  EXPECT_EQ(Settle(At(103), 9), Outcomes{}) << "of the raft that was";
}

TEST_F(FreshReadsTest, ACancelledReadIsForgotten) {
  reads_.Wait(At(1), Linearizable(1));
  EXPECT_TRUE(reads_.Cancel(RequestId{1}));
  EXPECT_FALSE(reads_.Cancel(RequestId{1}));
  EXPECT_FALSE(reads_.BeginRound(At(1)).has_value());
}

}  // namespace
}  // namespace tidemark
