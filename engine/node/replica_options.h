#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/node/node_shared.h"
#include "engine/raft/raft.h"

namespace tidemark {

class Catalog;

// What a replica that was added to a running group must not forget, although its disk is empty:
// it may have been a member before. It is of this term at least, and neither votes nor campaigns
// before it has the entries up to `index`, its own addition among them (raft::Config::fence).
struct ReplicaFence {
  Term term;
  LogIndex index;
};

// What a replica (replica.h) is told when it is made.
struct ReplicaOptions {
  GroupId group;
  // Its members are those of the log, or `origin`.
  raft::Config raft;
  // Who founded the group, ascending; empty: its log will tell.
  std::vector<NodeId> origin = {};
  ReplicaFence fence = {};
  // The state machine of group 0: entries are kept until TakeCommitted hands them to it, its
  // state is in the checkpoints, and what these stand for is removed after so many entries. Must
  // outlive the replica.
  const Catalog* catalog = nullptr;
  uint64_t snapshot_entries = kCatalogSnapshotEntries;
  uint64_t catalog_segment_bytes = kCatalogSegmentBytes;
  // What of the log to keep, and how often, besides whenever a segment begins, to look.
  RetentionPolicy retention = {};
  Duration retention_interval = {};
  std::optional<CompactionSetting> compaction = {};
};

}  // namespace tidemark
