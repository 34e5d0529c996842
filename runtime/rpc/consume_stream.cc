#include "proto/convert.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {
namespace {

// One fetch after the other: the next is submitted when gRPC has taken the last answer, so a slow
// client slows its own reading and nothing piles up. At the end of the log the fetch waits in the
// engine.
class ConsumeStreamCall final : public grpc::ServerWriteReactor<v1::ConsumeResponse>,
                                public StreamRegistry::Stream,
                                public std::enable_shared_from_this<ConsumeStreamCall> {
 public:
  ConsumeStreamCall(ServiceContext* context, grpc::CallbackServerContext* call,
                    const v1::ConsumeRequest& request)
      : context_(context),
        format_(request.format()),
        log_(call, "Log/ConsumeStream", context->metrics),
        fetch_(ToFetch(request)) {
    fetch_.wait = true;
  }

  void Begin() {
    self_ = shared_from_this();
    const bool welcome = context_->streams.Add(self_);
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      StartSendInitialMetadata();
      if (!welcome) EndWith(ToGrpcStatus(ShuttingDown()), "SHUTTING_DOWN");
    }
    FetchNext();
  }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      writing_ = false;
      if (!ok && !ending_) EndWith(grpc::Status::CANCELLED, "");
      if (ending_) {
        FinishOnce();
        return;
      }
    }
    FetchNext();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED, ""); }

  void OnDone() override { const std::shared_ptr<ConsumeStreamCall> self = std::move(self_); }

  void EndForShutdown() override { End(ToGrpcStatus(ShuttingDown()), "SHUTTING_DOWN"); }

 private:
  // Mutex not held: the answer may come before Submit returns.
  void FetchNext() {
    FetchRequest request;
    uint64_t number = 0;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (ending_) return;
      waiting_ = true;
      number = ++fetch_number_;
      request = fetch_;
    }
    const RequestId id =
        context_->gateway->Submit(log_.principal(), std::move(request),
                                  [self = shared_from_this()](ResolvedResponse resolved) {
                                    const std::lock_guard<std::mutex> hold(self->mutex_);
                                    self->OnAnswer(resolved);
                                  });
    bool cancel = false;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (waiting_ && number == fetch_number_) {
        request_id_ = id;
        cancel = ending_;
      }
    }
    if (cancel) context_->gateway->Cancel(id);
  }

  void End(const grpc::Status& status, const std::string& reason) {
    std::optional<RequestId> parked;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      EndWith(status, reason);
      parked = std::exchange(request_id_, std::nullopt);
    }
    if (parked.has_value()) context_->gateway->Cancel(*parked);
  }

  // All below: mutex held.

  void OnAnswer(const ResolvedResponse& resolved) {
    waiting_ = false;
    request_id_.reset();
    if (ending_) return;
    if (const auto* error = std::get_if<RpcError>(&resolved.response)) {
      EndWith(ToGrpcStatus(*error), error->reason);
      return;
    }
    const auto* fetched = std::get_if<FetchResponse>(&resolved.response);
    if (fetched == nullptr) {
      EndWith(grpc::Status(grpc::StatusCode::INTERNAL, "an answer of another kind"), "");
      return;
    }
    absl::StatusOr<v1::ConsumeResponse> built = FromFetch(*fetched, resolved.frames, format_);
    if (!built.ok()) {
      EndWith(grpc::Status(static_cast<grpc::StatusCode>(built.status().code()),
                           std::string(built.status().message())),
              "");
      return;
    }
    outgoing_.Swap(&*built);
    for (const Bytes& slice : resolved.frames) log_.bytes += slice.size();
    log_.records += outgoing_.next_offset() - fetched->from.value();
    // The rest follows what was shown first.
    if (fetch_.consistency == Consistency::kLinearizable) {
      fetch_.consistency = Consistency::kCommitted;
    }
    fetch_.start = FetchRequest::Start::kOffset;
    fetch_.offset = Offset(outgoing_.next_offset());
    writing_ = true;
    StartWrite(&outgoing_);
  }

  void EndWith(const grpc::Status& status, const std::string& reason) {
    if (ending_) return;
    ending_ = true;
    status_ = status;
    reason_ = reason;
    if (!writing_) FinishOnce();
  }

  void FinishOnce() {
    if (finished_) return;
    finished_ = true;
    log_.Finish(status_, reason_);
    Finish(status_);
  }

  ServiceContext* const context_;
  const v1::ConsumeFormat format_;
  std::shared_ptr<ConsumeStreamCall> self_;

  std::mutex mutex_;
  CallLog log_;
  FetchRequest fetch_;
  v1::ConsumeResponse outgoing_;  // gRPC's while writing_
  bool waiting_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool finished_ = false;
  uint64_t fetch_number_ = 0;
  std::optional<RequestId> request_id_;  // of the fetch that waits, once known
  grpc::Status status_;
  std::string reason_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ConsumeResponse>* NewConsumeStream(ServiceContext* context,
                                                                grpc::CallbackServerContext* call,
                                                                const v1::ConsumeRequest& request) {
  const auto stream = std::make_shared<ConsumeStreamCall>(context, call, request);
  stream->Begin();
  return stream.get();
}

}  // namespace tidemark::rpc
