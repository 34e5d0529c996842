#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/node/node.h"
#include "sim/journal/replay.h"

namespace tidemark::sim {

// Tells the story of a recorded node: what it was, which roles it took and why, who came and went,
// what clients asked, what was slow and what failed. One line each, with the wall clock's time and
// the step.
class Explainer : public ReplayWatcher {
 public:
  struct Options {
    // A flush that took longer is told.
    Duration slow_flush = Duration::Millis(100);
    // A node that was not run for so long after its deadline is told to have stood still.
    Duration stall = Duration::Millis(500);
    // What clients asked is summed up about so often, if they asked anything.
    Duration summary = Duration::Seconds(10);
  };
  using Tell = std::function<void(const std::string& line)>;

  Explainer(const Options& options, Tell tell) : options_(options), tell_(std::move(tell)) {}

  void OnBegin(const journal::Begin& begin, const journal::DirectoryImage& files) override;
  void BeforeStep(uint64_t step, Now now, std::span<const Event> events) override;
  void AfterStep(uint64_t step, Now now, std::span<const Effect> effects,
                 const Node& node) override;
  // What is left to sum up, and how the node was in the end.
  void Finish();

 private:
  // What raft's decision of one group hangs on.
  struct GroupStory {
    std::string name;
    raft::Role role = raft::Role::kFollower;
    Term term;
    NodeId leader;
    NodeId lost_leader;  // of this term, known no more
    bool failed = false;
    std::optional<Instant> leader_heard;
    std::set<NodeId> granted;  // votes of the election under way
    uint64_t quorum_losses = 0;
  };
  struct Flushing {
    GroupId group;
    Instant begun;
    uint64_t bytes = 0;
  };
  struct Asked {
    Request request;  // produce without its batch
    std::string principal;
    uint64_t bytes = 0;
  };
  struct TopicSum {
    uint64_t produced = 0;
    uint64_t records = 0;
    uint64_t bytes = 0;
    uint64_t fetches = 0;
    uint64_t fetched_bytes = 0;
    uint64_t refused = 0;
  };

  void Line(std::string_view text);
  void Hear(const PeerReceived& received);
  void Ask(const RequestReceived& received);
  void FinishFlush(const IoDone& done);
  void Answer(const Reply& reply);
  void LookAt(const GroupView& view);
  std::string Why(const GroupStory& before, const GroupView& view) const;
  std::string WhyFollower(const GroupStory& before, const GroupView& view) const;
  void SumUp();

  const Options options_;
  const Tell tell_;
  uint64_t step_ = 0;
  Now now_;
  Now started_;
  NodeId self_;
  size_t voters_ = 0;
  std::map<GroupId, GroupStory> groups_;
  std::map<NodeId, bool> links_;
  std::map<IoToken, Flushing> flushes_;
  std::map<RequestId, Asked> asked_;
  // Of the step: the message of each group that raft may have reacted to.
  std::map<GroupId, std::vector<std::pair<NodeId, Term>>> heard_;
  std::map<GroupId, NodeId> told_to_campaign_;
  std::map<std::string, TopicSum> sums_;
  std::map<std::string, uint64_t> refusals_;  // by reason, of the period
  Instant summed_;
  Instant deadline_ = Instant::Never();
  uint64_t slow_flushes_ = 0;
  uint64_t elections_won_ = 0;
};

}  // namespace tidemark::sim
