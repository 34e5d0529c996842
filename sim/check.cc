#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

#include "sim/journal/replay.h"
#include "sim/run.h"

namespace tidemark {

void CheckFailed(const char* file, int line, std::string_view what) {
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n", file, line, static_cast<int>(what.size()),
               what.data());
  if (const std::optional<uint64_t> step = sim::JournalStepUnderWay()) {
    std::fprintf(stderr, "in step %llu of the journal\n", static_cast<unsigned long long>(*step));
  } else {
    std::fprintf(stderr, "tidemark-sim replay --seed %llu\n",
                 static_cast<unsigned long long>(sim::SeedUnderWay()));
  }
  std::abort();
}

}  // namespace tidemark
