#include "sim/decision_log.h"

#include <sys/mman.h>

#include "engine/base/check.h"

namespace tidemark::sim {

DecisionLog::DecisionLog() {
  void* const at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TIDEMARK_CHECK(at != MAP_FAILED);
  shared_ = static_cast<Shared*>(at);
}

DecisionLog::~DecisionLog() { ::munmap(shared_, sizeof(Shared)); }

}  // namespace tidemark::sim
