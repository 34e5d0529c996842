#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

#include "runtime/base/last_wish.h"

namespace tidemark {

// The runtime's CheckFailed. It writes with stdio, not with the logger: the process is in a state
// that correct code cannot reach, so nothing with locks or buffers of its own is trusted any more.
void CheckFailed(const char* file, int line, std::string_view what) {
  std::fprintf(stderr, "%s:%d: check failed: %.*s\n", file, line, static_cast<int>(what.size()),
               what.data());
  std::fflush(stderr);
  RunLastWish();
  std::abort();
}

}  // namespace tidemark
