// Any bytes as a peer's stream: frames and hellos decode or are refused, never crash; what decodes
// encodes to the same bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "runtime/net/peer_frame.h"
#include "runtime/net/peer_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  using namespace tidemark::net;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto hello = DecodePeerHello(rest); hello.ok() && hello->version == kPeerVersion) {
    TIDEMARK_CHECK(EncodePeerHello(*hello) == rest);
  }
  for (;;) {
    const auto frame = NextFrame(rest, kPeerHelloBytesMax);
    if (!frame.ok() || !frame->has_value()) return 0;
    std::string again;
    AppendFrame(again, (*frame)->type, {Bytes::Copy((*frame)->payload)});
    TIDEMARK_CHECK(again == rest.substr(0, (*frame)->total_bytes));
    if ((*frame)->type == FrameType::kHello) (void)DecodePeerHello((*frame)->payload);
    rest.remove_prefix((*frame)->total_bytes);
  }
}
