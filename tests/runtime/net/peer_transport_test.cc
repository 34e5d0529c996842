#include "runtime/net/peer_transport.h"

#include <gtest/gtest.h>
#include <netdb.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/net/mux.h"
#include "runtime/net/sockets.h"
#include "tests/runtime/support/certificates.h"
#include "tests/runtime/support/wire.h"

namespace tidemark::net {
namespace {

// One end: a listening port, its mux and a transport.
class Node {
 public:
  struct Settings {
    uint64_t id = 1;
    std::string cluster = "demo";
    const TlsFiles* tls = nullptr;  // null: plain
    size_t queue_bytes_max = 64u << 20;
    size_t away_bytes_max = 1u << 20;
    Duration handshake_timeout = Duration::Seconds(20);
    uint16_t port = 0;
  };

  Node(EventLoop& loop, const Settings& settings) {
    absl::StatusOr<PortSockets> port = OpenPort({.host = "127.0.0.1", .port = settings.port});
    EXPECT_TRUE(port.ok()) << port.status();
    address = port->bound;
    PeerTransport::Options options;
    options.self = {
        .cluster_id = settings.cluster, .node = NodeId(settings.id), .advertise = address};
    options.queue_bytes_max = settings.queue_bytes_max;
    options.away_bytes_max = settings.away_bytes_max;
    options.handshake_timeout = settings.handshake_timeout;
    options.redial_min = Duration::Millis(1);
    options.redial_max = Duration::Millis(10);
    if (settings.tls != nullptr) {
      options.server_tls = Context(*settings.tls, TlsContext::Role::kPeerServer);
      options.client_tls = Context(*settings.tls, TlsContext::Role::kPeerClient);
    }
    transport = std::make_unique<PeerTransport>(
        &loop, options,
        PeerTransport::Callbacks{
            .on_frame =
                [this](NodeId from, FrameType type, Bytes payload) {
                  frames.push_back(std::to_string(from.value()) +
                                   (type == FrameType::kRaft ? " raft " : " gossip ") +
                                   std::string(payload.view()));
                },
            .on_link = [this](const Endpoint& to, bool up) { links[to].push_back(up); },
            .on_refused =
                [this](const std::string&, const absl::Status& why) {
                  refusals.push_back(std::string(why.message()));
                }});
    mux = std::make_unique<Mux>(
        &loop, std::move(port->tcp), Mux::Options{.tls = settings.tls != nullptr},
        Mux::Sinks{.grpc = [](UniqueFd, std::string) {},
                   .peer =
                       [this](UniqueFd fd, std::string received) {
                         transport->Accept(std::move(fd), std::move(received));
                       },
                   .http = [](UniqueFd, std::string) {}});
    EXPECT_TRUE(mux->Start().ok());
  }

  void Send(const Endpoint& to, const std::string& text, FrameType type = FrameType::kRaft) {
    transport->Send(to, type, {Bytes::Copy(text)});
    transport->Flush();
  }

  Endpoint address;
  std::unique_ptr<PeerTransport> transport;
  std::unique_ptr<Mux> mux;
  std::vector<std::string> frames;
  std::map<Endpoint, std::vector<bool>> links;
  std::vector<std::string> refusals;
};

// Every test of frames runs without TLS and with it.
class PeerTransportTest : public testing::TestWithParam<bool> {
 protected:
  Node::Settings Settings(uint64_t id) {
    Node::Settings settings{.id = id};
    if (GetParam()) {
      files_[id] = certificates_.Node(id);
      settings.tls = &files_[id];
    }
    return settings;
  }

  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  Certificates certificates_;
  std::map<uint64_t, TlsFiles> files_;
};

INSTANTIATE_TEST_SUITE_P(PlainAndTls, PeerTransportTest, testing::Bool(),
                         [](const auto& each) { return each.param ? "Tls" : "Plain"; });

TEST_P(PeerTransportTest, DialsOnTheFirstFrameAndDeliversInOrderUnderTheProvenName) {
  Node a(*loop_, Settings(1));
  Node b(*loop_, Settings(2));
  a.Send(b.address, "one");
  a.Send(b.address, "two", FrameType::kGossip);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 2; }));
  a.Send(b.address, "three");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 3; }));
  EXPECT_EQ(b.frames, (std::vector<std::string>{"1 raft one", "1 gossip two", "1 raft three"}));
  EXPECT_EQ(a.links[b.address], std::vector<bool>{true});
  EXPECT_EQ(a.transport->counters().dials, 1u);
  EXPECT_TRUE(b.links.empty()) << "the accepting side has no link of its own";
}

TEST_P(PeerTransportTest, LargeFramesAndManySmallOnesArriveWhole) {
  Node a(*loop_, Settings(1));
  Node b(*loop_, Settings(2));
  const std::string large(20u << 20, 'L');
  a.Send(b.address, large);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !b.frames.empty(); }));
  EXPECT_EQ(b.frames[0], "1 raft " + large);
  b.frames.clear();
  for (int i = 0; i < 10'000; ++i) {
    a.transport->Send(b.address, FrameType::kRaft,
                      {Bytes::Static("frame "), Bytes::From(std::to_string(i))});
  }
  a.transport->Flush();
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 10'000; }));
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(b.frames[i], "1 raft frame " + std::to_string(i));
}

TEST_P(PeerTransportTest, QueuedFramesSurviveUntilAPeerComesBack) {
  Node a(*loop_, Settings(1));
  auto b = std::make_unique<Node>(*loop_, Settings(2));
  const Endpoint address = b->address;
  a.Send(address, "before");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b->frames.size() == 1; }));
  b.reset();
  ASSERT_TRUE(RunUntil(*loop_, [&] { return a.links[address].size() == 2; }));
  EXPECT_FALSE(a.links[address].back());
  a.Send(address, "while away");
  const uint64_t dials = a.transport->counters().dials;
  ASSERT_TRUE(RunUntil(*loop_, [&] { return a.transport->counters().dials > dials + 2; }));
  Node::Settings again = Settings(2);
  again.port = address.port;
  b = std::make_unique<Node>(*loop_, again);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !b->frames.empty(); }));
  EXPECT_EQ(b->frames, std::vector<std::string>{"1 raft while away"});
  EXPECT_EQ(a.links[address], (std::vector<bool>{true, false, true}));
}

TEST_P(PeerTransportTest, WhatAPeerMissesIsBoundedAndTheNewestIsKept) {
  Node::Settings settings = Settings(1);
  settings.away_bytes_max = 1000;
  Node a(*loop_, settings);
  const auto nobody = OpenPort({.host = "127.0.0.1", .port = 0});  // never accepts
  ASSERT_TRUE(nobody.ok());
  for (int i = 0; i < 100; ++i) a.Send(nobody->bound, std::string(100, 'x'));
  EXPECT_GE(a.transport->counters().frames_dropped, 10u);
}

TEST_P(PeerTransportTest, QueueToASlowPeerIsBoundedAndDropsWhatIsNew) {
  Node::Settings settings = Settings(1);
  settings.queue_bytes_max = 1u << 20;
  Node a(*loop_, settings);
  Node b(*loop_, Settings(2));
  a.Send(b.address, "up");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 1; }));
  // The loop does not turn, so the peer reads nothing.
  const std::string block(256u << 10, 'x');
  for (int i = 0; i < 400; ++i) a.Send(b.address, block);
  const uint64_t dropped = a.transport->counters().frames_dropped;
  EXPECT_GT(dropped, 0u);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 401 - dropped; }));
  a.Send(b.address, "again");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.back() == "1 raft again"; }));
}

TEST_P(PeerTransportTest, FrameToItselfIsDropped) {
  Node a(*loop_, Settings(1));
  a.Send(a.address, "me");
  EXPECT_EQ(a.transport->counters().dials, 0u);
}

TEST_P(PeerTransportTest, HostNamesAreResolved) {
  // A bare installation has no /etc/hosts.
  addrinfo* found = nullptr;
  if (getaddrinfo("localhost", nullptr, nullptr, &found) != 0) {
    GTEST_SKIP() << "this machine does not know the name localhost";
  }
  freeaddrinfo(found);
  Node a(*loop_, Settings(1));
  Node b(*loop_, Settings(2));
  a.Send({.host = "localhost", .port = b.address.port}, "by name");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 1; }));
}

TEST_P(PeerTransportTest, WrongClusterIsRefusedOnBothSidesWithTheReason) {
  Node a(*loop_, Settings(1));
  Node::Settings other = Settings(2);
  other.cluster = "prod";
  Node b(*loop_, other);
  a.Send(b.address, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !a.refusals.empty() && !b.refusals.empty(); }));
  const std::string reason =
      "it is of cluster \"demo\", this node is of \"prod\"; check cluster-id and the join "
      "addresses of both";
  EXPECT_EQ(b.refusals[0], reason);
  EXPECT_EQ(a.refusals[0], "it refuses this node: " + reason);
  EXPECT_TRUE(a.links.empty()) << "a refused link never comes up";
  EXPECT_TRUE(b.frames.empty());
}

TEST_P(PeerTransportTest, TwoNodesWithOneIdRefuseEachOther) {
  Node a(*loop_, Settings(1));
  Node b(*loop_, Settings(1));
  a.Send(b.address, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !a.refusals.empty(); }));
  EXPECT_NE(a.refusals[0].find("give each node its own node-id"), std::string::npos);
}

TEST_P(PeerTransportTest, PeerThatNeverAnswersIsGivenUpOn) {
  Node::Settings settings = Settings(1);
  settings.handshake_timeout = Duration::Millis(20);
  Node a(*loop_, settings);
  const auto mute = OpenPort({.host = "127.0.0.1", .port = 0});  // its kernel accepts, it does not
  ASSERT_TRUE(mute.ok());
  a.Send(mute->bound, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return a.transport->counters().dials >= 2; }));
  EXPECT_TRUE(a.links.empty());
}

TEST_P(PeerTransportTest, DescriptorsReturnToTheirNumberAfterManyConnections) {
  Node a(*loop_, Settings(1));
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 30; ++i) {
    Node b(*loop_, Settings(2));
    a.Send(b.address, "x");
    b.Send(a.address, "y");
    ASSERT_TRUE(RunUntil(*loop_, [&] { return !b.frames.empty() && !a.frames.empty(); }));
    a.frames.clear();
  }
  EXPECT_TRUE(RunUntil(
      *loop_, [&] { return OpenDescriptors() == before && a.transport->incoming_count() == 0; }));
}

TEST_P(PeerTransportTest, MayBeDestroyedInAnyState) {
  for (int turns = 0; turns < 30; ++turns) {
    Node a(*loop_, Settings(1));
    Node b(*loop_, Settings(2));
    a.Send(b.address, "x");
    a.Send({.host = "localhost", .port = b.address.port}, "x");
    for (int i = 0; i < turns; ++i) loop_->RunOnce(Duration::Nanos(0));
  }
  loop_->RunOnce(Duration::Nanos(0));
  EXPECT_EQ(loop_->watch_count(), 0u);
}

// ---- Identity needs certificates.

class PeerIdentityTest : public testing::Test {
 protected:
  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  const Certificates certificates_;
  const TlsFiles node_1_ = certificates_.Node(1);
  const TlsFiles node_2_ = certificates_.Node(2);
};

TEST_F(PeerIdentityTest, NodeWithAnotherNodesCertificateIsRefused) {
  Node a(*loop_, {.id = 3, .tls = &node_2_});
  Node b(*loop_, {.id = 1, .tls = &node_1_});
  a.Send(b.address, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !a.refusals.empty() && !b.refusals.empty(); }));
  EXPECT_NE(b.refusals[0].find("it says it is node 3, but its certificate"), std::string::npos);
  EXPECT_TRUE(b.frames.empty());
  // And the other way: the dialling side checks who answers.
  b.refusals.clear();
  b.Send(a.address, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !b.refusals.empty(); }));
  EXPECT_NE(b.refusals[0].find("does not name tidemark://demo/node/3"), std::string::npos);
  EXPECT_TRUE(a.frames.empty());
}

TEST_F(PeerIdentityTest, ForeignAuthorityIsRefusedByTls) {
  const Certificates others;
  const TlsFiles foreign = others.Node(2);
  Node a(*loop_, {.id = 2, .tls = &foreign});
  Node b(*loop_, {.id = 1, .tls = &node_1_});
  a.Send(b.address, "x");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !a.refusals.empty(); }));
  EXPECT_NE(a.refusals[0].find("TLS handshake failed"), std::string::npos) << a.refusals[0];
  EXPECT_TRUE(b.frames.empty());
}

TEST_F(PeerIdentityTest, ClientCertificateDoesNotMakeAPeer) {
  const TlsFiles alice = certificates_.Client("alice");
  Node b(*loop_, {.id = 1, .tls = &node_1_});
  TlsWire wire(*loop_, b.address,
               {.ca = alice.ca, .cert = alice.cert, .key = alice.key, .alpn = "\x0atidemark/1"});
  ASSERT_TRUE(wire.Handshake());
  std::string hello;
  AppendFrame(hello, FrameType::kHello,
              {Bytes::From(EncodePeerHello({.cluster_id = "demo", .node = NodeId(2)}))});
  wire.Send(hello);
  EXPECT_NE(wire.ReadUntil("tidemark cert node").find("certificate (\"alice\") does not name"),
            std::string::npos);
  ASSERT_EQ(b.refusals.size(), 1u);
}

TEST_F(PeerIdentityTest, PeerWithoutACertificateIsRefusedByTls) {
  Node b(*loop_, {.id = 1, .tls = &node_1_});
  TlsWire wire(*loop_, b.address, {.ca = node_1_.ca, .alpn = "\x0atidemark/1"});
  wire.Handshake();
  wire.ReadUntil("never");
  EXPECT_EQ(wire.alert(), "tlsv13 alert certificate required");
  ASSERT_EQ(b.refusals.size(), 1u);
  EXPECT_NE(b.refusals[0].find("peer did not return a certificate"), std::string::npos);
}

TEST_F(PeerIdentityTest, ReloadedCertificatesServeTheNextConnection) {
  Node a(*loop_, {.id = 1, .tls = &node_1_});
  Node b(*loop_, {.id = 2, .tls = &node_2_});
  a.Send(b.address, "old");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 1; }));
  const TlsFiles renewed = certificates_.Node(2, /*again=*/true);
  b.transport->SetTls(Context(renewed, TlsContext::Role::kPeerServer),
                      Context(renewed, TlsContext::Role::kPeerClient));
  a.Send(b.address, "goes on");
  b.Send(a.address, "new");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return b.frames.size() == 2 && a.frames.size() == 1; }));
}

// ---- What no peer of this release would send.

class HostilePeerTest : public testing::Test {
 protected:
  std::string Frame(FrameType type, const std::string& payload) {
    std::string out;
    AppendFrame(out, type, {Bytes::Copy(payload)});
    return out;
  }
  std::string Hello() {
    return Frame(FrameType::kHello, EncodePeerHello({.cluster_id = "demo", .node = NodeId(7)}));
  }
  // The reason `bytes` are refused with.
  std::string Refusal(const std::string& bytes) {
    node_.refusals.clear();
    Wire wire(*loop_, node_.address);
    wire.Send(std::string(kPeerMagic) + bytes);
    wire.ReadToEnd();
    return node_.refusals.empty() ? "none" : node_.refusals[0];
  }

  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  Node node_{*loop_, {.id = 1, .handshake_timeout = Duration::Millis(200)}};
};

TEST_F(HostilePeerTest, EachBrokenRuleClosesTheConnectionWithItsReason) {
  EXPECT_EQ(Refusal(Frame(FrameType::kRaft, "x")), "it did not say hello first");
  EXPECT_EQ(Refusal(Frame(FrameType::kHello, "x")),
            "a malformed hello; is that a tidemark server?");
  EXPECT_EQ(Refusal(Hello() + Hello()), "a second hello");
  EXPECT_NE(Refusal(Frame(FrameType::kHello, std::string(kPeerHelloBytesMax + 1, 'x')))
                .find("where 4096 are allowed"),
            std::string::npos);
  EXPECT_NE(Refusal(Hello() + std::string("\xff\xff\xff\xff\0\0\0\0\x02", 9))
                .find("4294967295 bytes where"),
            std::string::npos);
  std::string damaged = Frame(FrameType::kRaft, "payload");
  damaged.back() = 'X';
  EXPECT_EQ(Refusal(Hello() + Frame(FrameType::kRaft, "good") + damaged),
            "the checksum of a frame is wrong");
  EXPECT_EQ(node_.frames, std::vector<std::string>{"7 raft good"});
  EXPECT_EQ(Refusal(""), "it did not say hello in time");
  EXPECT_EQ(Refusal(Hello().substr(0, 12)), "it did not say hello in time");
  EXPECT_TRUE(RunUntil(*loop_, [&] { return node_.transport->incoming_count() == 0; }));
}

TEST_F(HostilePeerTest, StrangersCannotPileUp) {
  std::vector<std::unique_ptr<Wire>> wires;
  for (size_t i = 0; i < PeerTransport::kStrangersMax + 10; ++i) {
    wires.push_back(std::make_unique<Wire>(*loop_, node_.address));
    wires.back()->Send(kPeerMagic);
    loop_->RunOnce(Duration::Nanos(0));
    EXPECT_LE(node_.transport->incoming_count(), PeerTransport::kStrangersMax);
  }
}

TEST_F(HostilePeerTest, OneNodeCannotPileUpConnections) {
  std::vector<std::unique_ptr<Wire>> wires;
  for (size_t i = 0; i < PeerTransport::kConnectionsPerNodeMax + 3; ++i) {
    wires.push_back(std::make_unique<Wire>(*loop_, node_.address));
    wires.back()->Send(std::string(kPeerMagic) + Hello());
    wires.back()->ReadUntil("demo");
  }
  EXPECT_EQ(node_.transport->incoming_count(), PeerTransport::kConnectionsPerNodeMax);
  EXPECT_TRUE(RunUntil(*loop_, [&] { return !wires[0]->Poll(); })) << "the oldest goes";
  EXPECT_TRUE(wires.back()->Poll()) << "the newest stays";
}

}  // namespace
}  // namespace tidemark::net
