#include "runtime/net/peer_hello.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace tidemark::net {
namespace {

const PeerHello kMine{
    .cluster_id = "demo", .node = NodeId(1), .advertise = {.host = "10.0.0.1", .port = 7600}};

PeerHello Node(uint64_t id) {
  PeerHello hello = kMine;
  hello.node = NodeId(id);
  return hello;
}

PeerIdentity Named(const std::string& uri) {
  return {.verified = true, .common_name = "node", .uris = {"other:x", uri}};
}

std::string Refusal(const PeerHello& theirs, bool secure, const PeerIdentity& identity) {
  return std::string(CheckPeer(kMine, theirs, secure, identity).message());
}

TEST(PeerHello, ComesBackAsItWasAndNoPrefixOrExtensionOfItDoes) {
  const std::string bytes = EncodePeerHello(kMine);
  const auto back = DecodePeerHello(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->cluster_id, "demo");
  EXPECT_EQ(back->node, NodeId(1));
  EXPECT_EQ(back->advertise, kMine.advertise);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(DecodePeerHello(std::string_view(bytes).substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(DecodePeerHello(bytes + "x").ok());
}

TEST(PeerHello, NodeZeroAndOverlongNamesAreRefused) {
  EXPECT_FALSE(DecodePeerHello(EncodePeerHello(Node(0))).ok());
  PeerHello longest = kMine;
  longest.cluster_id = std::string(kPeerNameBytesMax, 'c');
  EXPECT_TRUE(DecodePeerHello(EncodePeerHello(longest)).ok());
  std::string bytes = EncodePeerHello(longest) + "c";
  const size_t at = bytes.size() - kPeerNameBytesMax - 3;
  bytes[at] = 0;
  bytes[at + 1] = 1;  // 256
  EXPECT_FALSE(DecodePeerHello(bytes).ok());
}

TEST(PeerHello, AnotherVersionIsRefusedByItsNumberWhateverFollows) {
  std::string bytes = EncodePeerHello(kMine).substr(0, 16);
  bytes[0] = 9;
  const auto hello = DecodePeerHello(bytes);
  ASSERT_TRUE(hello.ok());
  EXPECT_NE(Refusal(*hello, false, {}).find("version 9"), std::string::npos);
}

TEST(PeerHello, PeerOfThisClusterWithItsOwnCertificateIsWelcome) {
  EXPECT_TRUE(CheckPeer(kMine, Node(2), true, Named("tidemark://demo/node/2")).ok());
  EXPECT_TRUE(CheckPeer(kMine, Node(2), false, {}).ok());
}

TEST(PeerHello, RefusalsSayWhatIsWrongAndWhatToDo) {
  PeerHello foreign = Node(2);
  foreign.cluster_id = "prod";
  EXPECT_NE(Refusal(foreign, true, Named("tidemark://prod/node/2"))
                .find("it is of cluster \"prod\", this node is of \"demo\"; check cluster-id"),
            std::string::npos);
  EXPECT_NE(Refusal(Node(1), true, Named("tidemark://demo/node/1")).find("this node's id 1"),
            std::string::npos);
  EXPECT_NE(Refusal(Node(3), true, Named("tidemark://demo/node/2"))
                .find("does not name tidemark://demo/node/3; issue it with `tidemark cert node`"),
            std::string::npos);
}

TEST(PeerHello, CertificateThatOnlyResemblesTheNameIsRefused) {
  for (const char* uri :
       {"tidemark://demo/node/22", "tidemark://demo/node/2/", "", "tidemark://demo/node/02",
        "TIDEMARK://demo/node/2", "tidemark://other/node/2"}) {
    EXPECT_FALSE(CheckPeer(kMine, Node(2), true, Named(uri)).ok()) << uri;
  }
  PeerIdentity unverified = Named("tidemark://demo/node/2");
  unverified.verified = false;
  EXPECT_FALSE(CheckPeer(kMine, Node(2), true, unverified).ok());
}

RC_GTEST_PROP(PeerHelloProperty, DamagedBytesNeverCrashTheDecoder, ()) {
  std::string bytes = EncodePeerHello(kMine);
  const int flips = *rc::gen::inRange(1, 6);
  for (int i = 0; i < flips; ++i) {
    bytes[*rc::gen::inRange<size_t>(0, bytes.size())] =
        static_cast<char>(*rc::gen::inRange(0, 256));
  }
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() + 1));
  const auto hello = DecodePeerHello(bytes);
  if (hello.ok()) RC_ASSERT(hello->cluster_id.size() <= kPeerNameBytesMax);
}

}  // namespace
}  // namespace tidemark::net
