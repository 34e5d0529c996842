#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "engine/base/ids.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// A consumer is given exactly the committed log: every batch, in order, once, with the bytes that
// were committed, and nothing before it is committed.
class ConsumerOrder {
 public:
  ConsumerOrder(const StateMachine* committed, Verdict* verdict)
      : committed_(committed), verdict_(verdict) {}

  // A server sent `frame` (one whole batch) of `group` to `consumer`, which delivered all but its
  // first `skip` records.
  void OnDelivered(uint32_t consumer, GroupId group, std::string_view frame, uint64_t skip);
  // `consumer` goes on at `to`: what is before is gone, which Retention vouches for.
  void OnSkipped(uint32_t consumer, GroupId group, Offset to) {
    positions_[{consumer, group}] = to;
  }
  // The next offset `consumer` is owed.
  Offset PositionOf(uint32_t consumer, GroupId group) const;

 private:
  const StateMachine* committed_;
  Verdict* verdict_;
  std::map<std::pair<uint32_t, GroupId>, Offset> positions_;
};

}  // namespace tidemark::sim
