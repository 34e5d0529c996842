#include "engine/balancer/retry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::balancer {
namespace {

using Code = absl::StatusCode;

constexpr uint64_t kToken = 1'000'000'000;
// Hints followed at once before waiting: two servers that point at each other must not spin.
constexpr uint32_t kHopsMax = 3;

absl::Status Annotate(const CallError& error, const std::string& what) {
  const absl::Status status = error.ToStatus();
  return absl::Status(status.code(), absl::StrCat(status.message(), " (", what, ")"));
}

}  // namespace

absl::Status CallError::ToStatus() const {
  const Code shown = code == Code::kOk ? Code::kUnavailable : code;
  if (reason.empty()) return absl::Status(shown, message);
  return absl::Status(shown, absl::StrCat(reason, ": ", message));
}

Verdict Classify(const CallError& error, bool retry_not_found) {
  const std::string& reason = error.reason;
  if (reason == "NOT_LEADER" || reason == "NOT_A_REPLICA" || reason == "NO_LEADER" ||
      reason == "SHUTTING_DOWN" || reason == "STORAGE_FAILED" || reason == "DISK_FULL") {
    return Verdict::kElsewhere;
  }
  if (reason == "BATCH_TOO_LARGE") return Verdict::kFinal;
  switch (error.code) {
    case Code::kOk:
    case Code::kUnavailable:
      return Verdict::kElsewhere;
    case Code::kDeadlineExceeded:
    case Code::kResourceExhausted:
    case Code::kAborted:
    case Code::kCancelled:
    case Code::kUnknown:
    case Code::kInternal:
      return Verdict::kBackOff;
    case Code::kNotFound:
      return retry_not_found ? Verdict::kBackOff : Verdict::kFinal;
    default:
      return Verdict::kFinal;
  }
}

bool BlamesEndpoint(const CallError& error) {
  if (error.reason == "STORAGE_FAILED" || error.reason == "SHUTTING_DOWN") return true;
  // Any other reason is the considered answer of a living server.
  if (!error.reason.empty()) return false;
  return error.code == Code::kOk || error.code == Code::kUnavailable ||
         error.code == Code::kDeadlineExceeded || error.code == Code::kUnknown ||
         error.code == Code::kInternal || error.code == Code::kCancelled;
}

Backoff::Backoff(BackoffOptions options, Prng prng) : options_(options), prng_(prng) {}

Duration Backoff::Next() {
  const int64_t times = int64_t{1} << std::min(failures_, 20u);
  Duration cap = options_.max;
  if (options_.base.nanos() < options_.max.nanos() / times) cap = options_.base * times;
  ++failures_;
  return prng_.Between(Duration(), cap + Duration::Nanos(1));
}

RetryBudget::RetryBudget(RetryBudgetOptions options)
    : options_(options), tokens_(options.tokens_max * kToken) {}

void RetryBudget::Earn(uint64_t nanotokens) {
  tokens_ = std::min(tokens_ + nanotokens, options_.tokens_max * kToken);
}

void RetryBudget::OnFirstAttempt() { Earn(options_.percent * (kToken / 100)); }

bool RetryBudget::Spend(Instant now) {
  if (earned_at_.has_value() && *earned_at_ < now) {
    // A minute fills any bucket worth having; the bound keeps the product inside 64 bits.
    const Duration elapsed = std::min(now - *earned_at_, Duration::Seconds(60));
    Earn(static_cast<uint64_t>(elapsed.nanos()) * options_.per_second);
  }
  if (!earned_at_.has_value() || *earned_at_ < now) earned_at_ = now;
  if (tokens_ < kToken) return false;
  tokens_ -= kToken;
  return true;
}

RetryPolicy::RetryPolicy(RetryOptions options, RetryBudget* budget, Prng prng)
    : options_(options), budget_(budget), backoff_(options.backoff, prng) {}

void RetryPolicy::Start(Instant now) {
  deadline_ = now + options_.deadline;
  attempts_ = 0;
  hops_ = 0;
  said_.reset();
  backoff_.Reset();
  if (budget_ != nullptr) budget_->OnFirstAttempt();
}

RetryDecision RetryPolicy::OnFailure(Instant now, const CallError& error, bool new_leader) {
  ++attempts_;
  if (!error.reason.empty()) said_ = error;
  RetryDecision decision;
  const Verdict verdict = Classify(error, options_.retry_not_found);
  if (verdict == Verdict::kFinal) {
    decision.give_up = error.ToStatus();
    return decision;
  }
  if (verdict == Verdict::kElsewhere && new_leader && hops_ < kHopsMax) {
    ++hops_;
  } else {
    decision.delay = backoff_.Next();
    decision.refresh_view = verdict == Verdict::kElsewhere;
  }
  if (now + decision.delay >= deadline_) {
    const std::string how = absl::StrCat("gave up after ", attempts_, " attempts in ",
                                         options_.deadline.millis(), " ms");
    // What a server had to say explains more than that the last one was silent.
    const bool silent = error.reason.empty() && said_.has_value();
    decision.give_up = silent ? Annotate(*said_, absl::StrCat(how, ", the last of them unanswered"))
                              : Annotate(error, how);
  } else if (budget_ != nullptr && !budget_->Spend(now)) {
    decision.give_up = Annotate(error, "not tried again: the retry budget is exhausted");
  }
  return decision;
}

}  // namespace tidemark::balancer
