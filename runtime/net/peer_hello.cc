#include "runtime/net/peer_hello.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"

namespace tidemark::net {

std::string EncodePeerHello(const PeerHello& hello) {
  TIDEMARK_CHECK_LE(hello.advertise.host.size(), kPeerNameBytesMax);
  TIDEMARK_CHECK_LE(hello.cluster_id.size(), kPeerNameBytesMax);
  std::string out;
  AppendLittle<uint16_t>(out, hello.version);
  AppendLittle<uint64_t>(out, hello.node.value());
  AppendLittle<uint16_t>(out, hello.advertise.port);
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(hello.advertise.host.size()));
  out += hello.advertise.host;
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(hello.cluster_id.size()));
  out += hello.cluster_id;
  return out;
}

absl::StatusOr<PeerHello> DecodePeerHello(std::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("a malformed hello; is that a tidemark server?");
  if (bytes.size() < 16) return malformed;
  PeerHello hello;
  hello.version = LoadLittle<uint16_t>(bytes.data());
  // What follows is known for this version only; CheckPeer refuses the others by their number.
  if (hello.version != kPeerVersion) return hello;
  hello.node = NodeId(LoadLittle<uint64_t>(bytes.data() + 2));
  hello.advertise.port = LoadLittle<uint16_t>(bytes.data() + 10);
  const size_t host = LoadLittle<uint16_t>(bytes.data() + 12);
  bytes.remove_prefix(14);
  if (host > kPeerNameBytesMax || bytes.size() < host + 2) return malformed;
  hello.advertise.host = std::string(bytes.substr(0, host));
  bytes.remove_prefix(host);
  const size_t cluster = LoadLittle<uint16_t>(bytes.data());
  bytes.remove_prefix(2);
  if (cluster > kPeerNameBytesMax || bytes.size() != cluster || hello.node == kNoNode) {
    return malformed;
  }
  hello.cluster_id = std::string(bytes);
  return hello;
}

std::string PeerUri(const std::string& cluster_id, NodeId node) {
  return absl::StrCat("tidemark://", cluster_id, "/node/", node.value());
}

absl::Status CheckPeer(const PeerHello& mine, const PeerHello& theirs, bool secure,
                       const PeerIdentity& identity) {
  if (theirs.version != mine.version) {
    return absl::PermissionDeniedError(absl::StrCat("it speaks version ", theirs.version,
                                                    " of the peer protocol, this node ",
                                                    mine.version, "; run the same release"));
  }
  if (theirs.cluster_id != mine.cluster_id) {
    return absl::PermissionDeniedError(
        absl::StrCat("it is of cluster \"", theirs.cluster_id, "\", this node is of \"",
                     mine.cluster_id, "\"; check cluster-id and the join addresses of both"));
  }
  if (theirs.node == mine.node) {
    return absl::PermissionDeniedError(absl::StrCat("it has this node's id ", mine.node.value(),
                                                    "; give each node its own node-id"));
  }
  if (!secure) return absl::OkStatus();
  const std::string uri = PeerUri(theirs.cluster_id, theirs.node);
  if (identity.verified &&
      std::find(identity.uris.begin(), identity.uris.end(), uri) != identity.uris.end()) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat(
      "it says it is node ", theirs.node.value(), ", but its certificate (\"", identity.common_name,
      "\") does not name ", uri, "; issue it with `tidemark cert node`"));
}

}  // namespace tidemark::net
