#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/ids.h"

namespace tidemark::raft {

// The appends sent to one peer and not yet acknowledged, oldest first: a ring of fixed size, so a
// steady stream allocates nothing. An append leaves when the peer's durable match covers it; what
// is counted is therefore exactly what a crash of the peer could make the leader send again.
// After a refusal one message at a time, and one more with each that is acknowledged (slow start,
// RFC 5681 section 3.1): where messages overtake each other or are lost, all that is in flight
// behind a refusal is sent for nothing.
class Inflights {
 public:
  Inflights(size_t messages_max, uint64_t bytes_max)
      : ring_(std::max<size_t>(messages_max, 1)), bytes_max_(bytes_max), window_(ring_.size()) {}

  // Whether the next append must wait. One message of any size may always be in flight, otherwise
  // an entry larger than the byte limit could never be sent.
  bool full() const { return count_ >= window_ || (count_ > 0 && bytes_ >= bytes_max_); }
  bool empty() const { return count_ == 0; }
  size_t messages() const { return count_; }
  // How many messages may be in flight as of now.
  size_t window() const { return window_; }
  uint64_t bytes() const { return bytes_; }
  // Bytes the next message may have without passing the limit.
  uint64_t bytes_left() const { return bytes_ >= bytes_max_ ? 0 : bytes_max_ - bytes_; }

  // A message whose last entry is `last` was sent.
  //   Checks  dies if full, or if `last` is not above the one before.
  void Add(LogIndex last, uint64_t bytes) {
    TIDEMARK_CHECK(!full());
    if (count_ > 0) TIDEMARK_CHECK_GT(last, At(count_ - 1).last);
    At(count_) = Sent{.last = last, .bytes = bytes};
    ++count_;
    bytes_ += bytes;
  }

  // Forgets the messages that lie wholly at or below `match`.
  void FreeTo(LogIndex match) {
    while (count_ > 0 && At(0).last <= match) {
      bytes_ -= At(0).bytes;
      head_ = (head_ + 1) % ring_.size();
      --count_;
      window_ = std::min(window_ + 1, ring_.size());
    }
  }

  // Oldest first: `visit(LogIndex last, uint64_t bytes)`.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t i = 0; i < count_; ++i) {
      const Sent& sent = ring_[(head_ + i) % ring_.size()];
      visit(sent.last, sent.bytes);
    }
  }

  // What was in flight is not any more.
  void Reset() {
    head_ = 0;
    count_ = 0;
    bytes_ = 0;
  }

  void StartSlowly() { window_ = 1; }
  void OpenWindow() { window_ = ring_.size(); }

 private:
  struct Sent {
    LogIndex last;
    uint64_t bytes = 0;
  };
  Sent& At(size_t i) { return ring_[(head_ + i) % ring_.size()]; }

  std::vector<Sent> ring_;
  uint64_t bytes_max_;
  size_t window_;  // at most ring_.size()
  size_t head_ = 0;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace tidemark::raft
