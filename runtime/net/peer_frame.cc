#include "runtime/net/peer_frame.h"

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark::net {

void AppendFrame(std::string& out, FrameType type, const std::vector<Bytes>& parts) {
  size_t length = 0;
  const char kind = static_cast<char>(type);
  uint32_t crc = Crc32c({&kind, 1});
  for (const Bytes& part : parts) {
    length += part.size();
    crc = Crc32c(part.view(), crc);
  }
  TIDEMARK_CHECK_LE(length, kPeerFrameBytesMax);
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(length));
  AppendLittle<uint32_t>(out, crc);
  out.push_back(kind);
  for (const Bytes& part : parts) out.append(part.view());
}

absl::StatusOr<std::optional<PeerFrame>> NextFrame(std::string_view bytes,
                                                   size_t payload_bytes_max) {
  if (bytes.size() < kFrameHeaderBytes) return std::optional<PeerFrame>();
  const uint32_t length = LoadLittle<uint32_t>(bytes.data());
  const uint8_t type = static_cast<uint8_t>(bytes[8]);
  if (length > payload_bytes_max) {
    return absl::DataLossError(
        absl::StrCat("a frame of ", length, " bytes where ", payload_bytes_max, " are allowed"));
  }
  if (type < static_cast<uint8_t>(FrameType::kHello) ||
      type > static_cast<uint8_t>(FrameType::kRefused)) {
    return absl::DataLossError(absl::StrCat("a frame of unknown type ", type));
  }
  if (bytes.size() < kFrameHeaderBytes + length) return std::optional<PeerFrame>();
  if (Crc32c(bytes.substr(8, 1 + length)) != LoadLittle<uint32_t>(bytes.data() + 4)) {
    return absl::DataLossError("the checksum of a frame is wrong");
  }
  return PeerFrame{.type = static_cast<FrameType>(type),
                   .payload = bytes.substr(kFrameHeaderBytes, length),
                   .total_bytes = kFrameHeaderBytes + length};
}

}  // namespace tidemark::net
