#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "engine/node/request.h"
#include "runtime/rpc/call_log.h"
#include "runtime/rpc/gateway.h"
#include "tidemark/v1/admin.grpc.pb.h"
#include "tidemark/v1/cluster.grpc.pb.h"
#include "tidemark/v1/log.grpc.pb.h"

// The three public services on gRPC's callback API: they translate, bound what is in flight, and
// write one log line a call. Everything that decides is behind the gateway.

namespace tidemark::rpc {

// The refusal of everything that comes while the server goes down.
RpcError ShuttingDown();

// Streams that would go on for ever, to be ended at shutdown.
class StreamRegistry {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Ends the stream with SHUTTING_DOWN. Any thread; must not block.
    virtual void EndForShutdown() = 0;
  };

  // False when the server is going down: the stream must end itself.
  bool Add(std::weak_ptr<Stream> stream);
  // Ends all streams, and refuses new ones from now on.
  void EndAll();

 private:
  std::mutex mutex_;
  bool ended_ = false;
  std::vector<std::weak_ptr<Stream>> streams_;
};

// What all services use. Outlives them.
struct ServiceContext {
  EngineGateway* gateway = nullptr;
  RpcMetrics* metrics = nullptr;  // may be null
  StreamRegistry streams;
};

class LogService final : public v1::Log::CallbackService {
 public:
  explicit LogService(ServiceContext* context) : context_(context) {}

  grpc::ServerUnaryReactor* Produce(grpc::CallbackServerContext* call,
                                    const v1::ProduceRequest* request,
                                    v1::ProduceResponse* response) override;
  grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse>* ProduceStream(
      grpc::CallbackServerContext* call) override;
  grpc::ServerUnaryReactor* Consume(grpc::CallbackServerContext* call,
                                    const v1::ConsumeRequest* request,
                                    v1::ConsumeResponse* response) override;
  grpc::ServerWriteReactor<v1::ConsumeResponse>* ConsumeStream(
      grpc::CallbackServerContext* call, const v1::ConsumeRequest* request) override;

 private:
  ServiceContext* const context_;
};

class ClusterService final : public v1::Cluster::CallbackService {
 public:
  explicit ClusterService(ServiceContext* context) : context_(context) {}
  grpc::ServerUnaryReactor* GetServers(grpc::CallbackServerContext* call,
                                       const v1::GetServersRequest* request,
                                       v1::GetServersResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* call,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* GetMembers(grpc::CallbackServerContext* call,
                                       const v1::GetMembersRequest* request,
                                       v1::GetMembersResponse* response) override;
  grpc::ServerUnaryReactor* AddMember(grpc::CallbackServerContext* call,
                                      const v1::AddMemberRequest* request,
                                      v1::AddMemberResponse* response) override;
  grpc::ServerUnaryReactor* RemoveMember(grpc::CallbackServerContext* call,
                                         const v1::RemoveMemberRequest* request,
                                         v1::RemoveMemberResponse* response) override;
  grpc::ServerUnaryReactor* MovePartition(grpc::CallbackServerContext* call,
                                          const v1::MovePartitionRequest* request,
                                          v1::MovePartitionResponse* response) override;
  grpc::ServerUnaryReactor* TransferLeadership(grpc::CallbackServerContext* call,
                                               const v1::TransferLeadershipRequest* request,
                                               v1::TransferLeadershipResponse* response) override;

 private:
  ServiceContext* const context_;
};

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(ServiceContext* context) : context_(context) {}
  grpc::ServerUnaryReactor* CreateTopic(grpc::CallbackServerContext* call,
                                        const v1::CreateTopicRequest* request,
                                        v1::CreateTopicResponse* response) override;
  grpc::ServerUnaryReactor* ListTopics(grpc::CallbackServerContext* call,
                                       const v1::ListTopicsRequest* request,
                                       v1::ListTopicsResponse* response) override;
  grpc::ServerUnaryReactor* DescribeTopic(grpc::CallbackServerContext* call,
                                          const v1::DescribeTopicRequest* request,
                                          v1::DescribeTopicResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTopic(grpc::CallbackServerContext* call,
                                        const v1::DeleteTopicRequest* request,
                                        v1::DeleteTopicResponse* response) override;

 private:
  ServiceContext* const context_;
};

// The reactors of the two streams (produce_stream.cc, consume_stream.cc); they own themselves.
grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse>* NewProduceStream(
    ServiceContext* context, grpc::CallbackServerContext* call);
grpc::ServerWriteReactor<v1::ConsumeResponse>* NewConsumeStream(ServiceContext* context,
                                                                grpc::CallbackServerContext* call,
                                                                const v1::ConsumeRequest& request);

// One unary call. Lives until gRPC is done with it; a client that goes away does not interrupt the
// request, whose answer is then dropped.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(ServiceContext* context, grpc::CallbackServerContext* call, const char* method)
      : context_(context), log_(call, method, context->metrics) {}

  // Refuses without asking the engine.
  void Refuse(const RpcError& error) {
    const grpc::Status status = ToGrpcStatus(error);
    log_.Finish(status, error.reason);
    Finish(status);
  }

  // Asks the engine; `fill(Answer&&, frames)` writes a successful answer and returns the gRPC
  // status.
  template <typename Answer, typename Fill>
  void Ask(Request request, Fill fill) {
    context_->gateway->Submit(log_.principal(), std::move(request),
                              [this, fill = std::move(fill)](ResolvedResponse resolved) mutable {
                                if (const auto* error = std::get_if<RpcError>(&resolved.response)) {
                                  Refuse(*error);
                                  return;
                                }
                                auto* answer = std::get_if<Answer>(&resolved.response);
                                const grpc::Status status =
                                    answer == nullptr ? grpc::Status(grpc::StatusCode::INTERNAL,
                                                                     "an answer of another kind")
                                                      : fill(std::move(*answer), resolved.frames);
                                log_.Finish(status, "");
                                Finish(status);
                              });
  }

  CallLog& log() { return log_; }

 private:
  void OnDone() override { delete this; }

  ServiceContext* const context_;
  CallLog log_;
};

}  // namespace tidemark::rpc
