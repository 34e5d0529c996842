#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/sockets.h"
#include "runtime/net/tls.h"

// What a test needs to be the other side of a connection, on the loop's own thread.

namespace tidemark::net {

// Turns `loop` until `done`; false if that takes longer than any machine needs.
inline bool RunUntil(EventLoop& loop, const std::function<bool()>& done) {
  const Instant give_up = MonotonicNow() + Duration::Seconds(20);
  while (!done()) {
    if (MonotonicNow() > give_up) return false;
    loop.RunOnce(Duration::Millis(1));
  }
  return true;
}

inline size_t OpenDescriptors() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                           std::filesystem::directory_iterator()));
}

inline std::unique_ptr<EventLoop> MakeLoop() {
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  EXPECT_TRUE(loop.ok()) << loop.status();
  return *std::move(loop);
}

// A plain socket to `to`: writes are small enough never to wait.
class Wire {
 public:
  Wire(EventLoop& loop, const Endpoint& to) : loop_(loop) {
    absl::StatusOr<UniqueFd> fd = Connect(to);
    EXPECT_TRUE(fd.ok()) << fd.status();
    fd_ = *std::move(fd);
  }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
        loop_.RunOnce(Duration::Millis(1));
        continue;
      }
      if (sent < 0) return;  // closed: the test looks at what it receives
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // Takes what has arrived; false at the end of the stream.
  bool Poll() {
    if (ended_) return false;
    char buffer[16384];
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
      if (got > 0) {
        received_.append(buffer, static_cast<size_t>(got));
        continue;
      }
      if (got < 0 && (errno == EAGAIN || errno == ENOTCONN)) return true;
      ended_ = true;
      return false;
    }
  }

  // Everything the other side sends until it closes.
  std::string ReadToEnd() {
    EXPECT_TRUE(RunUntil(loop_, [&] { return !Poll(); })) << "not closed; got: " << received_;
    return received_;
  }
  // Waits for `text`; everything received so far.
  std::string ReadUntil(std::string_view text) {
    EXPECT_TRUE(RunUntil(loop_, [&] {
      Poll();
      return ended_ || received_.find(text) != std::string::npos;
    })) << received_;
    return received_;
  }
  std::string Take() { return std::exchange(received_, ""); }
  bool ended() const { return ended_; }
  void Close() { fd_.Reset(); }

 private:
  EventLoop& loop_;
  UniqueFd fd_;
  std::string received_;
  bool ended_ = false;
};

// A TLS client of any kind, also of wrong kinds.
class TlsWire {
 public:
  struct Settings {
    std::string ca;    // empty: trusts nobody, checks nothing
    std::string cert;  // empty: none
    std::string key;
    std::string alpn;      // wire format, e.g. "\x02h2"
    size_t piece = 65536;  // bytes per write
  };

  TlsWire(EventLoop& loop, const Endpoint& to, const Settings& settings)
      : loop_(loop),
        wire_(loop, to),
        context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        piece_(settings.piece) {
    if (!settings.ca.empty()) {
      EXPECT_EQ(SSL_CTX_load_verify_locations(context_.get(), settings.ca.c_str(), nullptr), 1);
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    }
    if (!settings.cert.empty()) {
      EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_.get(), settings.cert.c_str()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_.get(), settings.key.c_str(), SSL_FILETYPE_PEM),
                1);
    }
    ssl_.reset(SSL_new(context_.get()));
    if (!settings.alpn.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(settings.alpn.data()),
                          static_cast<unsigned>(settings.alpn.size()));
    }
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
  }

  // True if the handshake ended well as far as a client can see.
  bool Handshake() {
    RunUntil(loop_, [&] {
      SSL_do_handshake(ssl_.get());
      Shuttle();
      return wire_.ended() || SSL_is_init_finished(ssl_.get()) == 1;
    });
    return SSL_is_init_finished(ssl_.get()) == 1;
  }

  void Send(std::string_view plain) {
    EXPECT_EQ(SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())),
              static_cast<int>(plain.size()));
    Shuttle();
  }

  // Reads until `text` has come or the connection ended.
  std::string ReadUntil(std::string_view text) {
    std::string plain;
    EXPECT_TRUE(RunUntil(loop_, [&] {
      Shuttle();
      char buffer[16384];
      int got;
      while ((got = SSL_read(ssl_.get(), buffer, sizeof(buffer))) > 0) {
        plain.append(buffer, static_cast<size_t>(got));
      }
      const int error = SSL_get_error(ssl_.get(), got);
      if (error == SSL_ERROR_SSL) alert_ = ERR_reason_error_string(ERR_peek_last_error());
      ERR_clear_error();
      return wire_.ended() || error == SSL_ERROR_SSL || plain.find(text) != std::string::npos;
    })) << plain;
    return plain;
  }

  // Why the other side ended it, as OpenSSL puts its alert.
  const std::string& alert() const { return alert_; }
  std::string Alpn() const {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &length);
    return std::string(reinterpret_cast<const char*>(name), length);
  }
  std::string ServerSerial() const {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(ssl_.get()), &X509_free);
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)),
                       static_cast<size_t>(ASN1_STRING_length(serial)));
  }

 private:
  void Shuttle() {
    char* data = nullptr;
    const auto size = static_cast<size_t>(BIO_get_mem_data(out_, &data));
    std::string pending(data, size);
    (void)BIO_reset(out_);
    for (size_t at = 0; at < pending.size(); at += piece_) {
      wire_.Send(std::string_view(pending).substr(at, piece_));
      if (piece_ == 1) loop_.RunOnce(Duration::Nanos(0));
    }
    wire_.Poll();
    const std::string got = wire_.Take();
    BIO_write(in_, got.data(), static_cast<int>(got.size()));
  }

  EventLoop& loop_;
  Wire wire_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
  BIO* in_ = nullptr;   // owned by ssl_
  BIO* out_ = nullptr;  // owned by ssl_
  size_t piece_;
  std::string alert_;
};

}  // namespace tidemark::net
