#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "runtime/net/tls.h"

namespace tidemark::net {

// Changes when an older release could misread what this one sends.
inline constexpr uint16_t kPeerVersion = 1;
// Longest cluster id and host in a hello.
inline constexpr size_t kPeerNameBytesMax = 255;

// The first frame of a peer connection, in both directions: who is speaking.
//   Shape   u16 version | u64 node | u16 port | u16 length, host | u16 length, cluster id;
//           little-endian, nothing behind it.
struct PeerHello {
  uint16_t version = kPeerVersion;
  std::string cluster_id;
  NodeId node;
  Endpoint advertise;
};

std::string EncodePeerHello(const PeerHello& hello);
// Strict, bytes come from strangers. Of another version only the number is read.
//   Errors  kInvalidArgument.
absl::StatusOr<PeerHello> DecodePeerHello(std::string_view bytes);

// The name a node's certificate must carry: tidemark://<cluster>/node/<id>.
std::string PeerUri(const std::string& cluster_id, NodeId node);

// Whether to talk to who sent `theirs`.
//   Errors  kPermissionDenied, in words for an operator: another cluster, this node itself, or a
//           certificate (when `secure`) that names somebody else.
absl::Status CheckPeer(const PeerHello& mine, const PeerHello& theirs, bool secure,
                       const PeerIdentity& identity);

}  // namespace tidemark::net
