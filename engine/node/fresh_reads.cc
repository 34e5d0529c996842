#include "engine/node/fresh_reads.h"

#include <algorithm>
#include <utility>

#include "engine/base/limits.h"

namespace tidemark {

std::optional<Duration> FreshReads::Age(Instant now) const {
  if (!as_of_.has_value()) return std::nullopt;
  const int64_t counted = (now - *as_of_).nanos();
  const int64_t slowest = 1000 - static_cast<int64_t>(drift_permille_);
  // Rounded up.
  return Duration::Nanos(counted / slowest * 1000 +
                         (counted % slowest * 1000 + slowest - 1) / slowest);
}

Duration FreshReads::FirstOver(Duration bound) const {
  const int64_t slowest = 1000 - static_cast<int64_t>(drift_permille_);
  const int64_t nanos = bound.nanos();
  return Duration::Nanos(nanos / 1000 * slowest + nanos % 1000 * slowest / 1000 + 1);
}

bool FreshReads::Within(Instant now, Duration bound) const {
  const std::optional<Duration> age = Age(now);
  return age.has_value() && *age <= bound;
}

void FreshReads::Wait(Instant now, WaitingFetch fetch) {
  waiting_.push_back({.fetch = std::move(fetch), .asked = now, .round = raft::ReadId()});
}

bool FreshReads::Cancel(RequestId request) {
  return std::erase_if(waiting_, [&](const Read& read) { return read.fetch.request == request; }) >
         0;
}

std::optional<raft::ReadId> FreshReads::BeginRound(Instant now) {
  // In order: those without a round are the last.
  if (waiting_.empty() || waiting_.back().round != raft::ReadId()) return std::nullopt;
  const raft::ReadId round{++last_round_};
  for (auto read = waiting_.rbegin(); read != waiting_.rend() && read->round == raft::ReadId();
       ++read) {
    read->round = round;
  }
  rounds_.emplace(round, now);
  return round;
}

void FreshReads::OnResult(const raft::ReadResult& result) {
  const auto round = rounds_.find(result.id);
  if (round == rounds_.end()) return;
  const Instant asked = round->second;
  rounds_.erase(round);
  if (!result.index.has_value()) {
    for (Read& read : waiting_) read.refused |= read.round == result.id;
    changed_ = true;
    return;
  }
  // One that was asked for later tells more, whenever it comes.
  if (!learned_.empty() && learned_.back().asked >= asked) return;
  // The earlier ones come true first.
  if (learned_.size() >= kReadFactsMax) learned_.pop_back();
  learned_.push_back({.asked = asked, .index = *result.index});
}

std::vector<FreshReads::Outcome> FreshReads::Settle(Instant now, LogIndex visible) {
  while (!learned_.empty() && learned_.front().index <= visible) {
    as_of_ = std::max(as_of_.value_or(learned_.front().asked), learned_.front().asked);
    learned_.pop_front();
    changed_ = true;
  }
  const auto expired = [&](Instant asked) { return asked + patience_ <= now; };
  std::erase_if(rounds_, [&](const auto& round) { return expired(round.second); });
  std::vector<Outcome> outcomes;
  if (!std::exchange(changed_, false) && (waiting_.empty() || !expired(waiting_.front().asked))) {
    return outcomes;
  }
  std::deque<Read> wait_on;
  for (Read& read : waiting_) {
    const bool confirmed = as_of_.has_value() && *as_of_ >= read.asked;
    const bool bounded = read.fetch.fetch.consistency == Consistency::kBounded;
    Verdict verdict = Verdict::kNotConfirmed;
    if (bounded ? Within(now, read.fetch.fetch.max_staleness) : confirmed) {
      verdict = Verdict::kReady;
    } else if (confirmed) {
      verdict = Verdict::kTooStale;
    } else if (!read.refused && !expired(read.asked)) {
      wait_on.push_back(std::move(read));
      continue;
    }
    outcomes.push_back({.read = std::move(read.fetch), .verdict = verdict});
  }
  waiting_ = std::move(wait_on);
  return outcomes;
}

std::vector<WaitingFetch> FreshReads::TakeAll() {
  std::vector<WaitingFetch> all;
  for (Read& read : std::exchange(waiting_, {})) all.push_back(std::move(read.fetch));
  return all;
}

void FreshReads::Forget() {
  as_of_.reset();
  learned_.clear();
  rounds_.clear();
}

void FreshReads::OnParked(Duration bound) {
  if (as_of_.has_value()) parked_due_ = std::min(parked_due_, *as_of_ + FirstOver(bound));
}

Instant FreshReads::next_deadline() const {
  if (waiting_.empty()) return parked_due_;
  return std::min(parked_due_, waiting_.front().asked + patience_);
}

}  // namespace tidemark
