#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/balancer/picker.h"
#include "engine/balancer/producer_session.h"
#include "engine/balancer/retry.h"
#include "engine/balancer/view.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"

// A consumer of one partition: decides where to stream from and what may be delivered; no IO.

namespace tidemark::balancer {

// Open a ConsumeStream there from `offset`; answer with OnData, OnProgress or OnStreamClosed.
struct OpenFetch {
  StreamId stream;
  Target target;
  Offset offset;
};
// The session is over: nothing more will be delivered.
struct FetchFailed {
  absl::Status status;
};

using FetchAction = std::variant<OpenFetch, CloseStream, FetchFailed, RefreshView>;
using FetchActions = std::vector<FetchAction>;

struct FetchOptions {
  Offset start;
  // `start` was where the log began: what retention removed of it before the first record came is
  // passed over, instead of ending the session. (Replicas do not all begin at the same offset.)
  bool from_earliest = false;
  // A stream with no answer at all for so long is replaced. Never: a silent stream is a quiet
  // topic.
  Duration silence_timeout = Duration::Max();
  // Failing for so long without any progress ends the session.
  Duration give_up_after = Duration::Seconds(120);
  BackoffOptions backoff;
  bool retry_not_found = false;
};

// What to do with the data just received: deliver all but the first `skip` offsets, or nothing.
struct Delivery {
  bool deliver = false;
  uint64_t skip = 0;
};

// One ordered, gapless stream of records, whichever replicas serve it.
//   Order    offsets are delivered exactly once, ascending, without a gap but those that the server
//            answers for (OnGap). A server that skips offsets otherwise, or goes back, ends the
//            session with kDataLoss; nothing is passed over silently.
//   Replicas followers first (picker). A replica that is behind what was already seen, or lost
//   data,
//            is avoided and another asked; only when every replica was asked in vain, repeatedly,
//            does the error count. A follower alone never decides that an offset is out of range.
//   Lives    `view` and `picker` outlive the session.
class FetchSession {
 public:
  FetchSession(TopicPartition where, FetchOptions options, ClusterView* view, Picker* picker,
               Prng prng);

  // Opens the first stream.
  void Start(Instant now, FetchActions& out);
  // Data for offsets [begin, end) came. The first data of a stream may begin before position().
  //   Result  how much of it is new; position() has moved to `end` if `deliver`.
  Delivery OnData(Instant now, StreamId stream, Offset begin, Offset end, Offset high_watermark,
                  FetchActions& out);
  // The server says that nothing is left before offset `to`: the topic is compacted. Goes before
  // the data that begins there. What was delivered already is no gap.
  void OnGap(Instant now, StreamId stream, Offset to, Offset high_watermark);
  // An answer without records: only the high watermark.
  void OnProgress(Instant now, StreamId stream, Offset high_watermark, FetchActions& out);
  void OnStreamClosed(Instant now, StreamId stream, const CallError& error, FetchActions& out);
  void OnTimer(Instant now, FetchActions& out);
  void Stop(Instant now, FetchActions& out);

  Instant next_deadline() const;
  // The next offset to be delivered.
  Offset position() const { return position_; }
  // Highest high watermark any replica reported.
  Offset high_watermark() const { return high_watermark_; }
  const Target& target() const { return target_; }
  bool finished() const { return state_ == State::kFinished; }

 private:
  enum class State { kNew, kWaiting, kStreaming, kFinished };

  void Open(Instant now, FetchActions& out);
  void Close(Instant now, bool endpoint_ok, FetchActions& out);
  void Wait(Instant now, Duration delay);
  void Fail(Instant now, absl::Status status, FetchActions& out);
  // True if the stream is the current one; notes that it answered.
  bool Answered(Instant now, StreamId stream, Offset high_watermark);
  void AddTo(std::vector<std::string>& list) const;
  void ForgetAsked() {
    avoid_.clear();
    unreachable_.clear();
  }
  // Whether there may be a replica that was not asked yet.
  bool HasUntried() const;
  // This replica cannot serve position(): asks another, or fails when all were asked in vain.
  void AskAnother(Instant now, const CallError& error, FetchActions& out);

  TopicPartition where_;
  FetchOptions options_;
  ClusterView* view_;
  Picker* picker_;
  Backoff backoff_;

  State state_ = State::kNew;
  StreamId stream_;
  Target target_;
  bool has_target_ = false;
  Offset position_;
  Offset high_watermark_;
  Instant opened_at_;
  bool answered_ = false;
  bool fresh_stream_ = false;
  bool delivered_ = false;
  Instant deadline_ = Instant::Never();
  Instant failing_since_ = Instant::Never();
  // Replicas that could not serve position(); cleared by progress and by each new round.
  std::vector<std::string> avoid_;
  std::vector<std::string> unreachable_;  // who could not be asked since
  uint32_t rounds_ = 0;
};

}  // namespace tidemark::balancer
