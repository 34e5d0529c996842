#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Where a server can be reached: the same port number serves TCP and UDP. Pure text and numbers;
// the runtime turns DNS names into addresses, the engine never resolves anything.

namespace tidemark {

// A host and a port.
//   Shape   `host` is an IPv4 literal, an IPv6 literal without brackets in RFC 5952 form, or a DNS
//           name in lower case. Values made by Parse or FromPackedIp are canonical, so comparing
//           them as text compares addresses.
//   Units   `port` 1..65535; 0 only in the default value, which names no endpoint.
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;

  // "host:port", with brackets around an IPv6 host: what Parse reads.
  std::string ToString() const;

  // True for the default value: no endpoint.
  bool empty() const { return host.empty(); }

  // Reads "127.0.0.1:7000", "[::1]:7000" or "node-1.example:7000".
  //   Errors  kInvalidArgument with a text that says what was expected.
  static absl::StatusOr<Endpoint> Parse(std::string_view text);
};

// The address bytes of an IP literal in network order: 4 for IPv4, 16 for IPv6.
//   Errors  nullopt if `host` is not an IP literal (a DNS name, or malformed).
std::optional<std::string> PackIp(std::string_view host);

// The canonical text of 4 or 16 address bytes; an IPv4-mapped IPv6 address (::ffff:a.b.c.d) gives
// the IPv4 text, since both name the same host.
//   Errors  nullopt for any other number of bytes.
//   Source  RFC 5952 section 4 (lower case, longest run of zero groups shortened).
std::optional<std::string> UnpackIp(std::string_view bytes);

}  // namespace tidemark
