#include "engine/balancer/retry.h"

#include <gtest/gtest.h>

namespace tidemark::balancer {
namespace {

using Code = absl::StatusCode;

Instant At(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

CallError Error(Code code, std::string reason = "") {
  CallError error;
  error.code = code;
  error.reason = std::move(reason);
  error.message = "m";
  return error;
}

TEST(Retry, CodesAndReasonsAreClassified) {
  EXPECT_EQ(Classify(Error(Code::kUnavailable)), Verdict::kElsewhere);
  EXPECT_EQ(Classify(Error(Code::kFailedPrecondition, "NOT_LEADER")), Verdict::kElsewhere);
  EXPECT_EQ(Classify(Error(Code::kFailedPrecondition, "NOT_A_REPLICA")), Verdict::kElsewhere);
  EXPECT_EQ(Classify(Error(Code::kDataLoss, "STORAGE_FAILED")), Verdict::kElsewhere);
  EXPECT_EQ(Classify(Error(Code::kResourceExhausted, "DISK_FULL")), Verdict::kElsewhere);
  EXPECT_EQ(Classify(Error(Code::kDeadlineExceeded)), Verdict::kBackOff);
  EXPECT_EQ(Classify(Error(Code::kResourceExhausted, "BACK_PRESSURE")), Verdict::kBackOff);
  EXPECT_EQ(Classify(Error(Code::kResourceExhausted, "BATCH_TOO_LARGE")), Verdict::kFinal);
  EXPECT_EQ(Classify(Error(Code::kFailedPrecondition, "OUT_OF_ORDER_SEQUENCE")), Verdict::kFinal);
  for (const Code code : {Code::kInvalidArgument, Code::kPermissionDenied, Code::kUnauthenticated,
                          Code::kDataLoss, Code::kOutOfRange, Code::kUnimplemented}) {
    EXPECT_EQ(Classify(Error(code)), Verdict::kFinal) << static_cast<int>(code);
  }
  EXPECT_EQ(Classify(Error(Code::kNotFound, "TOPIC_NOT_FOUND")), Verdict::kFinal);
  EXPECT_EQ(Classify(Error(Code::kNotFound, "TOPIC_NOT_FOUND"), true), Verdict::kBackOff);
}

TEST(Retry, OnlySilenceAndBrokenServersSpeakAgainstAnEndpoint) {
  EXPECT_TRUE(BlamesEndpoint(Error(Code::kUnavailable)));
  EXPECT_TRUE(BlamesEndpoint(Error(Code::kDataLoss, "STORAGE_FAILED")));
  EXPECT_FALSE(BlamesEndpoint(Error(Code::kUnavailable, "NO_LEADER")));
  EXPECT_FALSE(BlamesEndpoint(Error(Code::kInvalidArgument)));
}

TEST(Retry, BackOffGrowsWithFullJitterUpToItsMaximum) {
  Backoff backoff({Duration::Millis(10), Duration::Millis(1000)}, Prng(3));
  Duration largest;
  for (int n = 0; n < 200; ++n) {
    const Duration wait = backoff.Next();
    const Duration cap = n < 7 ? Duration::Millis(int64_t{10} << n) : Duration::Millis(1000);
    EXPECT_LE(wait, cap) << n;
    largest = std::max(largest, wait);
  }
  EXPECT_GT(largest, Duration::Millis(900));
  backoff.Reset();
  EXPECT_LE(backoff.Next(), Duration::Millis(10));
}

TEST(Retry, BudgetExhaustsAndIsEarnedByCallsAndTime) {
  RetryBudget budget({.tokens_max = 3, .percent = 50, .per_second = 1});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.Spend(At(0)));
  EXPECT_FALSE(budget.Spend(At(0)));
  budget.OnFirstAttempt();
  EXPECT_FALSE(budget.Spend(At(0)));
  budget.OnFirstAttempt();
  EXPECT_TRUE(budget.Spend(At(0)));
  EXPECT_FALSE(budget.Spend(At(999)));
  EXPECT_TRUE(budget.Spend(At(1000)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.Spend(At(1'000'000)));
  EXPECT_FALSE(budget.Spend(At(1'000'000)));
}

TEST(Retry, FollowsAFewHintsAtOnceThenWaits) {
  RetryPolicy policy({}, nullptr, Prng(1));
  policy.Start(At(0));
  for (int i = 0; i < 3; ++i) {
    const RetryDecision hop =
        policy.OnFailure(At(0), Error(Code::kFailedPrecondition, "NOT_LEADER"), true);
    EXPECT_FALSE(hop.give_up.has_value());
    EXPECT_EQ(hop.delay, Duration());
    EXPECT_FALSE(hop.refresh_view);
  }
  Duration waited;
  for (int i = 0; i < 5; ++i) {
    const RetryDecision wait =
        policy.OnFailure(At(0), Error(Code::kFailedPrecondition, "NOT_LEADER"), true);
    EXPECT_TRUE(wait.refresh_view);
    waited = waited + wait.delay;
  }
  EXPECT_GT(waited, Duration());
}

TEST(Retry, GivesUpAtTheDeadlineOnFinalErrorsAndWithoutBudget) {
  RetryPolicy policy({}, nullptr, Prng(1));
  policy.Start(At(0));
  EXPECT_FALSE(policy.OnFailure(At(100), Error(Code::kUnavailable), false).give_up.has_value());
  const RetryDecision late = policy.OnFailure(At(30'000), Error(Code::kUnavailable), false);
  ASSERT_TRUE(late.give_up.has_value());
  EXPECT_EQ(late.give_up->message(), "m (gave up after 2 attempts in 30000 ms)");
  EXPECT_EQ(policy.OnFailure(At(0), Error(Code::kInvalidArgument, "INVALID_BATCH"), false).give_up,
            absl::InvalidArgumentError("INVALID_BATCH: m"));
  // What a server said explains more than a last attempt that nobody answered.
  policy.Start(At(0));
  EXPECT_FALSE(
      policy.OnFailure(At(0), Error(Code::kUnavailable, "TOO_STALE"), false).give_up.has_value());
  EXPECT_EQ(
      policy.OnFailure(At(30'000), Error(Code::kDeadlineExceeded), false).give_up,
      absl::UnavailableError("TOO_STALE: m (gave up after 2 attempts in 30000 ms, the last of "
                             "them unanswered)"));
  RetryBudget budget({.tokens_max = 0, .percent = 0, .per_second = 0});
  RetryPolicy poor({}, &budget, Prng(1));
  poor.Start(At(0));
  EXPECT_TRUE(poor.OnFailure(At(0), Error(Code::kUnavailable), false).give_up.has_value());
}

}  // namespace
}  // namespace tidemark::balancer
