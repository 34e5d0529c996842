#include "sim/explore/explorer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/explore/exploration_file.h"

namespace tidemark::sim::explore {
namespace {

Options Small() {
  Options options{.depth = 9, .terms = 2};
  options.of(Budget::kTimeout) = 2;
  options.of(Budget::kCrash) = 1;
  return options;
}

std::vector<uint64_t> ByDepth(const Options& options, const Limits& limits = {}) {
  Explorer explorer(options);
  explorer.Run(limits);
  EXPECT_EQ(explorer.verdict().oracle(), "") << explorer.verdict().what();
  EXPECT_EQ(explorer.stats().depth, options.depth);
  return explorer.stats().by_depth;
}

// Known numbers: another compiler, another machine or another order of anything must not change
// them; a change of what raft does may, and then these are to be looked at and taken over.
TEST(Explorer, CountsTheSameStatesEverywhere) {
  EXPECT_EQ(ByDepth(Small()), (std::vector<uint64_t>{1, 1, 6, 21, 54, 134, 315, 723, 1581, 3327}));
}

TEST(Explorer, ReductionLosesNoState) {
  std::vector<Options> spaces(6, Small());
  spaces[1].fifo = true;
  spaces[2].of(Budget::kDrop) = 1;
  spaces[2].of(Budget::kDuplicate) = 1;
  spaces[3].elected = true;
  spaces[3].of(Budget::kRead) = 1;
  spaces[3].of(Budget::kTransfer) = 1;
  spaces[3].depth = 7;
  spaces[4].elected = true;
  spaces[4].voters = 2;
  spaces[4].of(Budget::kChange) = 1;
  spaces[4].depth = 6;
  spaces[5].fifo = true;
  spaces[5].of(Budget::kDrop) = 2;
  spaces[5].pre_vote = false;
  for (const Options& options : spaces) {
    EXPECT_EQ(ByDepth(options), ByDepth(options, {.reduce = false}));
  }
}

TEST(Explorer, EndsWhereNothingIsLeft) {
  Options options{.nodes = 1, .depth = 100};
  Explorer explorer(options);
  explorer.Run({});
  EXPECT_TRUE(explorer.stats().exhausted);
  EXPECT_LT(explorer.stats().depth, 100u);
  EXPECT_TRUE(explorer.verdict().ok());
}

TEST(Explorer, StopsWhenItIsTold) {
  Explorer explorer(Small());
  explorer.Run({.over = [] { return true; }});
  EXPECT_TRUE(explorer.stats().stopped);
  EXPECT_LT(explorer.stats().depth, Small().depth);
}

// Disks that lose what they had synced: the oracles see it, on the shortest path there is, and the
// file of it goes the same way.
TEST(Explorer, FindsALyingDiskAndItsFileReplays) {
  Options options = Small();
  options.elected = true;
  options.canary = true;
  options.of(Budget::kTimeout) = 0;
  Explorer explorer(options);
  explorer.Run({});
  ASSERT_EQ(explorer.verdict().oracle(), "durable_quorum");
  // A record is durable on two members, committed, and one of them crashes: six events.
  EXPECT_EQ(explorer.stats().depth, 5u);
  ExplorationFile file = FileOf(options, explorer.space(), explorer.Path());
  file.oracle = explorer.verdict().oracle();
  file.what = explorer.verdict().what();
  const absl::StatusOr<ExplorationFile> read = DecodeExploration(Encode(file));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->options, options);
  EXPECT_EQ(read->steps, file.steps);
  std::vector<std::string> told;
  const absl::StatusOr<Verdict> verdict =
      Replay(*read, [&](const std::string& line) { told.push_back(line); });
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->oracle(), file.oracle);
  EXPECT_EQ(verdict->what(), file.what);
  EXPECT_EQ(told.size(), file.steps.size() * 2);
}

}  // namespace
}  // namespace tidemark::sim::explore
