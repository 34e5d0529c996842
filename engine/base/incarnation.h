#pragma once

#include "engine/base/ids.h"

namespace tidemark {

// One life of a node's data directory, drawn when that was new. 0 means "none".
using Incarnation = StrongInt<struct IncarnationTag>;

}  // namespace tidemark
