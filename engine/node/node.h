#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/log/file.h"
#include "engine/log/log.h"
#include "engine/log/scrub.h"
#include "engine/node/effect.h"
#include "engine/node/event.h"
#include "engine/raft/raft.h"

namespace tidemark::gossip {
class Swim;
}

namespace tidemark {

class Catalog;

struct NodeOptions {
  NodeId id;
  std::string cluster_id;
  // Where clients and peers reach this node.
  Endpoint advertise;
  // Nodes that vote in the catalog and may hold partitions; `id` is among them. Ascending.
  std::vector<NodeId> voters;
  // Any nodes that are probably up, to find the others by.
  std::vector<Endpoint> seeds;
  std::string version;
  std::map<std::string, std::string> tags;  // besides the ones Tidemark sets itself
  // Casbin model and policy texts. Without a model the built-in one is used (acl/default_model.h);
  // without a policy nothing is allowed, unless `allow_all` (no TLS: there is nobody to tell
  // apart).
  std::string acl_model;
  std::string acl_policy;
  bool acl_allow_all = false;
  // Gossip encryption keys, first one used to send; empty: cluster id check only.
  std::vector<std::string> gossip_keys;
  LogOptions log;
  // How fast full segments are verified in the background; 0 bytes per second: none but those of
  // which another node was sent damage.
  ScrubOptions scrub{.bytes_per_second = 0};
  Duration election_timeout = Duration::Millis(1000);
  Duration heartbeat_interval = Duration::Millis(150);
  bool pre_vote = true;
  bool check_quorum = true;
  // Linearizable reads of partitions are answered by the leader's lease while it lasts, instead of
  // by a round of heartbeats each time: raft::Config, which states what clocks must do for it. All
  // nodes or none.
  bool lease_reads = false;
  // How much less than another one a clock may count. Ages of bounded reads are stated by it, too.
  uint32_t lease_drift_permille = 100;
  // 0: limits.h. Simulations use small ones.
  uint64_t append_bytes_max = 0;
  size_t append_entries_max = 0;
  // Divides all gossip intervals; simulations and the demo use it to converge sooner.
  int64_t gossip_speed = 1;
  // How fast this node takes snapshots of all its groups together; 0: as fast as they come.
  uint64_t snapshot_bytes_per_second = kSnapshotBytesPerSecond;
  // How fast what it leads is sent to each node that lags and that nobody waits for, while nobody
  // appends: CatchUpPace. 0: as fast as it is taken.
  uint64_t catch_up_bytes_per_second = kCatchUpBytesPerSecond;
  // After how many entries of the catalog's log a snapshot of the catalog is made.
  uint64_t catalog_snapshot_entries = kCatalogSnapshotEntries;
  // How often, besides whenever a segment begins, it is looked at what retention may remove.
  Duration retention_interval = Duration::Seconds(10);
  // How often it is looked for a log worth compacting, besides whenever a pass has ended.
  Duration compaction_interval = Duration::Seconds(5);
  // Groups in which nothing happens send no heartbeats (engine/raft/quiet.cc); off only to see what
  // that hides.
  bool quiet_groups = true;
  // A flush that takes this long is taken to hang: until it ends this node hands over what it
  // leads, and neither campaigns nor votes. Longer than what a busy disk takes to sync, and than
  // two election timeouts: a node that hangs is replaced as soon as one that is gone, or a little
  // later, and one that is slow is not.
  Duration disk_stall_timeout = Duration::Millis(kDiskStallMillis);
  // Produce is refused below this much free space; limits.h has what else depends on it.
  uint64_t disk_headroom_bytes = 256u << 20;
  // When the files of a group whose storage failed are read again: first and at the most.
  Duration reopen_delay_min = Duration::Millis(kReopenMillisMin);
  Duration reopen_delay_max = Duration::Millis(kReopenMillisMax);
  // A shutdown that cannot hand leadership over completes after this long.
  Duration shutdown_timeout = Duration::Seconds(3);
};

// What the checkers of the simulator, and status pages, may look at. Views live until the next
// non-const call on the node.
struct GroupView {
  GroupId group;
  const raft::Raft* raft = nullptr;
  const Log* log = nullptr;
  // Set while its storage has failed: it takes no part.
  const std::string* failure = nullptr;
  // It is not to be here any more and takes no part; its files go.
  bool removing = false;
  // The first index to keep, as retention has decided: what is before goes once that is durable.
  LogIndex kept_from;
  // So much has come of a log that is to take the place of this one: a snapshot.
  uint64_t received_bytes = 0;
};

// Counters since start, for metrics.
struct NodeCounters {
  uint64_t requests = 0;
  uint64_t requests_denied = 0;
  uint64_t batches_appended = 0;
  uint64_t records_appended = 0;
  uint64_t bytes_appended = 0;
  uint64_t duplicates = 0;
  uint64_t fetches = 0;
  // Of these: linearizable and bounded ones that were answered, and those that were refused since
  // nobody could say in time what had been acknowledged.
  uint64_t reads_linearizable = 0;
  uint64_t reads_bounded = 0;
  uint64_t reads_refused = 0;
  uint64_t flushes = 0;
  uint64_t peer_messages_in = 0;
  uint64_t peer_messages_out = 0;
  uint64_t elections_won = 0;
  uint64_t groups_failed = 0;
  uint64_t groups_reopened = 0;
  uint64_t compaction_passes = 0;
  uint64_t compaction_records_removed = 0;
  uint64_t compaction_bytes_removed = 0;
  // Turns of members that lag (catch_up_pace.h), and what they brought.
  uint64_t catch_up_turns = 0;
  uint64_t catch_up_bytes = 0;
  uint64_t snapshot_bytes_sent = 0;
  uint64_t snapshot_bytes_received = 0;
  uint64_t snapshots_installed = 0;
  uint64_t segments_repaired = 0;
  uint64_t digests_compared = 0;
  uint64_t digests_differing = 0;
  // Replicas of this node that stopped since most others have another log.
  uint64_t groups_outvoted = 0;
  // States of the catalog: that segments of its log began with, and that were read from
  // checkpoints.
  uint64_t catalog_snapshots_made = 0;
  uint64_t catalog_snapshots_loaded = 0;
  uint64_t catalog_snapshots_installed = 0;  // of those loaded, with a snapshot from elsewhere
  uint64_t disk_stalls = 0;
};

// One server: catalog, partitions, gossip, access control, composed into a state machine. Pure and
// single-threaded: the same events at the same times give the same effects.
class Node {
 public:
  // Builds the node from its data directory; an empty one is a new node.
  //   Errors  kFailedPrecondition: the directory belongs to another node or cluster, or a newer
  //           version wrote it. kDataLoss: rot (log.h). kInvalidArgument: options or ACL texts.
  static absl::StatusOr<Node> Recover(NodeOptions options, const DirectoryView& directory, Now now,
                                      Prng prng);
  ~Node();
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;

  // Once, before the first Step.
  void Start(Now now, Effects& out);

  // Tells the node everything that happened up to `now`, in order, and appends what it wants done.
  // Several events in one step share writes and messages; each step also runs due timers.
  void Step(Now now, std::span<Event> events, Effects& out);

  // When to call Step at the latest (with no events, if there are none).
  Instant next_deadline() const;

  const NodeOptions& options() const;
  const NodeCounters& counters() const;
  // Zeros if the scrubber is off and nobody was sent damage.
  ScrubProgress scrub_progress() const;
  // Ascending by group.
  std::vector<GroupView> Groups() const;
  // The same into `views`, in place of what it holds: for whoever asks after each step.
  void Groups(std::vector<GroupView>& views) const;
  // What this node has applied of the catalog's log, and up to where.
  const Catalog& catalog() const;
  // What it believes of the other nodes.
  const gossip::Swim& gossip() const;
  LogIndex catalog_applied() const;
  // The same answer a GetStatus request gets.
  GetStatusResponse Status(Now now) const;
  // Whether a catalog leader is known: what health reports.
  bool healthy() const;
  // Whether it may vote and acknowledge: not yet if it is new, nor if its disk was lost and it was
  // not let in again (standing.h).
  bool settled() const;
  // Of a node whose disk was lost: what that means and what to do. Else empty.
  std::string lost_disk() const;

 private:
  struct Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark
