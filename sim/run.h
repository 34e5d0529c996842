#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/time.h"
#include "sim/coverage.h"
#include "sim/decisions.h"
#include "sim/timeline/timeline.h"

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
// well again (or has not become so in time). `story`, if not null, gets a readable account,
// `timeline` all that happened as data; neither changes the run.
RunResult RunSeed(uint64_t seed, std::FILE* story = nullptr, Timeline* timeline = nullptr);

// The seed RunSeed is at: what a failed check names.
uint64_t SeedUnderWay();

// `words` is told about a check of the product that fails, with the run still as it was, before the
// process ends.
void SetLastWords(std::function<void(std::string_view check)> words);
void SayLastWords(std::string_view check);

}  // namespace tidemark::sim
