#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace tidemark {

// How old records of a topic go. Kafka's cleanup.policy.
enum class Cleanup : uint8_t {
  kDelete = 0,            // by the topic's retention: whole segments, the oldest first
  kCompact = 1,           // records go that have a newer one of the same key
  kCompactAndDelete = 2,  // both
};

struct TopicCleanup {
  Cleanup policy = Cleanup::kDelete;
  // A record is not compacted before it is so old; 0: as soon as its segment is full.
  uint64_t min_compaction_lag_ms = 0;
  // How long a tombstone stays once it is the only record of its key; 0: kTombstoneMillisDefault.
  uint64_t tombstone_retention_ms = 0;

  bool compacts() const { return policy != Cleanup::kDelete; }
  bool deletes() const { return policy != Cleanup::kCompact; }
  friend bool operator==(const TopicCleanup&, const TopicCleanup&) = default;
};

// Ok if a topic with this retention may have it.
//   Errors  kInvalidArgument: which setting is wrong and what it should be.
absl::Status CheckCleanup(const TopicCleanup& cleanup, bool has_retention);

}  // namespace tidemark
