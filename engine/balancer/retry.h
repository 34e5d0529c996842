#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/balancer/view.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"

// When to try again, how long to wait, and when to give up.

namespace tidemark::balancer {

// A failed call: the canonical code with what the rich error details said.
struct CallError {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  // ErrorInfo.reason: NOT_LEADER, TOPIC_NOT_FOUND, ... (log.proto); empty if there was none.
  std::string reason;
  std::string message;
  // Metadata leader_id, leader_address, term.
  LeaderHint leader;
  // Metadata start_offset, high_watermark of OFFSET_OUT_OF_RANGE and OFFSET_NOT_AVAILABLE.
  std::optional<Offset> start_offset;
  std::optional<Offset> high_watermark;

  // "NOT_LEADER: message" under the same code.
  absl::Status ToStatus() const;
};

enum class Verdict {
  // The answer will not change: tell the caller.
  kFinal,
  // Another server is the right one: follow the hint or refresh the view.
  kElsewhere,
  // The same call may succeed later.
  kBackOff,
};

// What a failure means for the next try.
//   kElsewhere NOT_LEADER, NOT_A_REPLICA, NO_LEADER, SHUTTING_DOWN, STORAGE_FAILED and DISK_FULL
//              (of that server), UNAVAILABLE.
//   kBackOff   DEADLINE_EXCEEDED of one attempt, RESOURCE_EXHAUSTED (not BATCH_TOO_LARGE), ABORTED;
//              CANCELLED, UNKNOWN and INTERNAL, which a dying connection or server produces: the
//              caller never asks about its own cancellation.
//   kFinal     everything else. TOPIC_NOT_FOUND and PARTITION_NOT_FOUND are kBackOff if
//              `retry_not_found` (a topic just created is not known everywhere at once).
Verdict Classify(const CallError& error, bool retry_not_found = false);

// True if the failure speaks against the endpoint (ejection counts it), not against the request.
bool BlamesEndpoint(const CallError& error);

struct BackoffOptions {
  Duration base = Duration::Millis(20);
  Duration max = Duration::Millis(500);
};

// Exponential back-off with full jitter: the n-th wait is uniform in [0, min(max, base * 2^n)].
//   Source  Brooker, "Exponential Backoff And Jitter", 2015.
class Backoff {
 public:
  Backoff(BackoffOptions options, Prng prng);
  Duration Next();
  // After a success.
  void Reset() { failures_ = 0; }

 private:
  BackoffOptions options_;
  Prng prng_;
  uint32_t failures_ = 0;
};

struct RetryBudgetOptions {
  // Retries that may be spent in a burst.
  uint32_t tokens_max = 20;
  // Every first attempt earns this many hundredths of a retry: 20 = one retry per five calls.
  uint32_t percent = 20;
  // And time earns this many retries a second, so that a quiet client is not stuck.
  uint32_t per_second = 2;
};

// A token bucket shared by the calls of one client: in a large outage retries stay a small share of
// the load instead of multiplying it. Streams (producer and fetch sessions) do not draw on it:
// there is one per partition and its back-off bounds it.
class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetOptions options);
  void OnFirstAttempt();
  // Takes one retry; false when exhausted.
  bool Spend(Instant now);

 private:
  void Earn(uint64_t nanotokens);

  RetryBudgetOptions options_;
  // In billionths of a retry.
  uint64_t tokens_;
  std::optional<Instant> earned_at_;
};

struct RetryOptions {
  BackoffOptions backoff;
  // From Start() to giving up.
  Duration deadline = Duration::Seconds(30);
  bool retry_not_found = false;
};

// The fate of one failed attempt.
struct RetryDecision {
  // Set: give up with this. A retriable error past the deadline or budget says so in its message;
  // at the deadline it is the last one that a server gave a reason for, if any did.
  std::optional<absl::Status> give_up;
  Duration delay;
  bool refresh_view = false;
};

// One unary call with its retries.
class RetryPolicy {
 public:
  // `budget` may be null (no limit) and must outlive the policy.
  RetryPolicy(RetryOptions options, RetryBudget* budget, Prng prng);

  // Call once, before the first attempt.
  void Start(Instant now);
  // After each failed attempt. `new_leader`: the view knows another leader now
  // (ClusterView::OnNotLeader returned true); the first few such hints are followed without delay.
  RetryDecision OnFailure(Instant now, const CallError& error, bool new_leader);
  // The overall deadline: attempts must not outlast it.
  Instant deadline() const { return deadline_; }

 private:
  RetryOptions options_;
  RetryBudget* budget_;
  Backoff backoff_;
  Instant deadline_ = Instant::Never();
  uint32_t attempts_ = 0;
  uint32_t hops_ = 0;
  std::optional<CallError> said_;  // the last error that a server gave a reason for
};

}  // namespace tidemark::balancer
