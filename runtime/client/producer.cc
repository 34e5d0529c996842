#include "runtime/client/producer.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/balancer/producer_session.h"
#include "runtime/base/clock.h"
#include "runtime/client/call_error.h"
#include "runtime/client/pump.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::client {
namespace {

using balancer::CallError;
using balancer::ProducerActions;
using balancer::StreamId;

// Batches built and waiting for a place in the window; beyond it Append blocks.
constexpr size_t kFullBatchesMax = 8;

// What a stream tells its producer.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void OnAnswer(StreamId stream, int32_t sequence, v1::ProduceStreamResponse answer) = 0;
  virtual void OnClosed(StreamId stream, CallError error) = 0;
};

// One ProduceStream call. gRPC's threads and the pump use it; it keeps itself alive until gRPC is
// done with it.
class ProduceCall : public grpc::ClientBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse> {
 public:
  static std::shared_ptr<ProduceCall> Start(std::shared_ptr<grpc::Channel> channel, StreamId id,
                                            std::shared_ptr<StreamEvents> events) {
    std::shared_ptr<ProduceCall> call(new ProduceCall(std::move(channel), id, std::move(events)));
    call->self_ = call;
    call->stub_->async()->ProduceStream(&call->context_, call.get());
    call->StartRead(&call->answer_);
    // gRPC must not finish the call while a write may still be started from outside.
    call->AddHold();
    call->StartCall();
    return call;
  }

  void Send(v1::ProduceRequest request, int32_t sequence) {
    const std::lock_guard<std::recursive_mutex> hold(mutex_);
    if (closed_) return;
    queue_.push_back(std::move(request));
    sequences_.push_back(sequence);
    WriteNext();
  }

  void Cancel() {
    {
      const std::lock_guard<std::recursive_mutex> hold(mutex_);
      if (std::exchange(closed_, true)) return;
    }
    context_.TryCancel();
    RemoveHold();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard<std::recursive_mutex> hold(mutex_);
    writing_ = false;
    queue_.pop_front();
    if (ok && !closed_) WriteNext();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Cancel();
      return;
    }
    int32_t sequence = -1;
    {
      const std::lock_guard<std::recursive_mutex> hold(mutex_);
      if (!sequences_.empty()) {
        sequence = sequences_.front();
        sequences_.pop_front();
      }
    }
    if (sequence >= 0) events_->OnAnswer(id_, sequence, std::move(answer_));
    answer_.Clear();
    StartRead(&answer_);
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
  ProduceCall(std::shared_ptr<grpc::Channel> channel, StreamId id,
              std::shared_ptr<StreamEvents> events)
      : stub_(v1::Log::NewStub(std::move(channel))), id_(id), events_(std::move(events)) {}

  void WriteNext() {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    grpc::WriteOptions options;
    if (queue_.size() > 1) options.set_buffer_hint();
    StartWrite(&queue_.front(), options);
  }

  const std::unique_ptr<v1::Log::Stub> stub_;
  const StreamId id_;
  const std::shared_ptr<StreamEvents> events_;
  std::shared_ptr<ProduceCall> self_;
  grpc::ClientContext context_;
  v1::ProduceStreamResponse answer_;
  // Recursive: gRPC may report a write as done before StartWrite returns.
  std::recursive_mutex mutex_;
  std::deque<v1::ProduceRequest> queue_;
  // Of the requests not yet answered: answers come in request order.
  std::deque<int32_t> sequences_;
  bool writing_ = false;
  bool closed_ = false;
};

class ProducerImpl : public Producer {
 public:
  ProducerImpl(std::shared_ptr<Shared> shared, ProducerOptions options);
  ~ProducerImpl() override;

  absl::Status Append(std::optional<std::string_view> key, std::string_view value,
                      int64_t timestamp_ms) override;
  absl::Status Flush() override;
  ProducerStats stats() const override;
  void OnAck(std::function<void(const Ack&)> callback) override { on_ack_ = std::move(callback); }

 private:
  // What streams hold of the producer; lets go of it when the producer ends first.
  struct Events : StreamEvents {
    explicit Events(ProducerImpl* owner_in) : owner(owner_in) {}
    void OnAnswer(StreamId stream, int32_t sequence, v1::ProduceStreamResponse answer) override {
      const std::lock_guard<std::mutex> hold(mutex);
      if (owner == nullptr) return;
      owner->pump_->Post([o = owner, stream, sequence, answer = std::move(answer)] {
        o->HandleAnswer(stream, sequence, answer);
      });
    }
    void OnClosed(StreamId stream, CallError error) override {
      const std::lock_guard<std::mutex> hold(mutex);
      if (owner == nullptr) return;
      owner->pump_->Post(
          [o = owner, stream, error = std::move(error)] { o->HandleClosed(stream, error); });
    }
    std::mutex mutex;
    ProducerImpl* owner;
  };
  struct InFlight {
    uint32_t records = 0;
    uint64_t bytes = 0;
    Instant sent;
  };

  // Pump thread, all of these.
  void HandleAnswer(StreamId stream, int32_t sequence, const v1::ProduceStreamResponse& answer);
  void HandleClosed(StreamId stream, const CallError& error);
  Instant Deadline();
  void SubmitPending();
  void Execute(const balancer::OpenStream& open);
  void Execute(const balancer::SendBatch& send);
  void Execute(const balancer::CloseStream& close);
  void Execute(const balancer::Done& done);
  void Execute(const balancer::Failed& failed);
  void Execute(const balancer::RefreshView& refresh);
  // Runs one step of the session under the client's lock, then its actions.
  template <typename Step>
  void Run(Step step) {
    ProducerActions actions;
    {
      const std::lock_guard<std::mutex> hold(shared_->mutex);
      step(actions);
    }
    for (const auto& action : actions) {
      std::visit([this](const auto& a) { this->Execute(a); }, action);
    }
  }
  void PostSubmit();  // with mutex_ held

  const std::shared_ptr<Shared> shared_;
  const ProducerOptions options_;
  std::function<void(const Ack&)> on_ack_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  BatchBuilder builder_;
  std::deque<BatchBuilder> full_;
  absl::Status failure_;
  ProducerStats stats_;
  bool submit_posted_ = false;
  Instant last_ack_;

  // Pump thread only.
  balancer::ProducerSession session_;
  std::map<StreamId, std::shared_ptr<ProduceCall>> calls_;
  std::map<uint64_t, InFlight> in_flight_;
  uint64_t next_tag_ = 1;
  Instant deadline_ = Instant::Never();

  std::shared_ptr<Events> events_;
  std::unique_ptr<Pump> pump_;
};

balancer::ProducerOptions SessionOptions(const ProducerOptions& options) {
  balancer::ProducerOptions session;
  session.delivery_timeout = options.delivery_timeout;
  // The topic was there when the producer was made; a node that denies it has not caught up.
  session.retry_not_found = true;
  return session;
}

ProducerImpl::ProducerImpl(std::shared_ptr<Shared> shared, ProducerOptions options)
    : shared_(std::move(shared)),
      options_(std::move(options)),
      session_({options_.topic, options_.partition}, SessionOptions(options_), &shared_->view,
               &shared_->picker, shared_->prng.Fork()),
      events_(std::make_shared<Events>(this)) {
  pump_ = std::make_unique<Pump>(
      [this] { Run([this](ProducerActions& out) { session_.OnTimer(MonotonicNow(), out); }); },
      [this] { return Deadline(); });
}

ProducerImpl::~ProducerImpl() {
  pump_->Post([this] {
    Run([this](ProducerActions& out) {
      session_.Abandon(MonotonicNow(), absl::CancelledError("the producer was closed"), out);
    });
  });
  pump_->Stop();
  {
    const std::lock_guard<std::mutex> hold(events_->mutex);
    events_->owner = nullptr;
  }
  for (auto& [id, call] : calls_) call->Cancel();
}

absl::Status ProducerImpl::Append(std::optional<std::string_view> key, std::string_view value,
                                  int64_t timestamp_ms) {
  std::unique_lock<std::mutex> hold(mutex_);
  if (value.size() + (key ? key->size() : 0) > kBatchBytesMax - 1024) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", value.size(),
                                                   " bytes does not fit a batch of at most ",
                                                   kBatchBytesMax, " bytes"));
  }
  changed_.wait(hold, [this] { return full_.size() < kFullBatchesMax || !failure_.ok(); });
  if (!failure_.ok()) return failure_;
  const bool overflows =
      !builder_.empty() && builder_.size() + value.size() > kBatchBytesMax - 1024;
  if (overflows) full_.push_back(std::exchange(builder_, BatchBuilder()));
  builder_.Add(key, value, timestamp_ms);
  if (stats_.records_in_flight == 0) last_ack_ = MonotonicNow();
  ++stats_.records_in_flight;
  if (builder_.size() >= options_.batch_bytes) {
    full_.push_back(std::exchange(builder_, BatchBuilder()));
  }
  PostSubmit();
  return absl::OkStatus();
}

void ProducerImpl::PostSubmit() {
  if (std::exchange(submit_posted_, true)) return;
  pump_->Post([this] { SubmitPending(); });
}

absl::Status ProducerImpl::Flush() {
  std::unique_lock<std::mutex> hold(mutex_);
  PostSubmit();
  changed_.wait(hold, [this] { return stats_.records_in_flight == 0; });
  return failure_;
}

ProducerStats ProducerImpl::stats() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return stats_;
}

void ProducerImpl::SubmitPending() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    submit_posted_ = false;
  }
  while (session_.CanAccept()) {
    BatchBuilder batch;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (!full_.empty()) {
        batch = std::move(full_.front());
        full_.pop_front();
      } else if (!builder_.empty() && session_.idle()) {
        // Nothing in flight: waiting for more would only add latency.
        batch = std::exchange(builder_, BatchBuilder());
      } else {
        return;
      }
    }
    changed_.notify_all();
    const uint32_t records = batch.record_count();
    const std::string frame =
        batch.Finish({.producer_id = static_cast<int64_t>(session_.producer_id().value()),
                      .epoch = session_.epoch(),
                      .base_sequence = session_.next_sequence()});
    const uint64_t tag = next_tag_++;
    in_flight_[tag] = {.records = records, .bytes = frame.size(), .sent = MonotonicNow()};
    Run([&](ProducerActions& out) {
      session_.Submit(MonotonicNow(), tag, Bytes::Copy(frame), records, out);
    });
  }
}

Instant ProducerImpl::Deadline() {
  const std::lock_guard<std::mutex> hold(shared_->mutex);
  return session_.next_deadline();
}

void ProducerImpl::HandleAnswer(StreamId stream, int32_t sequence,
                                const v1::ProduceStreamResponse& answer) {
  Run([&](ProducerActions& out) {
    if (answer.has_ack()) {
      session_.OnAck(MonotonicNow(), stream, sequence, Offset(answer.ack().base_offset()), out);
    } else {
      session_.OnBatchError(MonotonicNow(), stream, sequence, ErrorOf(answer.error()), out);
    }
  });
  SubmitPending();
}

void ProducerImpl::HandleClosed(StreamId stream, const CallError& error) {
  calls_.erase(stream);
  Run([&](ProducerActions& out) { session_.OnStreamClosed(MonotonicNow(), stream, error, out); });
  SubmitPending();
}

void ProducerImpl::Execute(const balancer::OpenStream& open) {
  calls_[open.stream] =
      ProduceCall::Start(shared_->channels->To(open.target.address), open.stream, events_);
  // gRPC does not tell when a stream is open; what is sent before waits in the call.
  Run([&](ProducerActions& out) { session_.OnStreamOpen(MonotonicNow(), open.stream, out); });
}

void ProducerImpl::Execute(const balancer::SendBatch& send) {
  const auto call = calls_.find(send.stream);
  if (call == calls_.end()) return;
  v1::ProduceRequest request;
  request.set_topic(options_.topic);
  request.set_partition(options_.partition.value());
  request.set_batch(send.batch.data(), send.batch.size());
  call->second->Send(std::move(request), send.sequence);
}

void ProducerImpl::Execute(const balancer::CloseStream& close) {
  const auto call = calls_.find(close.stream);
  if (call == calls_.end()) return;
  call->second->Cancel();
  calls_.erase(call);
}

void ProducerImpl::Execute(const balancer::Done& done) {
  const InFlight batch = in_flight_.at(done.tag);
  in_flight_.erase(done.tag);
  const Instant now = MonotonicNow();
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stats_.records_acked += batch.records;
    stats_.bytes_acked += batch.bytes;
    stats_.records_in_flight -= batch.records;
    stats_.longest_ack_gap = std::max(stats_.longest_ack_gap, now - last_ack_);
    last_ack_ = now;
  }
  changed_.notify_all();
  if (on_ack_) {
    on_ack_({.base_offset = done.base_offset,
             .record_count = batch.records,
             .latency = now - batch.sent});
  }
}

void ProducerImpl::Execute(const balancer::Failed& failed) {
  const InFlight batch = in_flight_.at(failed.tag);
  in_flight_.erase(failed.tag);
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (failure_.ok()) failure_ = failed.status;
    stats_.records_failed += batch.records;
    stats_.records_in_flight -= batch.records;
    // Nothing more is accepted: what was never sent has failed with it.
    for (BatchBuilder& waiting : full_) {
      stats_.records_failed += waiting.record_count();
      stats_.records_in_flight -= waiting.record_count();
    }
    full_.clear();
    stats_.records_failed += builder_.record_count();
    stats_.records_in_flight -= builder_.record_count();
    builder_ = BatchBuilder();
  }
  changed_.notify_all();
}

void ProducerImpl::Execute(const balancer::RefreshView&) { shared_->RefreshLater(options_.topic); }

}  // namespace

std::unique_ptr<Producer> MakeProducer(std::shared_ptr<Shared> shared, ProducerOptions options) {
  return std::make_unique<ProducerImpl>(std::move(shared), std::move(options));
}

}  // namespace tidemark::client
