#pragma once

#include <cstddef>

namespace tidemark {

// What the program has asked operator new for so far, and how many bytes of it are in use. A
// program that links tests_allocations counts them; for one thread.
size_t AllocationsSoFar();
size_t BytesInUse();

template <typename Action>
size_t AllocationsOf(const Action& action) {
  const size_t before = AllocationsSoFar();
  action();
  return AllocationsSoFar() - before;
}

}  // namespace tidemark
