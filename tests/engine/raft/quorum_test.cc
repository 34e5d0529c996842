#include "engine/raft/quorum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace tidemark::raft {
namespace {

TEST(Quorum, MajorityIsMoreThanHalfForOddAndEvenSizes) {
  EXPECT_EQ(MajorityOf(1), 1u);
  EXPECT_EQ(MajorityOf(2), 2u);
  EXPECT_EQ(MajorityOf(3), 2u);
  EXPECT_EQ(MajorityOf(4), 3u);
  EXPECT_EQ(MajorityOf(5), 3u);
  EXPECT_EQ(MajorityOf(6), 4u);
}

RC_GTEST_PROP(QuorumProperty, CommittedIndexIsTheLargestThatAMajorityHas, ()) {
  const size_t voters = *rc::gen::inRange<size_t>(1, 10);
  const auto acked =
      *rc::gen::container<std::vector<uint64_t>>(voters, rc::gen::inRange<uint64_t>(0, 12));
  std::vector<NodeId> ids;
  std::map<NodeId, LogIndex> by_id;
  for (size_t i = 0; i < voters; ++i) {
    ids.push_back(NodeId{10 + i});
    by_id[ids.back()] = LogIndex{acked[i]};
  }
  const LogIndex committed =
      MajorityConfig(ids).CommittedIndex([&](NodeId id) { return by_id.at(id); });
  const auto holders = [&](uint64_t index) {
    return static_cast<size_t>(
        std::count_if(acked.begin(), acked.end(), [&](uint64_t a) { return a >= index; }));
  };
  RC_ASSERT(holders(committed.value()) * 2 > voters);
  RC_ASSERT(holders(committed.value() + 1) * 2 <= voters);
}

// SCENARIOS R13: whatever two majorities are chosen, somebody is in both.
TEST(Quorum, TwoMajoritiesOfTheSameVotersAlwaysIntersect) {
  for (size_t voters = 1; voters <= 9; ++voters) {
    EXPECT_GT(2 * MajorityOf(voters), voters);
  }
}

// SCENARIOS R13: configurations that differ by one voter share a voter in any two majorities too.
TEST(Quorum, MajoritiesOfConfigurationsOneVoterApartIntersect) {
  for (size_t voters = 1; voters <= 9; ++voters) {
    EXPECT_GT(MajorityOf(voters) + MajorityOf(voters + 1), voters + 1);
  }
}

TEST(Quorum, VoteIsWonByAMajorityAndLostWhenItIsOutOfReach) {
  using enum Vote;
  const auto tally = [](std::vector<Vote> votes) { return Tally(votes); };
  EXPECT_EQ(tally({kGranted}), VoteResult::kWon);
  EXPECT_EQ(tally({kGranted, kUnknown}), VoteResult::kPending);
  EXPECT_EQ(tally({kGranted, kRefused}), VoteResult::kLost);
  EXPECT_EQ(tally({kGranted, kGranted, kRefused}), VoteResult::kWon);
  EXPECT_EQ(tally({kGranted, kUnknown, kRefused}), VoteResult::kPending);
  EXPECT_EQ(tally({kGranted, kRefused, kRefused}), VoteResult::kLost);
  // Half of an even number is not a majority.
  EXPECT_EQ(tally({kGranted, kGranted, kRefused, kUnknown}), VoteResult::kPending);
  EXPECT_EQ(tally({kGranted, kGranted, kRefused, kRefused}), VoteResult::kLost);
}

TEST(Quorum, AnEmptyConfigurationElectsNobodyAndCommitsNothing) {
  const MajorityConfig none({});
  EXPECT_EQ(none.Result([](NodeId) { return Vote::kGranted; }), VoteResult::kLost);
  EXPECT_EQ(none.CommittedIndex([](NodeId) { return LogIndex{9}; }), LogIndex{0});
}

TEST(Quorum, HeardAtIsWhenAMajorityWasLastHeard) {
  const MajorityConfig five({NodeId{1}, NodeId{2}, NodeId{3}, NodeId{4}, NodeId{5}});
  const Instant heard = five.HeardAt(
      [](NodeId id) { return Instant::FromNanos(static_cast<int64_t>(id.value()) * 100); });
  EXPECT_EQ(heard, Instant::FromNanos(300));
}

TEST(QuorumDeathTest, RefusesVotersThatAreNotAscending) {
  EXPECT_DEATH(MajorityConfig({NodeId{2}, NodeId{1}}), "check failed");
  EXPECT_DEATH(MajorityConfig({NodeId{1}, NodeId{1}}), "check failed");
}

}  // namespace
}  // namespace tidemark::raft
