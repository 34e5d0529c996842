#pragma once

#include "sim/world.h"

namespace tidemark::sim {

// Injects the faults that last (crashes, partitions, pauses, ...) until it is stopped: at random
// moments, of the kinds the scenario allows, at a random node or at a leader.
class Faults {
 public:
  explicit Faults(World* world) : world_(world) {}
  void Start();
  void Stop() { stopped_ = true; }

 private:
  void Tick();
  void RotTick();
  void InjectOne();
  void Partition();
  // Of the kinds link_break, link_slow and half_open.
  void OneLink(size_t kind);
  size_t Target();
  Duration Length();
  // Where the present fault's decisions are made.
  Place At(Site site) const;
  uint64_t Pick(Site site, uint64_t bound);

  World* world_;
  uint32_t ordinal_ = 0;
  uint32_t rot_ordinal_ = 0;
  bool stopped_ = false;
};

}  // namespace tidemark::sim
