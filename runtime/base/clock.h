#pragma once

#include "engine/base/time.h"

// The real clocks. The engine and everything in the simulator is handed a `Now`; only the runtime
// calls these.

namespace tidemark {

// CLOCK_MONOTONIC: never steps back, stands still while the machine sleeps. For deadlines.
Instant MonotonicNow();

// CLOCK_REALTIME: what the operator set; may step either way. For stamps that people read.
WallTime WallNow();

// Both clocks, read one after the other: what a step of the engine is given.
Now ReadNow();

}  // namespace tidemark
