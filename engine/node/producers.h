#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/ids.h"
#include "engine/log/batch.h"

namespace tidemark {

// Which batches of which idempotent producers a partition's log holds, so that a retry is answered
// instead of appended again. A pure function of the log: every replica builds the same table from
// the same entries, and a truncated entry leaves it again.
//   Source  Kafka KIP-98 (producer id, epoch, sequence); sequences are dense per producer and epoch
//           and wrap from 2^31 - 1 to 0.
//   Bounds  kProducersPerPartitionMax producers (the longest silent one is forgotten), twice
//           kProducerBatchesMax batches of each (a window may be uncommitted and cut again).
class ProducerTable {
 public:
  enum class Outcome : uint8_t {
    kAppend,     // not idempotent, or the next batch of its producer
    kDuplicate,  // already in the log at `index`
    kTooOld,     // a retry of a batch appended so long ago that its offset is forgotten
    kGap,        // a batch before it is missing; `expected` is what may come
    kOldEpoch,   // a newer incarnation of this producer has written
  };
  struct Verdict {
    Outcome outcome = Outcome::kAppend;
    LogIndex index;
    Offset base_offset;
    int32_t expected_sequence = 0;
  };

  // What to do with a batch that a client sent. Changes nothing.
  Verdict Check(const BatchHeader& batch) const;
  // The batch was appended as entry `index`; on every replica, in log order.
  void Record(const BatchHeader& batch, LogIndex index, Offset base_offset);
  // Entries at and after `from` were cut.
  void TruncateSuffix(LogIndex from);

  // Base offset of the producer's last batch that is at or before entry `commit`; nullopt if it was
  // forgotten.
  std::optional<Offset> LastBatchOf(int64_t producer_id, LogIndex commit) const;

  size_t size() const { return producers_.size(); }

  // Appends the table to `out`, for a checkpoint. Little-endian: version 1 (4 bytes), number of
  // producers (4); of each, oldest first: id (8), number of batches (4); of each batch: index (8),
  // base offset (8), epoch (2), first sequence (4), records (4).
  void AppendTo(std::string& out) const;
  // The inverse. nullopt if `state` is not what AppendTo gives.
  static std::optional<ProducerTable> Parse(std::string_view state);

 private:
  struct Batch {
    LogIndex index;
    Offset base_offset;
    int16_t epoch = 0;
    int32_t first_sequence = 0;
    uint32_t count = 0;
  };
  using History = std::deque<Batch>;

  void Forget(int64_t producer_id);

  std::map<int64_t, History> producers_;
  // (last index, producer), oldest first: who is forgotten next, and what a truncation touches.
  std::set<std::pair<LogIndex, int64_t>> by_age_;
};

}  // namespace tidemark
