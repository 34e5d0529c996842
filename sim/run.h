#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "sim/coverage.h"
#include "sim/decisions.h"

namespace tidemark::sim {

// What one seed came to.
struct RunResult {
  uint64_t seed = 0;
  uint64_t hash = 0;
  Duration simulated;
  uint64_t tasks = 0;  // scheduled things that happened
  uint64_t batches = 0;
  // Empty if all is well; else the oracle that spoke, and what it said.
  std::string oracle;
  std::string what;
  Coverage coverage;
  std::vector<Decision> faults;

  bool ok() const { return oracle.empty(); }
  // "seed 7 hash 0123456789abcdef ok" or the oracle and its words.
  std::string Line() const;
};

// Runs one seed to its end: faults for the scenario's fault phase, then calm until everything is
// well again (or has not become so in time). `story`, if not null, gets a readable account.
RunResult RunSeed(uint64_t seed, std::FILE* story = nullptr);

// The seed RunSeed is at: what a failed check names.
uint64_t SeedUnderWay();

}  // namespace tidemark::sim
