#pragma once

#include "engine/base/trace.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"

namespace tidemark::sim {

// Adds everything that tells one event or effect from another to the digest. Entries and writes
// count by length and checksum: their bytes are compared at the end, on the disks.
void AddTo(TraceHash& hash, const Event& event);
void AddTo(TraceHash& hash, const Effect& effect);

}  // namespace tidemark::sim
