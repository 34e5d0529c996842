#include "sim/checkers/gossip_views.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

using gossip::Member;
using gossip::MemberState;

constexpr NodeId kA{1};
constexpr NodeId kB{2};

Member A(uint64_t incarnation, MemberState state = MemberState::kAlive) {
  return {.id = kA,
          .name = "a",
          .endpoint = {},
          .state = state,
          .incarnation = incarnation,
          .tags = {}};
}

class GossipViewsTest : public testing::Test {
 protected:
  GossipViewsTest() : views_(&verdict_, &coverage_) { views_.OnView(kA, {A(5)}); }

  Verdict verdict_;
  Coverage coverage_;
  GossipViews views_;
};

TEST_F(GossipViewsTest, AcceptsWhoIsSuspectedFailsAndObjects) {
  views_.OnView(kB, {A(5)});
  views_.OnView(kB, {A(5, MemberState::kSuspect)});
  views_.OnView(kB, {A(5, MemberState::kDead)});
  views_.OnView(kA, {A(6)});
  views_.OnView(kB, {A(6)});
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
  EXPECT_EQ(coverage_[Probe::kMemberFailed], 1u);
  EXPECT_EQ(coverage_[Probe::kMemberBack], 1u);
}

TEST_F(GossipViewsTest, SpeaksOfAnIncarnationThatTheMemberNeverHad) {
  views_.OnView(kB, {A(6)});
  EXPECT_EQ(verdict_.oracle(), "gossip");
}

TEST_F(GossipViewsTest, SpeaksOfAMemberThatNobodyEverWas) {
  Member nobody = A(1);
  nobody.id = NodeId{9};
  views_.OnView(kB, {nobody});
  EXPECT_EQ(verdict_.oracle(), "gossip");
}

TEST_F(GossipViewsTest, SpeaksOfADeadMemberThatOldNewsBringsBack) {
  views_.OnView(kB, {A(5, MemberState::kDead)});
  views_.OnView(kB, {});  // forgotten
  views_.OnView(kB, {A(5)});
  EXPECT_EQ(verdict_.oracle(), "gossip");
}

TEST_F(GossipViewsTest, SpeaksOfAnIncarnationThatFalls) {
  views_.OnView(kB, {A(5)});
  views_.OnView(kB, {A(4)});
  EXPECT_EQ(verdict_.oracle(), "gossip");
}

TEST_F(GossipViewsTest, SpeaksOfANodeThatBelievesInItsOwnFailure) {
  views_.OnView(kA, {A(5, MemberState::kSuspect)});
  EXPECT_EQ(verdict_.oracle(), "gossip");
}

TEST_F(GossipViewsTest, AfterARestartANodeMayLearnOldNews) {
  views_.OnView(kA, {A(7)});
  views_.OnView(kB, {A(7)});
  views_.OnRestart(kB);
  views_.OnView(kB, {A(5)});
  EXPECT_TRUE(verdict_.ok()) << verdict_.what();
}

}  // namespace
}  // namespace tidemark::sim
