#pragma once

#include <cstddef>
#include <optional>

#include "engine/base/bytes.h"

namespace tidemark::sim {

// `frames`, which begin with a whole frame, with one of them changed: at byte `at`, or the nearest
// one of its frame that its place in a log does not tell, and with the checksum of what it is then.
// Its term, offsets and length are as they were: nothing but what is known of that very frame from
// elsewhere shows that it is another one.
//   Result  nullopt: what is at `at` is no whole frame.
std::optional<Bytes> WithAnotherFrame(const Bytes& frames, size_t at);

}  // namespace tidemark::sim
