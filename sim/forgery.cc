#include "sim/forgery.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"

namespace tidemark::sim {
namespace {

// FORMAT.md section 1.
constexpr size_t kChecksum = 17;
constexpr size_t kChecksummed = 21;
constexpr size_t kBaseTimestamp = 27;

}  // namespace

std::optional<Bytes> WithAnotherFrame(const Bytes& frames, size_t at) {
  const std::string_view all = frames.view();
  for (size_t begin = 0; begin < all.size();) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(all.substr(begin));
    if (!header.ok() || header->total_bytes() > all.size() - begin) return std::nullopt;
    const size_t length = header->total_bytes();
    if (at >= begin + length) {
      begin += length;
      continue;
    }
    // One without records says when it was made.
    const size_t first = length > kBatchHeaderBytes ? kBatchHeaderBytes : kBaseTimestamp;
    std::string changed(all);
    char& byte = changed[std::max(at, begin + first)];
    byte = static_cast<char>(byte ^ 1);
    const uint32_t checksum =
        Crc32c(std::string_view(changed).substr(begin + kChecksummed, length - kChecksummed));
    for (size_t i = 0; i < 4; ++i) {
      changed[begin + kChecksum + i] = static_cast<char>(checksum >> (24 - 8 * i) & 0xff);
    }
    return Bytes::From(std::move(changed));
  }
  return std::nullopt;
}

}  // namespace tidemark::sim
