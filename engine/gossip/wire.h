#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/gossip/member.h"

// The bytes of gossip: one packet is one message with the news it carries along. Little-endian,
// strings with a u16 length before them. Nothing may follow the last member.
//   packet   "TG" u8 version(1) | cluster id | u8 type | u64 from | u64 sequence | u64 target |
//            target endpoint (host, u16 port) | u16 count | count members
//   member   u64 id | name | host | u16 port | u8 state | u64 incarnation | u16 count | tags

namespace tidemark::gossip {

enum class PacketType : uint8_t {
  kPing = 1,  // answer with kAck of the same sequence
  kAck = 2,
  kPingRequest = 3,  // ping `target` for me and pass its answer on
  kNews = 4,         // nothing but members
  kPush = 5,         // all members; answer with kPull (over the stream transport)
  kPull = 6,         // all members, as an answer
};

struct Packet {
  std::string cluster_id;
  PacketType type = PacketType::kNews;
  NodeId from;
  uint64_t sequence = 0;
  NodeId target;      // who is meant to answer a kPing, or to be pinged
  Endpoint endpoint;  // of the target of a kPingRequest; of the sender of a kPush
  std::vector<Member> members;
};

// The packet's bytes, the same for equal packets.
//   Checks  dies if a string is longer than its length field can say: see CheckMember.
std::string EncodePacket(const Packet& packet);

// Bytes a member adds to a packet.
size_t EncodedBytes(const Member& member);

// Whether a member may be passed on.
//   Errors  kInvalidArgument, with what to change, for no id, a name or endpoint that is none, or
//           more than kGossipMemberBytesMax bytes in all: such a member would never fit a datagram.
absl::Status CheckMember(const Member& member);

// The packet that `bytes` hold. Every member of it passes CheckMember.
//   Errors  kInvalidArgument for anything but a packet of this version: cut short, followed by
//           something, out of range, not an endpoint where one must be.
absl::StatusOr<Packet> DecodePacket(std::string_view bytes);

// Packets that are not sealed (keyring.h) end with the CRC-32C of what is before it, little-endian:
// UDP's own checksum of 16 bits lets through what would make a member up.
std::string AddChecksum(std::string packet);
// What is before the checksum.
//   Errors  kDataLoss: it does not match.
absl::StatusOr<std::string_view> CheckChecksum(std::string_view bytes);

}  // namespace tidemark::gossip
