#pragma once

#include <string>
#include <string_view>

#include "engine/raft/types.h"

namespace tidemark::sim::explore {

// `message` in one line: sender, receiver and everything it says, so two that differ read
// differently. No entry's bytes but their terms and makers.
std::string Text(const raft::Message& message);

// The same as bytes, to tell messages apart.
void AppendFingerprint(const raft::Message& message, std::string& out);

}  // namespace tidemark::sim::explore
