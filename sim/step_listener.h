#pragma once

#include <span>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"

namespace tidemark::sim {

// Sees every step of every node: what it was told, and what it decided.
class StepListener {
 public:
  virtual ~StepListener() = default;
  // `node` steps at virtual time `now`; it starts if there are no events and it was down.
  virtual void OnStep(NodeId node, Instant now, std::span<const Event> events) = 0;
  // An effect of the present step, before it is executed.
  virtual void OnEffect(const Effect& effect) = 0;
};

}  // namespace tidemark::sim
