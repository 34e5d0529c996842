#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

// TLS as a transformation of bytes: OpenSSL over memory buffers, no sockets.

namespace tidemark::net {

struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

// Who the other side proved to be.
struct PeerIdentity {
  bool verified = false;  // presented a certificate that our CA signed
  std::string common_name;
  std::vector<std::string> uris;  // subject alternative names
};

// The settings of all connections that begin from now on. Immutable: to reload certificates make a
// new one; sessions keep the one they began with.
class TlsContext {
 public:
  enum class Role {
    kPeerServer,  // TLS 1.3, client certificate required
    kPeerClient,  // TLS 1.3, offers tidemark/1
    kHttpServer,  // TLS 1.2 or later, client certificate asked for
  };
  // Errors: kInvalidArgument: names the file and what is wrong with it.
  static absl::StatusOr<std::shared_ptr<TlsContext>> Create(const TlsFiles& files, Role role);
  ~TlsContext();
  ssl_ctx_st* get() const { return context_; }
  Role role() const { return role_; }

 private:
  TlsContext(ssl_ctx_st* context, Role role) : context_(context), role_(role) {}
  ssl_ctx_st* context_;
  Role role_;
};

// One connection's TLS. Bytes from the network go in with Feed, what they mean comes out appended
// to `plain`; bytes for the network come out with TakeOutput.
class TlsSession {
 public:
  explicit TlsSession(std::shared_ptr<TlsContext> context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Starts the handshake (the client speaks first).
  absl::Status Begin();
  //   Errors  kUnauthenticated: the handshake failed (why, in words); kDataLoss: the stream is
  //           damaged; kCancelled: the other side closed in order.
  absl::Status Feed(std::string_view cipher, std::string& plain);
  // Before established() is true this keeps nothing and fails.
  absl::Status Write(std::string_view plain);
  // Appends to `out` what must be sent.
  void TakeOutput(std::string& out);
  bool established() const;
  PeerIdentity identity() const;

 private:
  absl::Status Advance();
  std::shared_ptr<TlsContext> context_;
  ssl_st* ssl_;
  bio_st* in_;   // owned by ssl_
  bio_st* out_;  // owned by ssl_
};

}  // namespace tidemark::net
