#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/stall.cc.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

Effects Stall(Member& member, bool stalled = true) {
  Effects out;
  member.raft().SetDiskStalled(member.now(), stalled, out);
  return out;
}

TEST(Stall, ALeaderHandsOverToTheVoterThatHasMost) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(1));
  member.Propose("hangs here");
  member.Receive(kThree, 1, Ack(2, 2));
  const Effects out = Stall(member);
  EXPECT_NE(Find<TimeoutNow>(out.messages, kThree), nullptr);
  EXPECT_EQ(Find<TimeoutNow>(out.messages, kTwo), nullptr);
  EXPECT_FALSE(member.raft().accepts_proposals());
  EXPECT_EQ(member.raft().counters().stall_step_downs, 1u);
}

TEST(Stall, ALeaderStepsDownIfWhoeverWasAskedDoesNotTakeOver) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(1));
  Stall(member);
  member.Advance(TestConfig().election_timeout);
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Stall, ALeaderNobodyAnswersStepsDownAtOnce) {
  Config config = TestConfig();
  config.check_quorum = false;
  Member member({.config = config});
  member.Elect();
  member.Persist();
  member.Advance(config.election_timeout * 2);
  ASSERT_EQ(member.raft().role(), Role::kLeader);
  Stall(member);
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Stall, ALeaderStepsDownIfWhoeverWasAskedIsNoVoterAnyMore) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  member.Receive(kThree, 1, Ack(1));
  member.Apply();
  member.Change({.changes = {{.kind = Change::Kind::kRemove, .node = kThree}}});
  member.Persist();
  member.Receive(kThree, 1, Ack(2, 2));
  ASSERT_EQ(member.raft().commit(), LogIndex{2});
  EXPECT_NE(Find<TimeoutNow>(Stall(member).messages, kThree), nullptr);
  ASSERT_EQ(member.raft().role(), Role::kLeader);
  member.Apply();
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Stall, TheOnlyVoterGoesOnLeading) {
  Member member({.nodes = 1});
  member.Persist();
  member.Persist();
  ASSERT_EQ(member.raft().role(), Role::kLeader);
  Stall(member);
  EXPECT_EQ(member.raft().role(), Role::kLeader);
}

TEST(Stall, NobodyCampaignsOrVotesWhileItsDiskHangsAndDoesAfterwards) {
  Member member({.state = {.term = Term{1}}});
  Stall(member);
  const Effects timeout = member.Timeout();
  EXPECT_TRUE(timeout.messages.empty());
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_LT(member.raft().next_deadline(), Instant::Never());
  for (const bool pre_vote : {true, false}) {
    const Effects asked = member.Receive(kTwo, 2, VoteRequest{.pre_vote = pre_vote});
    EXPECT_TRUE(asked.messages.empty());
    EXPECT_TRUE(asked.messages_after_persist.empty());
    EXPECT_FALSE(asked.persist.has_value());
  }
  Stall(member, false);
  const Effects asked = member.Receive(kTwo, 2, VoteRequest{.pre_vote = true});
  EXPECT_TRUE(Find<VoteReply>(asked.messages, kTwo)->granted);
  member.Timeout();
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
}

TEST(Stall, ACandidateGivesUpAndIsNotElectedByVotesThatComeLater) {
  Member member({});
  member.Timeout();
  member.Receive(kTwo, 1, VoteReply{.pre_vote = true, .granted = true});
  ASSERT_EQ(member.raft().role(), Role::kCandidate);
  Stall(member);
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().term(), Term{1});
  member.Persist();
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  member.Receive(kThree, 1, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Stall, AFollowerTakesEntriesAndLearnsWhatIsCommitted) {
  Member member({});
  member.Receive(kTwo, 1,
                 AppendRequest{.entries = MakeEntries(LogIndex{1}, {1, 1}), .sequence = 1});
  Stall(member);
  const Effects more = member.Receive(kTwo, 1,
                                      AppendRequest{.prev_index = LogIndex{2},
                                                    .prev_term = Term{1},
                                                    .commit = LogIndex{2},
                                                    .entries = MakeEntries(LogIndex{3}, {1}),
                                                    .sequence = 2});
  EXPECT_EQ(more.commit, LogIndex{2});
  EXPECT_EQ(member.log().last_index(), LogIndex{3});
  EXPECT_EQ(Find<AppendReply>(more.messages, kTwo), nullptr);
  EXPECT_NE(Find<HeartbeatReply>(member.Receive(kTwo, 1, Heartbeat{.commit = LogIndex{2}}).messages,
                                 kTwo),
            nullptr);
}

}  // namespace
}  // namespace tidemark::raft
