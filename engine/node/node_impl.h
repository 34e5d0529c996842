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
#include "engine/log/node_addresses.h"
#include "engine/log/scrub.h"
#include "engine/node/agenda.h"
#include "engine/node/catalog.h"
#include "engine/node/catch_up.h"
#include "engine/node/liveness.h"
#include "engine/node/node.h"
#include "engine/node/replica.h"
#include "engine/node/standing.h"

// The inside of Node, shared by its source files only: node.cc (life cycle and dispatch),
// node_requests.cc (clients), node_catalog.cc (topics and groups), node_compaction.cc (which log is
// compacted), node_members.cc (gossip), node_membership.cc and node_moves.cc (who belongs to the
// cluster and to a partition), node_standing.cc (whether this node may take part), node_scrub.cc
// (verifying what was written long ago), node_status.cc (what it tells about itself).

namespace tidemark {

// What gossip is told of the node's options.
gossip::Config GossipConfig(const NodeOptions& options);

// Of the catalog's group, but for who founded it.
raft::Config CatalogRaftConfig(const NodeOptions& options);

// The node's scrubber, and what it waits for.
struct NodeScrub {
  Scrubber scrubber;
  std::optional<IoToken> token;    // of the read under way
  std::optional<GroupId> rebuild;  // the group of which a sidecar is made anew
  Instant rebuild_next;            // no read for that before
};

// Said where a change of members and a placement of replicas would go past each other.
RpcError CatalogPending();

// A request about members whose answer must wait.
struct MemberWait {
  // kAbsent: one that is no member is to be removed.
  enum class Kind : uint8_t { kAdd, kRemove, kAbsent, kTransfer };
  Kind kind = Kind::kAdd;
  RequestId request;
  GroupId group;
  NodeId node;
  Term term;  // in which it was promised an answer
  Instant deadline;
  bool sealed = false;  // kRemove: it cannot be forgotten any more
  LogIndex after;       // the answer holds once this entry of `term` is committed
};

// What the leader of a group knows of those that shall become voters.
struct NewVoters {
  std::map<NodeId, CatchUp> catch_up;
  // After which entries they were seen to be no members, before they were added.
  std::map<NodeId, LogIndex> absent_at;
  Instant report_at;  // when the catalog may be told again
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
  void FileDeadlines(Now now);

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
  // Takes over a state of the catalog that came from a checkpoint, if there is one.
  void LoadCatalog();
  // Makes the groups of this node those the catalog wants here.
  void ReconcileGroups(Now now, Effects& out);
  // Removes what is on disk of a group that the catalog does not know any more.
  void RemoveGroup(Now now, GroupId group, RecoveredGroup recovered, Effects& out);
  void StartGroup(Now now, GroupId group, const CatalogTopic& topic,
                  const CatalogPartition& partition, Effects& out);
  // Groups to which entries of the catalog that are not applied yet admit this node: its replica
  // may be the one that was admitted, which must not vote before it has what it was admitted with.
  std::set<GroupId> UndecidedGroups() const;
  // Files of replicas that are not wanted here; of moved ones if what the catalog says is
  // `lasting`.
  void RemoveLeftovers(Now now, bool lasting, Effects& out);
  std::vector<std::vector<NodeId>> Place(uint32_t partitions, uint32_t replication_factor) const;

  // node_membership.cc: what operators ask.
  GetMembersResponse DescribeMembers(Now now) const;
  void AddMember(Now now, const RequestReceived& request, NodeId node, Effects& out);
  void RemoveMember(Now now, const RequestReceived& request, NodeId node, Effects& out);
  void MovePartition(Now now, const RequestReceived& request, const MovePartitionRequest& move,
                     Effects& out);
  void TransferLeadership(Now now, const RequestReceived& request,
                          const TransferLeadershipRequest& transfer, Effects& out);
  // Whether this node leads the catalog and may be asked to change it; answers if not.
  bool LeadsCatalog(RequestId request, Effects& out);
  void ProposeMembers(Now now, MemberWait wait, const raft::ConfChange& change, Effects& out);
  void AwaitCatalog(Now now, MemberWait wait, Effects& out);
  // There is nothing to change, if this node leads.
  void Confirm(Now now, MemberWait wait, Effects& out);
  void Await(MemberWait wait, Effects& out);
  void AnswerMemberWaits(Now now, Effects& out);
  // Whoever is told that a node is removed may take it away for good: no restart may undo that.
  void SealRemovals(Now now, Effects& out);
  // Nothing yet: nullopt.
  std::optional<Response> AnswerOf(Now now, const MemberWait& wait) const;

  // node_moves.cc: what leaders do by themselves.
  void DriveMembers(Now now, Effects& out);
  void DriveCatalogMembers(Now now, Effects& out);
  void DriveMove(Now now, Replica& replica, const CatalogPartition& place, Effects& out);
  // Whether `group`, if it is led here, has other members than a catalog that wants no move says.
  void NoteAstray(GroupId group);
  // The next change of members on the way to `target`; nullopt while something has to be waited
  // for.
  std::optional<raft::ConfChange> NextChange(Now now, Replica& replica,
                                             const CatalogPartition& place, Effects& out);
  bool CaughtUp(Now now, const Replica& replica, NodeId node);
  void Report(Now now, GroupId group, const CatalogCommand& command, Effects& out);
  void OnForwardedCommand(Now now, NodeId from, const std::string& bytes, Effects& out);
  void NoteMembers(const Replica& replica, Effects& out);

  // node_standing.cc
  void OnIntroduction(Now now, NodeId from, const Introduction& message, Effects& out);
  void Introduce(NodeId to, bool asks, Effects& out);
  void SendIntroduction(NodeId to, Introduction introduction, Effects& out);
  // Writes what was learned, answers who asked, asks others while this node is not settled, and
  // begins with the catalog once it is.
  void DriveStanding(Now now, Effects& out);
  void AskAround(Now now, Effects& out);
  void BeginCatalog(Now now, Effects& out);
  std::unique_ptr<Replica> MakeCatalog(RecoveredGroup recovered);
  // As recorded in the catalog, else as first met; 0: neither.
  Incarnation IncarnationOf(NodeId node) const;
  void RecordNode(Now now, NodeId node, Incarnation incarnation, RecordNodeCommand::Step step,
                  Effects& out);
  // Whether those that are heard from can commit, and go on, without `node`.
  bool CanGoOnWithout(Now now, const raft::Raft& raft, NodeId node) const;
  // As the catalog's leader: takes nodes whose disk was lost out of the members and lets them in;
  // `heard` (or nobody) has just introduced itself.
  void DriveReturns(Now now, NodeId heard, Effects& out);
  // Why this node takes no part, and what to do; empty: it does, or may soon.
  std::string StandingText() const;
  // The same as a refusal: StandingText is not empty.
  RpcError LostDisk() const;

  // node_compaction.cc
  // Begins a pass over the dirtiest log that is worth it, if none is under way: one at a time, so
  // that compaction has a bounded share of disk and memory.
  void DecideCompaction(Now now);

  // node_members.cc
  void StartGossip(Now now, Effects& out);
  void AbsorbGossip(gossip::Effects fx, Effects& out);
  // What the data directory says of addresses is what is known of them.
  void RememberAddresses();
  std::optional<Endpoint> AddressOf(NodeId node) const;

  // node_liveness.cc
  void OnBeats(Now now, NodeId from, const BeatMessage& message, Effects& out);
  void WakeGroup(Now now, Replica& replica, Effects& out);
  void WakeGroupsOf(Now now, NodeId node, Effects& out);
  // Wakes what rests on nodes that have fallen silent.
  void WatchNodes(Now now, Effects& out);
  // Brings what is known of a group's ties up to date; no replica: it is gone.
  void Tie(Now now, GroupId group, const Replica* replica, bool members_changed);
  // Everything that this step's groups and this node have to say to other nodes.
  void SendBeats(Now now, Effects& out);
  // Whether the disk hangs, by the groups of this step.
  void JudgeDisk(Now now, Effects& out);

  // node_scrub.cc
  void StartScrub(Now now);
  // Begins a read, if it is time.
  void Scrub(Now now, Effects& out);
  void OnScrubRead(Now now, GroupId group, const absl::StatusOr<Bytes>& bytes, Effects& out);
  void NoteFinding(const Finding& finding, std::string_view hint, Effects& out) const;
  bool may_scrub() const;
  Instant ScrubDeadline() const;

  // node_status.cc
  GetStatusResponse Status(Now now) const;
  GetServersResponse Servers() const;
  std::vector<ServerInfo> Members() const;
  GroupInfo Describe(const Replica& replica) const;
  TopicInfo Describe(const CatalogTopic& topic) const;
  // Where partitions may be placed: those who vote in the catalog and are to go on doing so.
  const raft::NodeSet& voters() const {
    return catalog_replica().raft().membership().voters.incoming.voters();
  }
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

  Standing standing{kNoNode, {}, {}};
  std::set<NodeId> to_answer;                // who asked, and was not answered yet
  std::map<NodeId, Introduction> unsettled;  // as last heard
  Instant ask_at;                            // when the others are asked again
  Instant record_at;                         // no command about an incarnation before

  Catalog catalog;
  // Last entry of the catalog's log when this node started: what it says of topics counts only when
  // that much has been committed and applied.
  LogIndex catalog_recovered;
  std::map<GroupId, std::unique_ptr<Replica>> replicas;
  // Whatever changes a replica touches its group here.
  Agenda agenda;
  Instant deadline = Instant::Never();  // when to call Step at the latest
  // Who is there, which quiet groups rest on.
  Liveness liveness;
  std::set<GroupId> stalled_groups;  // with a flush that hangs
  // Groups found on disk that the catalog has not named yet.
  std::map<GroupId, RecoveredGroup> found;
  // Clients waiting for a catalog command, by its index.
  std::multimap<LogIndex, RequestId> catalog_waiting;
  Term catalog_term;  // in which they were promised an answer

  std::optional<NodeScrub> scrub;  // unless it is off
  std::map<NodeId, Endpoint> addresses;
  NodeAddresses remembered;           // of members, as written last
  bool addresses_changed = true;      // or the members have
  std::optional<FileBatch> identity;  // to be written at the first start
  bool disk_full = false;             // leaders take no records
  DiskSpace disk_space;               // as measured, less what was written since
  Instant compaction_deadline = Instant::Never();
  std::map<GroupId, NewVoters> new_voters;  // of groups led here
  std::set<GroupId> moving;                 // groups that the catalog wants elsewhere
  std::set<GroupId> astray;                 // led here, and not where the catalog has them
  std::vector<MemberWait> member_waits;
  bool reconcile = false;    // what the catalog wants here could not be done yet
  LogIndex catalog_applied;  // by this process
  bool was_member = false;   // of the catalog's group
  GroupId compacting;        // whose pass was begun last; kCatalogGroup: none
  bool shutting_down = false;
  bool shutdown_checkpoints = false;  // staged
  bool shutdown_done = false;
  Instant shutdown_deadline = Instant::Never();
};

}  // namespace tidemark
