#include "runtime/client/producer.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/balancer/producer_session.h"
#include "runtime/base/clock.h"
#include "runtime/client/call_error.h"
#include "runtime/client/session_host.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::client {
namespace {

using balancer::CallError;
using balancer::StreamId;

// Batches built and waiting for a place in the window; beyond it Append blocks.
constexpr size_t kFullBatchesMax = 8;

// One ProduceStream call. gRPC's threads and the pump's jobs use it; its owner keeps it until
// on_closed.
class ProduceCall : public grpc::ClientBidiReactor<v1::ProduceRequest, v1::ProduceStreamResponse> {
 public:
  // On gRPC's threads.
  struct Events {
    // `last`: nothing else that was sent is unanswered.
    std::function<void(int32_t sequence, v1::ProduceStreamResponse, bool last)> on_answer;
    std::function<void(CallError)> on_closed;
  };

  static std::unique_ptr<ProduceCall> Start(std::shared_ptr<grpc::Channel> channel, Events events) {
    std::unique_ptr<ProduceCall> call(new ProduceCall(std::move(channel), std::move(events)));
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
    bool last = false;
    {
      const std::lock_guard<std::recursive_mutex> hold(mutex_);
      if (!sequences_.empty()) {
        sequence = sequences_.front();
        sequences_.pop_front();
      }
      last = sequences_.empty();
    }
    if (sequence >= 0) events_.on_answer(sequence, std::move(answer_), last);
    answer_.Clear();
    StartRead(&answer_);
  }

  void OnDone(const grpc::Status& status) override {
    // The call may be gone before `closed` returns.
    const std::function<void(CallError)> closed = std::move(events_.on_closed);
    closed(EndOfStream(status));
  }

 private:
  ProduceCall(std::shared_ptr<grpc::Channel> channel, Events events)
      : stub_(v1::Log::NewStub(std::move(channel))), events_(std::move(events)) {}

  void WriteNext() {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    grpc::WriteOptions options;
    if (queue_.size() > 1) options.set_buffer_hint();
    StartWrite(&queue_.front(), options);
  }

  const std::unique_ptr<v1::Log::Stub> stub_;
  Events events_;
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

class ProducerImpl
    : public Producer,
      private SessionHost<balancer::ProducerSession, balancer::ProducerAction, ProduceCall> {
 public:
  ProducerImpl(std::shared_ptr<Shared> shared, ProducerOptions options);
  ~ProducerImpl() override;

  absl::Status Append(std::optional<std::string_view> key, std::string_view value,
                      int64_t timestamp_ms) override;
  absl::Status Flush() override;
  ProducerStats stats() const override;
  void OnAck(std::function<void(const Ack&)> callback) override { on_ack_ = std::move(callback); }

 private:
  struct InFlight {
    uint32_t records = 0;
    uint64_t bytes = 0;
    Instant sent;
  };

  // Jobs of the pump, all of these.
  void Perform(const balancer::ProducerAction& action) override;
  void AfterClosed() override { SubmitPending(); }
  void HandleAnswer(StreamId stream, int32_t sequence, const v1::ProduceStreamResponse& answer);
  void SubmitPending();
  void Open(const balancer::OpenStream& open);
  void Send(const balancer::SendBatch& send);
  void OnDone(const balancer::Done& done);
  void OnFailed(const balancer::Failed& failed);

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

  // Of the pump's jobs.
  std::map<uint64_t, InFlight> in_flight_;
  uint64_t next_tag_ = 1;
};

balancer::ProducerOptions SessionOptions(const ProducerOptions& options) {
  balancer::ProducerOptions session;
  session.delivery_timeout = options.delivery_timeout;
  // The topic was there when the producer was made; a node that denies it has not caught up.
  session.retry_not_found = true;
  return session;
}

ProducerImpl::ProducerImpl(std::shared_ptr<Shared> shared, ProducerOptions options)
    : SessionHost(std::move(shared), options.topic, options.partition, SessionOptions(options)),
      options_(std::move(options)) {
  Begin();
}

ProducerImpl::~ProducerImpl() {
  End([this](Actions& out) {
    session_.Abandon(MonotonicNow(), absl::CancelledError("the producer was closed"), out);
  });
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
  const bool alone = stats_.records_in_flight == 0;
  if (alone) last_ack_ = MonotonicNow();
  ++stats_.records_in_flight;
  if (builder_.size() >= options_.batch_bytes) {
    full_.push_back(std::exchange(builder_, BatchBuilder()));
  }
  if (std::exchange(submit_posted_, true)) return absl::OkStatus();
  hold.unlock();
  // Nothing in flight: this is what somebody waits for, and the next record is not. Otherwise the
  // batches are made beside their records.
  if (alone) {
    Bring(Pump::By::kAnybody, [this] { SubmitPending(); });
  } else {
    Post(Pump::By::kPump, [this] { SubmitPending(); });
  }
  return absl::OkStatus();
}

absl::Status ProducerImpl::Flush() {
  std::unique_lock<std::mutex> hold(mutex_);
  // Each Append saw to it that its record leaves.
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
    Run([&](Actions& out) {
      session_.Submit(MonotonicNow(), tag, Bytes::Copy(frame), records, out);
    });
  }
}

void ProducerImpl::HandleAnswer(StreamId stream, int32_t sequence,
                                const v1::ProduceStreamResponse& answer) {
  Run([&](Actions& out) {
    if (answer.has_ack()) {
      session_.OnAck(MonotonicNow(), stream, sequence, Offset(answer.ack().base_offset()),
                     Term(answer.ack().leader_term()), out);
    } else {
      session_.OnBatchError(MonotonicNow(), stream, sequence, ErrorOf(answer.error()), out);
    }
  });
  SubmitPending();
}

void ProducerImpl::Perform(const balancer::ProducerAction& action) {
  if (const auto* open = std::get_if<balancer::OpenStream>(&action)) {
    Open(*open);
  } else if (const auto* send = std::get_if<balancer::SendBatch>(&action)) {
    Send(*send);
  } else if (const auto* done = std::get_if<balancer::Done>(&action)) {
    OnDone(*done);
  } else if (const auto* failed = std::get_if<balancer::Failed>(&action)) {
    OnFailed(*failed);
  }
}

void ProducerImpl::Open(const balancer::OpenStream& open) {
  const StreamId stream = open.stream;
  calls_[stream] = ProduceCall::Start(
      shared_->channels->To(open.target.address),
      {.on_answer =
           [this, stream](int32_t sequence, v1::ProduceStreamResponse answer, bool last) {
             auto job = [this, stream, sequence, answer = std::move(answer)] {
               HandleAnswer(stream, sequence, answer);
             };
             // What somebody waits for is done at once. If more answers are on
             // their way, gRPC's thread goes back to them, and the next batches
             // are made beside.
             if (last) {
               Bring(Pump::By::kInternal, std::move(job));
             } else {
               Post(Pump::By::kPump, std::move(job));
             }
           },
       .on_closed = WhenClosed(stream)});
  // gRPC does not tell when a stream is open; what is sent before waits in the call.
  Run([&](Actions& out) { session_.OnStreamOpen(MonotonicNow(), stream, out); });
}

void ProducerImpl::Send(const balancer::SendBatch& send) {
  ProduceCall* const call = Find(send.stream);
  if (call == nullptr) return;
  v1::ProduceRequest request;
  request.set_topic(topic_);
  request.set_partition(partition_.value());
  request.set_batch(send.batch.data(), send.batch.size());
  call->Send(std::move(request), send.sequence);
}

void ProducerImpl::OnDone(const balancer::Done& done) {
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

void ProducerImpl::OnFailed(const balancer::Failed& failed) {
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

}  // namespace

std::unique_ptr<Producer> MakeProducer(std::shared_ptr<Shared> shared, ProducerOptions options) {
  return std::make_unique<ProducerImpl>(std::move(shared), std::move(options));
}

}  // namespace tidemark::client
