#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/node/beat.h"
#include "engine/node/catch_up_pace.h"
#include "engine/node/node.h"
#include "engine/raft/raft.h"

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
  // Which group an outstanding flush or read belongs to, ascending: few, so a sorted array.
  std::vector<std::pair<IoToken, GroupId>> tokens;
  NodeCounters counters;
  // Too little space to store what leaders replicate here; group 0 goes on.
  bool no_room = false;
  // To logs, since the space was last judged.
  uint64_t written_bytes = 0;
  // Of all receivers together: the rate, when the next one may ask, and what it last asked.
  uint64_t snapshot_bytes_per_second = 0;
  Instant snapshot_next_at;
  uint64_t last_snapshot_request = 0;
  // Segments of which somebody was sent what was of no use: for the scrubber.
  std::vector<SealedSegment> suspects;
  // Of what leaders here send to members that lag.
  CatchUpPace catch_up;
  // Heartbeats and their answers of this step, which leave together at its end.
  std::map<NodeId, std::vector<Beat>> beats;
  // Of the steps of raft, one after the other: empty between two, with the space that it has.
  raft::Effects raft_effects;
  // A flush of some group is taken to hang when it takes so long; one does.
  Duration disk_stall_timeout;
  bool disk_stalled = false;
  // When the files of a group that failed are read again.
  Duration reopen_delay_min;
  Duration reopen_delay_max;

  IoToken NewToken(GroupId group) {
    const IoToken token = next_token;
    ++next_token;
    tokens.emplace_back(token, group);
    return token;
  }
  // What `token` was for is done.
  //   Checks  dies if it is not outstanding.
  GroupId TakeToken(IoToken token) {
    const auto at = std::lower_bound(tokens.begin(), tokens.end(), std::pair(token, GroupId(0)));
    TIDEMARK_CHECK(at != tokens.end() && at->first == token);
    const GroupId group = at->second;
    tokens.erase(at);
    return group;
  }
};

}  // namespace tidemark
