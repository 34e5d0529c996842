#include "engine/log/scrub.h"

#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr Duration kRetryPause = Duration::Seconds(1);

}  // namespace

Scrubber::Scrubber(const ScrubOptions& options, Instant now)
    : options_(options), next_(now), pass_at_(now) {
  if (options_.bytes_per_second > 0) return;
  pass_at_ = Instant::Never();
  options_.bytes_per_second = ScrubOptions().bytes_per_second;
}

Duration Scrubber::CostOf(uint64_t bytes) const {
  const unsigned __int128 nanos =
      static_cast<unsigned __int128>(bytes) * 1'000'000'000 / options_.bytes_per_second;
  return Duration::Nanos(static_cast<int64_t>(std::min<unsigned __int128>(nanos, INT64_MAX)));
}

Instant Scrubber::next_deadline() const {
  if (outstanding_.has_value()) return Instant::Never();
  const bool waits = !in_pass_ && !segment_.has_value() && suspects_.empty();
  return waits ? std::max(next_, pass_at_) : next_;
}

std::vector<Finding> Scrubber::TakeFindings() { return std::exchange(findings_, {}); }

std::optional<ScrubRead> Scrubber::TakeRead(Instant now, const ScrubLogs& logs) {
  if (outstanding_.has_value() || now < next_) return std::nullopt;
  if (segment_.has_value() && !IsThere(logs)) segment_.reset();
  if (!segment_.has_value() && !FindSuspect(logs)) {
    if (!in_pass_ && now < pass_at_) return std::nullopt;
    if (!in_pass_) BeginPass(now, logs);
    if (!FindSegment(logs)) {
      EndPass(now);
      return std::nullopt;
    }
  }
  outstanding_ = segment_->NextRead();
  progress_.file = outstanding_->file;
  progress_.pos = outstanding_->pos;
  next_ = now + CostOf(outstanding_->length);
  return outstanding_;
}

void Scrubber::OnRead(Instant now, const ScrubLogs& logs, const absl::StatusOr<Bytes>& bytes) {
  TIDEMARK_CHECK(outstanding_.has_value());
  const ScrubRead read = *std::exchange(outstanding_, std::nullopt);
  progress_.bytes += read.length;
  // What is removed while it is read looks damaged.
  if (!IsThere(logs)) {
    segment_.reset();
    return;
  }
  if (bytes.ok()) {
    segment_->OnRead(bytes->view());
  } else if (absl::IsNotFound(bytes.status())) {
    segment_->OnMissing();
  } else {
    const absl::Status& status = bytes.status();
    if (!absl::IsDataLoss(status) && ++tries_ < kScrubTriesMax) {
      next_ = std::max(next_, now + kRetryPause);
      return;
    }
    segment_->OnUnreadable(std::string(status.message()));
  }
  tries_ = 0;
  if (!suspected_) progress_.pass_bytes += read.length;
  if (segment_->over()) CloseSegment();
}

void Scrubber::BeginPass(Instant now, const ScrubLogs& logs) {
  in_pass_ = true;
  pass_begun_ = now;
  group_.reset();
  after_ = LogIndex(0);
  progress_.pass_bytes = 0;
  progress_.pass_bytes_total = 0;
  progress_.damaged_segments = 0;
  for (auto group = logs.After(std::nullopt); group.has_value(); group = logs.After(group)) {
    if (const Log* log = logs.Find(*group)) progress_.pass_bytes_total += log->sealed_bytes();
  }
}

void Scrubber::EndPass(Instant now) {
  in_pass_ = false;
  ++progress_.passes;
  progress_.last_pass = now - pass_begun_;
  progress_.file = {};
  progress_.pos = {};
  pass_at_ = now + options_.pause;
}

void Scrubber::LookAt(const SealedSegment& segment) {
  const auto same = [&](const SealedSegment& each) { return each.file() == segment.file(); };
  if (suspects_.size() >= kScrubSuspectsMax ||
      std::any_of(suspects_.begin(), suspects_.end(), same)) {
    return;
  }
  suspects_.push_back(segment);
}

bool Scrubber::FindSuspect(const ScrubLogs& logs) {
  for (suspected_ = true; !suspects_.empty();) {
    segment_.emplace(std::move(suspects_.front()));
    suspects_.erase(suspects_.begin());
    if (IsThere(logs)) return true;
    segment_.reset();
  }
  suspected_ = false;
  return false;
}

bool Scrubber::FindSegment(const ScrubLogs& logs) {
  if (!group_.has_value()) group_ = logs.After(std::nullopt);
  for (; group_.has_value(); group_ = logs.After(group_), after_ = LogIndex(0)) {
    const Log* const log = logs.Find(*group_);
    if (log == nullptr) continue;
    if (std::optional<SealedSegment> next = log->SealedSegmentAfter(after_)) {
      segment_.emplace(*std::move(next));
      return true;
    }
  }
  return false;
}

bool Scrubber::IsThere(const ScrubLogs& logs) const {
  const Log* const log = logs.Find(segment_->segment().group);
  return log != nullptr && log->Holds(segment_->segment());
}

void Scrubber::CloseSegment() {
  if (!suspected_) after_ = segment_->segment().end_index - 1;
  std::vector<Finding> found = segment_->TakeFindings();
  segment_.reset();
  if (!in_pass_) {
    progress_.file = {};
    progress_.pos = {};
  }
  if (found.empty()) return;
  if (!suspected_) ++progress_.damaged_segments;
  progress_.findings += found.size();
  std::move(found.begin(), found.end(), std::back_inserter(findings_));
}

}  // namespace tidemark
