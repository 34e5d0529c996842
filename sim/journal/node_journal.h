#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/node/node.h"
#include "engine/node/recovered_group.h"
#include "proto/journal/codec.h"

namespace tidemark::sim {

// What the recorder of a server does, for a simulated node: each of its lives as frames, in memory.
class NodeJournal {
 public:
  // Node::Recover, and the beginning of a run.
  absl::StatusOr<Node> Recover(const NodeOptions& options, const DirectoryView& directory, Now now,
                               uint64_t seed);
  // RecoverGroupAgain, remembered for the GroupReopened that will tell of it.
  absl::StatusOr<std::shared_ptr<RecoveredGroup>> RecoverAgain(const ReopenGroup& reopen,
                                                               const LogOptions& options,
                                                               const DirectoryView& directory);
  void BeforeStep(Now now, std::span<const Event> events);
  void AfterStep(std::span<const Effect> effects, const Node& node);

  // The frames of each run, not sealed (proto/journal/frame.h).
  const std::vector<std::string>& runs() const { return runs_; }
  // Reopened groups that were recorded.
  uint64_t reopened() const { return reopened_count_; }

 private:
  std::vector<std::string> runs_;
  std::map<IoToken, std::unique_ptr<journal::ReopenRecord>> reopened_;
  uint64_t reopened_count_ = 0;
};

}  // namespace tidemark::sim
