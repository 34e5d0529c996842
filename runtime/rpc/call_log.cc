#include "runtime/rpc/call_log.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/acl/principal.h"
#include "proto/convert.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"

namespace tidemark::rpc {
namespace {

constexpr size_t kRequestIdBytesMax = 128;

std::optional<std::string> MetadataOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  return std::string(found->second.data(), found->second.size());
}

std::string RequestIdOf(const grpc::CallbackServerContext& context) {
  const std::optional<std::string> given = MetadataOf(context, "x-request-id");
  if (given.has_value() && !given->empty() && given->size() <= kRequestIdBytesMax &&
      std::all_of(given->begin(), given->end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return *given;
  }
  std::string id(16, '0');
  uint64_t value = SecureRandom64();
  for (char& c : id) {
    c = "0123456789abcdef"[value & 15];
    value >>= 4;
  }
  return id;
}

std::string PrincipalOf(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return "";
  acl::CertificateNames names;
  for (const grpc::string_ref& value : auth->FindPropertyValues("x509_common_name")) {
    names.subject_cn.assign(value.data(), value.size());
  }
  for (const grpc::string_ref& value : auth->FindPropertyValues("peer_dns")) {
    names.san_dns.emplace_back(value.data(), value.size());
  }
  for (const grpc::string_ref& value : auth->FindPropertyValues("peer_uri")) {
    names.san_uri.emplace_back(value.data(), value.size());
  }
  return acl::PrincipalOf(names);
}

const char* CodeName(grpc::StatusCode code) {
  static constexpr std::array<const char*, 17> kNames = {"OK",
                                                         "CANCELLED",
                                                         "UNKNOWN",
                                                         "INVALID_ARGUMENT",
                                                         "DEADLINE_EXCEEDED",
                                                         "NOT_FOUND",
                                                         "ALREADY_EXISTS",
                                                         "PERMISSION_DENIED",
                                                         "RESOURCE_EXHAUSTED",
                                                         "FAILED_PRECONDITION",
                                                         "ABORTED",
                                                         "OUT_OF_RANGE",
                                                         "UNIMPLEMENTED",
                                                         "INTERNAL",
                                                         "UNAVAILABLE",
                                                         "DATA_LOSS",
                                                         "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < kNames.size() ? kNames[index] : "UNKNOWN";
}

}  // namespace

grpc::Status ToGrpcStatus(const RpcError& error) {
  return grpc::Status(static_cast<grpc::StatusCode>(error.code), error.message,
                      EncodeErrorDetails(error));
}

CallLog::CallLog(grpc::CallbackServerContext* context, const char* method, RpcMetrics* metrics)
    : method_(method),
      metrics_(metrics),
      begun_(MonotonicNow()),
      request_id_(RequestIdOf(*context)),
      principal_(PrincipalOf(*context)),
      peer_(context->peer()) {
  const std::optional<std::string> given = MetadataOf(*context, "traceparent");
  span_ = ServerSpan(given.has_value() ? ParseTraceparent(*given) : std::nullopt, SecureRandom64(),
                     SecureRandom64(), SecureRandom64());
  context->AddInitialMetadata("x-request-id", request_id_);
  context->AddTrailingMetadata("traceparent", FormatTraceparent(span_));
}

void CallLog::Finish(const grpc::Status& status, const std::string& reason) {
  const Duration took = MonotonicNow() - begun_;
  const char* const code = CodeName(status.error_code());
  if (metrics_ != nullptr) metrics_->OnCall(method_, code, took);
  Log(LogLevel::kInfo, "rpc",
      {{"method", method_},
       {"code", code},
       {"reason", reason},
       {"request_id", request_id_},
       {"principal", principal_},
       {"peer", peer_},
       {"duration_us", took.micros()},
       {"bytes", bytes},
       {"records", records},
       {"trace_id", span_.trace_id},
       {"span_id", span_.parent_id}});
}

}  // namespace tidemark::rpc
