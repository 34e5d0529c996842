#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Looks into the first bytes of a TLS connection: which application protocols does the client
// offer? The one port decides by that who gets the connection, before any key exchange. The bytes
// are only read; the chosen owner parses them again with a real TLS library.

namespace tidemark::net {

// The whole ClientHello handshake message must fit, as must the records it comes in; real ones take
// 200 bytes to 2 KiB. OpenSSL's own limit for the message is 128 KiB.
inline constexpr size_t kClientHelloBytesMax = 16u << 10;

// All bytes so far may begin a ClientHello; more are needed.
struct ClientHelloNeedsMore {};
// The first byte cannot begin a TLS connection.
struct NotTls {};
// Begins like TLS and then breaks the rules; `reason` is a fixed text for the log.
struct MalformedClientHello {
  std::string_view reason;
};
struct ClientHello {
  // The protocols offered, most wanted first; empty if the client sent no ALPN extension. Each is 1
  // to 255 bytes of anything.
  std::vector<std::string> alpn;

  bool Offers(std::string_view protocol) const;
};
using ClientHelloResult =
    std::variant<ClientHelloNeedsMore, NotTls, MalformedClientHello, ClientHello>;

// Parses the first bytes of a connection. Pure: call it again with more bytes after NeedsMore.
//   Shape   TLS records of type handshake, holding one ClientHello in any fragmentation (of at most
//           64 records); bytes after its last record are not looked at.
//   Strict  lengths must agree exactly at every level, no extension may come twice, an ALPN list
//           may not be empty nor hold an empty name. Unknown extensions are skipped.
//   Cost    linear in `bytes`; never needs more than kClientHelloBytesMax plus record headers.
//   Source  RFC 8446 sections 4.1.2, 4.2, 5.1; RFC 7301 section 3.1; RFC 5246 section 7.4.1.2.
ClientHelloResult ParseClientHello(std::string_view bytes);

}  // namespace tidemark::net
