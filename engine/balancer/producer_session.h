#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "engine/balancer/picker.h"
#include "engine/balancer/retry.h"
#include "engine/balancer/view.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"

// An idempotent, pipelined producer for one partition: decides, performs no IO.

namespace tidemark::balancer {

// Names one stream of a session; events of streams that are no longer current are ignored.
using StreamId = StrongInt<struct ClientStreamIdTag>;

// Open a ProduceStream there; answer with OnStreamOpen or OnStreamClosed. (A transport that cannot
// tell when a stream is open calls OnStreamOpen at once.)
struct OpenStream {
  StreamId stream;
  Target target;
};
// Send on the open stream, in the order of these actions.
struct SendBatch {
  StreamId stream;
  Bytes batch;
  int32_t sequence = 0;
};
// Cancel the stream; nothing about it need be reported any more.
struct CloseStream {
  StreamId stream;
};
// The batch is durable at [base_offset, base_offset + record_count).
struct Done {
  uint64_t tag = 0;
  Offset base_offset;
  uint32_t record_count = 0;
};
// The batch was given up. `outcome_unknown`: it may nevertheless be in the log (the status says
// so).
struct Failed {
  uint64_t tag = 0;
  absl::Status status;
  bool outcome_unknown = false;
};
// Ask any server for GetServers and DescribeTopic and update the view.
struct RefreshView {};

using ProducerAction = std::variant<OpenStream, SendBatch, CloseStream, Done, Failed, RefreshView>;
using ProducerActions = std::vector<ProducerAction>;

struct ProducerOptions {
  // In flight at most; at least one batch of any size always fits.
  size_t batches_max = kProducerBatchesMax;
  size_t bytes_max = kBatchBytesMax;
  // From Submit to giving up.
  Duration delivery_timeout = Duration::Seconds(120);
  // A stream that does not open, or acknowledges nothing for so long, is replaced.
  Duration attempt_timeout = Duration::Seconds(5);
  BackoffOptions backoff;
  // A topic just created is not known everywhere at once.
  bool retry_not_found = false;
};

// Exactly-once, in-order delivery of batches to one partition.
//   Use     while CanAccept(): encode a batch with producer_id(), epoch() and next_sequence(), then
//           Submit it. Every submitted batch ends in exactly one Done or Failed.
//   Order   the log holds the delivered batches in the order of Submit. When a stream breaks or
//           the leader moves, everything unacknowledged is sent again, in order, on a new stream:
//           the oldest batch first, and the others once that one is acknowledged, so that servers
//           that refuse are not sent a whole window each. The server recognises what it has by
//           (producer id, epoch, sequence).
//   Failure a final error on one batch also fails the later ones in flight: they cannot be appended
//           out of sequence. Nothing is accepted until the earlier ones are through; then a new
//           epoch begins at sequence 0. A delivery timeout fails the same way.
//   Lives   `view` and `picker` are shared by the sessions of a client and outlive them; `picker`
//   is
//           told about the streams by the session itself.
//   Source  Kafka KIP-98 (idempotent producer), KIP-360 (epoch after a failure).
class ProducerSession {
 public:
  ProducerSession(TopicPartition where, ProducerOptions options, ClusterView* view, Picker* picker,
                  Prng prng);

  bool CanAccept() const;
  ProducerId producer_id() const { return producer_id_; }
  int16_t epoch() const { return epoch_; }
  // First sequence of the batch to be submitted next; counts records, wraps from INT32_MAX to 0.
  int32_t next_sequence() const { return next_sequence_; }

  // Takes a batch whose header carries producer_id(), epoch() and next_sequence() as they are now.
  //   Checks  dies unless CanAccept() and 1 <= record_count <= kBatchRecordsMax.
  void Submit(Instant now, uint64_t tag, Bytes batch, uint32_t record_count, ProducerActions& out);

  void OnStreamOpen(Instant now, StreamId stream, ProducerActions& out);
  // The batch that began at `sequence` is durable, says the leader of `term`. Unknown sequences
  // (duplicates) are ignored.
  void OnAck(Instant now, StreamId stream, int32_t sequence, Offset base_offset, Term term,
             ProducerActions& out);
  // The server refused this one batch; the stream is still there.
  void OnBatchError(Instant now, StreamId stream, int32_t sequence, const CallError& error,
                    ProducerActions& out);
  // The stream could not be opened or ended; an OK end is reported with code kUnavailable.
  void OnStreamClosed(Instant now, StreamId stream, const CallError& error, ProducerActions& out);
  void OnTimer(Instant now, ProducerActions& out);
  // Fails everything in flight (the outcome of what was sent is unknown) and closes the stream.
  void Abandon(Instant now, const absl::Status& why, ProducerActions& out);

  // When OnTimer is due; Never() while nothing waits.
  Instant next_deadline() const;
  size_t in_flight() const { return window_.size(); }
  bool idle() const { return window_.empty(); }

 private:
  enum class State { kIdle, kWaiting, kOpening, kOpen };
  struct Pending {
    uint64_t tag;
    Bytes batch;
    uint32_t record_count;
    int32_t sequence;
    Instant deadline;
    // Streams it was sent on.
    uint32_t attempts;
  };

  void Open(Instant now, ProducerActions& out);
  void Close(Instant now, bool endpoint_ok, ProducerActions& out);
  // Sends what the present stream was not sent yet, in order; on trial the oldest batch alone.
  void SendRest(ProducerActions& out);
  // Deals with a failure that made the stream useless and is not final; the stream is closed.
  void Retry(Instant now, const CallError& error, Verdict verdict, ProducerActions& out);
  void FailFrom(size_t index, const absl::Status& status, bool first_unknown, bool fenced,
                ProducerActions& out);
  void BeginEpochIfDrained();
  void NewProducerId();

  TopicPartition where_;
  ProducerOptions options_;
  ClusterView* view_;
  Picker* picker_;
  Prng prng_;
  Backoff backoff_;

  ProducerId producer_id_;
  int16_t epoch_ = 0;
  int32_t next_sequence_ = 0;
  // A batch failed: no more of this epoch. `fenced_`: not even the next epoch of this id will do.
  bool draining_ = false;
  bool fenced_ = false;

  State state_ = State::kIdle;
  StreamId stream_;
  Target target_;
  Instant opened_at_;
  bool answered_ = false;
  // kWaiting: when to open. kOpening, kOpen: when the attempt counts as stuck.
  Instant attempt_deadline_ = Instant::Never();
  uint32_t hops_ = 0;
  // The latest that acknowledged something: a leader of an earlier one has been deposed.
  Term acked_term_;
  // Of the attempts since the last acknowledgement.
  absl::Status last_error_;
  // Nothing was acknowledged since a stream became useless: the next server may refuse, too.
  bool on_trial_ = false;
  // Of the end of the window, what the present stream was not sent yet.
  size_t unsent_ = 0;
  // In order of Submit: sequences ascend (modulo wrap) and so do deadlines.
  std::deque<Pending> window_;
  size_t window_bytes_ = 0;
};

}  // namespace tidemark::balancer
