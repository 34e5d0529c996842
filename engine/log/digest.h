#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/coding.h"

namespace tidemark {

// The bytes of a frame that its own checksum does not cover, and that checksum: through it, the
// digest of a log covers every byte.
inline constexpr size_t kFrameHeadBytes = 21;

namespace digest_internal {
// The product of two words, folded (the mixer of wyhash by Wang Yi).
inline uint64_t Fold(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}
}  // namespace digest_internal

// The running digest of a log: of all its frames up to one, from the digest up to the frame before
// (0 before the first). Equal digests at equal index mean equal logs; two replicas compare 8 bytes.
// Guards against accidents, not against forgery.
//   Checks  dies if `frame` is shorter than kFrameHeadBytes.
inline uint64_t DigestFrame(uint64_t digest, std::string_view frame) {
  TIDEMARK_CHECK_GE(frame.size(), kFrameHeadBytes);
  // Three overlapping words hold the 21 bytes.
  const uint64_t a = LoadLittle<uint64_t>(frame.data());
  const uint64_t b = LoadLittle<uint64_t>(frame.data() + 8);
  const uint64_t c = LoadLittle<uint64_t>(frame.data() + kFrameHeadBytes - 8);
  using digest_internal::Fold;
  const uint64_t inner = Fold(b ^ 0x9e3779b97f4a7c15u, c ^ 0xd1b54a32d192ed03u);
  return Fold(digest ^ a ^ 0x8bb84b93962eacc9u, inner ^ 0x2d358dccaa6c78a5u);
}

}  // namespace tidemark
