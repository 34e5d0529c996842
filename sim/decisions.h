#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/prng.h"
#include "sim/decision_log.h"
#include "sim/site.h"

namespace tidemark::sim {

// Where something is decided, and about whom.
//   Units   `actor` is a small dense number whose meaning the site defines (a node, a link, a
//           client, the ordinal of a fault).
struct Place {
  Place(Site s, uint32_t a) : site(s), actor(a), stream_actor(a) {}
  Place(Site s, uint32_t a, uint32_t stream) : site(s), actor(a), stream_actor(stream) {}

  Site site;
  uint32_t actor;
  // Whose random stream is drawn from when a seed decides (StreamOf(site) says which site's).
  uint32_t stream_actor;
};

// Everything that is decided in one simulated run, in one of two modes.
//
// Of a seed: each decision is a pure function of (seed, stream, actor, how often this actor drew
// from this stream): one draw more at one place shifts nothing anywhere else, so a seed keeps its
// meaning when unrelated code changes.
//
// Recorded: decisions are given, by (site, actor, how often this actor decided at this site); every
// other one takes its site's default (DefaultOf), where nothing goes wrong. The log of a run of a
// seed, recorded, is that run again. Taking a decision away makes the run simpler in one point and
// leaves the others where they are, as long as they are still come to.
class Decisions {
 public:
  explicit Decisions(uint64_t seed);
  // Recorded mode. `script` may be in any order; of two decisions with one key the first counts.
  explicit Decisions(const std::vector<Decision>& script);

  // From now on every decision that is not its site's default is added to `log`, in the order of
  // their making. Must come before the first decision; `log` must outlive this.
  void LogTo(DecisionLog* log) { log_ = log; }

  // 64 bits, for the seed of somebody's own generator.
  uint64_t Draw(const Place& at) { return static_cast<uint64_t>(Choose(at, 0, 0)); }
  uint64_t Draw(Site site, uint32_t actor) { return Draw(Place(site, actor)); }
  // Uniform in [0, bound), bound > 0 (the bias is below 2^-32 for the bounds used here).
  uint64_t Below(const Place& at, uint64_t bound);
  uint64_t Below(Site site, uint32_t actor, uint64_t bound) {
    return Below(Place(site, actor), bound);
  }
  // Uniform in [begin, end).
  int64_t Between(const Place& at, int64_t begin, int64_t end);
  Duration Between(const Place& at, Duration begin, Duration end);
  uint64_t Between(Site site, uint32_t actor, uint64_t begin, uint64_t end);
  Duration Between(Site site, uint32_t actor, Duration begin, Duration end) {
    return Between(Place(site, actor), begin, end);
  }
  // The index of one of `weights`, each as likely as its share of their sum. If all are 0 a seed
  // gives 0 and draws nothing.
  size_t Weighted(const Place& at, std::span<const uint32_t> weights);
  // True with a probability of `percent` / 100.
  bool Percent(const Place& at, uint32_t percent);
  // True with a probability of `per_million` / 10^6.
  bool Fault(const Place& at, uint32_t per_million);
  bool Fault(Site site, uint32_t actor, uint32_t per_million) {
    return Fault(Place(site, actor), per_million);
  }

  // Recorded decisions that nobody came to (yet), by site, actor and count.
  std::vector<Decision> Unreached() const;
  // Recorded decisions whose value was out of range where it was asked for: the nearest was taken.
  const std::vector<Decision>& out_of_range() const { return out_of_range_; }

 private:
  struct Recorded {
    std::vector<Decision> by_count;
    size_t next = 0;
  };

  static uint32_t NextCount(std::vector<uint32_t>& counts, uint32_t actor);
  uint64_t Stream(const Place& at);
  // In [begin, begin + span); span 0 stands for 2^64.
  int64_t Choose(const Place& at, int64_t begin, uint64_t span);
  int64_t ChooseRecorded(const Place& at, int64_t begin, uint64_t span);
  void Log(const Place& at, int64_t begin, uint64_t span, int64_t value);
  // For what a seed draws with odds of its own: `value` is what came of it.
  int64_t Drawn(const Place& at, uint64_t span, int64_t value);

  bool recorded_ = false;
  std::array<uint64_t, kSites> keys_{};
  std::array<std::vector<uint32_t>, kSites> stream_counts_;
  std::array<std::vector<uint32_t>, kSites> counts_;
  std::array<std::vector<Recorded>, kSites> script_;  // by actor
  std::vector<Decision> out_of_range_;
  DecisionLog* log_ = nullptr;
};

// A value that depends on the seed and `name` only, uniform in [0, bound): for the parameters of a
// scenario.
uint64_t Parameter(uint64_t seed, std::string_view name, uint64_t bound);

}  // namespace tidemark::sim
