#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "engine/log/file.h"

namespace tidemark {

// Shows what the bytes of a file of a data directory hold, a line each, to `write`: of a segment
// its header and frames, with gaps where none is intact; of a sidecar its entries and footer; of a
// hard state its copies.
void InspectFile(const std::string& name, FileKind kind, std::string_view bytes,
                 const std::function<void(std::string_view)>& write);

}  // namespace tidemark
