#include "engine/base/endpoint.h"

#include <array>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tidemark {
namespace {

constexpr size_t kHostBytesMax = 253;  // RFC 1035: the longest name a resolver accepts.
constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6Groups = 8;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a decimal number of 1..`digits_max` digits without a leading zero; nullopt otherwise.
std::optional<uint32_t> ParseDecimal(std::string_view text, size_t digits_max) {
  if (text.empty() || text.size() > digits_max) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  uint32_t value = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + static_cast<uint32_t>(c - '0');
  }
  return value;
}

std::optional<std::string> PackIpv4(std::string_view text) {
  std::string bytes;
  while (true) {
    const size_t dot = text.find('.');
    const std::optional<uint32_t> part = ParseDecimal(text.substr(0, dot), 3);
    if (!part.has_value() || *part > 255) return std::nullopt;
    bytes.push_back(static_cast<char>(*part));
    if (dot == std::string_view::npos) break;
    if (bytes.size() == kIpv4Bytes) return std::nullopt;
    text.remove_prefix(dot + 1);
  }
  if (bytes.size() != kIpv4Bytes) return std::nullopt;
  return bytes;
}

std::optional<uint16_t> ParseHexGroup(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  uint32_t value = 0;
  for (const char c : text) {
    uint32_t digit = 0;
    if (IsDigit(c)) {
      digit = static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint32_t>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return static_cast<uint16_t>(value);
}

// Reads groups separated by single colons, the last of which may be dotted IPv4, into `bytes`.
// Empty text is no groups. False on anything malformed.
bool AppendGroups(std::string_view text, std::string& bytes) {
  if (text.empty()) return true;
  while (true) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const std::optional<std::string> ipv4 = PackIpv4(group);
      if (!ipv4.has_value()) return false;
      bytes += *ipv4;
      return true;
    }
    const std::optional<uint16_t> value = ParseHexGroup(group);
    if (!value.has_value() || bytes.size() >= 2 * kIpv6Groups) return false;
    bytes.push_back(static_cast<char>(*value >> 8));
    bytes.push_back(static_cast<char>(*value & 0xff));
    if (colon == std::string_view::npos) return true;
    text.remove_prefix(colon + 1);
  }
}

std::optional<std::string> PackIpv6(std::string_view text) {
  std::string head;
  const size_t gap = text.find("::");
  if (!AppendGroups(text.substr(0, gap), head)) return std::nullopt;
  if (gap == std::string_view::npos) {
    if (head.size() != 2 * kIpv6Groups) return std::nullopt;
    return head;
  }
  // A dotted tail may only end the whole address.
  if (text.substr(0, gap).find('.') != std::string_view::npos) return std::nullopt;
  std::string tail;
  if (!AppendGroups(text.substr(gap + 2), tail)) return std::nullopt;
  if (head.size() + tail.size() > 2 * (kIpv6Groups - 1)) return std::nullopt;
  head.append(2 * kIpv6Groups - head.size() - tail.size(), '\0');
  return head + tail;
}

std::string Ipv4Text(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    absl::StrAppend(&text, text.empty() ? "" : ".",
                    static_cast<uint32_t>(static_cast<uint8_t>(byte)));
  }
  return text;
}

std::string Ipv6Text(std::string_view bytes) {
  std::array<uint32_t, kIpv6Groups> groups;
  for (size_t i = 0; i < kIpv6Groups; ++i) {
    groups[i] = static_cast<uint32_t>(static_cast<uint8_t>(bytes[2 * i])) << 8 |
                static_cast<uint8_t>(bytes[2 * i + 1]);
  }
  size_t gap_begin = 0;
  size_t gap_length = 1;  // A single zero group is not shortened.
  for (size_t begin = 0; begin < kIpv6Groups; ++begin) {
    size_t end = begin;
    while (end < kIpv6Groups && groups[end] == 0) ++end;
    if (end - begin > gap_length) {
      gap_begin = begin;
      gap_length = end - begin;
    }
  }
  std::string text;
  for (size_t i = 0; i < kIpv6Groups; ++i) {
    if (gap_length > 1 && i == gap_begin) {
      text += "::";
      i += gap_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text.push_back(':');
    absl::StrAppend(&text, absl::Hex(groups[i]));
  }
  return text;
}

// A DNS name in lower case, or nullopt. Underscores occur in real service names.
std::optional<std::string> CanonicalName(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return std::nullopt;
  std::string name;
  for (const char c : host) {
    if (c >= 'A' && c <= 'Z') {
      name.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if (IsDigit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_') {
      name.push_back(c);
    } else {
      return std::nullopt;
    }
  }
  if (name.front() == '.' || name.front() == '-') return std::nullopt;
  // "300.1.1.1" and "1.2.3" are mistyped addresses, not names: no top-level domain is a number.
  const size_t last_dot = name.find_last_of('.');
  const std::string_view last =
      last_dot == std::string::npos ? name : std::string_view(name).substr(last_dot + 1);
  bool numeric = !last.empty();
  for (const char c : last) numeric = numeric && IsDigit(c);
  if (numeric) return std::nullopt;
  return name;
}

absl::Status Malformed(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", std::string(text.substr(0, kHostBytesMax)), "\" is not an endpoint: ", std::string(why),
      "; write host:port, for example 10.0.0.1:7000, [fd00::1]:7000 or node-1.example:7000"));
}

}  // namespace

std::optional<std::string> PackIp(std::string_view host) {
  if (host.find(':') != std::string_view::npos) return PackIpv6(host);
  return PackIpv4(host);
}

std::optional<std::string> UnpackIp(std::string_view bytes) {
  static constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  if (bytes.size() == 2 * kIpv6Groups && bytes.substr(0, kMapped.size()) == kMapped) {
    bytes.remove_prefix(kMapped.size());
  }
  if (bytes.size() == kIpv4Bytes) return Ipv4Text(bytes);
  if (bytes.size() == 2 * kIpv6Groups) return Ipv6Text(bytes);
  return std::nullopt;
}

std::string Endpoint::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  return absl::StrCat(brackets ? "[" : "", host, brackets ? "]:" : ":",
                      static_cast<uint32_t>(port));
}

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text) {
  const size_t colon = text.find_last_of(':');
  if (colon == std::string_view::npos) return Malformed(text, "there is no \":port\"");
  const std::optional<uint32_t> port = ParseDecimal(text.substr(colon + 1), 5);
  if (!port.has_value() || *port == 0 || *port > 65535) {
    return Malformed(text, "the port must be a number from 1 to 65535");
  }
  std::string_view host = text.substr(0, colon);
  Endpoint result{.host = "", .port = static_cast<uint16_t>(*port)};
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return Malformed(text, "the bracket before the port is missing");
    host = host.substr(1, host.size() - 2);
    const std::optional<std::string> bytes = PackIpv6(host);
    if (!bytes.has_value()) return Malformed(text, "the brackets hold no IPv6 address");
    result.host = *UnpackIp(*bytes);
    return result;
  }
  if (host.find(':') != std::string_view::npos) {
    return Malformed(text, "an IPv6 address needs brackets before its port");
  }
  if (PackIpv4(host).has_value()) {
    result.host = std::string(host);
    return result;
  }
  std::optional<std::string> name = CanonicalName(host);
  if (!name.has_value()) return Malformed(text, "the host is neither an IP address nor a DNS name");
  result.host = *std::move(name);
  return result;
}

}  // namespace tidemark
