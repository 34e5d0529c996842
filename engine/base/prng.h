#pragma once

#include <array>
#include <cstdint>

#include "engine/base/check.h"
#include "engine/base/time.h"

// Seeded randomness. Every component is given its generator at construction, so a seed decides a
// run. Not for secrets. Integer arithmetic only: equal on every compiler and machine.
//   Source  xoshiro256** and splitmix64, Blackman & Vigna, "Scrambled linear PRNGs", 2018.

namespace tidemark {

// One step of splitmix64: a good 64-bit mixing function, also used to derive seeds.
constexpr uint64_t Mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

class Prng {
 public:
  constexpr explicit Prng(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15ull;
      word = Mix64(seed);
    }
  }

  constexpr uint64_t Next() {
    const uint64_t result = Rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = Rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound), bound > 0, without bias (Lemire's method).
  constexpr uint64_t Below(uint64_t bound) {
    TIDEMARK_CHECK_GT(bound, 0u);
    unsigned __int128 product = static_cast<unsigned __int128>(Next()) * bound;
    if (static_cast<uint64_t>(product) < bound) {
      const uint64_t floor = (0 - bound) % bound;
      while (static_cast<uint64_t>(product) < floor) {
        product = static_cast<unsigned __int128>(Next()) * bound;
      }
    }
    return static_cast<uint64_t>(product >> 64);
  }

  // Uniform in [begin, end), begin < end.
  constexpr uint64_t Between(uint64_t begin, uint64_t end) {
    TIDEMARK_CHECK_LT(begin, end);
    return begin + Below(end - begin);
  }

  // True with probability `numerator` / `denominator`.
  constexpr bool Chance(uint64_t numerator, uint64_t denominator) {
    return Below(denominator) < numerator;
  }

  // Uniform in [begin, end).
  constexpr Duration Between(Duration begin, Duration end) {
    TIDEMARK_CHECK_LT(begin.nanos(), end.nanos());
    const uint64_t span = static_cast<uint64_t>(end.nanos() - begin.nanos());
    return Duration::Nanos(begin.nanos() + static_cast<int64_t>(Below(span)));
  }

  // A generator of its own for a sub-component: its draws do not shift this one's.
  constexpr Prng Fork() { return Prng(Next()); }

 private:
  static constexpr uint64_t Rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

  std::array<uint64_t, 4> state_{};
};

}  // namespace tidemark
