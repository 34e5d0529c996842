#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/raft/raft.h"
#include "tests/engine/raft/cluster.h"
#include "tests/scenario/raft/words.h"

namespace tidemark::scenario {

// The nodes of one scenario: a raft::Cluster played by hand, with its oracles.
class World {
 public:
  World();
  ~World();

  // Does what `statement` says, and returns what became of it: LANGUAGE.md, "Output".
  //   Errors  kInvalidArgument: the statement cannot be understood, with what could be meant.
  //           kFailedPrecondition: a `must` that does not hold, or it makes no sense now.
  //           kInternal: an oracle speaks; what it says is a bug of the engine's.
  absl::StatusOr<std::vector<std::string>> Run(std::string_view statement);

  // "deliver [first|last] [KIND] [A->B | to B | from A]", ...: one per statement.
  static std::vector<std::string> Usages();

 private:
  struct Statement;
  struct Requirement;
  // Messages in flight: all that fit.
  struct Selection {
    enum class Which { kAll, kFirst, kLast };
    Which which = Which::kAll;
    std::string kind;  // empty: any
    NodeId from;       // kNoNode: anybody
    NodeId to;
  };

  static const std::vector<Statement>& Statements();
  static const std::vector<Requirement>& Requirements();

  // world.cc
  absl::Status Dispatch(std::string_view statement);
  absl::Status Unknown(std::string_view statement) const;
  // The node that is named next, which must be there.
  absl::StatusOr<NodeId> Node(Words& words) const;
  // All nodes that are named to the end, or all there are.
  absl::StatusOr<std::vector<NodeId>> NodesOrAll(Words& words) const;
  absl::StatusOr<Selection> Select(Words& words) const;
  // Places in flight of what is selected, ascending.
  std::vector<size_t> Places(const Selection& selection) const;
  void Say(std::string line) { output_.push_back(std::move(line)); }
  // Tells of a status that is raft's answer, not a mistake of the scenario's.
  void SayIfRefused(const absl::Status& status);
  // What looks different since it was last told.
  void TellChanges();
  void Observe();

  // statements.cc
  absl::Status Nodes(Words& words);
  absl::Status Set(Words& words);
  absl::Status Start(Words& words);
  absl::Status TimesOut(Words& words);
  absl::Status Deliver(Words& words);
  absl::Status Copy(Words& words);
  absl::Status Drop(Words& words);
  absl::Status Sync(Words& words);
  absl::Status Settle(Words& words);
  absl::Status Cut(Words& words);
  absl::Status Heal(Words& words);
  absl::Status Propose(Words& words);
  absl::Status Crash(Words& words);
  absl::Status Restart(Words& words);
  absl::Status Advance(Words& words);
  absl::Status Transfer(Words& words);
  absl::Status Read(Words& words);
  absl::Status Change(Words& words);
  absl::Status Snapshot(Words& words);
  absl::Status Install(Words& words);
  absl::Status Reconnect(Words& words);
  absl::Status Disk(Words& words);
  absl::Status Show(Words& words);
  absl::Status Flight(Words& words);
  absl::Status DeliverSelected(const Selection& selection, bool keep);
  void Configure(raft::Config& config) const;

  // must.cc
  absl::Status Must(Words& words);
  absl::Status MustLead(Words& words);
  absl::Status MustNobodyLead(Words& words);
  absl::Status MustFollow(Words& words);
  absl::Status MustBeInTerm(Words& words);
  absl::Status MustHaveCommitted(Words& words);
  absl::Status MustHold(Words& words);
  absl::Status MustLack(Words& words);
  absl::Status MustLogsAgree(Words& words);
  absl::Status MustFlight(Words& words);
  absl::Status MustRead(Words& words);
  absl::Status MustRefuse(Words& words);
  absl::Status MustHaveMembers(Words& words);

  size_t node_count_ = 0;
  size_t voter_count_ = 0;
  // By node; kNoNode: for all. The later ones have the last word.
  using Setting = std::pair<NodeId, std::function<void(raft::Config&)>>;
  std::vector<Setting> settings_;
  std::unique_ptr<raft::Cluster> cluster_;

  std::vector<std::string> output_;
  // Whether messages are shown one by one as they are sent.
  bool show_messages_ = true;
  size_t quiet_messages_ = 0;
  bool refused_ = false;
  bool was_refused_ = false;
  // What was last told of each node.
  std::map<NodeId, std::string> told_;
  std::map<NodeId, std::string> told_members_;
  // The answer to each read, by its number in the scenario.
  std::map<raft::ReadId, std::optional<LogIndex>> reads_;
};

}  // namespace tidemark::scenario
