#include "runtime/client/call_error.h"

#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/numbers.h"
#include "proto/convert.h"

namespace tidemark::client {
namespace {

std::optional<uint64_t> NumberIn(const RpcError& error, const char* key) {
  const auto found = error.metadata.find(key);
  uint64_t value = 0;
  if (found == error.metadata.end() || !absl::SimpleAtoi(found->second, &value)) {
    return std::nullopt;
  }
  return value;
}

balancer::CallError CallErrorOf(const RpcError& from) {
  balancer::CallError error;
  error.code = from.code;
  error.reason = from.reason;
  error.message = from.message;
  error.leader.node = NodeId(NumberIn(from, "leader_id").value_or(0));
  error.leader.term = Term(NumberIn(from, "term").value_or(0));
  const auto address = from.metadata.find("leader_address");
  if (address != from.metadata.end()) error.leader.address = address->second;
  if (const auto offset = NumberIn(from, "start_offset")) error.start_offset = Offset(*offset);
  if (const auto offset = NumberIn(from, "high_watermark")) error.high_watermark = Offset(*offset);
  return error;
}

}  // namespace

balancer::CallError ErrorOf(const grpc::Status& status) {
  return CallErrorOf(
      DecodeErrorDetails(status.error_code(), status.error_message(), status.error_details()));
}

balancer::CallError EndOfStream(const grpc::Status& status) {
  balancer::CallError error = ErrorOf(status);
  if (status.ok()) {
    error.code = absl::StatusCode::kUnavailable;
    error.message = "the server ended the stream";
  }
  return error;
}

balancer::CallError ErrorOf(const v1::StreamError& error) { return CallErrorOf(ToError(error)); }

}  // namespace tidemark::client
