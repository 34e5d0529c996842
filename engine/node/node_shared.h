#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/node/beat.h"
#include "engine/node/node.h"

// What a node tells its replicas, and what they share.

namespace tidemark {

// How the log of a compacted topic is compacted.
struct CompactionSetting {
  // Records are left alone until they are so old.
  Duration min_lag;
  Duration tombstone_retention;
  CompactionPolicy policy = {};
};

// What the replicas of one node share: tokens and counters.
struct NodeShared {
  IoToken next_token{1};
  // Which group an outstanding flush or read belongs to.
  std::map<IoToken, GroupId> tokens;
  NodeCounters counters;
  // Too little space to store what leaders replicate here; group 0 goes on.
  bool no_room = false;
  // To logs, since the space was last judged.
  uint64_t written_bytes = 0;
  // Of all receivers together: the rate, when the next one may ask, and what it last asked.
  uint64_t snapshot_bytes_per_second = 0;
  Instant snapshot_next_at;
  uint64_t last_snapshot_request = 0;
  // Heartbeats and their answers of this step, which leave together at its end.
  std::map<NodeId, std::vector<Beat>> beats;
  // A flush of some group is taken to hang when it takes so long; one does.
  Duration disk_stall_timeout;
  bool disk_stalled = false;
  // When the files of a group that failed are read again.
  Duration reopen_delay_min;
  Duration reopen_delay_max;

  IoToken NewToken(GroupId group) {
    const IoToken token = next_token;
    ++next_token;
    tokens.emplace(token, group);
    return token;
  }
};

}  // namespace tidemark
