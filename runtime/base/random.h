#pragma once

#include <cstdint>

namespace tidemark {

// 64 bits from the kernel's cryptographic generator (getrandom(2)): for seeds, ids and secrets.
// Blocks only in the first seconds of a machine's life, before the kernel has entropy.
uint64_t SecureRandom64();

}  // namespace tidemark
