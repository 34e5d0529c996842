#include "engine/gossip/wire.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"

namespace tidemark::gossip {
namespace {

constexpr char kMagic0 = 'T';
constexpr char kMagic1 = 'G';
constexpr uint8_t kVersion = 1;
// Far above any clock in milliseconds, and far from wrapping: an incarnation can always be outbid.
constexpr uint64_t kIncarnationMax = uint64_t{1} << 62;

void AppendText(std::string& to, std::string_view text) {
  TIDEMARK_CHECK_LE(text.size(), size_t{UINT16_MAX});
  AppendLittle<uint16_t>(to, static_cast<uint16_t>(text.size()));
  to += text;
}

void AppendMember(std::string& to, const Member& member) {
  AppendLittle<uint64_t>(to, member.id.value());
  AppendText(to, member.name);
  AppendText(to, member.endpoint.host);
  AppendLittle<uint16_t>(to, member.endpoint.port);
  AppendLittle<uint8_t>(to, static_cast<uint8_t>(member.state));
  AppendLittle<uint64_t>(to, member.incarnation);
  AppendLittle<uint16_t>(to, static_cast<uint16_t>(member.tags.size()));
  for (const auto& [key, value] : member.tags) {
    AppendText(to, key);
    AppendText(to, value);
  }
}

// Reads off the front; once something is missing everything after reads as zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  template <typename T>
  T Number() {
    if (rest_.size() < sizeof(T)) {
      ok_ = false;
      rest_ = {};
      return 0;
    }
    const T value = LoadLittle<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string Text() {
    const uint16_t bytes = Number<uint16_t>();
    if (bytes > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string text(rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
    return text;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool ReadMember(Reader& reader, Member& member) {
  member.id = NodeId(reader.Number<uint64_t>());
  member.name = reader.Text();
  member.endpoint.host = reader.Text();
  member.endpoint.port = reader.Number<uint16_t>();
  const uint8_t state = reader.Number<uint8_t>();
  member.state = static_cast<MemberState>(state);
  member.incarnation = reader.Number<uint64_t>();
  const uint16_t tags = reader.Number<uint16_t>();
  for (uint16_t i = 0; i < tags && reader.ok(); ++i) {
    std::string key = reader.Text();
    member.tags[std::move(key)] = reader.Text();
  }
  return reader.ok() && state <= static_cast<uint8_t>(MemberState::kLeft) &&
         member.incarnation <= kIncarnationMax && CheckMember(member).ok();
}

// Written as Parse would give it back: what is passed on to the driver must be an endpoint, and one
// endpoint must have one spelling.
bool Canonical(const Endpoint& endpoint) {
  const absl::StatusOr<Endpoint> parsed = Endpoint::Parse(endpoint.ToString());
  return parsed.ok() && *parsed == endpoint;
}

}  // namespace

std::string EncodePacket(const Packet& packet) {
  std::string out{kMagic0, kMagic1, static_cast<char>(kVersion)};
  AppendText(out, packet.cluster_id);
  AppendLittle<uint8_t>(out, static_cast<uint8_t>(packet.type));
  AppendLittle<uint64_t>(out, packet.from.value());
  AppendLittle<uint64_t>(out, packet.sequence);
  AppendLittle<uint64_t>(out, packet.target.value());
  AppendText(out, packet.endpoint.host);
  AppendLittle<uint16_t>(out, packet.endpoint.port);
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(packet.members.size()));
  for (const Member& member : packet.members) AppendMember(out, member);
  return out;
}

size_t EncodedBytes(const Member& member) {
  std::string out;
  AppendMember(out, member);
  return out.size();
}

absl::Status CheckMember(const Member& member) {
  if (member.id == kNoNode) return absl::InvalidArgumentError("a member's id must be 1 or more");
  if (member.name.empty()) return absl::InvalidArgumentError("a member's name must not be empty");
  if (!Canonical(member.endpoint)) {
    return absl::InvalidArgumentError(
        absl::StrCat("member ", member.name, " has no endpoint that others could dial"));
  }
  size_t bytes = member.name.size();
  for (const auto& [key, value] : member.tags) bytes += key.size() + value.size();
  // The sum first: it bounds every string, so that encoding cannot fail.
  if (bytes > kGossipMemberBytesMax || EncodedBytes(member) > kGossipMemberBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name and tags of member ", std::string(member.name.substr(0, 64)),
        " take more than the ", kGossipMemberBytesMax, " bytes a member may; use shorter ones"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Packet> DecodePacket(std::string_view bytes) {
  if (bytes.size() < 3 || bytes[0] != kMagic0 || bytes[1] != kMagic1) {
    return absl::InvalidArgumentError(
        "not a gossip packet (an encrypted one, if this node has no gossip key)");
  }
  if (static_cast<uint8_t>(bytes[2]) != kVersion) {
    return absl::InvalidArgumentError("a gossip packet of another version");
  }
  Reader reader(bytes.substr(3));
  Packet packet;
  packet.cluster_id = reader.Text();
  const uint8_t type = reader.Number<uint8_t>();
  packet.type = static_cast<PacketType>(type);
  packet.from = NodeId(reader.Number<uint64_t>());
  packet.sequence = reader.Number<uint64_t>();
  packet.target = NodeId(reader.Number<uint64_t>());
  packet.endpoint.host = reader.Text();
  packet.endpoint.port = reader.Number<uint16_t>();
  const uint16_t count = reader.Number<uint16_t>();
  bool sane = type >= static_cast<uint8_t>(PacketType::kPing) &&
              type <= static_cast<uint8_t>(PacketType::kPull) && count <= kGossipMembersMax &&
              Canonical(packet.endpoint);
  for (uint16_t i = 0; i < count && sane; ++i) {
    sane = ReadMember(reader, packet.members.emplace_back());
  }
  if (!sane || !reader.ok() || !reader.at_end() || packet.from == kNoNode) {
    return absl::InvalidArgumentError("a malformed gossip packet");
  }
  return packet;
}

std::string AddChecksum(std::string packet) {
  AppendLittle(packet, Crc32c(packet));
  return packet;
}

absl::StatusOr<std::string_view> CheckChecksum(std::string_view bytes) {
  if (bytes.size() >= sizeof(uint32_t)) {
    const std::string_view packet = bytes.substr(0, bytes.size() - sizeof(uint32_t));
    if (LoadLittle<uint32_t>(bytes.data() + packet.size()) == Crc32c(packet)) return packet;
  }
  return absl::DataLossError("a packet whose checksum does not match, damaged on its way");
}

}  // namespace tidemark::gossip
