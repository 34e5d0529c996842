#pragma once

#include <cstdint>

#include "engine/base/time.h"

namespace tidemark::sim {

// What one node believes about time: a monotonic clock with an origin and a rate of its own, and a
// wall clock that may be wrong and may be set. Integer arithmetic only.
class Clock {
 public:
  // Starts at virtual time `start`, showing `origin`, running `drift_ppm` parts per million fast
  // (negative: slow).
  Clock(Instant start, Instant origin, int64_t drift_ppm, int64_t wall_offset_ms)
      : start_(start), origin_(origin), drift_ppm_(drift_ppm), wall_offset_ms_(wall_offset_ms) {}

  Now At(Instant virtual_now) const {
    return {.instant = LocalOf(virtual_now),
            .wall = WallTime::FromMillis(kEpochMillis + virtual_now.nanos() / 1'000'000 +
                                         wall_offset_ms_)};
  }

  Instant LocalOf(Instant virtual_now) const {
    const int64_t elapsed = (virtual_now - start_).nanos();
    return origin_ + Duration::Nanos(elapsed + Drift(elapsed));
  }

  // The first virtual time at which the local clock shows at least `local`.
  Instant VirtualOf(Instant local) const {
    if (local == Instant::Never()) return local;
    const int64_t shown = (local - origin_).nanos();
    // By division, which is exact but for rounding, then the last nanoseconds by looking.
    Instant guess = start_ + Duration::Nanos(Undrifted(shown));
    while (LocalOf(guess) < local) guess = guess + Duration::Nanos(1);
    while (LocalOf(guess + Duration::Nanos(-1)) >= local) guess = guess + Duration::Nanos(-1);
    return guess;
  }

  void SetWallOffset(int64_t millis) { wall_offset_ms_ = millis; }

 private:
  // Simulated civil time begins here: 2024-01-01.
  static constexpr int64_t kEpochMillis = 1'704'067'200'000;

  // To the nanosecond, or the clock would go back whenever a step of drift is due.
  int64_t Drift(int64_t nanos) const {
    if (drift_ppm_ == 0) return 0;
    // Days of it fit 64 bits, and this is asked several times a step.
    if (int64_t product; !__builtin_mul_overflow(nanos, drift_ppm_, &product)) {
      return product / 1'000'000;
    }
    return static_cast<int64_t>(static_cast<__int128>(nanos) * drift_ppm_ / 1'000'000);
  }

  // How long it takes the clock to show `nanos`.
  int64_t Undrifted(int64_t nanos) const {
    if (drift_ppm_ == 0) return nanos;
    if (int64_t product; !__builtin_mul_overflow(nanos, int64_t{1'000'000}, &product)) {
      return product / (1'000'000 + drift_ppm_);
    }
    return static_cast<int64_t>(static_cast<__int128>(nanos) * 1'000'000 /
                                (1'000'000 + drift_ppm_));
  }

  Instant start_;
  Instant origin_;
  int64_t drift_ppm_;
  int64_t wall_offset_ms_;
};

}  // namespace tidemark::sim
