#include "runtime/client/consumer.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <utility>

#include "engine/balancer/fetch_session.h"
#include "runtime/base/clock.h"
#include "runtime/client/call_error.h"
#include "runtime/client/pump.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::client {
namespace {

using balancer::CallError;
using balancer::Delivery;
using balancer::FetchActions;
using balancer::StreamId;

// Answers decoded and not yet polled; beyond it the stream is not read (gRPC's flow control then
// holds the server back).
constexpr size_t kReadyMax = 8;

class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void OnAnswer(StreamId stream, v1::ConsumeResponse answer) = 0;
  virtual void OnClosed(StreamId stream, CallError error) = 0;
};

// One ConsumeStream call; reads one answer ahead of what was asked for with Next().
class ConsumeCall : public grpc::ClientReadReactor<v1::ConsumeResponse> {
 public:
  static std::shared_ptr<ConsumeCall> Start(std::shared_ptr<grpc::Channel> channel,
                                            const v1::ConsumeRequest& request, StreamId id,
                                            std::shared_ptr<StreamEvents> events) {
    std::shared_ptr<ConsumeCall> call(
        new ConsumeCall(std::move(channel), request, id, std::move(events)));
    call->self_ = call;
    call->stub_->async()->ConsumeStream(&call->context_, &call->request_, call.get());
    call->AddHold();
    call->StartRead(&call->answer_);
    call->StartCall();
    return call;
  }

  // The answer given last has been taken in; read on.
  void Next() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (closed_) return;
    }
    StartRead(&answer_);
  }

  void Cancel() {
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (std::exchange(closed_, true)) return;
    }
    context_.TryCancel();
    RemoveHold();
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      events_->OnAnswer(id_, std::exchange(answer_, v1::ConsumeResponse()));
    } else {
      Cancel();
    }
  }

  void OnDone(const grpc::Status& status) override {
    CallError error = ErrorOf(status);
    if (status.ok()) {
      error.code = absl::StatusCode::kUnavailable;
      error.message = "the server ended the stream";
    }
    events_->OnClosed(id_, std::move(error));
    self_.reset();
  }

 private:
  ConsumeCall(std::shared_ptr<grpc::Channel> channel, v1::ConsumeRequest request, StreamId id,
              std::shared_ptr<StreamEvents> events)
      : stub_(v1::Log::NewStub(std::move(channel))),
        request_(std::move(request)),
        id_(id),
        events_(std::move(events)) {}

  const std::unique_ptr<v1::Log::Stub> stub_;
  const v1::ConsumeRequest request_;
  const StreamId id_;
  const std::shared_ptr<StreamEvents> events_;
  std::shared_ptr<ConsumeCall> self_;
  grpc::ClientContext context_;
  v1::ConsumeResponse answer_;
  std::mutex mutex_;
  bool closed_ = false;
};

class ConsumerImpl : public Consumer {
 public:
  ConsumerImpl(std::shared_ptr<Shared> shared, std::string topic, PartitionId partition,
               Offset start);
  ~ConsumerImpl() override;

  absl::StatusOr<std::vector<DecodedRecord>> Poll(Duration timeout) override;
  Offset position() const override;

 private:
  struct Events : StreamEvents {
    explicit Events(ConsumerImpl* owner_in) : owner(owner_in) {}
    void OnAnswer(StreamId stream, v1::ConsumeResponse answer) override {
      const std::lock_guard<std::mutex> hold(mutex);
      if (owner == nullptr) return;
      owner->pump_->Post([o = owner, stream, answer = std::move(answer)]() mutable {
        o->HandleAnswer(stream, std::move(answer));
      });
    }
    void OnClosed(StreamId stream, CallError error) override {
      const std::lock_guard<std::mutex> hold(mutex);
      if (owner == nullptr) return;
      owner->pump_->Post(
          [o = owner, stream, error = std::move(error)] { o->HandleClosed(stream, error); });
    }
    std::mutex mutex;
    ConsumerImpl* owner;
  };

  // Pump thread, all of these.
  void HandleAnswer(StreamId stream, v1::ConsumeResponse answer);
  void HandleClosed(StreamId stream, const CallError& error);
  void ReadOn();
  Instant Deadline();
  void Execute(const balancer::OpenFetch& open);
  void Execute(const balancer::CloseStream& close);
  void Execute(const balancer::FetchFailed& failed);
  void Execute(const balancer::RefreshView& refresh);
  template <typename Step>
  void Run(Step step) {
    FetchActions actions;
    {
      const std::lock_guard<std::mutex> hold(shared_->mutex);
      step(actions);
    }
    for (const auto& action : actions) {
      std::visit([this](const auto& a) { this->Execute(a); }, action);
    }
  }

  const std::shared_ptr<Shared> shared_;
  const std::string topic_;
  const PartitionId partition_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<DecodedRecord>> ready_;
  absl::Status failure_;
  Offset next_;  // behind the last record polled

  // Pump thread only.
  balancer::FetchSession session_;
  std::map<StreamId, std::shared_ptr<ConsumeCall>> calls_;
  bool held_back_ = false;  // the current stream waits for Poll to make room

  std::shared_ptr<Events> events_;
  std::unique_ptr<Pump> pump_;
};

ConsumerImpl::ConsumerImpl(std::shared_ptr<Shared> shared, std::string topic, PartitionId partition,
                           Offset start)
    : shared_(std::move(shared)),
      topic_(std::move(topic)),
      partition_(partition),
      next_(start),
      session_({topic_, partition_}, {.start = start, .retry_not_found = true}, &shared_->view,
               &shared_->picker, shared_->prng.Fork()),
      events_(std::make_shared<Events>(this)) {
  pump_ = std::make_unique<Pump>(
      [this] { Run([this](FetchActions& out) { session_.OnTimer(MonotonicNow(), out); }); },
      [this] { return Deadline(); });
  pump_->Post([this] { Run([this](FetchActions& out) { session_.Start(MonotonicNow(), out); }); });
}

ConsumerImpl::~ConsumerImpl() {
  pump_->Post([this] { Run([this](FetchActions& out) { session_.Stop(MonotonicNow(), out); }); });
  pump_->Stop();
  {
    const std::lock_guard<std::mutex> hold(events_->mutex);
    events_->owner = nullptr;
  }
  for (auto& [id, call] : calls_) call->Cancel();
}

absl::StatusOr<std::vector<DecodedRecord>> ConsumerImpl::Poll(Duration timeout) {
  std::vector<DecodedRecord> records;
  {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait_for(hold, std::chrono::nanoseconds(timeout.nanos()),
                      [this] { return !ready_.empty() || !failure_.ok(); });
    if (ready_.empty()) {
      if (!failure_.ok()) return failure_;
      return records;
    }
    records = std::move(ready_.front());
    ready_.pop_front();
    next_ = records.back().offset + 1;
    if (ready_.size() + 1 != kReadyMax) return records;
  }
  pump_->Post([this] { ReadOn(); });
  return records;
}

Offset ConsumerImpl::position() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return next_;
}

Instant ConsumerImpl::Deadline() {
  const std::lock_guard<std::mutex> hold(shared_->mutex);
  return session_.next_deadline();
}

void ConsumerImpl::HandleAnswer(StreamId stream, v1::ConsumeResponse answer) {
  const Offset high_watermark(answer.high_watermark());
  std::string_view rest = answer.batches();
  std::vector<DecodedRecord> records;
  absl::Status damaged;
  bool any = false;
  while (!rest.empty() && damaged.ok()) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
    if (!header.ok() || header->total_bytes() > rest.size()) {
      damaged = absl::DataLossError("the server sent bytes that are not record batches");
      break;
    }
    const std::string_view frame = rest.substr(0, header->total_bytes());
    rest.remove_prefix(frame.size());
    Delivery delivery;
    Run([&](FetchActions& out) {
      delivery = session_.OnData(MonotonicNow(), stream, header->base_offset,
                                 header->base_offset + header->offset_span(), high_watermark, out);
    });
    any = true;
    if (!delivery.deliver) continue;
    absl::StatusOr<std::vector<DecodedRecord>> decoded = DecodeBatch(frame);
    if (!decoded.ok()) {
      damaged = decoded.status();
      break;
    }
    const size_t skip = std::min<size_t>(delivery.skip, decoded->size());
    std::move(decoded->begin() + static_cast<ptrdiff_t>(skip), decoded->end(),
              std::back_inserter(records));
  }
  if (!any && damaged.ok()) {
    Run([&](FetchActions& out) {
      session_.OnProgress(MonotonicNow(), stream, high_watermark, out);
    });
  }
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!records.empty()) ready_.push_back(std::move(records));
    if (!damaged.ok() && failure_.ok()) failure_ = damaged;
  }
  changed_.notify_all();
  if (!damaged.ok()) {
    Run([this](FetchActions& out) { session_.Stop(MonotonicNow(), out); });
    return;
  }
  const auto call = calls_.find(stream);
  if (call == calls_.end()) return;
  held_back_ = true;
  ReadOn();
}

void ConsumerImpl::ReadOn() {
  if (!held_back_) return;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (ready_.size() >= kReadyMax) return;
  }
  held_back_ = false;
  for (auto& [id, call] : calls_) call->Next();
}

void ConsumerImpl::HandleClosed(StreamId stream, const CallError& error) {
  calls_.erase(stream);
  Run([&](FetchActions& out) { session_.OnStreamClosed(MonotonicNow(), stream, error, out); });
}

void ConsumerImpl::Execute(const balancer::OpenFetch& open) {
  v1::ConsumeRequest request;
  request.set_topic(topic_);
  request.set_partition(partition_.value());
  request.set_offset(open.offset.value());
  held_back_ = false;
  calls_[open.stream] =
      ConsumeCall::Start(shared_->channels->To(open.target.address), request, open.stream, events_);
}

void ConsumerImpl::Execute(const balancer::CloseStream& close) {
  const auto call = calls_.find(close.stream);
  if (call == calls_.end()) return;
  call->second->Cancel();
  calls_.erase(call);
}

void ConsumerImpl::Execute(const balancer::FetchFailed& failed) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (failure_.ok()) failure_ = failed.status;
  }
  changed_.notify_all();
}

void ConsumerImpl::Execute(const balancer::RefreshView&) { shared_->RefreshLater(topic_); }

}  // namespace

std::unique_ptr<Consumer> MakeConsumer(std::shared_ptr<Shared> shared, std::string topic,
                                       PartitionId partition, Offset start) {
  return std::make_unique<ConsumerImpl>(std::move(shared), std::move(topic), partition, start);
}

}  // namespace tidemark::client
