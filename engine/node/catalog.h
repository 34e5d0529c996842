#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/incarnation.h"
#include "engine/node/topic_cleanup.h"

namespace tidemark {

// The replicated list of topics: the state machine of raft group 0. Every replica applies the same
// commands in log order and reaches the same state; identifiers are given out while applying.

// When a replica was added to a running group: what it starts with instead of what an earlier
// replica of that node may have known (Replica::Fence).
struct Admission {
  Term term;
  LogIndex index;
  // Its disk was lost since, and with it what it had promised as the member that it was then: it is
  // admitted again only once the group is known to have removed that member.
  bool lost() const { return term == Term(); }
  friend bool operator==(const Admission&, const Admission&) = default;
};

struct CatalogPartition {
  GroupId group;
  // Where it is. The first one is the preferred first leader.
  std::vector<NodeId> replicas;
  // Where it was created: the members its group's log begins with.
  std::vector<NodeId> origin;
  // Where it moves to; empty: it stays. Whoever leads the group works on it.
  std::vector<NodeId> target;
  // Of replicas that were not there from the beginning, or whose disk was lost before the move to
  // them was finished.
  std::map<NodeId, Admission> admitted;

  // Whether `node` is to hold a replica.
  bool PlacedAt(NodeId node) const;
  friend bool operator==(const CatalogPartition&, const CatalogPartition&) = default;
};

struct CatalogTopic {
  std::string name;
  TopicId id;
  uint64_t segment_bytes = 0;    // 0: the node's default
  uint64_t retention_bytes = 0;  // of each partition; 0: no bound
  uint64_t retention_ms = 0;     // 0: for ever
  TopicCleanup cleanup;
  std::vector<CatalogPartition> partitions;
  friend bool operator==(const CatalogTopic&, const CatalogTopic&) = default;
};

// Commands, as proposed. Placement is decided by the proposing leader and carried in the command.
struct CreateTopicCommand {
  std::string name;
  uint64_t segment_bytes = 0;
  uint64_t retention_bytes = 0;
  uint64_t retention_ms = 0;
  TopicCleanup cleanup;
  std::vector<std::vector<NodeId>> replicas;  // per partition
  friend bool operator==(const CreateTopicCommand&, const CreateTopicCommand&) = default;
};
struct DeleteTopicCommand {
  std::string name;
  friend bool operator==(const DeleteTopicCommand&, const DeleteTopicCommand&) = default;
};
// A partition shall be on these nodes instead. The same ones as now: a move under way is undone.
struct MovePartitionCommand {
  std::string topic;
  PartitionId partition;
  std::vector<NodeId> replicas;
  friend bool operator==(const MovePartitionCommand&, const MovePartitionCommand&) = default;
};
// The group's leader has added `node`, which may begin.
struct AdmitReplicaCommand {
  GroupId group;
  NodeId node;
  Admission admission;
  // After the entries of the group up to there `node` was no member; 0: the leader does not know of
  // any such time. Who leads by mistake knows of none that is behind a former admission.
  LogIndex absent_at = {};
  friend bool operator==(const AdmitReplicaCommand&, const AdmitReplicaCommand&) = default;
};
// The group's members are what the move to `replicas` wanted; who is none of them may go.
struct FinishMoveCommand {
  GroupId group;
  std::vector<NodeId> replicas;
  friend bool operator==(const FinishMoveCommand&, const FinishMoveCommand&) = default;
};
// Which incarnation of a node counts (standing.h), and where it is on its way back to the members.
struct RecordNodeCommand {
  enum class Step : uint8_t {
    kLost = 0,     // its disk was lost: no copy of it counts; it is to be removed and added again
    kRemoved = 1,  // the first half of that is done
    kKnown = 2,    // nothing is left to do
  };
  NodeId node;
  Incarnation incarnation;
  Step step = Step::kKnown;
  friend bool operator==(const RecordNodeCommand&, const RecordNodeCommand&) = default;
};
using CatalogCommand = std::variant<CreateTopicCommand, DeleteTopicCommand, MovePartitionCommand,
                                    AdmitReplicaCommand, FinishMoveCommand, RecordNodeCommand>;

// The command as the value of a record. Layout: u8 version, u8 kind, fields; integers
// little-endian, strings and lists with a u32 length before them. Version 1 has no retention;
// version 2 is written only where there is one, version 3, which has the cleanup, too, only where a
// topic is compacted. Moves are of version 4, incarnations of version 5; version 6 is an admission
// that says when the node was no member.
std::string EncodeCatalogCommand(const CatalogCommand& command);
// kDataLoss: not a command this version knows.
absl::StatusOr<CatalogCommand> DecodeCatalogCommand(std::string_view bytes);

// Ok if `name` may name a topic; else kInvalidArgument saying what is allowed.
absl::Status CheckTopicName(std::string_view name);

class Catalog {
 public:
  // Applies one committed command.
  //   Errors  (the command had no effect) kAlreadyExists, kNotFound, kResourceExhausted.
  absl::Status Apply(const CatalogCommand& command);

  const CatalogTopic* Find(std::string_view name) const;
  const std::map<std::string, CatalogTopic, std::less<>>& topics() const { return topics_; }
  // Which topic and partition a group belongs to; nullptr if it is none (any more).
  const CatalogTopic* TopicOf(GroupId group, PartitionId* partition) const;
  // The same, as the partition's place; nullptr if there is none.
  const CatalogPartition* PlaceOf(GroupId group) const;
  // Topic and number of every partition that is, or will be, at `node`.
  std::vector<std::pair<std::string, PartitionId>> PartitionsAt(NodeId node) const;
  // Which incarnation of `node` was recorded; 0: none.
  Incarnation IncarnationOf(NodeId node) const;
  // Nodes whose disk was lost and that are to be members again, and whether they were removed.
  const std::map<NodeId, bool>& returning() const { return returning_; }
  const std::map<NodeId, Incarnation>& incarnations() const { return incarnations_; }
  // Every group ever created is below this.
  GroupId next_group() const { return next_group_; }

  // All of it, as bytes: equal catalogs give equal bytes. engine/node/CATALOG.md has the format.
  std::string Encode() const;
  //   Errors  kDataLoss: damaged, of a newer version, or not what Encode gives.
  static absl::StatusOr<Catalog> Decode(std::string_view bytes);

  friend bool operator==(const Catalog&, const Catalog&) = default;

 private:
  absl::Status ApplyCreate(const CreateTopicCommand& create);
  absl::Status ApplyDelete(const DeleteTopicCommand& remove);
  absl::Status ApplyMove(const MovePartitionCommand& move);
  absl::Status ApplyAdmit(const AdmitReplicaCommand& admit);
  absl::Status ApplyFinish(const FinishMoveCommand& finish);
  absl::Status ApplyRecord(const RecordNodeCommand& record);
  CatalogPartition* FindPlace(GroupId group);

  std::map<std::string, CatalogTopic, std::less<>> topics_;
  std::map<GroupId, std::pair<std::string, PartitionId>> groups_;
  std::map<NodeId, Incarnation> incarnations_;
  std::map<NodeId, bool> returning_;
  TopicId next_topic_{1};
  GroupId next_group_{1};
};

}  // namespace tidemark
