#include "engine/gossip/wire.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/limits.h"
#include "engine/base/prng.h"

namespace tidemark::gossip {
namespace {

Member SomeMember(Prng& prng) {
  Member member;
  member.id = NodeId(1 + prng.Below(1000));
  member.name = "node-" + std::to_string(prng.Below(1000));
  member.endpoint = {"10.0.0." + std::to_string(prng.Below(256)),
                     static_cast<uint16_t>(prng.Between(uint64_t{1}, uint64_t{65536}))};
  if (prng.Chance(1, 3)) member.endpoint.host = "fd00::1";
  member.state = static_cast<MemberState>(prng.Below(4));
  member.incarnation = prng.Next() >> 2;
  for (uint64_t tags = prng.Below(6); tags > 0; --tags) {
    member.tags["k" + std::to_string(prng.Below(100))] = std::string(prng.Below(40), '\xfe');
  }
  return member;
}

Packet SomePacket(uint64_t seed) {
  Prng prng(seed);
  Packet packet;
  packet.cluster_id = "green";
  packet.type = static_cast<PacketType>(1 + prng.Below(6));
  packet.from = NodeId(1 + prng.Below(9));
  packet.sequence = prng.Next();
  packet.target = NodeId(prng.Below(9));
  packet.endpoint = {"10.0.0.1", 7000};
  for (uint64_t members = prng.Below(5); members > 0; --members) {
    packet.members.push_back(SomeMember(prng));
  }
  return packet;
}

RC_GTEST_PROP(Wire, PacketsComeBack, (uint64_t seed)) {
  const Packet packet = SomePacket(seed);
  const std::string bytes = EncodePacket(packet);
  const Packet back = DecodePacket(bytes).value();
  RC_ASSERT(back.cluster_id == packet.cluster_id);
  RC_ASSERT(back.type == packet.type);
  RC_ASSERT(back.from == packet.from);
  RC_ASSERT(back.sequence == packet.sequence);
  RC_ASSERT(back.target == packet.target);
  RC_ASSERT(back.endpoint == packet.endpoint);
  RC_ASSERT(back.members == packet.members);
  size_t members = 0;
  for (const Member& member : packet.members) members += EncodedBytes(member);
  Packet bare = packet;
  bare.members.clear();
  RC_ASSERT(bytes.size() == EncodePacket(bare).size() + members);
}

RC_GTEST_PROP(Wire, NoPartOfAPacketIsAPacket, (uint64_t seed)) {
  const std::string bytes = EncodePacket(SomePacket(seed));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    RC_ASSERT(DecodePacket(bytes.substr(0, cut)).status().code() ==
              absl::StatusCode::kInvalidArgument);
  }
  RC_ASSERT(!DecodePacket(bytes + std::string(1, '\0')).ok());
}

RC_GTEST_PROP(Wire, AnyChangedByteGivesAPacketOrAnError, (uint64_t seed)) {
  const std::string bytes = EncodePacket(SomePacket(seed));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      const absl::StatusOr<Packet> packet = DecodePacket(changed);
      if (!packet.ok()) continue;
      // Whatever is accepted may be passed on, and would be accepted there too.
      for (const Member& member : packet->members) RC_ASSERT(CheckMember(member).ok());
      RC_ASSERT(DecodePacket(EncodePacket(*packet)).ok());
    }
  }
}

TEST(Wire, BytesAreAsWritten) {
  Packet packet;
  packet.cluster_id = "c";
  packet.type = PacketType::kNews;
  packet.from = NodeId(1);
  packet.sequence = 2;
  packet.target = NodeId(3);
  packet.endpoint = {"h", 4};
  packet.members.push_back({.id = NodeId(5),
                            .name = "n",
                            .endpoint = {"m", 6},
                            .state = MemberState::kDead,
                            .incarnation = 7,
                            .tags = {{"k", "v"}}});
  const char expected[] =
      "TG\x01\x01\0c\x04\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x01\0h\x04\0\x01\0"
      "\x05\0\0\0\0\0\0\0\x01\0n\x01\0m\x06\0\x02\x07\0\0\0\0\0\0\0\x01\0\x01\0k\x01\0v";
  EXPECT_EQ(EncodePacket(packet), std::string(expected, sizeof(expected) - 1));
}

TEST(Wire, RefusesWhatMustNotBePassedOn) {
  Prng prng(1);
  const Member good = SomeMember(prng);
  ASSERT_TRUE(CheckMember(good).ok());
  std::vector<Member> bad(7, good);
  bad[0].id = kNoNode;
  bad[1].name = "";
  bad[2].endpoint = {"", 7000};
  bad[3].endpoint = {"10.0.0.1", 0};
  bad[4].endpoint = {"FD00:0::1", 7000};  // another spelling of fd00::1
  bad[5].tags["x"] = std::string(kGossipMemberBytesMax, 'x');
  bad[6].incarnation = ~uint64_t{0};
  for (size_t i = 0; i < bad.size(); ++i) {
    Packet packet = SomePacket(1);
    packet.members = {bad[i]};
    EXPECT_FALSE(DecodePacket(EncodePacket(packet)).ok()) << i;
  }
  Packet nowhere = SomePacket(1);
  nowhere.endpoint = {"a b", 1};
  EXPECT_FALSE(DecodePacket(EncodePacket(nowhere)).ok());
}

TEST(Wire, TheLargestMemberFitsADatagramBesideTheLargestHeader) {
  Packet packet = SomePacket(1);
  packet.cluster_id.assign(kClusterIdBytesMax, 'c');
  packet.endpoint.host.assign(253, 'h');
  packet.members.clear();
  EXPECT_LE(EncodePacket(packet).size() + kGossipMemberBytesMax + 29 + 128, kDatagramBytesMax);
}

TEST(Wire, ABitTurnedOverOnTheWayIsNoticedByTheChecksum) {
  const std::string sent = AddChecksum("news");
  ASSERT_EQ(CheckChecksum(sent).value(), "news");
  for (size_t bit = 0; bit < sent.size() * 8; ++bit) {
    std::string damaged = sent;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(CheckChecksum(damaged).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
  EXPECT_FALSE(CheckChecksum(sent.substr(0, 3)).ok());
}

}  // namespace
}  // namespace tidemark::gossip
