// Any bytes as a gossip packet: decoded, and handed to a member that stands in a small cluster.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/gossip/swim.h"
#include "engine/gossip/wire.h"

namespace tidemark::gossip {
namespace {

void Run(std::string_view bytes) {
  const absl::StatusOr<Packet> packet = DecodePacket(bytes);
  if (packet.ok()) {
    for (const Member& member : packet->members) TIDEMARK_CHECK(CheckMember(member).ok());
    TIDEMARK_CHECK(DecodePacket(EncodePacket(*packet)).ok());
  }
  Config config;
  config.id = NodeId(1);
  config.name = "node-1";
  config.cluster_id = "green";
  config.advertise = {"10.0.0.1", 7000};
  Swim swim(config, 1, Prng(1));
  Effects out;
  Now now;
  swim.Start(now, out);
  swim.OnDatagram(now, {"10.0.0.2", 7000}, bytes, out);
  // Nobody who means harm is kept away by a checksum.
  const std::string with_checksum = AddChecksum(std::string(bytes));
  swim.OnDatagram(now, {"10.0.0.2", 7000}, with_checksum, out);
  swim.OnStream(now, with_checksum, out);
  for (int steps = 0; steps < 50; ++steps) {
    now.instant = swim.next_deadline();
    swim.OnTimer(now, out);
    TIDEMARK_CHECK_GT(swim.next_deadline().nanos(), now.instant.nanos());
  }
  TIDEMARK_CHECK(swim.self().state == MemberState::kAlive);
  TIDEMARK_CHECK_LE(swim.members().size(), kGossipMembersMax);
  for (const Datagram& datagram : out.datagrams) {
    TIDEMARK_CHECK_LE(datagram.bytes.size(), kDatagramBytesMax);
  }
}

}  // namespace
}  // namespace tidemark::gossip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::gossip::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
