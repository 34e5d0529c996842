#include "engine/balancer/fetch_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tidemark::balancer {
namespace {

// How often every replica is asked before "none of them can serve this" is believed.
constexpr uint32_t kRoundsMax = 3;

bool Contains(const std::vector<std::string>& list, const std::string& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

// True if this answer is about what the replica holds, so that another one may do better.
bool IsAboutReplica(const CallError& error) {
  return error.code == absl::StatusCode::kOutOfRange || error.code == absl::StatusCode::kDataLoss ||
         error.reason == "OFFSET_NOT_AVAILABLE" || error.reason == "READ_NOT_CONFIRMED" ||
         error.reason == "TOO_STALE";
}

}  // namespace

FetchSession::FetchSession(TopicPartition where, FetchOptions options, ClusterView* view,
                           Picker* picker, Prng prng)
    : where_(std::move(where)),
      options_(options),
      view_(view),
      picker_(picker),
      backoff_(options.backoff, prng),
      position_(options.start) {}

void FetchSession::Start(Instant now, FetchActions& out) {
  if (state_ != State::kNew) return;
  Open(now, out);
}

void FetchSession::Open(Instant now, FetchActions& out) {
  const std::string current = target_.address;
  std::vector<std::string> avoid = avoid_;
  avoid.insert(avoid.end(), unreachable_.begin(), unreachable_.end());
  std::optional<Target> target =
      picker_->PickConsume(now, *view_, where_, avoid, has_target_ ? &current : nullptr);
  if (!target.has_value()) {
    if (failing_since_ == Instant::Never()) failing_since_ = now;
    out.emplace_back(RefreshView{});
    Wait(now, backoff_.Next());
    return;
  }
  ++stream_;
  target_ = std::move(*target);
  has_target_ = true;
  state_ = State::kStreaming;
  opened_at_ = now;
  answered_ = false;
  fresh_stream_ = true;
  deadline_ = now + options_.silence_timeout;
  picker_->OnStart(target_.address);
  out.emplace_back(OpenFetch{stream_, target_, position_});
}

void FetchSession::Wait(Instant now, Duration delay) {
  state_ = State::kWaiting;
  deadline_ = now + delay;
}

void FetchSession::Close(Instant now, bool endpoint_ok, FetchActions& out) {
  if (state_ != State::kStreaming) return;
  if (!answered_) picker_->OnDone(now, target_.address, now - opened_at_, endpoint_ok);
  out.emplace_back(CloseStream{stream_});
  state_ = State::kWaiting;
  deadline_ = Instant::Never();
}

void FetchSession::Fail(Instant now, absl::Status status, FetchActions& out) {
  Close(now, true, out);
  state_ = State::kFinished;
  deadline_ = Instant::Never();
  out.emplace_back(FetchFailed{std::move(status)});
}

bool FetchSession::Answered(Instant now, StreamId stream, Offset high_watermark) {
  if (stream != stream_ || state_ != State::kStreaming) return false;
  if (!answered_) {
    answered_ = true;
    picker_->OnDone(now, target_.address, now - opened_at_, true);
  }
  high_watermark_ = std::max(high_watermark_, high_watermark);
  deadline_ = now + options_.silence_timeout;
  failing_since_ = Instant::Never();
  backoff_.Reset();
  return true;
}

Delivery FetchSession::OnData(Instant now, StreamId stream, Offset begin, Offset end,
                              Offset high_watermark, FetchActions& out) {
  if (!Answered(now, stream, high_watermark)) return {};
  const bool first = std::exchange(fresh_stream_, false);
  if (begin > position_) {
    Fail(now,
         absl::DataLossError(absl::StrCat("server ", target_.address, " skipped offsets [",
                                          position_.value(), ", ", begin.value(), ")")),
         out);
    return {};
  }
  if (end <= position_ || (begin < position_ && !first)) {
    Fail(now,
         absl::DataLossError(absl::StrCat("server ", target_.address, " went back to offsets [",
                                          begin.value(), ", ", end.value(), ") after ",
                                          position_.value(), " was reached")),
         out);
    return {};
  }
  const uint64_t skip = position_ - begin;
  position_ = end;
  delivered_ = true;
  // Records are readable below the high watermark only: what was delivered raises it.
  high_watermark_ = std::max(high_watermark_, end);
  ForgetAsked();
  rounds_ = 0;
  return Delivery{true, skip};
}

void FetchSession::OnGap(Instant now, StreamId stream, Offset to, Offset high_watermark) {
  if (!Answered(now, stream, high_watermark) || to <= position_) return;
  position_ = to;
  delivered_ = true;
  ForgetAsked();
  rounds_ = 0;
}

void FetchSession::OnProgress(Instant now, StreamId stream, Offset high_watermark,
                              FetchActions& out) {
  if (!Answered(now, stream, high_watermark)) return;
  // A follower that is behind what was already seen may catch up; what it lacks it will then send.
  static_cast<void>(out);
}

void FetchSession::OnStreamClosed(Instant now, StreamId stream, const CallError& error,
                                  FetchActions& out) {
  if (stream != stream_ || state_ != State::kStreaming) return;
  const bool had_answered = answered_;
  if (!answered_) {
    picker_->OnDone(now, target_.address, now - opened_at_, !BlamesEndpoint(error));
  }
  state_ = State::kWaiting;
  deadline_ = Instant::Never();
  if (error.high_watermark.has_value()) {
    high_watermark_ = std::max(high_watermark_, *error.high_watermark);
  }
  if (failing_since_ == Instant::Never()) failing_since_ = now;
  if (now - failing_since_ >= options_.give_up_after) {
    const absl::Status status = error.ToStatus();
    Fail(now,
         absl::Status(status.code(), absl::StrCat(status.message(), " (no progress for ",
                                                  options_.give_up_after.millis(), " ms)")),
         out);
    return;
  }
  if (IsAboutReplica(error)) {
    AskAnother(now, error, out);
    return;
  }
  if (Classify(error, options_.retry_not_found) == Verdict::kFinal) {
    Fail(now, error.ToStatus(), out);
    return;
  }
  if (error.reason == "NOT_LEADER" || error.reason == "NOT_A_REPLICA") {
    view_->OnNotLeader(where_, target_, error.leader);
    AddTo(avoid_);
    // Each has been asked, and who was no replica then may be one by now.
    if (!HasUntried()) {
      avoid_ = {target_.address};
      unreachable_.clear();
    }
  } else if (BlamesEndpoint(error)) {
    view_->OnUnreachable(where_, target_);
    // Another replica first; the picker stays with the current one otherwise.
    has_target_ = false;
    AddTo(unreachable_);
    // Nor is one that is gone for ever all that is left where everybody else has refused once.
    if (!HasUntried()) {
      avoid_.clear();
      unreachable_ = {target_.address};
    }
  }
  out.emplace_back(RefreshView{});
  // A stream that had worked is reopened at once; only repeated failures wait.
  Wait(now, had_answered ? Duration() : backoff_.Next());
}

void FetchSession::AddTo(std::vector<std::string>& list) const {
  if (!Contains(list, target_.address)) list.push_back(target_.address);
}

bool FetchSession::HasUntried() const {
  const auto untried = [&](const Target& target) {
    return !Contains(avoid_, target.address) && !Contains(unreachable_, target.address);
  };
  const std::vector<Target> followers = view_->Followers(where_);
  if (followers.empty()) {
    // Without a description every server may be a replica.
    const std::vector<Target> all = view_->AllTargets();
    return std::any_of(all.begin(), all.end(), untried);
  }
  const std::optional<Target> leader = view_->Leader(where_);
  return (leader.has_value() && untried(*leader)) ||
         std::any_of(followers.begin(), followers.end(), untried);
}

void FetchSession::AskAnother(Instant now, const CallError& error, FetchActions& out) {
  const bool out_of_range = error.code == absl::StatusCode::kOutOfRange;
  if (out_of_range && error.start_offset.has_value() && position_ < *error.start_offset) {
    // Retention removed it; every replica will say so sooner or later.
    if (options_.from_earliest && !delivered_) {
      position_ = *error.start_offset;
      Open(now, out);
      return;
    }
    Fail(now, error.ToStatus(), out);
    return;
  }
  const std::optional<Target> leader = view_->Leader(where_);
  const bool by_leader = leader.has_value() && *leader == target_;
  if (out_of_range && by_leader && position_ > high_watermark_) {
    Fail(now, error.ToStatus(), out);
    return;
  }
  AddTo(avoid_);
  if (HasUntried()) {
    Open(now, out);
    return;
  }
  // Who could not be asked may have it.
  const bool all_asked = unreachable_.empty();
  ForgetAsked();
  // A replica that is behind catches up, and one whose storage failed verifies it.
  const bool passes = error.reason == "OFFSET_NOT_AVAILABLE" || error.reason == "STORAGE_FAILED" ||
                      error.reason == "DISK_FULL" || error.reason == "READ_NOT_CONFIRMED" ||
                      error.reason == "TOO_STALE";
  if (all_asked && ++rounds_ >= kRoundsMax && !passes) {
    const absl::Status status = error.ToStatus();
    if (out_of_range && position_ < high_watermark_) {
      Fail(now,
           absl::DataLossError(absl::StrCat(
               "no replica has offset ", position_.value(), " although the high watermark was ",
               high_watermark_.value(), " before: ", status.message())),
           out);
    } else {
      Fail(now, status, out);
    }
    return;
  }
  out.emplace_back(RefreshView{});
  Wait(now, backoff_.Next());
}

void FetchSession::OnTimer(Instant now, FetchActions& out) {
  if (deadline_ > now) return;
  if (state_ == State::kWaiting) {
    if (failing_since_ != Instant::Never() && now - failing_since_ >= options_.give_up_after) {
      Fail(now,
           absl::UnavailableError(absl::StrCat("no server could be asked for ",
                                               options_.give_up_after.millis(), " ms")),
           out);
      return;
    }
    Open(now, out);
  } else if (state_ == State::kStreaming && deadline_ != Instant::Never()) {
    CallError silent;
    silent.code = absl::StatusCode::kDeadlineExceeded;
    silent.message = "no answer on the stream";
    out.emplace_back(CloseStream{stream_});
    answered_ = false;
    picker_->OnStart(target_.address);
    OnStreamClosed(now, stream_, silent, out);
  }
}

void FetchSession::Stop(Instant now, FetchActions& out) {
  Close(now, true, out);
  state_ = State::kFinished;
  deadline_ = Instant::Never();
}

Instant FetchSession::next_deadline() const {
  return state_ == State::kFinished || state_ == State::kNew ? Instant::Never() : deadline_;
}

}  // namespace tidemark::balancer
