#include "runtime/rpc/server.h"

#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::rpc {
namespace {

class ServerTest : public RpcTest {
 protected:
  // The raw answer of grpc.health.v1.Health/Check: field 1 is 1 SERVING or 2 NOT_SERVING.
  std::string Health() {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext call;
    Bound(call);
    const grpc::Slice empty("");
    const grpc::ByteBuffer request(&empty, 1);
    grpc::CompletionQueue queue;
    auto reader = stub.PrepareUnaryCall(&call, "/grpc.health.v1.Health/Check", request, &queue);
    reader->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    reader->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    EXPECT_TRUE(status.ok()) << status.error_message();
    grpc::Slice slice;
    if (!status.ok() || !response.DumpToSingleSlice(&slice).ok()) return "";
    return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
};

TEST_F(ServerTest, HealthSaysWhatItWasToldAndBeginsWithNotServing) {
  EXPECT_EQ(Health(), std::string("\x08\x02"));
  server_->SetServing(true);
  EXPECT_EQ(Health(), std::string("\x08\x01"));
  server_->SetServing(false);
  EXPECT_EQ(Health(), std::string("\x08\x02"));
}

TEST_F(ServerTest, ASocketHandedOverAfterShutdownIsClosedNotLeaked) {
  server_->Shutdown(Duration::Seconds(1));
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  server_->HandOff(pair[0], "", -1);
  char byte = 0;
  EXPECT_EQ(read(pair[1], &byte, 1), 0) << "the other end must see the close";
  close(pair[1]);
}

TEST_F(ServerTest, BytesThatWereAlreadyReadAreNotLost) {
  // The HTTP/2 preface and an empty SETTINGS frame, read by the mux: the server answers with its
  // own SETTINGS although the socket itself brings nothing.
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  server_->HandOff(pair[0], std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33),
                   -1);
  ASSERT_EQ(fcntl(pair[1], F_SETFL, 0), 0);
  std::string answer;
  // SETTINGS of the server, then the acknowledgement of ours: type 4, flag 1.
  const std::string acknowledged("\0\0\0\4\1\0\0\0\0", 9);
  char buffer[256];
  ssize_t got = 0;
  while (answer.find(acknowledged) == answer.npos &&
         (got = read(pair[1], buffer, sizeof(buffer))) > 0) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  EXPECT_NE(answer.find(acknowledged), answer.npos);
  close(pair[1]);
}

TEST(RpcServer, AMissingTlsFileIsNamed) {
  FakeGateway gateway;
  RpcServerOptions options;
  options.tls = TlsPaths{.ca = "/nowhere/ca.crt", .cert = "", .key = ""};
  const auto server = RpcServer::Start(options, &gateway, nullptr);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(server.status().message().find("/nowhere/ca.crt"), absl::string_view::npos);
}

}  // namespace
}  // namespace tidemark::rpc
