#pragma once

#include <compare>
#include <cstdint>

// Time as the engine sees it: always an argument, never read.

namespace tidemark {

// A length of time in nanoseconds; 64 bits hold 292 years, so no counter wraps in service.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration Nanos(int64_t n) { return Duration(n); }
  static constexpr Duration Micros(int64_t n) { return Duration(n * 1000); }
  static constexpr Duration Millis(int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration Seconds(int64_t n) { return Duration(n * 1'000'000'000); }
  static constexpr Duration Max() { return Duration(INT64_MAX); }

  constexpr int64_t nanos() const { return nanos_; }
  constexpr int64_t micros() const { return nanos_ / 1000; }
  constexpr int64_t millis() const { return nanos_ / 1'000'000; }

  constexpr auto operator<=>(const Duration&) const = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    return Duration(a.nanos_ + b.nanos_);
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    return Duration(a.nanos_ - b.nanos_);
  }
  friend constexpr Duration operator*(Duration a, int64_t times) {
    return Duration(a.nanos_ * times);
  }
  friend constexpr Duration operator/(Duration a, int64_t parts) {
    return Duration(a.nanos_ / parts);
  }

 private:
  constexpr explicit Duration(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

// A point on a node's monotonic clock. Its zero means nothing; only differences do.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t nanos) { return Instant(nanos); }
  // Later than every real instant: "no deadline".
  static constexpr Instant Never() { return Instant(INT64_MAX); }

  constexpr int64_t nanos() const { return nanos_; }

  constexpr auto operator<=>(const Instant&) const = default;
  // Saturates at Never().
  friend constexpr Instant operator+(Instant a, Duration d) {
    if (a == Never() || d.nanos() > INT64_MAX - a.nanos_) return Never();
    return Instant(a.nanos_ + d.nanos());
  }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration::Nanos(a.nanos_ - b.nanos_);
  }

 private:
  constexpr explicit Instant(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

// Civil time in milliseconds since 1970-01-01 UTC, as this node believes it. Stored with entries
// (retention and time lookup use it); never used to decide ordering, leases or timeouts.
class WallTime {
 public:
  constexpr WallTime() = default;
  static constexpr WallTime FromMillis(int64_t millis) { return WallTime(millis); }
  constexpr int64_t millis() const { return millis_; }
  constexpr auto operator<=>(const WallTime&) const = default;

 private:
  constexpr explicit WallTime(int64_t millis) : millis_(millis) {}
  int64_t millis_ = 0;
};

// What a component is told about time at the start of a step; it stands still inside the step.
struct Now {
  Instant instant;
  WallTime wall;
};

}  // namespace tidemark
