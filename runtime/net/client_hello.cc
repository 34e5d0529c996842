#include "runtime/net/client_hello.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "engine/base/coding.h"

namespace tidemark::net {
namespace {

constexpr char kHandshakeRecord = 22;
constexpr char kClientHelloMessage = 1;
constexpr uint16_t kAlpnExtension = 16;
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kMessageHeaderBytes = 4;
constexpr size_t kRandomBytes = 32;
constexpr size_t kSessionIdBytesMax = 32;
// RFC 8446 5.1: a plaintext record holds at most 2^14 bytes.
constexpr size_t kRecordBytesMax = 1u << 14;
// Nobody fragments a ClientHello into more; bounds the work per byte received.
constexpr size_t kRecordsMax = 64;

// Takes fields off the front of a view; every Take fails once the bytes are short.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool Skip(size_t count) { return Take(count).has_value(); }

  std::optional<std::string_view> Take(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  // A field with a length in front of it, one or two bytes wide.
  std::optional<std::string_view> TakeVector8() {
    const auto length = Take(1);
    if (!length) return std::nullopt;
    return Take(static_cast<uint8_t>(length->front()));
  }
  std::optional<std::string_view> TakeVector16() {
    const auto length = TakeU16();
    if (!length) return std::nullopt;
    return Take(*length);
  }
  std::optional<uint16_t> TakeU16() {
    const auto bytes = Take(2);
    if (!bytes) return std::nullopt;
    return LoadBig<uint16_t>(bytes->data());
  }

  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// The list inside an ALPN extension; false if malformed.
bool ParseAlpn(std::string_view extension, std::vector<std::string>& alpn) {
  Reader outer(extension);
  const auto list = outer.TakeVector16();
  if (!list || list->empty() || !outer.empty()) return false;
  Reader names(*list);
  while (!names.empty()) {
    const auto name = names.TakeVector8();
    if (!name || name->empty()) return false;
    alpn.emplace_back(*name);
  }
  return true;
}

ClientHelloResult ParseMessage(std::string_view body) {
  Reader reader(body);
  if (!reader.Skip(2 + kRandomBytes)) return MalformedClientHello{"cut before the random"};
  const auto session = reader.TakeVector8();
  if (!session || session->size() > kSessionIdBytesMax) {
    return MalformedClientHello{"bad session id"};
  }
  const auto suites = reader.TakeVector16();
  if (!suites || suites->empty() || suites->size() % 2 != 0) {
    return MalformedClientHello{"bad cipher suites"};
  }
  const auto compression = reader.TakeVector8();
  if (!compression || compression->empty()) return MalformedClientHello{"bad compression methods"};
  ClientHello hello;
  if (reader.empty()) return hello;  // TLS 1.2 without extensions
  const auto extensions = reader.TakeVector16();
  if (!extensions || !reader.empty()) return MalformedClientHello{"bad extensions length"};
  Reader list(*extensions);
  std::vector<uint16_t> seen;
  while (!list.empty()) {
    const auto type = list.TakeU16();
    const auto data = type ? list.TakeVector16() : std::nullopt;
    if (!data) return MalformedClientHello{"bad extension"};
    seen.push_back(*type);
    if (*type == kAlpnExtension && !ParseAlpn(*data, hello.alpn)) {
      return MalformedClientHello{"bad ALPN extension"};
    }
  }
  std::sort(seen.begin(), seen.end());
  if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) {
    return MalformedClientHello{"an extension comes twice"};
  }
  return hello;
}

}  // namespace

bool ClientHello::Offers(std::string_view protocol) const {
  return std::find(alpn.begin(), alpn.end(), protocol) != alpn.end();
}

ClientHelloResult ParseClientHello(std::string_view bytes) {
  if (bytes.empty()) return ClientHelloNeedsMore{};
  if (bytes.front() != kHandshakeRecord) return NotTls{};
  // Joins the fragments; the common single record is parsed where it lies.
  std::string joined;
  std::string_view message;
  for (size_t records = 1; records <= kRecordsMax; ++records) {
    // Whatever part of the record header is there already must be right.
    if (!bytes.empty() && bytes[0] != kHandshakeRecord) {
      return MalformedClientHello{"another record inside the ClientHello"};
    }
    if (bytes.size() >= 2 && bytes[1] != 3) return MalformedClientHello{"not TLS 1.x"};
    if (bytes.size() < kRecordHeaderBytes) return ClientHelloNeedsMore{};
    const size_t length = LoadBig<uint16_t>(bytes.data() + 3);
    if (length == 0) return MalformedClientHello{"empty record"};
    if (length > kRecordBytesMax) return MalformedClientHello{"record too long"};
    const std::string_view fragment = bytes.substr(kRecordHeaderBytes, length);
    if (joined.empty() && message.empty()) {
      message = fragment;
    } else {
      if (joined.empty()) joined = message;
      joined += fragment;
      message = joined;
    }
    if (!message.empty() && message[0] != kClientHelloMessage) {
      return MalformedClientHello{"the first message is no ClientHello"};
    }
    if (message.size() >= kMessageHeaderBytes) {
      const size_t body = LoadBig<uint32_t>(message.data()) & 0xffffff;
      if (body > kClientHelloBytesMax - kMessageHeaderBytes) {
        return MalformedClientHello{"ClientHello too long"};
      }
      // A ClientHello ends its record: the keys change after it (RFC 8446 section 5.1). Judged by
      // the length the record declares, so that the verdict does not depend on how bytes arrive.
      if (message.size() - fragment.size() + length > kMessageHeaderBytes + body) {
        return MalformedClientHello{"bytes after the ClientHello in its record"};
      }
      if (message.size() == kMessageHeaderBytes + body) {
        return ParseMessage(message.substr(kMessageHeaderBytes));
      }
    }
    if (fragment.size() < length) return ClientHelloNeedsMore{};
    bytes.remove_prefix(kRecordHeaderBytes + length);
  }
  return MalformedClientHello{"too many fragments"};
}

}  // namespace tidemark::net
