#pragma once

#include <string>
#include <string_view>

#include "tests/conformance/raft/adapters.h"

// Compares outputs of interaction scripts where etcd-io/raft and our engine say the same, whatever
// else they print.

namespace tidemark::conformance {

// `output` without the lines of etcd's own log, except those that say who is a member now: they
// depend on its wording, not on what its nodes do. "ok" if nothing is left.
std::string WithoutLog(std::string_view output);

// Outputs are the same if they are without their log lines.
Comparison CompareInNormalForm(std::string_view expected, std::string_view got);

}  // namespace tidemark::conformance
