#include "runtime/client/consumer.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <utility>

#include "engine/balancer/fetch_session.h"
#include "runtime/base/clock.h"
#include "runtime/client/call_error.h"
#include "runtime/client/session_host.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::client {
namespace {

using balancer::CallError;
using balancer::Delivery;
using balancer::StreamId;

// Answers decoded and not yet polled; beyond it the stream is not read (gRPC's flow control then
// holds the server back).
constexpr size_t kReadyMax = 8;

// One ConsumeStream call; reads one answer ahead of what was asked for with Next().
class ConsumeCall : public grpc::ClientReadReactor<v1::ConsumeResponse> {
 public:
  // On gRPC's threads.
  struct Events {
    std::function<void(v1::ConsumeResponse)> on_answer;
    std::function<void(CallError)> on_closed;
  };

  static std::unique_ptr<ConsumeCall> Start(std::shared_ptr<grpc::Channel> channel,
                                            const v1::ConsumeRequest& request, Events events) {
    std::unique_ptr<ConsumeCall> call(
        new ConsumeCall(std::move(channel), request, std::move(events)));
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
      events_.on_answer(std::exchange(answer_, v1::ConsumeResponse()));
    } else {
      Cancel();
    }
  }

  void OnDone(const grpc::Status& status) override {
    // The call may be gone before `closed` returns.
    const std::function<void(CallError)> closed = std::move(events_.on_closed);
    closed(EndOfStream(status));
  }

 private:
  ConsumeCall(std::shared_ptr<grpc::Channel> channel, v1::ConsumeRequest request, Events events)
      : stub_(v1::Log::NewStub(std::move(channel))),
        request_(std::move(request)),
        events_(std::move(events)) {}

  const std::unique_ptr<v1::Log::Stub> stub_;
  const v1::ConsumeRequest request_;
  Events events_;
  grpc::ClientContext context_;
  v1::ConsumeResponse answer_;
  std::mutex mutex_;
  bool closed_ = false;
};

class ConsumerImpl
    : public Consumer,
      private SessionHost<balancer::FetchSession, balancer::FetchAction, ConsumeCall> {
 public:
  ConsumerImpl(std::shared_ptr<Shared> shared, const ConsumerOptions& options, Offset start);
  ~ConsumerImpl() override;

  absl::StatusOr<std::vector<DecodedRecord>> Poll(Duration timeout) override;
  Offset position() const override;

 private:
  // Jobs of the pump, all of these.
  void Perform(const balancer::FetchAction& action) override;
  void HandleAnswer(StreamId stream, const v1::ConsumeResponse& answer);
  void ReadOn();
  void Open(const balancer::OpenFetch& open);
  void OnFailed(const balancer::FetchFailed& failed);

  const ReadOptions read_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<DecodedRecord>> ready_;
  absl::Status failure_;
  Offset next_;     // behind the last record polled
  Offset read_to_;  // behind what is in ready_

  // Of the pump's jobs.
  bool held_back_ = false;  // the current stream waits for Poll to make room
};

ConsumerImpl::ConsumerImpl(std::shared_ptr<Shared> shared, const ConsumerOptions& options,
                           Offset start)
    : SessionHost(
          std::move(shared), options.topic, options.partition,
          balancer::FetchOptions{.start = start,
                                 .from_earliest = options.from == ConsumerOptions::From::kEarliest,
                                 .give_up_after = options.give_up_after,
                                 .retry_not_found = true}),
      read_(options.read),
      next_(start) {
  Begin();
  Post(Pump::By::kInternal,
       [this] { Run([this](Actions& out) { session_.Start(MonotonicNow(), out); }); });
}

ConsumerImpl::~ConsumerImpl() {
  End([this](Actions& out) { session_.Stop(MonotonicNow(), out); });
}

absl::StatusOr<std::vector<DecodedRecord>> ConsumerImpl::Poll(Duration timeout) {
  std::vector<DecodedRecord> records;
  {
    std::unique_lock<std::mutex> hold(mutex_);
    changed_.wait_for(hold, std::chrono::nanoseconds(timeout.nanos()),
                      [this] { return !ready_.empty() || !failure_.ok(); });
    if (ready_.empty()) {
      if (!failure_.ok()) return failure_;
      next_ = std::max(next_, read_to_);
      return records;
    }
    records = std::move(ready_.front());
    ready_.pop_front();
    next_ = records.back().offset + 1;
    // What was compacted away behind them will not come.
    if (ready_.empty()) next_ = std::max(next_, read_to_);
    if (ready_.size() + 1 != kReadyMax) return records;
  }
  Bring(Pump::By::kAnybody, [this] { ReadOn(); });
  return records;
}

Offset ConsumerImpl::position() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return next_;
}

void ConsumerImpl::HandleAnswer(StreamId stream, const v1::ConsumeResponse& answer) {
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
    Run([&](Actions& out) {
      if (answer.compacted()) {
        session_.OnGap(MonotonicNow(), stream, header->base_offset, high_watermark);
      }
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
    Run([&](Actions& out) { session_.OnProgress(MonotonicNow(), stream, high_watermark, out); });
  }
  if (answer.compacted() && damaged.ok()) {
    Run([&](Actions&) {
      session_.OnGap(MonotonicNow(), stream, Offset(answer.next_offset()), high_watermark);
    });
  }
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (damaged.ok()) read_to_ = session_.position();
    if (!records.empty()) ready_.push_back(std::move(records));
    if (!damaged.ok() && failure_.ok()) failure_ = damaged;
  }
  changed_.notify_all();
  if (!damaged.ok()) {
    Run([this](Actions& out) { session_.Stop(MonotonicNow(), out); });
    return;
  }
  if (Find(stream) == nullptr) return;
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

void ConsumerImpl::Perform(const balancer::FetchAction& action) {
  if (const auto* open = std::get_if<balancer::OpenFetch>(&action)) {
    Open(*open);
  } else if (const auto* failed = std::get_if<balancer::FetchFailed>(&action)) {
    OnFailed(*failed);
  }
}

void ConsumerImpl::Open(const balancer::OpenFetch& open) {
  const StreamId stream = open.stream;
  v1::ConsumeRequest request;
  request.set_topic(topic_);
  request.set_partition(partition_.value());
  request.set_offset(open.offset.value());
  SetConsistency(read_, request);
  held_back_ = false;
  calls_[stream] = ConsumeCall::Start(
      shared_->channels->To(open.target.address), request,
      {.on_answer =
           [this, stream](v1::ConsumeResponse answer) {
             Bring(Pump::By::kInternal,
                   [this, stream, answer = std::move(answer)] { HandleAnswer(stream, answer); });
           },
       .on_closed = WhenClosed(stream)});
}

void ConsumerImpl::OnFailed(const balancer::FetchFailed& failed) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (failure_.ok()) failure_ = failed.status;
  }
  changed_.notify_all();
}

}  // namespace

void SetConsistency(const ReadOptions& read, v1::ConsumeRequest& request) {
  request.set_consistency(read.consistency);
  if (read.consistency == v1::CONSISTENCY_BOUNDED) {
    request.set_max_staleness_us(static_cast<uint64_t>(read.max_staleness.micros()));
  }
}

std::unique_ptr<Consumer> MakeConsumer(std::shared_ptr<Shared> shared,
                                       const ConsumerOptions& options, Offset start) {
  return std::make_unique<ConsumerImpl>(std::move(shared), options, start);
}

}  // namespace tidemark::client
