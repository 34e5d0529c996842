#include "runtime/base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "engine/base/check.h"

namespace tidemark {

uint64_t SecureRandom64() {
  uint64_t value = 0;
  ssize_t got;
  do {
    got = ::getrandom(&value, sizeof(value), 0);
  } while (got < 0 && errno == EINTR);
  // Requests of up to 256 bytes are never cut short (getrandom(2)).
  TIDEMARK_CHECK_EQ(got, static_cast<ssize_t>(sizeof(value)));
  return value;
}

}  // namespace tidemark
