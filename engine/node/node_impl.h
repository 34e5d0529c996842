#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/acl/enforcer.h"
#include "engine/gossip/swim.h"
#include "engine/log/scrub.h"
#include "engine/node/agenda.h"
#include "engine/node/catalog.h"
#include "engine/node/node.h"
#include "engine/node/replica.h"

// The inside of Node, shared by its source files only: node.cc (life cycle and dispatch),
// node_requests.cc (clients), node_catalog.cc (topics and groups), node_compaction.cc (which log is
// compacted), node_members.cc (gossip), node_scrub.cc (verifying what was written long ago),
// node_status.cc (what it tells about itself).

namespace tidemark {

// What gossip is told of the node's options.
gossip::Config GossipConfig(const NodeOptions& options);

// The node's scrubber, and what it waits for.
struct NodeScrub {
  Scrubber scrubber;
  std::optional<IoToken> token;    // of the read under way
  std::optional<GroupId> rebuild;  // the group of which a sidecar is made anew
  Instant rebuild_next;            // no read for that before
};

struct Node::Impl {
  Impl(NodeOptions options_in, acl::Enforcer enforcer_in, Now now, Prng prng_in);

  // node.cc
  void Start(Now now, Effects& out);
  void Step(Now now, std::span<Event> events, Effects& out);
  void Dispatch(Now now, Event& event, Effects& out);
  void Settle(Now now, Effects& out);
  void OnDiskSpace(Now now, const DiskSpace& space, Effects& out);
  void CountSpace(Now now, Effects& out);
  void JudgeSpace(Now now, const DiskSpace& space, Effects& out);
  void OnGroupReopened(Now now, Replica& replica, GroupReopened reopened, Effects& out);
  void BeginShutdown(Now now, Effects& out);
  void ContinueShutdown(Now now, Effects& out);
  // All groups are looked at in this step.
  void TouchAll();
  // Settles when this node, and each group of the step, has to be called again.
  void FileDeadlines();

  // node_requests.cc
  void OnRequest(Now now, RequestReceived request, Effects& out);
  void Refuse(RequestId id, RpcError error, Effects& out);
  RpcError DiskFull() const;
  // Adds what the node knows about a leader named in `error`.
  RpcError WithLeaderAddress(RpcError error) const;
  bool Allowed(const RequestReceived& request, const std::string& object, const std::string& action,
               Effects& out);
  // The replica that holds a partition here; answers the request and gives nullptr if there is
  // none.
  Replica* ReplicaFor(RequestId id, const std::string& topic, PartitionId partition, Effects& out);
  void Produce(Now now, const RequestReceived& request, ProduceRequest produce, Effects& out);
  void Fetch(Now now, const RequestReceived& request, const FetchRequest& fetch, Effects& out);
  void CreateTopic(Now now, const RequestReceived& request, const CreateTopicRequest& create,
                   Effects& out);
  void DeleteTopic(Now now, const RequestReceived& request, const DeleteTopicRequest& remove,
                   Effects& out);
  void ListTopics(const RequestReceived& request, Effects& out);
  void DescribeTopic(const RequestReceived& request, const DescribeTopicRequest& describe,
                     Effects& out);

  // node_catalog.cc
  // Proposes a command to group 0; the request is answered when it has been applied.
  void ProposeCommand(Now now, RequestId request, const CatalogCommand& command, Effects& out);
  void ApplyCommitted(Now now, Effects& out);
  // Makes the groups of this node those the catalog wants here.
  void ReconcileGroups(Now now, Effects& out);
  // Removes what is on disk of a group that the catalog does not know any more.
  void RemoveGroup(Now now, GroupId group, RecoveredGroup recovered, Effects& out);
  void StartGroup(Now now, GroupId group, const CatalogTopic& topic,
                  const CatalogPartition& partition, Effects& out);
  std::vector<std::vector<NodeId>> Place(uint32_t partitions, uint32_t replication_factor) const;

  // node_compaction.cc
  // Begins a pass over the dirtiest log that is worth it, if none is under way: one at a time, so
  // that compaction has a bounded share of disk and memory.
  void DecideCompaction(Now now);

  // node_members.cc
  void StartGossip(Now now, Effects& out);
  void AbsorbGossip(gossip::Effects fx, Effects& out);
  std::optional<Endpoint> AddressOf(NodeId node) const;

  // node_scrub.cc
  void StartScrub(Now now);
  // Begins a read, if it is time.
  void Scrub(Now now, Effects& out);
  void OnScrubRead(Now now, GroupId group, const absl::StatusOr<Bytes>& bytes, Effects& out);
  void NoteFinding(const Finding& finding, Effects& out) const;
  bool may_scrub() const;
  Instant ScrubDeadline() const;

  // node_status.cc
  GetStatusResponse Status(Now now) const;
  GetServersResponse Servers() const;
  std::vector<ServerInfo> Members() const;
  GroupInfo Describe(const Replica& replica) const;
  TopicInfo Describe(const CatalogTopic& topic) const;
  bool healthy() const;

  // Whether this node knows the topics well enough to say that there is none.
  bool catalog_loaded() const;
  RpcError NoSuchTopic(const std::string& topic) const;

  Replica& catalog_replica() const { return *replicas.at(kCatalogGroup); }

  NodeOptions options;
  acl::Enforcer enforcer;
  Prng prng;
  NodeShared shared;
  gossip::Swim swim;

  Catalog catalog;
  // Last entry of the catalog's log when this node started: what it says of topics counts only when
  // that much has been committed and applied.
  LogIndex catalog_recovered;
  std::map<GroupId, std::unique_ptr<Replica>> replicas;
  // Whatever changes a replica touches its group here.
  Agenda agenda;
  Instant deadline = Instant::Never();  // when to call Step at the latest
  // Groups found on disk that the catalog has not named yet.
  std::map<GroupId, RecoveredGroup> found;
  // Clients waiting for a catalog command, by its index.
  std::multimap<LogIndex, RequestId> catalog_waiting;
  Term catalog_term;  // in which they were promised an answer

  std::optional<NodeScrub> scrub;  // unless it is off
  std::map<NodeId, Endpoint> addresses;
  std::optional<FileBatch> identity;  // to be written at the first start
  bool disk_full = false;             // leaders take no records
  DiskSpace disk_space;               // as measured, less what was written since
  Instant compaction_deadline = Instant::Never();
  GroupId compacting;  // whose pass was begun last; kCatalogGroup: none
  bool shutting_down = false;
  bool shutdown_checkpoints = false;  // staged
  bool shutdown_done = false;
  Instant shutdown_deadline = Instant::Never();
};

}  // namespace tidemark
