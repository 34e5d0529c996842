#include "proto/convert.h"
#include "runtime/base/clock.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {

grpc::ServerUnaryReactor* LogService::Produce(grpc::CallbackServerContext* call,
                                              const v1::ProduceRequest* request,
                                              v1::ProduceResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Log/Produce");
  // The request is gRPC's, but nobody reads it after this: its batch is moved out, not copied.
  OrRpcError<ProduceRequest> produce =
      ToProduce(std::move(*const_cast<v1::ProduceRequest*>(request)), WallNow().millis());
  if (const auto* error = std::get_if<RpcError>(&produce)) {
    unary->Refuse(*error);
    return unary;
  }
  auto& batch = std::get<ProduceRequest>(produce);
  unary->log().bytes = batch.batch.size();
  unary->Ask<ProduceResponse>(std::move(batch),
                              [unary, response](ProduceResponse&& answer, const auto&) {
                                unary->log().records = answer.record_count;
                                *response = FromProduce(answer);
                                return grpc::Status::OK;
                              });
  return unary;
}

grpc::ServerUnaryReactor* LogService::Consume(grpc::CallbackServerContext* call,
                                              const v1::ConsumeRequest* request,
                                              v1::ConsumeResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Log/Consume");
  unary->Ask<FetchResponse>(
      ToFetch(*request), [unary, response, format = request->format()](
                             FetchResponse&& answer, const std::vector<Bytes>& frames) {
        absl::StatusOr<v1::ConsumeResponse> built = FromFetch(answer, frames, format);
        if (!built.ok()) {
          return grpc::Status(static_cast<grpc::StatusCode>(built.status().code()),
                              std::string(built.status().message()));
        }
        for (const Bytes& slice : frames) unary->log().bytes += slice.size();
        unary->log().records = built->next_offset() - answer.from.value();
        response->Swap(&*built);
        return grpc::Status::OK;
      });
  return unary;
}

grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse>* LogService::ProduceStream(
    grpc::CallbackServerContext* call) {
  return NewProduceStream(context_, call);
}

grpc::ServerWriteReactor<v1::ConsumeResponse>* LogService::ConsumeStream(
    grpc::CallbackServerContext* call, const v1::ConsumeRequest* request) {
  return NewConsumeStream(context_, call, *request);
}

}  // namespace tidemark::rpc
