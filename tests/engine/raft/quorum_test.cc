#include "engine/raft/quorum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

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

// More voters than the sorting of few is for: both ways of counting are met.
constexpr uint64_t kIdMax = 16;
static_assert(kIdMax > kReplicasMax);

MajorityConfig AnyMajority() {
  MajorityConfig config;
  for (const uint64_t id : *rc::gen::container<std::vector<uint64_t>>(
           *rc::gen::inRange<size_t>(0, 20), rc::gen::inRange<uint64_t>(1, kIdMax + 1))) {
    config.voters().Insert(NodeId{id});
  }
  return config;
}

// One value for each node there could be.
template <typename Value>
std::vector<Value> AnyOfEach(rc::Gen<Value> value) {
  return *rc::gen::container<std::vector<Value>>(kIdMax + 1, value);
}

// The definition: every value is tried, the largest that more than half have reached is it.
uint64_t CommittedByDefinition(const MajorityConfig& config, const std::vector<uint64_t>& acked) {
  uint64_t committed = 0;
  for (const uint64_t index : acked) {
    size_t holders = 0;
    for (const NodeId id : config.voters()) holders += acked[id.value()] >= index ? 1 : 0;
    if (2 * holders > config.voters().size()) committed = std::max(committed, index);
  }
  return config.voters().empty() ? kReachedByNobody.value() : committed;
}

// The definition: won if nobody's further answer can lose it, lost if none can win it.
VoteResult ResultByDefinition(const JointConfig& joint, const std::vector<Vote>& votes) {
  const auto agreed = [&](Vote unknown_as) {
    bool both = true;
    for (const MajorityConfig* half : {&joint.incoming, &joint.outgoing}) {
      size_t granted = 0;
      for (const NodeId id : half->voters()) {
        const Vote vote = votes[id.value()];
        granted += (vote == Vote::kUnknown ? unknown_as : vote) == Vote::kGranted ? 1 : 0;
      }
      both &= half->voters().empty() || 2 * granted > half->voters().size();
    }
    return both;
  };
  if (agreed(Vote::kRefused)) return VoteResult::kWon;
  return agreed(Vote::kGranted) ? VoteResult::kPending : VoteResult::kLost;
}

RC_GTEST_PROP(QuorumProperty, CommittedIndexIsTheLargestThatAMajorityHas, ()) {
  const MajorityConfig config = AnyMajority();
  const auto acked = AnyOfEach(rc::gen::inRange<uint64_t>(0, 12));
  const auto acked_by = [&](NodeId id) { return LogIndex{acked[id.value()]}; };
  RC_ASSERT(config.CommittedIndex(acked_by).value() == CommittedByDefinition(config, acked));
}

RC_GTEST_PROP(QuorumProperty, JointlyCommittedIsWhatBothMajoritiesHave, ()) {
  const JointConfig joint{.incoming = AnyMajority(), .outgoing = AnyMajority()};
  const auto acked = AnyOfEach(rc::gen::inRange<uint64_t>(0, 12));
  const auto acked_by = [&](NodeId id) { return LogIndex{acked[id.value()]}; };
  const uint64_t committed = joint.CommittedIndex(acked_by).value();
  RC_ASSERT(committed == std::min(CommittedByDefinition(joint.incoming, acked),
                                  CommittedByDefinition(joint.outgoing, acked)));
  const auto heard_at = [&](NodeId id) {
    return Instant::FromNanos(static_cast<int64_t>(acked[id.value()]));
  };
  if (committed != kReachedByNobody.value()) {
    RC_ASSERT(joint.HeardAt(heard_at).nanos() == static_cast<int64_t>(committed));
  }
}

RC_GTEST_PROP(QuorumProperty, AVoteIsPendingExactlyWhileTheUnknownCanDecideIt, ()) {
  const JointConfig joint{.incoming = AnyMajority(), .outgoing = AnyMajority()};
  const auto votes = AnyOfEach(rc::gen::element(Vote::kUnknown, Vote::kGranted, Vote::kRefused));
  const auto vote_of = [&](NodeId id) { return votes[id.value()]; };
  RC_ASSERT(joint.Result(vote_of) == ResultByDefinition(joint, votes));
  const JointConfig majority{.incoming = joint.incoming, .outgoing = {}};
  RC_ASSERT(joint.incoming.Result(vote_of) == ResultByDefinition(majority, votes));
}

// Thesis 4.3: from entering to leaving, no two leaders and no two histories.
RC_GTEST_PROP(QuorumProperty, AJointWinMeetsEveryWinOfEitherHalf, ()) {
  const JointConfig joint{.incoming = AnyMajority(), .outgoing = AnyMajority()};
  const auto sides = AnyOfEach(rc::gen::element(Vote::kGranted, Vote::kRefused));
  // Who refuses the one candidate may elect the other.
  const auto ours = [&](NodeId id) { return sides[id.value()]; };
  const auto theirs = [&](NodeId id) {
    return ours(id) == Vote::kGranted ? Vote::kRefused : Vote::kGranted;
  };
  RC_PRE(joint.Result(ours) == VoteResult::kWon);
  for (const MajorityConfig* half : {&joint.incoming, &joint.outgoing}) {
    if (half->voters().empty()) continue;
    RC_ASSERT(half->Result(theirs) == VoteResult::kLost);
  }
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
  const auto tally = [](const std::vector<Vote>& votes) {
    MajorityConfig voters;
    for (size_t i = 0; i < votes.size(); ++i) voters.voters().Insert(NodeId{i + 1});
    return voters.Result([&](NodeId id) { return votes[id.value() - 1]; });
  };
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

TEST(Quorum, AnEmptyMajorityAgreesToEverythingSoThatItsOtherHalfDecides) {
  const MajorityConfig none;
  EXPECT_EQ(none.Result([](NodeId) { return Vote::kRefused; }), VoteResult::kWon);
  EXPECT_EQ(none.CommittedIndex([](NodeId) { return LogIndex{9}; }), kReachedByNobody);
  EXPECT_EQ(none.HeardAt([](NodeId) { return Instant(); }), Instant::Never());
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

TEST(Quorum, JointConfigurationNamesTheVotersOfEitherHalfOnce) {
  const JointConfig joint{.incoming = MajorityConfig({NodeId{1}, NodeId{3}}),
                          .outgoing = MajorityConfig({NodeId{2}, NodeId{3}})};
  EXPECT_EQ(joint.Voters(), NodeSet({NodeId{1}, NodeId{2}, NodeId{3}}));
  EXPECT_TRUE(joint.joint());
  EXPECT_TRUE(joint.Contains(NodeId{1}) && joint.Contains(NodeId{2}));
  EXPECT_FALSE(joint.Contains(NodeId{4}));
}

}  // namespace
}  // namespace tidemark::raft
