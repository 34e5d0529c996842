#pragma once

#include <cstdint>
#include <string>

#include "engine/base/time.h"
#include "engine/node/request.h"
#include "runtime/rpc/trace_context.h"

namespace grpc {
class CallbackServerContext;
class Status;
}  // namespace grpc

namespace tidemark::rpc {

// Where finished calls are counted. Called from any thread.
class RpcMetrics {
 public:
  virtual ~RpcMetrics() = default;
  // `method` is "Log/Produce"; `code` a canonical name such as "OK" or "NOT_FOUND".
  virtual void OnCall(const std::string& method, const std::string& code, Duration duration) = 0;
};

// The gRPC status of a refusal, with the rich details of proto/convert.h.
grpc::Status ToGrpcStatus(const RpcError& error);

// One call from its start to its log line: who asks, under which request id and trace. Returns the
// request id in the initial metadata (x-request-id; the client's own if it is 1..128 printable
// characters) and the trace in the trailing metadata (traceparent).
//   Lives  `context` must be alive at construction only, `metrics` until Finish.
class CallLog {
 public:
  // `metrics` may be null.
  CallLog(grpc::CallbackServerContext* context, const char* method, RpcMetrics* metrics);

  const std::string& principal() const { return principal_; }

  // Writes the line. Call once, when the outcome is known. Not thread-safe.
  void Finish(const grpc::Status& status, const std::string& reason);

  // Payload moved so far; shown in the line.
  uint64_t bytes = 0;
  uint64_t records = 0;

 private:
  const char* const method_;
  RpcMetrics* const metrics_;
  const Instant begun_;
  std::string request_id_;
  std::string principal_;
  std::string peer_;
  TraceContext span_;
};

}  // namespace tidemark::rpc
