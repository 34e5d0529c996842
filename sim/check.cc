#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

#include "sim/run.h"

namespace tidemark {

void CheckFailed(const char* file, int line, std::string_view what) {
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n%s\n", file, line, static_cast<int>(what.size()),
               what.data(), sim::ReplayCommandUnderWay().c_str());
  sim::SayLastWords(what);
  std::abort();
}

}  // namespace tidemark
