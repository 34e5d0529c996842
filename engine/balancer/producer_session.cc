#include "engine/balancer/producer_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::balancer {
namespace {

// NOT_LEADER hints followed at once before waiting: two servers that point at each other must not
// spin. An acknowledgement resets the count.
constexpr uint32_t kHopsMax = 3;

// Kafka's arithmetic: INT32_MAX is followed by 0.
int32_t NextSequence(int32_t sequence, uint32_t records) {
  const uint64_t sum = static_cast<uint64_t>(sequence) + records;
  return static_cast<int32_t>(sum & 0x7fffffff);
}

absl::Status Annotate(const absl::Status& status, const std::string& what) {
  return absl::Status(status.code(), absl::StrCat(status.message(), "; ", what));
}

}  // namespace

ProducerSession::ProducerSession(TopicPartition where, ProducerOptions options, ClusterView* view,
                                 Picker* picker, Prng prng)
    : where_(std::move(where)),
      options_(options),
      view_(view),
      picker_(picker),
      prng_(prng),
      backoff_(options.backoff, prng_.Fork()) {
  options_.batches_max = std::clamp<size_t>(options_.batches_max, 1, kProducerBatchesMax);
  NewProducerId();
}

void ProducerSession::NewProducerId() {
  // 63 bits: the field is signed in the batch header and -1 means "none".
  producer_id_ = ProducerId(prng_.Next() >> 1);
  epoch_ = 0;
  next_sequence_ = 0;
}

bool ProducerSession::CanAccept() const {
  if (draining_) return false;
  return window_.empty() ||
         (window_.size() < options_.batches_max && window_bytes_ < options_.bytes_max);
}

void ProducerSession::Submit(Instant now, uint64_t tag, Bytes batch, uint32_t record_count,
                             ProducerActions& out) {
  TIDEMARK_CHECK(CanAccept());
  TIDEMARK_CHECK_GE(record_count, 1u);
  TIDEMARK_CHECK_LE(record_count, kBatchRecordsMax);
  const bool was_idle = window_.empty();
  const Instant deadline = now + options_.delivery_timeout;
  window_bytes_ += batch.size();
  window_.push_back(Pending{tag, std::move(batch), record_count, next_sequence_, deadline, 0});
  next_sequence_ = NextSequence(next_sequence_, record_count);
  if (state_ == State::kOpen) {
    ++unsent_;
    if (was_idle) attempt_deadline_ = now + options_.attempt_timeout;
    SendRest(out);
  } else if (state_ == State::kIdle) {
    Open(now, out);
  }
}

void ProducerSession::Open(Instant now, ProducerActions& out) {
  std::optional<Target> target = picker_->PickProduce(now, *view_, where_);
  if (!target.has_value()) {
    state_ = State::kWaiting;
    attempt_deadline_ = now + backoff_.Next();
    out.emplace_back(RefreshView{});
    return;
  }
  ++stream_;
  target_ = std::move(*target);
  state_ = State::kOpening;
  opened_at_ = now;
  answered_ = false;
  attempt_deadline_ = now + options_.attempt_timeout;
  picker_->OnStart(target_.address);
  out.emplace_back(OpenStream{stream_, target_});
}

void ProducerSession::Close(Instant now, bool endpoint_ok, ProducerActions& out) {
  if (state_ != State::kOpening && state_ != State::kOpen) return;
  if (!answered_) picker_->OnDone(now, target_.address, now - opened_at_, endpoint_ok);
  out.emplace_back(CloseStream{stream_});
  state_ = State::kIdle;
  attempt_deadline_ = Instant::Never();
}

void ProducerSession::SendRest(ProducerActions& out) {
  const size_t end = on_trial_ ? std::min<size_t>(window_.size(), 1) : window_.size();
  for (size_t i = window_.size() - unsent_; i < end; ++i, --unsent_) {
    ++window_[i].attempts;
    out.emplace_back(SendBatch{stream_, window_[i].batch, window_[i].sequence});
  }
}

void ProducerSession::OnStreamOpen(Instant now, StreamId stream, ProducerActions& out) {
  if (stream != stream_ || state_ != State::kOpening) return;
  state_ = State::kOpen;
  attempt_deadline_ = now + options_.attempt_timeout;
  unsent_ = window_.size();
  SendRest(out);
}

void ProducerSession::OnAck(Instant now, StreamId stream, int32_t sequence, Offset base_offset,
                            Term term, ProducerActions& out) {
  if (stream != stream_ || state_ != State::kOpen) return;
  const auto it = std::find_if(window_.begin(), window_.end(), [&](const Pending& pending) {
    return pending.sequence == sequence;
  });
  if (it == window_.end()) return;
  if (!answered_) {
    answered_ = true;
    picker_->OnDone(now, target_.address, now - opened_at_, true);
  }
  acked_term_ = std::max(acked_term_, term);
  backoff_.Reset();
  hops_ = 0;
  last_error_ = absl::OkStatus();
  attempt_deadline_ = now + options_.attempt_timeout;
  out.emplace_back(Done{it->tag, base_offset, it->record_count});
  window_bytes_ -= it->batch.size();
  window_.erase(it);
  on_trial_ = false;
  SendRest(out);
  // A repeated answer to this epoch must not be taken for one to the next: the stream goes too.
  if (draining_ && window_.empty()) Close(now, true, out);
  BeginEpochIfDrained();
}

void ProducerSession::OnBatchError(Instant now, StreamId stream, int32_t sequence,
                                   const CallError& error, ProducerActions& out) {
  if (stream != stream_ || state_ != State::kOpen) return;
  const auto it = std::find_if(window_.begin(), window_.end(), [&](const Pending& pending) {
    return pending.sequence == sequence;
  });
  if (it == window_.end()) return;
  const size_t index = static_cast<size_t>(it - window_.begin());
  Verdict verdict = Classify(error, options_.retry_not_found);
  // An earlier batch is still without answer: this one was refused because of that one, which the
  // next stream sends first. Refused as the oldest, the server lost track of this producer.
  if (error.reason == "OUT_OF_ORDER_SEQUENCE" && index > 0) verdict = Verdict::kBackOff;
  // Or it was deposed without knowing it yet, and what came before is with its successor.
  const bool deposed = error.reason == "OUT_OF_ORDER_SEQUENCE" && error.leader.term != Term() &&
                       error.leader.term < acked_term_;
  if (deposed) verdict = Verdict::kElsewhere;
  Close(now, !BlamesEndpoint(error), out);
  if (verdict == Verdict::kFinal) {
    const bool unknown = window_[index].attempts > 1;
    FailFrom(index, error.ToStatus(), unknown, error.reason == "PRODUCER_FENCED", out);
    if (!window_.empty()) Open(now, out);
    return;
  }
  if (deposed) view_->OnUnreachable(where_, target_);
  Retry(now, error, verdict, out);
}

void ProducerSession::OnStreamClosed(Instant now, StreamId stream, const CallError& error,
                                     ProducerActions& out) {
  if (stream != stream_ || (state_ != State::kOpening && state_ != State::kOpen)) return;
  if (!answered_) {
    picker_->OnDone(now, target_.address, now - opened_at_, !BlamesEndpoint(error));
  }
  state_ = State::kIdle;
  attempt_deadline_ = Instant::Never();
  if (window_.empty()) return;
  const Verdict verdict = Classify(error, options_.retry_not_found);
  if (verdict == Verdict::kFinal) {
    const bool unknown = window_.front().attempts > 0;
    FailFrom(0, error.ToStatus(), unknown, error.reason == "PRODUCER_FENCED", out);
    return;
  }
  Retry(now, error, verdict, out);
}

void ProducerSession::Retry(Instant now, const CallError& error, Verdict verdict,
                            ProducerActions& out) {
  on_trial_ = true;
  bool hop = false;
  if (error.reason == "NOT_LEADER" || error.reason == "NOT_A_REPLICA") {
    hop = view_->OnNotLeader(where_, target_, error.leader);
  } else if (BlamesEndpoint(error) || error.reason == "NO_LEADER") {
    view_->OnUnreachable(where_, target_);
  }
  if (hop && hops_ < kHopsMax) {
    ++hops_;
    Open(now, out);
    return;
  }
  state_ = State::kWaiting;
  attempt_deadline_ = now + backoff_.Next();
  last_error_ = error.ToStatus();
  if (verdict == Verdict::kElsewhere) out.emplace_back(RefreshView{});
}

void ProducerSession::FailFrom(size_t index, const absl::Status& status, bool first_unknown,
                               bool fenced, ProducerActions& out) {
  for (size_t i = index; i < window_.size(); ++i) {
    const Pending& pending = window_[i];
    // What was never sent is certainly not in the log.
    const bool unknown = first_unknown && pending.attempts > 0;
    absl::Status why = status;
    if (i > index) why = Annotate(why, "this batch had to follow the one that failed");
    if (unknown) why = Annotate(why, "outcome unknown: the batch may be in the log");
    out.emplace_back(Failed{pending.tag, std::move(why), unknown});
    window_bytes_ -= pending.batch.size();
  }
  window_.erase(window_.begin() + static_cast<std::ptrdiff_t>(index), window_.end());
  draining_ = true;
  fenced_ = fenced_ || fenced;
  BeginEpochIfDrained();
}

void ProducerSession::BeginEpochIfDrained() {
  if (!draining_ || !window_.empty()) return;
  draining_ = false;
  if (fenced_ || epoch_ == INT16_MAX) {
    fenced_ = false;
    NewProducerId();
    return;
  }
  ++epoch_;
  next_sequence_ = 0;
}

void ProducerSession::OnTimer(Instant now, ProducerActions& out) {
  if (!window_.empty() && window_.front().deadline <= now) {
    // Sequences of the next epoch must not meet answers to this one: the stream goes too.
    Close(now, answered_, out);
    state_ = State::kIdle;
    attempt_deadline_ = Instant::Never();
    absl::Status late = absl::DeadlineExceededError(
        absl::StrCat("not acknowledged within ", options_.delivery_timeout.millis(), " ms"));
    // What stood in the way is what somebody can do something about.
    if (!last_error_.ok()) {
      late = Annotate(late, absl::StrCat("the last answer was: ", last_error_.message()));
    }
    FailFrom(0, late, true, false, out);
    return;
  }
  if (attempt_deadline_ > now) return;
  if (state_ == State::kWaiting) {
    Open(now, out);
  } else if (state_ == State::kOpening || (state_ == State::kOpen && !window_.empty())) {
    CallError stuck;
    stuck.code = absl::StatusCode::kDeadlineExceeded;
    stuck.message = "no answer on the stream";
    Close(now, false, out);
    if (window_.empty()) return;
    Retry(now, stuck, Verdict::kElsewhere, out);
  }
}

void ProducerSession::Abandon(Instant now, const absl::Status& why, ProducerActions& out) {
  Close(now, true, out);
  state_ = State::kIdle;
  attempt_deadline_ = Instant::Never();
  if (!window_.empty()) FailFrom(0, why, true, false, out);
}

Instant ProducerSession::next_deadline() const {
  if (window_.empty()) return state_ == State::kOpening ? attempt_deadline_ : Instant::Never();
  return std::min(window_.front().deadline, attempt_deadline_);
}

}  // namespace tidemark::balancer
