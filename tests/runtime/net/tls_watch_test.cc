#include "runtime/net/tls_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/net/byte_stream.h"
#include "runtime/net/mux.h"
#include "runtime/net/peer_transport.h"
#include "runtime/net/sockets.h"
#include "tests/runtime/support/certificates.h"
#include "tests/runtime/support/wire.h"

namespace tidemark::net {
namespace {

constexpr Duration kPatience = Duration::Seconds(20);

// A port whose certificates are watched: peers go to a transport, HTTPS to streams that echo.
class TlsWatchTest : public testing::Test {
 protected:
  TlsWatchTest() {
    absl::StatusOr<std::unique_ptr<TlsWatch>> watch = TlsWatch::Open(
        loop_.get(), files_, Duration::Millis(1),
        {.on_renewed =
             [this](const TlsContexts& tls) {
               ++renewed_;
               transport_->SetTls(tls.peer_server, tls.peer_client);
             },
         .on_unusable =
             [this](const absl::Status& why) { unusable_.emplace_back(why.message()); }});
    EXPECT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
    absl::StatusOr<PortSockets> port = OpenPort({.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(port.ok()) << port.status();
    address_ = port->bound;
    transport_ = MakeTransport(1, address_, watch_->contexts());
    mux_ = std::make_unique<Mux>(
        loop_.get(), std::move(port->tcp), Mux::Options{.tls = true},
        Mux::Sinks{
            .grpc = [](UniqueFd, std::string) {},
            .peer =
                [this](UniqueFd fd, std::string received) {
                  transport_->Accept(std::move(fd), std::move(received));
                },
            .http = [this](UniqueFd fd,
                           std::string received) { Echo(std::move(fd), std::move(received)); }});
    EXPECT_TRUE(mux_->Start().ok());
  }

  std::unique_ptr<PeerTransport> MakeTransport(uint64_t id, const Endpoint& advertise,
                                               const TlsContexts& tls) {
    PeerTransport::Options options;
    options.self = {.cluster_id = "demo", .node = NodeId(id), .advertise = advertise};
    options.server_tls = tls.peer_server;
    options.client_tls = tls.peer_client;
    return std::make_unique<PeerTransport>(
        loop_.get(), options,
        PeerTransport::Callbacks{
            .on_frame = [this](NodeId, FrameType,
                               Bytes payload) { frames_.emplace_back(payload.view()); },
            .on_link = [](const Endpoint&, bool) {},
            .on_refused = nullptr});
  }

  void Echo(UniqueFd fd, std::string received) {
    auto& stream = streams_.emplace_back();
    stream = std::make_unique<ByteStream>(
        loop_.get(), std::move(fd), watch_->contexts().http, std::move(received),
        /*connecting=*/false, kPatience,
        ByteStream::Callbacks{.on_open = [] {},
                              .on_data =
                                  [&stream](std::string_view data) {
                                    stream->Write(data);
                                    stream->Flush();
                                    return data.size();
                                  },
                              .on_closed = [](const absl::Status&) {},
                              .on_drained = [] {}});
  }

  std::unique_ptr<TlsWire> Dial(const std::string& alpn) {
    const TlsFiles peer = certificates_.Node(2);
    auto wire = std::make_unique<TlsWire>(
        *loop_, address_,
        TlsWire::Settings{.ca = peer.ca, .cert = peer.cert, .key = peer.key, .alpn = alpn});
    EXPECT_TRUE(wire->Handshake());
    return wire;
  }
  std::string PeerSerial() { return Dial("\x0atidemark/1")->ServerSerial(); }
  std::string HttpSerial() { return Dial("\x08http/1.1")->ServerSerial(); }

  // Long enough for a good many looks.
  void LookAround() {
    bool over = false;
    loop_->After(Duration::Millis(20), [&over] { over = true; });
    ASSERT_TRUE(RunUntil(*loop_, [&over] { return over; }));
  }

  Certificates certificates_;
  const TlsFiles files_ = certificates_.Node(1);
  std::unique_ptr<EventLoop> loop_ = MakeLoop();
  std::unique_ptr<TlsWatch> watch_;
  Endpoint address_;
  std::unique_ptr<PeerTransport> transport_;
  std::list<std::unique_ptr<ByteStream>> streams_;
  std::unique_ptr<Mux> mux_;
  std::vector<std::string> frames_;
  std::vector<std::string> unusable_;
  int renewed_ = 0;
};

TEST_F(TlsWatchTest, NewHandshakesPresentTheRenewedCertificateWhileOldConnectionsGoOn) {
  const TlsFiles other_files = certificates_.Node(2);
  const auto other =
      MakeTransport(2, {.host = "127.0.0.1", .port = 1},
                    {.peer_server = Context(other_files, TlsContext::Role::kPeerServer),
                     .peer_client = Context(other_files, TlsContext::Role::kPeerClient),
                     .http = nullptr});
  other->Send(address_, FrameType::kRaft, {Bytes::Copy("before")});
  ASSERT_TRUE(RunUntil(*loop_, [&] { return frames_.size() == 1; }));
  const auto old_http = Dial("\x08http/1.1");
  const std::string old_serial = old_http->ServerSerial();
  EXPECT_EQ(PeerSerial(), old_serial);

  certificates_.Node(1, /*again=*/true);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return renewed_ > 0; }));
  const std::string new_serial = HttpSerial();
  EXPECT_NE(new_serial, old_serial);
  EXPECT_EQ(PeerSerial(), new_serial);

  other->Send(address_, FrameType::kRaft, {Bytes::Copy("after")});
  other->Flush();
  ASSERT_TRUE(RunUntil(*loop_, [&] { return frames_.size() == 2; }));
  EXPECT_EQ(frames_.back(), "after");
  EXPECT_EQ(other->counters().dials, 1u);
  old_http->Send("still here");
  EXPECT_EQ(old_http->ReadUntil("still here"), "still here");
}

TEST_F(TlsWatchTest, UnusableFilesAreToldOnceAndTheOldCertificateStays) {
  const std::string serial = HttpSerial();
  std::ofstream(files_.cert) << "half a certificate";
  ASSERT_TRUE(RunUntil(*loop_, [&] { return !unusable_.empty(); }));
  LookAround();
  EXPECT_EQ(unusable_.size(), 1u);
  EXPECT_NE(unusable_.front().find(files_.cert), std::string::npos) << unusable_.front();
  EXPECT_EQ(PeerSerial(), serial);
  EXPECT_EQ(HttpSerial(), serial);

  std::filesystem::remove(files_.key);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return unusable_.size() > 1; }));
  LookAround();
  EXPECT_EQ(unusable_.size(), 2u);
  EXPECT_EQ(HttpSerial(), serial);
  EXPECT_EQ(renewed_, 0);

  certificates_.Node(1, /*again=*/true);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return renewed_ > 0; }));
  EXPECT_NE(HttpSerial(), serial);
}

TEST_F(TlsWatchTest, FilesAreNotReadWhileTheyChange) {
  const auto start = std::filesystem::last_write_time(files_.cert);
  for (int turn = 1; turn <= 50; ++turn) {
    std::filesystem::last_write_time(files_.cert, start + std::chrono::seconds(turn));
    loop_->RunOnce(Duration::Millis(2));
  }
  EXPECT_EQ(renewed_, 0);
  ASSERT_TRUE(RunUntil(*loop_, [&] { return renewed_ > 0; }));
  LookAround();
  EXPECT_EQ(renewed_, 1);
  EXPECT_TRUE(unusable_.empty());
}

TEST(TlsWatch, UnusableFilesAtTheStartAreAnError) {
  const Certificates certificates;
  const std::unique_ptr<EventLoop> loop = MakeLoop();
  TlsFiles files = certificates.Node(1);
  files.ca = "/nowhere/ca.crt";
  const auto watch = TlsWatch::Open(loop.get(), files, Duration::Millis(1), {});
  EXPECT_TRUE(absl::IsInvalidArgument(watch.status())) << watch.status();
}

}  // namespace
}  // namespace tidemark::net
