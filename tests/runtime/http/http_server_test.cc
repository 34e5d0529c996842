#include "runtime/http/http_server.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/net/mux.h"
#include "runtime/net/sockets.h"
#include "tests/runtime/support/certificates.h"
#include "tests/runtime/support/wire.h"

namespace tidemark::http {
namespace {

using net::Certificates;
using net::RunUntil;
using net::TlsWire;
using net::Wire;
using Verdict = RequestHead::Verdict;

Verdict VerdictOf(const std::string& text) { return ParseRequestHead(text).verdict; }

TEST(RequestHead, ReadsTheLineAndWhetherToKeepTheConnection) {
  const std::string text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept:  */* \r\n\r\n";
  const RequestHead head = ParseRequestHead(text + "next");
  EXPECT_EQ(head.verdict, Verdict::kComplete);
  EXPECT_EQ(head.bytes, text.size());
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/metrics?x=1");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(ParseRequestHead("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_FALSE(
      ParseRequestHead("GET / HTTP/1.1\r\nhost: a\r\nconnection: Close\r\n\r\n").keep_alive);
  for (const char* body : {"Content-Length: 10", "Content-Length: 0, 10", "Content-Length: +0",
                           "Transfer-Encoding: chunked"}) {
    const RequestHead with_body =
        ParseRequestHead("GET / HTTP/1.1\r\nHost: a\r\n" + std::string(body) + "\r\n\r\n");
    EXPECT_EQ(with_body.verdict, Verdict::kComplete);
    EXPECT_FALSE(with_body.keep_alive) << body;
  }
  EXPECT_TRUE(
      ParseRequestHead("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").keep_alive);
}

TEST(RequestHead, NeedsMoreAtEveryByteBeforeTheLast) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(VerdictOf(text.substr(0, length)), Verdict::kNeedMore) << length;
  }
}

TEST(RequestHead, IsStrictAboutWhatParsersDisagreeOn) {
  for (const char* text :
       {"GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.0\r\n\r\n",
        "GET http://x/ HTTP/1.0\r\n\r\n", "G(T / HTTP/1.0\r\n\r\n", "GET /\x01 HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0 \r\n\r\n", "GET / HTTP/1.0\r\nName : x\r\n\r\n",
        "GET / HTTP/1.0\r\nA: x\r\n folded\r\n\r\n", "GET / HTTP/1.0\r\nA: x\ny: z\r\n\r\n",
        "GET / HTTP/1.0\r\nA: x\ry: z\r\n\r\n", "GET / HTTP/1.0\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\r\n\r\n"}) {
    EXPECT_EQ(VerdictOf(text), Verdict::kMalformed) << text;
  }
}

TEST(RequestHead, OverlongHeadIsRefusedBeforeItsEnd) {
  const std::string start = "GET / HTTP/1.0\r\nA: ";
  EXPECT_EQ(VerdictOf(start + std::string(16'000, 'x')), Verdict::kNeedMore);
  EXPECT_EQ(VerdictOf(start + std::string(17'000, 'x')), Verdict::kTooLarge);
  EXPECT_EQ(VerdictOf(start + std::string(17'000, 'x') + "\r\n\r\n"), Verdict::kTooLarge);
}

RC_GTEST_PROP(RequestHeadProperty, AnyBytesGetAVerdictWithinTheInput, (const std::string& noise)) {
  const RequestHead head = ParseRequestHead("GET / HTTP/1.1\r\nHost: a\r\n" + noise + "\r\n\r\n");
  RC_ASSERT(head.verdict != Verdict::kNeedMore);
}

class HttpServerTest : public testing::Test {
 protected:
  void Start(const net::TlsFiles* files, Duration timeout = Duration::Seconds(60)) {
    auto port = net::OpenPort({.host = "127.0.0.1", .port = 0});
    ASSERT_TRUE(port.ok()) << port.status();
    address_ = port->bound;
    server_ = std::make_unique<HttpServer>(
        loop_.get(),
        files == nullptr ? nullptr : Context(*files, net::TlsContext::Role::kHttpServer), timeout);
    server_->Route("/healthz", [](const Request&) { return Response{.body = "ok\n"}; });
    server_->Route("/metrics", [](const Request& request) {
      if (request.secure && request.principal.empty()) {
        return Response{.status = 403, .body = "a client certificate is needed\n"};
      }
      return Response{.body = "metrics for <" + request.principal + ">\n"};
    });
    server_->Route("/large",
                   [](const Request&) { return Response{.body = std::string(1u << 20, 'L')}; });
    mux_ = std::make_unique<net::Mux>(
        loop_.get(), std::move(port->tcp), net::Mux::Options{.tls = files != nullptr},
        net::Mux::Sinks{.grpc = [](UniqueFd, std::string) {},
                        .peer = [](UniqueFd, std::string) {},
                        .http =
                            [this](UniqueFd fd, std::string received) {
                              server_->Accept(std::move(fd), std::move(received));
                            }});
    ASSERT_TRUE(mux_->Start().ok());
  }

  std::string Ask(const std::string& request) {
    Wire wire(*loop_, address_);
    wire.Send(request);
    return wire.ReadToEnd();
  }
  static std::string Get(const std::string& path, const std::string& fields = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  }
  static constexpr const char* kClose = "Connection: close\r\n";

  std::unique_ptr<net::EventLoop> loop_ = net::MakeLoop();
  Endpoint address_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<net::Mux> mux_;
};

TEST_F(HttpServerTest, ServesARouteAndClosesWhenAsked) {
  Start(nullptr);
  EXPECT_EQ(Ask(Get("/healthz?verbose", kClose)),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
            "Connection: close\r\n\r\nok\n");
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  Start(nullptr);
  const std::string answer = Ask("HEAD /healthz HTTP/1.0\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, WrongRequestsGetClearAnswers) {
  Start(nullptr);
  EXPECT_TRUE(Ask(Get("/nothing", kClose)).starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_NE(Ask(Get("/nothing", kClose)).find("/healthz"), std::string::npos);
  const std::string post = Ask("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(post.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")) << post;
  EXPECT_NE(post.find("Allow: GET, HEAD\r\n"), std::string::npos);
  EXPECT_TRUE(Ask("GET / HTTP/9\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(Ask("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'x'))
                  .starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
}

TEST_F(HttpServerTest, BodyIsNeverTakenForTheNextRequest) {
  Start(nullptr);
  const std::string inner = Get("/metrics");
  const std::string answer = Ask("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                                 std::to_string(inner.size() + 10) + "\r\n\r\n" + inner);
  EXPECT_EQ(answer.find("metrics for"), std::string::npos) << answer;
}

TEST_F(HttpServerTest, KeepsTheConnectionForPipelinedRequests) {
  Start(nullptr);
  const std::string answer = Ask(Get("/healthz") + Get("/metrics") + Get("/healthz", kClose));
  size_t answers = 0;
  for (size_t at = 0; (at = answer.find("HTTP/1.1 200 OK", at)) != std::string::npos; ++at) {
    ++answers;
  }
  EXPECT_EQ(answers, 3u) << answer;
}

TEST_F(HttpServerTest, TrickledRequestIsAnswered) {
  Start(nullptr);
  Wire wire(*loop_, address_);
  for (const char c : Get("/healthz", kClose)) {
    wire.Send(std::string(1, c));
    loop_->RunOnce(Duration::Nanos(0));
  }
  EXPECT_TRUE(wire.ReadToEnd().ends_with("ok\n"));
}

TEST_F(HttpServerTest, UnfinishedRequestIsClosedByTheDeadline) {
  Start(nullptr, Duration::Millis(30));
  Wire wire(*loop_, address_);
  wire.Send("GET / HTTP/1.1\r\nHost");
  ASSERT_TRUE(RunUntil(*loop_, [&] { return server_->connections() == 1; }));
  EXPECT_EQ(wire.ReadToEnd(), "");
}

TEST_F(HttpServerTest, ClientThatAsksAndNeverReadsIsClosed) {
  Start(nullptr);
  Wire wire(*loop_, address_);
  wire.Send(Get("/healthz"));
  ASSERT_TRUE(RunUntil(*loop_, [&] { return server_->connections() == 1; }));
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Get("/large");
  wire.Send(requests);
  EXPECT_TRUE(RunUntil(*loop_, [&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, OverTlsWithoutCertificateTheHandlerDecides) {
  const Certificates certificates;
  const net::TlsFiles files = certificates.Node(1);
  Start(&files);
  TlsWire wire(*loop_, address_, {.ca = files.ca, .alpn = "\x02h2\x08http/1.1"});
  ASSERT_TRUE(wire.Handshake());
  EXPECT_EQ(wire.Alpn(), "http/1.1");
  wire.Send(Get("/healthz"));
  EXPECT_TRUE(wire.ReadUntil("ok\n").starts_with("HTTP/1.1 200 OK"));
  wire.Send(Get("/metrics"));
  EXPECT_TRUE(wire.ReadUntil("needed\n").starts_with("HTTP/1.1 403 Forbidden"));
}

TEST_F(HttpServerTest, OverTlsTheCertificatesNameIsThePrincipal) {
  const Certificates certificates;
  const net::TlsFiles files = certificates.Node(1);
  const net::TlsFiles alice = certificates.Client("alice");
  Start(&files);
  TlsWire wire(*loop_, address_, {.ca = files.ca, .cert = alice.cert, .key = alice.key});
  ASSERT_TRUE(wire.Handshake());
  wire.Send(Get("/metrics"));
  EXPECT_NE(wire.ReadUntil(">\n").find("metrics for <alice>"), std::string::npos);
}

TEST_F(HttpServerTest, CertificateOfAForeignAuthorityIsRefused) {
  const Certificates certificates;
  const Certificates others;
  const net::TlsFiles files = certificates.Node(1);
  const net::TlsFiles mallory = others.Client("mallory");
  Start(&files);
  TlsWire wire(*loop_, address_, {.ca = files.ca, .cert = mallory.cert, .key = mallory.key});
  wire.Handshake();
  wire.ReadUntil("never");
  EXPECT_EQ(wire.alert(), "tlsv1 alert unknown ca");
}

TEST_F(HttpServerTest, ReloadedCertificateServesTheNextConnection) {
  const Certificates certificates;
  const net::TlsFiles files = certificates.Node(1);
  Start(&files);
  TlsWire before(*loop_, address_, {.ca = files.ca});
  ASSERT_TRUE(before.Handshake());
  server_->SetTls(
      Context(certificates.Node(1, /*again=*/true), net::TlsContext::Role::kHttpServer));
  TlsWire after(*loop_, address_, {.ca = files.ca});
  ASSERT_TRUE(after.Handshake());
  EXPECT_NE(before.ServerSerial(), after.ServerSerial());
  before.Send(Get("/healthz"));
  EXPECT_NE(before.ReadUntil("ok\n"), "");
}

TEST_F(HttpServerTest, DescriptorsReturnToTheirNumberAndItMayBeDestroyedMeanwhile) {
  Start(nullptr);
  const size_t before = net::OpenDescriptors();
  for (int i = 0; i < 200; ++i) Ask(Get("/healthz", kClose));
  EXPECT_EQ(net::OpenDescriptors(), before);
  for (int turns = 0; turns < 10; ++turns) {
    Wire wire(*loop_, address_);
    wire.Send(Get("/healthz", kClose));
    for (int i = 0; i < turns; ++i) loop_->RunOnce(Duration::Nanos(0));
    server_ = std::make_unique<HttpServer>(loop_.get(), nullptr);
  }
  loop_->RunOnce(Duration::Nanos(0));
}

}  // namespace
}  // namespace tidemark::http
