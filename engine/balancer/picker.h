#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/balancer/ejection.h"
#include "engine/balancer/view.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"

namespace tidemark::balancer {

struct PickerOptions {
  EjectionOptions ejection;
  // The peak-EWMA halves its distance to lower latencies in this time; higher ones count at once.
  Duration latency_half_life = Duration::Seconds(5);
  // A stream moves to another follower only if that one is this many times cheaper.
  uint32_t stickiness = 2;
};

// Chooses the endpoint of a call. Integers only: equal on every machine.
//   Cost    peak-EWMA latency times (outstanding calls + 1); an endpoint without samples is cheap,
//           so that it gets its first call.
//   Source  power of two choices: Mitzenmacher 2001; peak EWMA: Finagle's load balancer.
class Picker {
 public:
  Picker(PickerOptions options, Prng prng);

  // Where to produce to: the leader; while none is known, the servers and seeds in rotation (each
  // answers with a hint), ejected ones last. Empty only when nothing at all is known.
  std::optional<Target> PickProduce(Instant now, const ClusterView& view,
                                    const TopicPartition& where);

  // Where to consume from: of two random healthy followers not in `avoid` the cheaper one; the
  // leader when there is none; then any server in rotation.
  //   current  the address streamed from so far, or null: kept unless ejected, avoided, no longer a
  //            follower or clearly dearer than the challenger.
  std::optional<Target> PickConsume(Instant now, const ClusterView& view,
                                    const TopicPartition& where,
                                    const std::vector<std::string>& avoid = {},
                                    const std::string* current = nullptr);

  // Any server, in rotation: for GetServers and DescribeTopic.
  std::optional<Target> PickAny(Instant now, const ClusterView& view);

  // Every call or stream: OnStart once, then OnDone once. A stream's latency is the time to its
  // first answer. `ok` is about the endpoint, not the request: INVALID_ARGUMENT is a healthy
  // endpoint's answer.
  void OnStart(const std::string& address);
  void OnDone(Instant now, const std::string& address, Duration latency, bool ok);

  bool IsEjected(Instant now, const std::string& address) const;
  // For tests and explanations; grows with latency and load.
  uint64_t Cost(Instant now, const std::string& address) const;

 private:
  struct Load {
    uint64_t ewma_nanos = 0;
    Instant stamp;
    uint32_t outstanding = 0;
  };
  uint64_t Decayed(Instant now, const Load& load) const;
  std::optional<Target> Rotate(Instant now, const std::vector<Target>& targets,
                               const std::vector<std::string>& avoid);

  PickerOptions options_;
  Prng prng_;
  OutlierEjector ejector_;
  std::map<std::string, Load> loads_;
  uint64_t rotation_ = 0;
  // Endpoints of the last view, for the ejector's share.
  size_t endpoints_ = 0;
};

}  // namespace tidemark::balancer
