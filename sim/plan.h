#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/profile.h"
#include "sim/scenario.h"
#include "sim/site.h"

namespace tidemark::sim {

// Everything that makes a run what it is. Two runs of equal plans are equal.
struct Plan {
  uint64_t seed = 0;
  Profile profile = Profile::kSwarm;
  Scenario scenario;
  // What was decided; if there is none the seed decides.
  std::optional<std::vector<Decision>> script;
};

// The plan that `seed` names under `profile`.
inline Plan PlanOf(uint64_t seed, Profile profile = Profile::kSwarm) {
  return {.seed = seed, .profile = profile, .scenario = ScenarioOf(seed, profile), .script = {}};
}

// This program's version: a seed means the same to equal versions only.
std::string_view Version();

// The command that runs it again, if the seed alone decides: "tidemark-sim replay --seed 7
// --profile swarm".
std::string ReplayCommandOf(const Plan& plan);

}  // namespace tidemark::sim
