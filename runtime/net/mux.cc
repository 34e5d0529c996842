#include "runtime/net/mux.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/net/client_hello.h"
#include "runtime/net/sockets.h"

namespace tidemark::net {
namespace {

constexpr char kTlsHandshake = 22;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n";
constexpr std::array<std::string_view, 7> kHttpMethods = {"GET ",   "HEAD ",    "POST ",  "PUT ",
                                                          "PATCH ", "OPTIONS ", "DELETE "};
// Without a Content-Length: the close ends it.
constexpr std::string_view kUseTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    "this port speaks TLS; use https://\n";
// How much of a refused request is read before the answer: closing a socket with unread bytes
// resets it, and the client would see the reset in place of the answer.
constexpr size_t kDrainBytesMax = 64u << 10;

// Whether `bytes` begins with `prefix`, as far as it goes.
bool MayBe(std::string_view bytes, std::string_view prefix) {
  const size_t common = std::min(bytes.size(), prefix.size());
  return bytes.substr(0, common) == prefix.substr(0, common);
}

UniqueFd OpenReserve() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Mux::Mux(EventLoop* loop, UniqueFd tcp, Options options, Sinks sinks)
    : loop_(loop),
      tcp_(std::move(tcp)),
      options_(options),
      sinks_(std::move(sinks)),
      reserve_(OpenReserve()) {}

Mux::~Mux() { Stop(); }

absl::Status Mux::Start() {
  absl::StatusOr<EventLoop::WatchId> watch =
      loop_->Watch(tcp_.get(), {.read = true}, [this](EventLoop::Ready) { Accept(); });
  if (!watch.ok()) return watch.status();
  watch_ = *watch;
  return absl::OkStatus();
}

void Mux::Stop() {
  if (watch_ != 0) loop_->Unwatch(std::exchange(watch_, 0));
  for (auto& [id, sniff] : sniffs_) {
    loop_->Unwatch(sniff.watch);
    loop_->Cancel(sniff.timer);
  }
  sniffs_.clear();
  tcp_.Reset();
}

void Mux::Accept() {
  // A bounded number a turn: accepting must not starve the rest.
  for (int i = 0; i < 64; ++i) {
    UniqueFd fd(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      ++accepted_;
      Add(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    reserve_.Reset();
    UniqueFd refused(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    refused.Reset();
    reserve_ = OpenReserve();
    Refuse("?", "out of descriptors; raise the limit on open files (ulimit -n)");
    return;
  }
}

void Mux::Add(UniqueFd fd) {
  std::string peer = PeerName(fd.get());
  if (sniffs_.size() >= options_.connections_max) {
    // The oldest makes room: silent connections cannot keep new ones out.
    const Sniff& oldest = sniffs_.begin()->second;
    Refuse(oldest.peer, "too many connections that have not said what they are");
    loop_->Unwatch(oldest.watch);
    loop_->Cancel(oldest.timer);
    sniffs_.erase(sniffs_.begin());
  }
  const uint64_t id = next_id_++;
  absl::StatusOr<EventLoop::WatchId> watch =
      loop_->Watch(fd.get(), {.read = true}, [this, id](EventLoop::Ready) { OnReadable(id); });
  if (!watch.ok()) {
    Refuse(peer, "cannot watch it");
    return;
  }
  Sniff& sniff = sniffs_[id];
  sniff.fd = std::move(fd);
  sniff.peer = std::move(peer);
  sniff.watch = *watch;
  sniff.timer = loop_->After(options_.sniff_timeout, [this, id] {
    const auto found = sniffs_.find(id);
    if (found == sniffs_.end()) return;
    Refuse(found->second.peer, found->second.received.empty()
                                   ? "it sent nothing in time"
                                   : "it did not finish its first message in time");
    loop_->Unwatch(found->second.watch);
    sniffs_.erase(found);
  });
}

void Mux::OnReadable(uint64_t id) {
  const auto found = sniffs_.find(id);
  if (found == sniffs_.end()) return;
  Sniff& sniff = found->second;
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(sniff.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (got <= 0) {
    // Port scanners and health checks of load balancers: not worth a line.
    loop_->Cancel(sniff.timer);
    loop_->Unwatch(sniff.watch);
    sniffs_.erase(found);
    return;
  }
  sniff.received.append(buffer.data(), static_cast<size_t>(got));
  const Kind kind = Classify(sniff.received);
  if (kind != Kind::kNeedMore) Finish(id, kind);
}

Mux::Kind Mux::Classify(std::string_view received) const {
  const auto http_like = [&] {
    return std::any_of(kHttpMethods.begin(), kHttpMethods.end(),
                       [&](std::string_view method) { return MayBe(received, method); });
  };
  if (options_.tls) {
    const ClientHelloResult parsed = ParseClientHello(received);
    if (std::holds_alternative<ClientHelloNeedsMore>(parsed)) return Kind::kNeedMore;
    if (std::holds_alternative<MalformedClientHello>(parsed)) return Kind::kGarbage;
    if (std::holds_alternative<NotTls>(parsed)) {
      return http_like() ? Kind::kPlainOnTls : Kind::kGarbage;
    }
    const ClientHello& hello = std::get<ClientHello>(parsed);
    if (hello.Offers("tidemark/1")) return Kind::kPeer;
    // Browsers, curl and Prometheus offer h2 and http/1.1; no gRPC client offers http/1.1.
    return hello.Offers("h2") && !hello.Offers("http/1.1") ? Kind::kGrpc : Kind::kHttp;
  }
  if (MayBe(received, kHttp2Preface)) {
    return received.size() >= kHttp2Preface.size() ? Kind::kGrpc : Kind::kNeedMore;
  }
  if (MayBe(received, kPeerMagic)) {
    return received.size() >= kPeerMagic.size() ? Kind::kPeer : Kind::kNeedMore;
  }
  if (!http_like()) return received[0] == kTlsHandshake ? Kind::kTlsOnPlain : Kind::kGarbage;
  return received.find(' ') != std::string_view::npos ? Kind::kHttp : Kind::kNeedMore;
}

void Mux::Finish(uint64_t id, Kind kind) {
  auto node = sniffs_.extract(id);
  Sniff& sniff = node.mapped();
  loop_->Cancel(sniff.timer);
  loop_->Unwatch(sniff.watch);
  switch (kind) {
    case Kind::kGrpc:
      return sinks_.grpc(std::move(sniff.fd), std::move(sniff.received));
    case Kind::kPeer:
      return sinks_.peer(std::move(sniff.fd), std::move(sniff.received));
    case Kind::kHttp:
      return sinks_.http(std::move(sniff.fd), std::move(sniff.received));
    case Kind::kTlsOnPlain:
      return Refuse(sniff.peer, "it speaks TLS, this server runs without (insecure)");
    case Kind::kPlainOnTls: {
      std::array<char, 4096> rest;
      for (size_t read = 0; read < kDrainBytesMax; read += rest.size()) {
        if (::recv(sniff.fd.get(), rest.data(), rest.size(), 0) <= 0) break;
      }
      [[maybe_unused]] const ssize_t sent =
          ::send(sniff.fd.get(), kUseTls.data(), kUseTls.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::shutdown(sniff.fd.get(), SHUT_WR);
      return Refuse(sniff.peer, "plain HTTP on the TLS port; use https://");
    }
    case Kind::kGarbage:
    case Kind::kNeedMore:
      return Refuse(sniff.peer, "it does not begin like anything this port speaks");
  }
}

void Mux::Refuse(const std::string& peer, std::string_view why) {
  uint64_t suppressed = 0;
  if (!log_limit_.Allow(MonotonicNow(), suppressed)) return;
  Log(LogLevel::kWarning, "connection_refused",
      {{"peer", peer}, {"reason", why}, {"suppressed", suppressed}});
}

}  // namespace tidemark::net
