#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/limits.h"

namespace tidemark::net {

// Frames of the peer transport: u32 length of the payload | u32 CRC-32C of type and payload | u8
// type | payload; little-endian. TLS protects what it carries; the checksum also covers plain
// connections and this program's own mistakes.
enum class FrameType : uint8_t {
  kHello = 1,  // the first frame, both ways
  kRaft = 2,
  kGossip = 3,
  kRefused = 4,  // in place of the accepting side's hello: why, in words; the connection ends
};

inline constexpr size_t kFrameHeaderBytes = 9;

// Appends the frame of `parts`, one after the other, to `out`.
void AppendFrame(std::string& out, FrameType type, const std::vector<Bytes>& parts);

struct PeerFrame {
  FrameType type = FrameType::kHello;
  std::string_view payload;
  size_t total_bytes = 0;
};

// The frame at the front of `bytes`; nullopt if it is not whole yet.
//   Bound   `payload_bytes_max`: as much as the sender is trusted with; checked on the header
//   alone,
//           so that a stranger's length makes nobody wait for, or keep, that many bytes.
//   Errors  kDataLoss: too long, unknown type or wrong checksum: the stream cannot go on.
absl::StatusOr<std::optional<PeerFrame>> NextFrame(std::string_view bytes,
                                                   size_t payload_bytes_max = kPeerFrameBytesMax);

}  // namespace tidemark::net
