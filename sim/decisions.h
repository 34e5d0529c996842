#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/prng.h"

namespace tidemark::sim {

// Places in the simulator where something is decided at random. The name (not the number) goes into
// the decision, so sites may be added, removed and reordered without changing what a seed does
// elsewhere.
enum class Site : uint8_t {
  kMessageLatency,
  kMessageLost,
  kMessageDuplicated,
  kMessageReordered,
  kDatagramLost,
  kDialLatency,
  kStepDelay,
  kFlushLatency,
  kFlushSlow,
  kFlushFails,
  kReadLatency,
  kCrashInStep,
  kCrashMode,
  kCrashSector,
  kCrashName,
  kCrashSize,
  kFaultGap,
  kFaultKind,
  kFaultTarget,
  kFaultLength,
  kClockOrigin,
  kClockRate,
  kNodeSeed,
  kClientSeed,
  kClientLatency,
  kClientBreak,
  kProduceGap,
  kBatchShape,
  kRecordBytes,
  kAdmin,
  kSyncLost,
  kReopen,
  kWriteFails,
  kCount,
};

std::string_view NameOf(Site site);

// One decision that differs from the default (nothing lost, nothing broken).
struct Decision {
  Site site;
  uint32_t actor = 0;
  uint32_t count = 0;
  friend bool operator==(const Decision&, const Decision&) = default;
};

// "message_lost actor 3 count 17"
std::string Describe(const Decision& decision);

// All randomness of one simulated run. A draw is a pure function of (seed, site, actor, how often
// this actor drew at this site): one draw more at one place shifts nothing anywhere else, so a seed
// keeps its meaning when unrelated code changes.
//   Units   `actor` is a small dense number whose meaning the site defines (a node, a link, a
//           client).
class Decisions {
 public:
  explicit Decisions(uint64_t seed);

  uint64_t seed() const { return seed_; }

  uint64_t Draw(Site site, uint32_t actor);
  // Uniform in [0, bound), bound > 0 (the bias is below 2^-32 for the bounds used here).
  uint64_t Below(Site site, uint32_t actor, uint64_t bound);
  // Uniform in [begin, end).
  uint64_t Between(Site site, uint32_t actor, uint64_t begin, uint64_t end);
  Duration Between(Site site, uint32_t actor, Duration begin, Duration end);
  // True with probability `per_million` / 10^6; such a decision is a fault and is logged.
  bool Fault(Site site, uint32_t actor, uint32_t per_million);

  // A value that depends on the seed and `name` only, uniform in [0, bound): for the parameters of
  // a scenario.
  uint64_t Parameter(std::string_view name, uint64_t bound) const;

  const std::vector<Decision>& faults() const { return faults_; }

 private:
  uint32_t NextCount(Site site, uint32_t actor);

  uint64_t seed_;
  std::array<uint64_t, static_cast<size_t>(Site::kCount)> keys_{};
  std::array<std::vector<uint32_t>, static_cast<size_t>(Site::kCount)> counts_;
  std::vector<Decision> faults_;
};

}  // namespace tidemark::sim
