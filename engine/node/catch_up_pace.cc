#include "engine/node/catch_up_pace.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// What time saves up while nobody reads, and what may be read for what is appended meanwhile.
constexpr int64_t kSaved = static_cast<int64_t>(kCatchUpReadBytes);
constexpr int64_t kSavedMax = static_cast<int64_t>(kBatchBytesMax);
// Reads begin up to an entry of the index too early; that shall not eat up what time gives.
constexpr uint64_t kAppendedSpareParts = 8;

}  // namespace

void CatchUpPace::SetRate(uint64_t bytes_per_second) {
  rate_ = std::min(bytes_per_second, kCatchUpRateMax);
}

void CatchUpPace::OnAppended(Instant now, uint64_t bytes) {
  appended_ += bytes + bytes / kAppendedSpareParts;
  last_append_ = now_ = now;
}

void CatchUpPace::Wait(GroupId group, NodeId to) {
  receivers_[to].waiting.push_back(group);
  ++waiting_;
}

std::optional<CatchUpPace::Turn> CatchUpPace::Next(Instant now) {
  now_ = now;
  if (waiting_ == 0) return std::nullopt;
  for (auto& [to, receiver] : receivers_) {
    if (receiver.waiting.empty()) continue;
    Fill(now, receiver);
    if (receiver.left <= 0) continue;
    const Turn turn{.group = receiver.waiting.front(),
                    .to = to,
                    .bytes = std::clamp<uint64_t>(static_cast<uint64_t>(receiver.left),
                                                  kCatchUpReadBytes, kAppendBytesMax)};
    receiver.waiting.pop_front();
    --waiting_;
    receiver.left -= static_cast<int64_t>(turn.bytes);
    return turn;
  }
  return std::nullopt;
}

void CatchUpPace::OnRead(const Turn& turn, uint64_t bytes) {
  receivers_[turn.to].left += static_cast<int64_t>(turn.bytes) - static_cast<int64_t>(bytes);
}

uint64_t CatchUpPace::RateAt(Instant now) const {
  const bool busy = appended_ > 0 && now - last_append_ < Duration::Millis(kCatchUpBusyMillis);
  return std::max<uint64_t>(busy ? rate_ / kCatchUpBusyParts : rate_, 1);
}

void CatchUpPace::Fill(Instant now, Receiver& receiver) const {
  const uint64_t appended = appended_ - receiver.appended_seen;
  receiver.appended_seen = appended_;
  const int64_t passed = std::max<int64_t>((now - receiver.filled).nanos(), 0);
  // Nobody has waited for long: what was appended before does not count.
  if (passed >= kNanosPerSecond) {
    receiver.filled = now;
    receiver.left = kSaved;
    return;
  }
  const int64_t rate = static_cast<int64_t>(RateAt(now));
  const int64_t earned = passed * rate / kNanosPerSecond;
  // The rest of a byte is kept in time: steps may be shorter than a byte takes.
  receiver.filled = receiver.filled + Duration::Nanos(earned * kNanosPerSecond / rate);
  receiver.left = std::min(receiver.left + earned, std::max(receiver.left, kSaved));
  receiver.left =
      std::min(receiver.left + static_cast<int64_t>(std::min<uint64_t>(appended, kBatchBytesMax)),
               kSavedMax);
}

Instant CatchUpPace::next_deadline() const {
  Instant soonest = Instant::Never();
  if (waiting_ == 0) return soonest;
  const int64_t rate = static_cast<int64_t>(RateAt(now_));
  for (const auto& [to, receiver] : receivers_) {
    if (receiver.waiting.empty()) continue;
    const int64_t lacks = std::max<int64_t>(1 - receiver.left, 0);
    // In two steps, so that no debt overflows.
    const Duration wait = Duration::Seconds(lacks / rate) +
                          Duration::Nanos(lacks % rate * kNanosPerSecond / rate + 1);
    soonest = std::min(soonest, receiver.filled + wait);
  }
  return soonest;
}

}  // namespace tidemark
