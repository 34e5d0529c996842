#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "engine/base/prng.h"
#include "engine/base/time.h"

namespace tidemark::balancer {

struct EjectionOptions {
  // Failures in a row that eject.
  uint32_t consecutive_failures = 3;
  // The n-th ejection lasts base * 2^(n-1), at most `max`, plus a jitter of up to a quarter.
  Duration base = Duration::Millis(500);
  Duration max = Duration::Seconds(30);
  // At most this share of the endpoints is ejected at once, in percent: when everything fails, the
  // fault is likely ours or the network's and going on trying is right.
  uint32_t share_percent_max = 50;
};

// Outlier ejection: keeps endpoints that fail again and again out of the choice for a while.
//   Time    an ejection ends by itself; one more failure then ejects again, for twice as long.
//   Every
//           `base` of good service takes one doubling back.
//   Source  the rules follow Envoy's consecutive-failure outlier detection.
class OutlierEjector {
 public:
  OutlierEjector(EjectionOptions options, Prng prng);

  void OnSuccess(Instant now, const std::string& address);
  // `endpoints_total`: how many there are to choose from, for the share.
  void OnFailure(Instant now, const std::string& address, size_t endpoints_total);

  bool IsEjected(Instant now, const std::string& address) const;
  size_t EjectedCount(Instant now) const;

 private:
  struct State {
    uint32_t failures = 0;
    // Ejections so far, less what good service took back.
    uint32_t ejections = 0;
    Instant until;
    // From here on good service counts.
    Instant good_since;
  };
  EjectionOptions options_;
  Prng prng_;
  std::map<std::string, State> states_;
};

}  // namespace tidemark::balancer
