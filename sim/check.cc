#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "sim/journal/replay.h"
#include "sim/run.h"

namespace tidemark {

void CheckFailed(const char* file, int line, std::string_view what) {
  const std::optional<uint64_t> step = sim::JournalStepUnderWay();
  const std::string where = step.has_value()
                                ? "in step " + std::to_string(*step) + " of the journal"
                                : sim::ReplayCommandUnderWay();
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n%s\n", file, line, static_cast<int>(what.size()),
               what.data(), where.c_str());
  sim::SayLastWords(what);
  std::abort();
}

}  // namespace tidemark
