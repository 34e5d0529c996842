#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/request.h"
#include "engine/raft/raft.h"

namespace tidemark {

struct WaitingFetch {
  RequestId request;
  FetchRequest fetch;
};

// A fetch that waits at the end of the log.
struct ParkedFetch {
  Offset from;
  uint32_t max_bytes = 0;
  std::optional<Duration> bound;  // of its staleness

  FetchRequest Again() const {
    return {.start = FetchRequest::Start::kOffset,
            .offset = from,
            .max_bytes = max_bytes,
            .wait = true,
            .consistency = bound.has_value() ? Consistency::kBounded : Consistency::kCommitted,
            .max_staleness = bound.value_or(Duration())};
  }
};

// How recent what a replica shows is, and the fetches that wait to know (Consistency in request.h).
//
// There is one source: raft's ReadIndex. Whoever asked at `t` and shows everything up to the index
// that was answered shows whatever had been acknowledged, to anybody, before `t`. Merely hearing of
// a leader tells less: the message may have been long on its way, its commit index may be clamped
// to what the receiver has, and its sender may have been deposed without knowing. So the age of
// what is shown is counted from when this replica asked, on its own monotonic clock, and no two
// clocks are compared. One assumption is left: that this clock counts no less than `drift_permille`
// thousandths less than the time that passes; ages are stated that much longer than counted.
//
// An answer serves all that wait, and bounded reads for as long after it as their bounds allow.
// Every read ends: `patience` after it came it is refused, whatever happened to what was asked.
//   Source  Raft thesis 6.4; etcd #7331, #12762 (reads that waited for ever).
class FreshReads {
 public:
  FreshReads(Duration patience, uint32_t drift_permille)
      : patience_(patience), drift_permille_(drift_permille) {}

  // The time within which whatever is not shown here was acknowledged, at most; nullopt: unknown.
  std::optional<Duration> Age(Instant now) const;
  // Whether a bounded fetch can be answered by what is known already.
  bool Within(Instant now, Duration bound) const;

  // `fetch` (not kCommitted) waits. The caller keeps the number of them within kReadsPendingMax.
  void Wait(Instant now, WaitingFetch fetch);
  bool Cancel(RequestId request);
  size_t waiting() const { return waiting_.size(); }

  // Under which name raft is to be asked on behalf of all that came since it last was; nullopt: of
  // none.
  std::optional<raft::ReadId> BeginRound(Instant now);
  void OnResult(const raft::ReadResult& result);

  enum class Verdict : uint8_t {
    kReady,         // answer it now
    kNotConfirmed,  // nobody could say what has been acknowledged, or it did not come here in time
    kTooStale,      // what is known by now is older than the bound
  };
  struct Outcome {
    WaitingFetch read;
    Verdict verdict = Verdict::kReady;
  };
  // Everything up to `visible` is shown: whoever need not wait any longer, in order of arrival.
  std::vector<Outcome> Settle(Instant now, LogIndex visible);
  // All that wait; none does any more.
  std::vector<WaitingFetch> TakeAll();
  // What is shown may go back (the files were read again): nothing is known.
  void Forget();

  // A fetch with this bound was parked: it must be looked at again before it has waited longer than
  // what is known allows.
  void OnParked(Duration bound);
  // Whether parked fetches are to be looked at: those that are not Within their bounds any more
  // wait to know again. Then those that stay are to be parked anew.
  bool ParkedAreDue(Instant now) const { return now >= parked_due_; }
  void ParkedWereSeen() { parked_due_ = Instant::Never(); }

  // When Settle, and a look at what is parked, are due at the latest.
  Instant next_deadline() const;

 private:
  struct Read {
    WaitingFetch fetch;
    Instant asked;
    raft::ReadId round;  // 0: of the next
    bool refused = false;
  };
  // Everything acknowledged before `asked` is at or below `index`.
  struct Fact {
    Instant asked;
    LogIndex index;
  };

  // What this clock counts until the age is stated as more than `bound`, for the first time.
  Duration FirstOver(Duration bound) const;

  const Duration patience_;
  const uint32_t drift_permille_;
  uint64_t last_round_ = 0;
  std::map<raft::ReadId, Instant> rounds_;  // under way, and when they were asked for
  std::deque<Read> waiting_;                // by when they came
  std::deque<Fact> learned_;                // ascending, not shown yet
  std::optional<Instant> as_of_;            // what was acknowledged before is shown
  bool changed_ = false;                    // since Settle last looked at who waits
  Instant parked_due_ = Instant::Never();
};

}  // namespace tidemark
