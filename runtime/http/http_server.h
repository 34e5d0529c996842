#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/time.h"
#include "runtime/base/log.h"
#include "runtime/net/byte_stream.h"
#include "runtime/net/event_loop.h"

namespace tidemark::http {

struct Request {
  std::string path;  // without the query
  // The common name of a certificate that our CA signed; empty without one (or without TLS).
  std::string principal;
  bool secure = false;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// GET and HEAD over the connections that the port's mux hands over: metrics and health. HTTP/1.1
// with keep-alive; one request at a time per connection. Loop thread only. A request with a body is
// answered, its connection then closed: nobody reads bodies here.
//   Limits  16 KiB of request head, 10 s to send it, 1,024 connections; a client that asks on
//           without reading the answers is closed at 4 MiB.
//   Source  RFC 9112.
class HttpServer {
 public:
  using Handler = std::function<Response(const Request&)>;

  // `tls` null: plain. `request_timeout`: for the handshake, and for each request to be sent and
  // its answer to be read.
  HttpServer(net::EventLoop* loop, std::shared_ptr<net::TlsContext> tls,
             Duration request_timeout = Duration::Seconds(10));
  ~HttpServer();

  void Route(std::string path, Handler handler);
  void Accept(UniqueFd fd, std::string received);
  void SetTls(std::shared_ptr<net::TlsContext> tls) { tls_ = std::move(tls); }
  size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    std::unique_ptr<net::ByteStream> stream;
    net::EventLoop::TimerId timer;
  };
  size_t OnData(uint64_t id, std::string_view data);
  Response Answer(std::string_view method, std::string_view target, const net::ByteStream& stream);
  void Drop(uint64_t id);
  void ArmTimer(uint64_t id);

  net::EventLoop* loop_;
  const Duration request_timeout_;
  std::shared_ptr<net::TlsContext> tls_;
  std::map<std::string, Handler, std::less<>> routes_;
  std::map<uint64_t, Connection> connections_;
  uint64_t next_id_ = 1;
  LogRateLimit refusal_log_{Duration::Seconds(5)};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// What the head of a request says; exposed for its tests and fuzzer. Strict: control characters,
// folded lines, spaces before a colon, absolute targets and a missing Host are all malformed.
struct RequestHead {
  enum class Verdict { kNeedMore, kMalformed, kTooLarge, kComplete };
  Verdict verdict = Verdict::kNeedMore;
  size_t bytes = 0;  // of the head, blank line included
  std::string method;
  std::string target;
  bool keep_alive = true;
};
RequestHead ParseRequestHead(std::string_view data);

}  // namespace tidemark::http
