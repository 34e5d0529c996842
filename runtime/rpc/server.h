#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/base/time.h"
#include "runtime/rpc/call_log.h"
#include "runtime/rpc/gateway.h"

namespace tidemark::rpc {

// PEM files; replaced files are picked up for new connections within a second.
struct TlsPaths {
  std::string ca;
  std::string cert;
  std::string key;
};

struct RpcServerOptions {
  // nullopt: plain text, nobody is told apart.
  std::optional<TlsPaths> tls;
  Duration handshake_timeout = Duration::Seconds(5);
  // A connection that does not answer a ping of this rhythm in time is closed.
  Duration keepalive_time = Duration::Seconds(30);
  Duration keepalive_timeout = Duration::Seconds(10);
};

// The gRPC server: Log, Cluster and Admin services, health and reflection. It has no listening
// port: connections are handed to it. Safe from any thread.
class RpcServer {
 public:
  // Starts serving. `gateway` and `metrics` (may be null) outlive the server.
  //   Errors  kNotFound a TLS file cannot be read; kInternal gRPC would not start.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options,
                                                          EngineGateway* gateway,
                                                          RpcMetrics* metrics);
  // Shuts down at once if that was not done.
  virtual ~RpcServer() = default;

  // Takes over a connected, non-blocking socket of which `consumed` was already read. `listener_fd`
  // is where it was accepted (-1: unknown). After Shutdown began the socket is closed.
  virtual void HandOff(int fd, std::string_view consumed, int listener_fd) = 0;

  // What health checks are told; false at the start.
  virtual void SetServing(bool serving) = 0;

  // Ends all streams (SHUTTING_DOWN), lets other calls finish for at most `deadline`, then cancels
  // them. Blocks until nothing of gRPC runs. The gateway must go on answering meanwhile.
  // Idempotent.
  virtual void Shutdown(Duration deadline) = 0;
};

}  // namespace tidemark::rpc
