#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tidemark::sim {

// A column of whole numbers as text, small where the numbers change little: base64 (RFC 4648, with
// padding) of a sequence of zig-zag varints (engine/base/coding.h), each the difference to the
// number before (the first: to 0). A difference of 0 is followed by one more varint: how many zeros
// come after it. sim/timeline/page/data.js is the reader.
//   Units   numbers may be anything whose differences fit 64 bits; readers that compute in floating
//           point are exact up to 2^53.
std::string EncodeColumn(std::span<const int64_t> numbers);

}  // namespace tidemark::sim
