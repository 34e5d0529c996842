#include "runtime/net/mux.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/net/sockets.h"
#include "tests/runtime/support/certificates.h"
#include "tests/runtime/support/wire.h"

namespace tidemark::net {
namespace {

// A mux whose sinks keep what they get, each with its first bytes.
class MuxTest : public testing::Test {
 protected:
  struct Kept {
    UniqueFd fd;
    std::string received;
  };

  void Start(Mux::Options options) {
    absl::StatusOr<PortSockets> port = OpenPort({.host = "127.0.0.1", .port = 0});
    ASSERT_TRUE(port.ok()) << port.status();
    address_ = port->bound;
    const auto keep = [](std::vector<Kept>* to) {
      return [to](UniqueFd fd, std::string received) {
        to->push_back({std::move(fd), std::move(received)});
      };
    };
    mux_ = std::make_unique<Mux>(
        loop_.get(), std::move(port->tcp), options,
        Mux::Sinks{.grpc = keep(&grpc_), .peer = keep(&peer_), .http = keep(&http_)});
    ASSERT_TRUE(mux_->Start().ok());
  }

  // Where a client that sends `bytes` ends up: the sink that got exactly those bytes.
  std::string SinkOf(const std::string& bytes) {
    Wire wire(*loop_, address_);
    wire.Send(bytes);
    EXPECT_TRUE(RunUntil(*loop_, [&] {
      return !wire.Poll() || !grpc_.empty() || !peer_.empty() || !http_.empty();
    }));
    const std::pair<const char*, std::vector<Kept>*> sinks[] = {
        {"grpc", &grpc_}, {"peer", &peer_}, {"http", &http_}};
    for (const auto& [name, kept] : sinks) {
      if (kept->empty()) continue;
      EXPECT_EQ(kept->front().received, bytes);
      kept->clear();
      return name;
    }
    return "closed";
  }

  std::string Alpn(const std::string& alpn) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
        SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
    BIO* out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl.get());
    SSL_do_handshake(ssl.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out, &data);
    return std::string(data, static_cast<size_t>(size));
  }

  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  Endpoint address_;
  std::unique_ptr<Mux> mux_;
  std::vector<Kept> grpc_;
  std::vector<Kept> peer_;
  std::vector<Kept> http_;
};

TEST_F(MuxTest, SortsTlsByWhatTheClientOffers) {
  Start({.tls = true});
  EXPECT_EQ(SinkOf(Alpn("\x02h2")), "grpc");
  EXPECT_EQ(SinkOf(Alpn("\x08grpc-exp\x02h2")), "grpc");
  EXPECT_EQ(SinkOf(Alpn("\x0atidemark/1")), "peer");
  EXPECT_EQ(SinkOf(Alpn("\x02h2\x08http/1.1")), "http") << "curl, browsers and Prometheus";
  EXPECT_EQ(SinkOf(Alpn("\x08http/1.1")), "http");
  EXPECT_EQ(SinkOf(Alpn("")), "http");
}

TEST_F(MuxTest, SortsPlainTextByItsFirstBytes) {
  Start({.tls = false});
  EXPECT_EQ(SinkOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "grpc");
  EXPECT_EQ(SinkOf(std::string(kPeerMagic) + "rest"), "peer");
  EXPECT_EQ(SinkOf("GET / HTTP/1.1\r\n"), "http");
  EXPECT_EQ(SinkOf("POST / HTTP/1.1\r\n"), "http");
  EXPECT_EQ(SinkOf("\x01\x02\x03"), "closed");
  EXPECT_EQ(SinkOf(Alpn("\x02h2")), "closed");
}

TEST_F(MuxTest, TricklingClientIsSortedOnceItsHelloIsWhole) {
  Start({.tls = true});
  const std::string hello = Alpn("\x02h2");
  Wire wire(*loop_, address_);
  for (const char c : hello) {
    EXPECT_TRUE(grpc_.empty());
    wire.Send(std::string(1, c));
    loop_->RunOnce(Duration::Millis(1));
  }
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !grpc_.empty(); }));
  EXPECT_EQ(grpc_.front().received, hello);
}

TEST_F(MuxTest, PlainHttpOnTheTlsPortIsToldToUseHttps) {
  Start({.tls = true});
  Wire wire(*loop_, address_);
  wire.Send("GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
  const std::string answer = wire.ReadToEnd();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("this port speaks TLS; use https://"), std::string::npos) << answer;
}

TEST_F(MuxTest, GarbageIsClosed) {
  Start({.tls = true});
  for (const char* bytes : {"\x16\x02", "\xff\xff\xff", "hello", "\x16\x03\x01\xff\xff"}) {
    EXPECT_EQ(SinkOf(bytes), "closed") << bytes;
  }
}

TEST_F(MuxTest, SilentClientsAreClosedByTheDeadlineWhileOthersAreServed) {
  Start({.tls = true, .sniff_timeout = Duration::Millis(50)});
  Wire silent(*loop_, address_);
  Wire slow(*loop_, address_);
  slow.Send("\x16\x03");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return mux_->accepted() == 2; }));
  EXPECT_EQ(SinkOf(Alpn("\x02h2")), "grpc");
  EXPECT_EQ(silent.ReadToEnd(), "");
  EXPECT_EQ(slow.ReadToEnd(), "");
}

TEST_F(MuxTest, OneConnectionTooManyClosesTheOldestSilentOne) {
  Start({.tls = true, .sniff_timeout = Duration::Seconds(600), .connections_max = 2});
  Wire first(*loop_, address_);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return mux_->accepted() == 1; }));
  Wire second(*loop_, address_);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return mux_->accepted() == 2; }));
  EXPECT_EQ(SinkOf(Alpn("\x02h2")), "grpc");
  EXPECT_EQ(first.ReadToEnd(), "");
  EXPECT_TRUE(second.Poll());
}

TEST_F(MuxTest, StopClosesWhatIsNotSortedAndTheListener) {
  Start({.tls = true});
  Wire wire(*loop_, address_);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return mux_->accepted() == 1; }));
  mux_->Stop();
  EXPECT_EQ(wire.ReadToEnd(), "");
  EXPECT_EQ(loop_->watch_count(), 0u);
}

TEST_F(MuxTest, DescriptorsReturnToTheirNumberAfterManyConnections) {
  Start({.tls = true});
  loop_->RunOnce(Duration::Nanos(0));
  const size_t before = OpenDescriptors();
  const std::string hello = Alpn("\x02h2");
  for (int i = 0; i < 200; ++i) {
    switch (i % 4) {
      case 0:
        EXPECT_EQ(SinkOf(hello), "grpc");
        break;
      case 1:
        EXPECT_EQ(SinkOf("garbage"), "closed");
        break;
      case 2:
        EXPECT_EQ(SinkOf("GET / HTTP/1.0\r\n\r\n"), "closed");
        break;
      default:
        Wire(*loop_, address_).Close();
    }
  }
  EXPECT_TRUE(RunUntil(*loop_, [&] { return OpenDescriptors() == before; }));
  EXPECT_EQ(loop_->watch_count(), 1u);
}

TEST_F(MuxTest, RunningOutOfDescriptorsResetsNewClientsAndRecovers) {
  Start({.tls = true});
  Wire wire(*loop_, address_);  // waits in the backlog, its own descriptor is open already
  Wire later(*loop_, address_);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit few = old;
  few.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<UniqueFd> all;
  for (UniqueFd fd(::dup(2)); fd.valid(); fd.Reset(::dup(2))) all.push_back(std::move(fd));
  EXPECT_EQ(wire.ReadToEnd(), "");
  EXPECT_EQ(later.ReadToEnd(), "");
  EXPECT_EQ(mux_->accepted(), 0u);
  all.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(SinkOf(Alpn("\x02h2")), "grpc");
}

TEST(OpenPort, PicksOneNumberThatIsFreeForBothProtocols) {
  const auto port = OpenPort({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(port.ok());
  EXPECT_NE(port->bound.port, 0);
  EXPECT_EQ(port->bound.host, "127.0.0.1");
  EXPECT_TRUE(port->tcp.valid() && port->udp.valid());
}

TEST(OpenPort, PortInUseNamesTheAddressAndWhatToDo) {
  const auto port = OpenPort({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(port.ok());
  const auto again = OpenPort(port->bound);
  ASSERT_FALSE(again.ok());
  const std::string text(again.status().message());
  EXPECT_NE(text.find(port->bound.ToString()), std::string::npos) << text;
  EXPECT_NE(text.find("another process listens there; stop it or choose another port"),
            std::string::npos)
      << text;
}

TEST(OpenPort, UdpPortAloneInUseIsRefusedToo) {
  auto port = OpenPort({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(port.ok());
  port->tcp.Reset();
  const auto again = OpenPort(port->bound);
  ASSERT_FALSE(again.ok());
  EXPECT_NE(std::string(again.status().message()).find("UDP"), std::string::npos);
}

TEST(OpenPort, ForeignAddressAndNamesAreExplained) {
  EXPECT_NE(std::string(OpenPort({.host = "192.0.2.1", .port = 0}).status().message())
                .find("does not have that address"),
            std::string::npos);
  EXPECT_NE(std::string(OpenPort({.host = "example", .port = 0}).status().message())
                .find("not an IP address"),
            std::string::npos);
}

TEST(Datagrams, ArriveWithTheirSenderAndNeverBlock) {
  const auto a = OpenPort({.host = "127.0.0.1", .port = 0});
  const auto c = OpenPort({.host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(a.ok() && c.ok());
  Endpoint from;
  std::string bytes;
  EXPECT_FALSE(ReceiveDatagram(a->udp.get(), from, bytes));
  SendDatagram(c->udp.get(), a->bound, Bytes::Static("ping"));
  SendDatagram(c->udp.get(), {.host = "a-name", .port = 1}, Bytes::Static("dropped"));
  ASSERT_TRUE(ReceiveDatagram(a->udp.get(), from, bytes));  // loopback delivers at once
  EXPECT_EQ(bytes, "ping");
  EXPECT_EQ(from, c->bound);
  EXPECT_FALSE(ReceiveDatagram(a->udp.get(), from, bytes));
}

}  // namespace
}  // namespace tidemark::net
