#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/time.h"
#include "engine/node/node.h"
#include "engine/node/request.h"

namespace tidemark {

// What /metrics shows, in the Prometheus text format. Names begin with tidemark_, units are base
// units and close the name. Recording is safe from any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // One finished RPC.
  void OnCall(const std::string& method, const std::string& code, Duration duration);
  // One finished flush of the engine.
  void OnFlush(Duration duration, bool ok);

  struct Snapshot {
    GetStatusResponse status;
    NodeCounters counters;
    ScrubProgress scrub;
    bool healthy = false;
    bool lost_disk = false;
    uint64_t disk_free_bytes = 0;
    uint64_t connections = 0;
  };
  // Everything recorded, with gauges set from `snapshot`.
  std::string Render(const Snapshot& snapshot);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark
