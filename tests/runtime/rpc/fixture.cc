#include "tests/runtime/rpc/fixture.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "engine/log/batch.h"
#include "proto/convert.h"

namespace tidemark::rpc {

RequestId FakeGateway::Submit(std::string principal, Request request, Done done) {
  std::function<ResolvedResponse(const Request&)> responder;
  RequestId id;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    id = RequestId(++last_id_);
    responder = responder_;
    if (responder == nullptr) {
      kept_.push_back({id, std::move(principal), std::move(request), std::move(done)});
      kept_max_ = std::max(kept_max_, kept_.size());
      changed_.notify_all();
      return id;
    }
  }
  done(responder(request));
  return id;
}

void FakeGateway::Cancel(RequestId id) {
  Done done;  // destroyed after the lock
  const std::lock_guard<std::mutex> hold(mutex_);
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    if (it->id != id) continue;
    done = std::move(it->done);
    kept_.erase(it);
    break;
  }
  cancelled_.push_back(id);
  changed_.notify_all();
}

void FakeGateway::AnswerWith(std::function<ResolvedResponse(const Request&)> responder) {
  const std::lock_guard<std::mutex> hold(mutex_);
  responder_ = std::move(responder);
}

void FakeGateway::WaitFor(size_t count) {
  std::unique_lock<std::mutex> hold(mutex_);
  if (!changed_.wait_for(hold, std::chrono::seconds(20), [&] { return kept_.size() >= count; })) {
    ADD_FAILURE() << "only " << kept_.size() << " of " << count << " requests came";
  }
}

std::vector<FakeGateway::Asked> FakeGateway::Take(size_t count) {
  WaitFor(count);
  const std::lock_guard<std::mutex> hold(mutex_);
  return std::exchange(kept_, {});
}

RequestId FakeGateway::TakeCancelled() {
  std::unique_lock<std::mutex> hold(mutex_);
  if (!changed_.wait_for(hold, std::chrono::seconds(20), [&] { return !cancelled_.empty(); })) {
    ADD_FAILURE() << "nothing was cancelled";
    return RequestId(0);
  }
  const RequestId id = cancelled_.front();
  cancelled_.erase(cancelled_.begin());
  return id;
}

size_t FakeGateway::kept_max() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return kept_max_;
}

void RpcTest::SetUp() {
  absl::StatusOr<std::unique_ptr<RpcServer>> server = RpcServer::Start({}, &gateway_, nullptr);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  server_->HandOff(pair[0], "", -1);
  channel_ = grpc::CreateInsecureChannelFromFd("test", pair[1]);
}

void RpcTest::TearDown() {
  channel_.reset();
  if (server_ != nullptr) server_->Shutdown(Duration::Millis(0));
}

ResolvedResponse RpcTest::Error(absl::StatusCode code, std::string reason,
                                std::map<std::string, std::string> metadata) {
  return {.response = RpcError{.code = code,
                               .reason = std::move(reason),
                               .message = "what to do",
                               .metadata = std::move(metadata)},
          .frames = {}};
}

ResolvedResponse RpcTest::Ack(uint64_t base_offset, uint32_t records) {
  return {.response = ProduceResponse{.base_offset = Offset(base_offset),
                                      .record_count = records,
                                      .term = Term(1),
                                      .duplicate = false},
          .frames = {}};
}

ResolvedResponse RpcTest::Fetched(uint64_t base_offset, const std::vector<std::string>& values) {
  BatchBuilder builder;
  for (const std::string& value : values) builder.Add(std::nullopt, value, 1);
  std::string frame = builder.Finish();
  PatchBatch(frame.data(), Offset(base_offset), Term(1));
  return {.response = FetchResponse{.range = {},
                                    .from = Offset(base_offset),
                                    .limit = Offset(base_offset + values.size()),
                                    .start_offset = Offset(0)},
          .frames = {Bytes::From(std::move(frame))}};
}

std::string RpcTest::ReasonOf(const grpc::Status& status) {
  return DecodeErrorDetails(status.error_code(), status.error_message(), status.error_details())
      .reason;
}

void RpcTest::Bound(grpc::ClientContext& call) {
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
}

}  // namespace tidemark::rpc
