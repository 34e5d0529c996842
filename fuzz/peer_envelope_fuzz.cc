#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "proto/peer_convert.h"

// A frame from a peer: whatever is accepted must encode and decode to the same message again.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tidemark::Bytes frame =
      tidemark::Bytes::Copy(std::string_view(reinterpret_cast<const char*>(data), size));
  const absl::StatusOr<tidemark::PeerMessage> message = tidemark::DecodePeer(frame);
  if (!message.ok()) return 0;
  std::string again;
  for (const tidemark::Bytes& part : tidemark::EncodePeer(*message)) again.append(part.view());
  const absl::StatusOr<tidemark::PeerMessage> back =
      tidemark::DecodePeer(tidemark::Bytes::From(again));
  TIDEMARK_CHECK(back.ok());
  TIDEMARK_CHECK_EQ(back->message.body.index(), message->message.body.index());
  TIDEMARK_CHECK_EQ(back->message.term, message->message.term);
  TIDEMARK_CHECK_EQ(back->group, message->group);
  return 0;
}
