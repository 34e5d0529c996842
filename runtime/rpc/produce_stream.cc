#include <deque>

#include "proto/convert.h"
#include "runtime/base/clock.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {
namespace {

// How far a stream reads ahead of its acknowledgements; beyond it gRPC's flow control stops the
// client. At least one request of any size is always taken.
constexpr size_t kOutstandingRequestsMax = 64;
constexpr size_t kOutstandingBytesMax = 16u << 20;

// Reads ahead, answers in request order. The engine's answers come on its own thread, gRPC's
// callbacks on gRPC's: one mutex guards all, and gRPC never calls back inside a Start call.
class ProduceStreamCall final
    : public grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse>,
      public StreamRegistry::Stream,
      public std::enable_shared_from_this<ProduceStreamCall> {
 public:
  ProduceStreamCall(ServiceContext* context, grpc::CallbackServerContext* call)
      : context_(context), log_(call, "Log/ProduceStream", context->metrics) {}

  void Begin() {
    self_ = shared_from_this();
    const bool welcome = context_->streams.Add(self_);
    const std::lock_guard<std::mutex> hold(mutex_);
    StartSendInitialMetadata();
    if (!welcome) {
      EndWith(ShuttingDown());
      return;
    }
    StartRead(&incoming_);
  }

  void OnReadDone(bool ok) override {
    Slot* slot = nullptr;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (finished_ || ending_ || !ok) reading_ = false;
      if (finished_ || ending_) return;
      if (!ok) {
        client_done_ = true;
        Advance();
        return;
      }
      slot = &slots_.emplace_back();
    }
    OrRpcError<ProduceRequest> produce = ToProduce(std::move(incoming_), WallNow().millis());
    incoming_.Clear();
    if (const auto* error = std::get_if<RpcError>(&produce)) {
      const std::lock_guard<std::mutex> hold(mutex_);
      Answer(slot, *error);
      reading_ = false;
      ReadOn();
      return;
    }
    auto& batch = std::get<ProduceRequest>(produce);
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      slot->bytes = batch.batch.size();
      outstanding_bytes_ += slot->bytes;
      log_.bytes += slot->bytes;
    }
    // Not under the mutex: the answer may come before Submit returns. reading_ stays set until
    // then, or the end of a write would start the next read and requests would overtake each other.
    context_->gateway->Submit(log_.principal(), std::move(batch),
                              [self = shared_from_this(), slot](ResolvedResponse resolved) {
                                const std::lock_guard<std::mutex> hold(self->mutex_);
                                self->Answer(slot, resolved.response);
                              });
    const std::lock_guard<std::mutex> hold(mutex_);
    reading_ = false;
    ReadOn();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::mutex> hold(mutex_);
    writing_ = false;
    outstanding_bytes_ -= slots_.front().bytes;
    slots_.pop_front();
    if (!ok) ending_ = true;
    Advance();
    ReadOn();
  }

  void OnCancel() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    ending_ = true;
    status_ = grpc::Status::CANCELLED;
    Advance();
  }

  void OnDone() override {
    const std::shared_ptr<ProduceStreamCall> self = std::move(self_);
    const std::lock_guard<std::mutex> hold(mutex_);
    finished_ = true;
  }

  // What was read is still answered; nothing more is read.
  void EndForShutdown() override {
    const std::lock_guard<std::mutex> hold(mutex_);
    draining_ = true;
    Advance();
  }

 private:
  struct Slot {
    bool ready = false;
    size_t bytes = 0;
    v1::ProduceStreamResponse response;
  };

  // All below: mutex held.

  void Answer(Slot* slot, const Response& response) {
    // The slots are still there: they leave only from the front, and only when ready.
    if (finished_) return;
    if (const auto* ack = std::get_if<ProduceResponse>(&response)) {
      *slot->response.mutable_ack() = FromProduce(*ack);
      log_.records += ack->record_count;
    } else if (const auto* error = std::get_if<RpcError>(&response)) {
      *slot->response.mutable_error() = FromError(*error);
    } else {
      slot->response.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kInternal));
    }
    slot->ready = true;
    Advance();
  }

  void ReadOn() {
    if (finished_ || ending_ || draining_ || client_done_ || reading_) return;
    if (slots_.size() >= kOutstandingRequestsMax || outstanding_bytes_ >= kOutstandingBytesMax) {
      return;
    }
    reading_ = true;
    StartRead(&incoming_);
  }

  void Advance() {
    if (finished_ || writing_) return;
    if (ending_) {
      FinishWith(status_, reason_);
      return;
    }
    if (slots_.empty()) {
      if (draining_) {
        EndWith(ShuttingDown());
      } else if (client_done_) {
        FinishWith(grpc::Status::OK, "");
      }
      return;
    }
    if (!slots_.front().ready) return;
    writing_ = true;
    grpc::WriteOptions options;
    // More answers are ready: let gRPC put them into one packet.
    if (slots_.size() > 1 && slots_[1].ready) options.set_buffer_hint();
    StartWrite(&slots_.front().response, options);
  }

  void EndWith(const RpcError& error) {
    ending_ = true;
    status_ = ToGrpcStatus(error);
    reason_ = error.reason;
    if (!writing_) FinishWith(status_, reason_);
  }

  void FinishWith(const grpc::Status& status, const std::string& reason) {
    if (finished_) return;
    finished_ = true;
    log_.Finish(status, reason);
    Finish(status);
  }

  ServiceContext* const context_;
  std::shared_ptr<ProduceStreamCall> self_;
  v1::ProduceRequest incoming_;  // of the read, and of its handling, while reading_

  std::mutex mutex_;
  CallLog log_;
  std::deque<Slot> slots_;  // oldest first; addresses are stable
  size_t outstanding_bytes_ = 0;
  bool reading_ = true;
  bool writing_ = false;
  bool client_done_ = false;
  bool draining_ = false;
  bool ending_ = false;
  bool finished_ = false;
  grpc::Status status_ = grpc::Status::CANCELLED;
  std::string reason_;
};

}  // namespace

grpc::ServerBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse>* NewProduceStream(
    ServiceContext* context, grpc::CallbackServerContext* call) {
  const auto stream = std::make_shared<ProduceStreamCall>(context, call);
  stream->Begin();
  return stream.get();
}

}  // namespace tidemark::rpc
