#pragma once

#include "absl/status/status.h"
#include "tests/scenario/raft/words.h"
#include "tests/scenario/raft/world.h"

// The inside of World: its tables of what can be said. Not for clients.

namespace tidemark::scenario {

struct World::Statement {
  const char* name;   // the words it is known by
  const char* usage;  // how it goes; begins with "N " if a node comes first
  // Takes what belongs to it; what it leaves is too much.
  absl::Status (World::*run)(Words&);
  bool before_start = false;
};

// What can be behind `must`.
struct World::Requirement {
  const char* name;
  const char* usage;
  absl::Status (World::*run)(Words&);
};

}  // namespace tidemark::scenario
