#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/ids.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// The clients' ledger against the committed log: what was acknowledged is in it where the
// acknowledgement said, every batch is in it at most once, in the order its producer sent it, and
// nothing is in it that nobody sent. (That it stays there is StateMachine's part.)
class AckedDurability {
 public:
  AckedDurability(const StateMachine* committed, Verdict* verdict)
      : committed_(committed), verdict_(verdict) {}

  // `producer` hands over its `order`-th batch (ascending).
  void OnSubmitted(uint64_t batch, uint32_t producer, uint64_t order, uint32_t crc);
  // The cluster told the producer that `batch` is at `base_offset` of `group`.
  void OnAcked(uint64_t batch, GroupId group, Offset base_offset);
  // A group committed `entry` (once per group and index). Groups nobody produces to are skipped by
  // the caller.
  void OnCommitted(GroupId group, const EntryFact& entry);
  // At the end: every acknowledged batch is in the committed log.
  void Finish();

  uint64_t submitted() const { return batches_.size(); }
  uint64_t acked() const { return acked_; }

 private:
  struct Batch {
    uint32_t producer = 0;
    uint64_t order = 0;
    uint32_t crc = 0;
    bool committed = false;
    bool acked = false;
    GroupId group;
    Offset base_offset;
  };
  const StateMachine* committed_;
  Verdict* verdict_;
  std::map<uint64_t, Batch> batches_;
  // The order number of each producer's last committed batch, in each group.
  std::map<std::pair<GroupId, uint32_t>, uint64_t> last_order_;
  uint64_t acked_ = 0;
};

}  // namespace tidemark::sim
