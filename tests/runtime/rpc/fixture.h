#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/rpc/server.h"

namespace tidemark::rpc {

// An engine that does what the test says: it keeps every request until the test answers it, or
// answers at once with `responder`.
class FakeGateway final : public EngineGateway {
 public:
  using Done = std::function<void(ResolvedResponse)>;
  struct Asked {
    RequestId id;
    std::string principal;
    Request request;
    Done done;
  };

  RequestId Submit(std::string principal, Request request, Done done) override;
  void Cancel(RequestId id) override;

  // Answers every request at once from now on.
  void AnswerWith(std::function<ResolvedResponse(const Request&)> responder);
  // Waits until `count` requests are kept.
  void WaitFor(size_t count);
  // The same, and takes them out.
  std::vector<Asked> Take(size_t count);
  // Waits until a request was cancelled, and names it.
  RequestId TakeCancelled();
  // The most requests that were ever kept at once.
  size_t kept_max() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t last_id_ = 0;
  size_t kept_max_ = 0;
  std::function<ResolvedResponse(const Request&)> responder_;
  std::vector<Asked> kept_;
  std::vector<RequestId> cancelled_;
};

// A server without TLS over a FakeGateway, and a channel to it through a socket pair.
class RpcTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  static ResolvedResponse Error(absl::StatusCode code, std::string reason,
                                std::map<std::string, std::string> metadata = {});
  static ResolvedResponse Ack(uint64_t base_offset, uint32_t records = 1);
  // One batch of `values` at `base_offset`, as the answer to a fetch at `from`.
  static ResolvedResponse Fetched(uint64_t base_offset, const std::vector<std::string>& values);
  // ErrorInfo.reason of a failed call.
  static std::string ReasonOf(const grpc::Status& status);

  // No call of a test takes longer: a hang becomes DEADLINE_EXCEEDED.
  static void Bound(grpc::ClientContext& call);

  FakeGateway gateway_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace tidemark::rpc
