#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/raft/member.h"

// Mirrors engine/raft/election.cc. Titles begin with the section of the thesis they are about.

namespace tidemark::raft {
namespace {

Config NoPreVote() {
  Config config = TestConfig();
  config.pre_vote = false;
  return config;
}

VoteRequest Ask(uint64_t last_index, uint64_t last_term) {
  return VoteRequest{.last_index = LogIndex{last_index}, .last_term = Term{last_term}};
}

TEST(Election, S3_4_TimeoutsAreRandomWithinOneAndTwoElectionTimeouts) {
  const Config config = TestConfig();
  Duration shortest = Duration::Max();
  Duration longest;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    TestLog log;
    Config of_seed = config;
    of_seed.self = kOne;
    of_seed.voters = {kOne, kTwo, kThree};
    Raft raft(of_seed, {}, {}, &log, Prng(seed));
    Effects effects;
    raft.Start(Instant::FromNanos(0), effects);
    const Duration wait = raft.next_deadline() - Instant::FromNanos(0);
    EXPECT_GE(wait, config.election_timeout);
    EXPECT_LT(wait, config.election_timeout * 2);
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  }
  EXPECT_LT(shortest, Duration::Millis(110));
  EXPECT_GT(longest, Duration::Millis(190));
}

TEST(Election, S3_4_ACandidateVotesForItselfAndAsksWhenThatIsDurable) {
  Member member({.config = NoPreVote()});
  const Effects started = member.Timeout();
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  EXPECT_EQ(started.persist, (HardState{.term = Term{1}, .vote = kOne}));
  EXPECT_TRUE(started.messages.empty());
  const Effects written = member.Persist();
  EXPECT_NE(Find<VoteRequest>(written.messages, kTwo), nullptr);
  EXPECT_NE(Find<VoteRequest>(written.messages, kThree), nullptr);
}

TEST(Election, S3_4_AMajorityOfVotesMakesALeader) {
  Member member({.nodes = 5, .config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  member.Receive(kThree, 1, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_EQ(member.raft().leader(), kOne);
}

TEST(Election, S3_4_OneVoterAnsweringTwiceIsOneVote) {
  Member member({.nodes = 5, .config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
}

TEST(Election, S3_4_AMajorityOfRefusalsEndsTheCandidacyWithoutATerm) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Receive(kTwo, 1, VoteReply{.granted = false});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  member.Receive(kThree, 1, VoteReply{.granted = false});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{1}, .vote = kOne}));
}

TEST(Election, S3_4_VotesOfAnEarlierCandidacyDoNotCount) {
  Member member({.nodes = 5, .config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  member.Timeout();
  member.Persist();
  EXPECT_EQ(member.raft().term(), Term{2});
  member.Receive(kThree, 1, VoteReply{.granted = true});
  member.Receive(kFour, 2, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
}

// Seed 25045 of profile everything: one of the two knew a member less than the other, and neither
// ever heard of the other's term.
TEST(Election, S3_3_ACandidateOfAnOldTermHearsOfTheNewOne) {
  Member member({.nodes = 5, .config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Timeout();
  member.Persist();
  ASSERT_EQ(member.raft().term(), Term{2});
  const Effects effects = member.Receive(kThree, 1, Ask(0, 0));
  ASSERT_EQ(effects.messages.size(), 1u);
  EXPECT_EQ(effects.messages[0].to, kThree);
  EXPECT_EQ(effects.messages[0].term, Term{2});
  const auto* reply = std::get_if<VoteReply>(&effects.messages[0].body);
  ASSERT_NE(reply, nullptr);
  EXPECT_FALSE(reply->granted);
  EXPECT_FALSE(reply->pre_vote);
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{2}, .vote = kOne}));
}

TEST(Election, S3_4_ASingleVoterElectsItselfOnceItsVoteIsDurable) {
  Member member({.nodes = 1});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  member.Persist();
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_FALSE(member.raft().serving());
  member.Persist();
  EXPECT_TRUE(member.raft().serving());
}

TEST(Election, S3_4_CampaignAtStartDoesNotWait) {
  Config config = TestConfig();
  config.campaign_at_start = true;
  Member member({.config = config});
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
}

TEST(Election, S3_4_AVoterGrantsOneVotePerTerm) {
  Member member({.config = NoPreVote()});
  const Effects first = member.Receive(kTwo, 1, Ask(0, 0));
  EXPECT_NE(Find<VoteReply>(first.messages_after_persist, kTwo), nullptr);
  const Effects other = member.Receive(kThree, 1, Ask(0, 0));
  ASSERT_NE(Find<VoteReply>(other.messages, kThree), nullptr);
  EXPECT_FALSE(Find<VoteReply>(other.messages, kThree)->granted);
  EXPECT_EQ(member.raft().hard_state().vote, kTwo);
}

// SCENARIOS R7 and R22: the reply hangs on the write of the vote.
TEST(Election, R7_R22_AGrantedVoteNeverLeavesBeforeItIsDurable) {
  Member member({.config = NoPreVote()});
  const Effects asked = member.Receive(kTwo, 1, Ask(0, 0));
  EXPECT_TRUE(asked.messages.empty());
  EXPECT_EQ(asked.persist, (HardState{.term = Term{1}, .vote = kTwo}));
  ASSERT_EQ(asked.messages_after_persist.size(), 1u);
  // Asked again before the write is done: the answer still hangs on that write.
  const Effects again = member.Receive(kTwo, 1, Ask(0, 0));
  EXPECT_TRUE(again.messages.empty());
  EXPECT_TRUE(again.messages_after_persist.empty());
  const Effects written = member.Persist();
  ASSERT_NE(Find<VoteReply>(written.messages, kTwo), nullptr);
  // Asked once more: it is durable, so the answer is immediate.
  const Effects later = member.Receive(kTwo, 1, Ask(0, 0));
  ASSERT_NE(Find<VoteReply>(later.messages, kTwo), nullptr);
  EXPECT_TRUE(Find<VoteReply>(later.messages, kTwo)->granted);
}

// SCENARIOS R22: winning needs the own vote on disk, even if everybody else has granted.
TEST(Election, R22_VotesOfAllOthersDoNotElectACandidateWhoseOwnVoteIsNotDurable) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  member.Receive(kTwo, 1, VoteReply{.granted = true});
  member.Receive(kThree, 1, VoteReply{.granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  member.Persist();
  EXPECT_EQ(member.raft().role(), Role::kLeader);
}

TEST(Election, R22_ACandidateWithAHangingDiskDoesNotRaiseTheTermAgain) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  for (int i = 0; i < 5; ++i) member.Timeout();
  EXPECT_EQ(member.raft().term(), Term{1});
  member.Persist();
  member.Timeout();
  EXPECT_EQ(member.raft().term(), Term{2});
}

TEST(Election, S3_6_1_AVoterRefusesACandidateWhoseLogIsBehind) {
  struct Case {
    uint64_t last_index;
    uint64_t last_term;
    bool granted;
  };
  for (const Case& c : {Case{3, 2, true}, Case{4, 2, true}, Case{2, 2, false}, Case{1, 3, true},
                        Case{9, 1, false}, Case{0, 0, false}}) {
    Member member({.config = NoPreVote(), .state = {.term = Term{3}}, .log = {1, 2, 2}});
    member.Receive(kTwo, 5, Ask(c.last_index, c.last_term));
    EXPECT_EQ(member.raft().hard_state().vote == kTwo, c.granted)
        << c.last_index << "@" << c.last_term;
    // Refused or not, the term counts.
    EXPECT_EQ(member.raft().term(), Term{5});
  }
}

// E23: a candidate that cannot win must not keep others from campaigning.
TEST(Election, S3_4_OnlyAGrantedVoteResetsTheElectionTimer) {
  Member member({.config = NoPreVote(), .state = {.term = Term{3}}, .log = {1, 2, 2}});
  const Instant deadline = member.raft().next_deadline();
  member.Advance(Duration::Millis(50));
  member.Receive(kTwo, 5, Ask(1, 1));
  EXPECT_EQ(member.raft().next_deadline(), deadline);
  member.Receive(kTwo, 6, Ask(3, 2));
  EXPECT_GT(member.raft().next_deadline(), deadline);
}

TEST(Election, S9_6_APreVoteChangesNothingAtEitherSide) {
  Member member({.state = {.term = Term{3}, .vote = kThree}, .log = {1, 2}});
  const Effects started = member.Timeout();
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{3}, .vote = kThree}));
  EXPECT_FALSE(started.persist.has_value());
  ASSERT_NE(Find<VoteRequest>(started.messages, kTwo), nullptr);
  EXPECT_TRUE(Find<VoteRequest>(started.messages, kTwo)->pre_vote);
  EXPECT_EQ(started.messages[0].term, Term{4});

  VoteRequest rehearsal = Ask(2, 2);
  rehearsal.pre_vote = true;
  const Effects asked = member.Receive(kTwo, 4, rehearsal);
  ASSERT_NE(Find<VoteReply>(asked.messages, kTwo), nullptr);
  EXPECT_TRUE(Find<VoteReply>(asked.messages, kTwo)->granted);
  EXPECT_EQ(asked.messages[0].term, Term{4});
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{3}, .vote = kThree}));
}

TEST(Election, S9_6_AMajorityOfPreVotesStartsTheRealElection) {
  Member member({});
  member.Timeout();
  member.Receive(kTwo, 1, VoteReply{.pre_vote = true, .granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
  EXPECT_EQ(member.raft().term(), Term{1});
}

TEST(Election, S9_6_APreVoteIsNoVote) {
  Member member({.nodes = 5});
  member.Timeout();
  member.Receive(kTwo, 1, VoteReply{.pre_vote = true, .granted = true});
  member.Receive(kThree, 1, VoteReply{.pre_vote = true, .granted = true});
  member.Persist();
  member.Receive(kFour, 1, VoteReply{.pre_vote = true, .granted = true});
  member.Receive(kFive, 2, VoteReply{.pre_vote = true, .granted = true});
  EXPECT_EQ(member.raft().role(), Role::kCandidate);
}

TEST(Election, S9_6_APreVoteIsRefusedToALogThatIsBehindAndTellsTheTerm) {
  Member member({.state = {.term = Term{7}}, .log = {1, 2}});
  VoteRequest behind = Ask(1, 1);
  behind.pre_vote = true;
  Effects asked = member.Receive(kTwo, 8, behind);
  EXPECT_FALSE(Find<VoteReply>(asked.messages, kTwo)->granted);
  // R9: one with a higher log but a lower term learns the term, or nobody could ever win.
  VoteRequest low = Ask(5, 3);
  low.pre_vote = true;
  asked = member.Receive(kTwo, 4, low);
  EXPECT_FALSE(Find<VoteReply>(asked.messages, kTwo)->granted);
  EXPECT_EQ(asked.messages[0].term, Term{7});
}

TEST(Election, R9_ARefusedPreCandidateAdoptsTheHigherTerm) {
  Member member({.state = {.term = Term{2}}});
  member.Timeout();
  member.Receive(kTwo, 6, VoteReply{.pre_vote = true, .granted = false});
  EXPECT_EQ(member.raft().term(), Term{6});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

// Thesis 4.2.3: whoever hears a leader helps nobody to depose it, and says nothing either.
TEST(Election, S4_2_3_AVoterThatHearsALeaderIgnoresCandidatesUnlessTheLeaderSentThem) {
  Member member({.state = {.term = Term{3}}});
  member.Persist();
  member.Receive(kTwo, 3, AppendRequest{.sequence = 1});
  const Effects ignored = member.Receive(kThree, 9, Ask(5, 2));
  EXPECT_TRUE(ignored.messages.empty());
  EXPECT_EQ(member.raft().term(), Term{3});
  VoteRequest rehearsal = Ask(5, 2);
  rehearsal.pre_vote = true;
  EXPECT_TRUE(member.Receive(kThree, 9, rehearsal).messages.empty());

  VoteRequest sent = Ask(5, 2);
  sent.leadership_transfer = true;
  member.Receive(kThree, 9, sent);
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{9}, .vote = kThree}));
}

TEST(Election, S4_2_3_ALeaderSilentForAnElectionTimeoutIsNoReasonToRefuse) {
  Member member({.state = {.term = Term{3}}});
  member.Receive(kTwo, 3, AppendRequest{.sequence = 1});
  member.Advance(Duration::Millis(100));
  if (member.raft().role() == Role::kFollower) {
    member.Receive(kThree, 4, Ask(0, 0));
    EXPECT_EQ(member.raft().hard_state().vote, kThree);
  }
}

TEST(Election, S3_4_ACandidateStepsDownForALeaderOfItsOwnTerm) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  member.Persist();
  member.Receive(kTwo, 1, AppendRequest{.sequence = 1});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().leader(), kTwo);
  // E01: the vote stays given.
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{1}, .vote = kOne}));
}

TEST(Election, S3_4_ATermAtItsMaximumIsNeverPassed) {
  Member member({.config = NoPreVote(), .state = {.term = Term{kTermMax}}});
  member.Timeout();
  EXPECT_EQ(member.raft().term(), Term{kTermMax});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Election, ANewConnectionIsAskedAgainIfItsAnswerIsMissing) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  EXPECT_TRUE(member.PeerReset(kTwo).messages.empty());  // not durable yet
  member.Persist();
  EXPECT_NE(Find<VoteRequest>(member.PeerReset(kTwo).messages, kTwo), nullptr);
}

TEST(Election, S9_6_WhoeverLosesTheLeadersConnectionAsksSoonWhetherOthersHaveToo) {
  Member member({.state = {.term = Term{3}}});
  const Duration soon = member.raft().config().heartbeat_interval;
  member.Persist();
  member.Receive(kTwo, 3, AppendRequest{.sequence = 1});
  member.PeerLost(kThree);
  EXPECT_EQ(member.raft().leader(), kTwo);
  EXPECT_GT(member.raft().next_deadline() - member.now(), soon);
  member.PeerLost(kTwo);
  EXPECT_EQ(member.raft().leader(), kNoNode);
  EXPECT_LE(member.raft().next_deadline() - member.now(), soon);
  const Effects asked = member.Advance(soon);
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
  EXPECT_EQ(member.raft().term(), Term{3});
  EXPECT_NE(Find<VoteRequest>(asked.messages, kThree), nullptr);
  // It was only the connection.
  member.Receive(kTwo, 3, Heartbeat{});
  EXPECT_EQ(member.raft().leader(), kTwo);
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_GT(member.raft().next_deadline() - member.now(), soon);
}

TEST(Election, WithoutPreVoteALostConnectionIsNoReasonToCampaign) {
  Member member({.config = NoPreVote(), .state = {.term = Term{3}}});
  member.Persist();
  member.Receive(kTwo, 3, AppendRequest{.sequence = 1});
  member.PeerLost(kTwo);
  EXPECT_EQ(member.raft().leader(), kTwo);
}

TEST(Election, ALearnerThatLosesTheLeadersConnectionGoesOnWaiting) {
  Config config = TestConfig();
  config.self = kOne;
  config.voters = {kTwo, kThree};
  config.learners = {kOne};
  TestLog log;
  Raft raft(config, {.term = Term{3}}, {}, &log, Prng(1));
  Effects effects;
  raft.Start(Instant(), effects);
  raft.OnMessage(Instant(),
                 {.from = kTwo, .to = kOne, .term = Term{3}, .body = AppendRequest{.sequence = 1}},
                 effects);
  ASSERT_EQ(raft.leader(), kTwo);
  raft.OnPeerLost(Instant(), kTwo, effects);
  EXPECT_EQ(raft.leader(), kTwo);
  EXPECT_EQ(raft.next_deadline(), Instant::Never());
}

TEST(Election, AMemberThatCannotCampaignTellsALeaderOfAnOlderTerm) {
  Config config = NoPreVote();
  config.check_quorum = false;
  config.self = kOne;
  config.voters = {kTwo, kThree};
  config.learners = {kOne};
  TestLog log;
  Raft raft(config, {.term = Term{9}}, {}, &log, Prng(1));
  Effects effects;
  raft.Start(Instant(), effects);
  raft.OnMessage(Instant(), {.from = kTwo, .to = kOne, .term = Term{3}, .body = Heartbeat{}},
                 effects);
  ASSERT_EQ(effects.messages.size(), 1u);
  EXPECT_EQ(effects.messages[0].term, Term{9});
}

TEST(Election, WhoeverIsAskedToCampaignDoesNotWaitForTheWriteOfTheLastVote) {
  Member member({.config = NoPreVote()});
  member.Timeout();
  Effects effects;
  EXPECT_TRUE(member.raft().Campaign(member.now(), effects).ok());
  EXPECT_EQ(member.raft().term(), Term{2});
  EXPECT_EQ(effects.persist, (HardState{.term = Term{2}, .vote = kOne}));
}

// Its members are those of the entries that it has: by them it may be a voter that it is no more.
TEST(Election, AMemberThatIsFencedNeitherVotesNorCampaignsBeforeItsFenceIsDurable) {
  for (const bool pre_vote : {true, false}) {
    Config config = TestConfig();
    config.pre_vote = pre_vote;
    config.campaign_at_start = true;
    config.fence = LogIndex{3};
    Member member({.config = config, .state = {.term = Term{4}}, .log = {1, 1}});
    for (int i = 0; i < 5; ++i)
      EXPECT_TRUE(All<VoteRequest>(member.Timeout().messages, kTwo).empty());
    Effects asked;
    EXPECT_FALSE(member.raft().Campaign(member.now(), asked).ok());
    for (const bool transfer : {true, false}) {
      VoteRequest ask = Ask(9, 4);
      ask.leadership_transfer = transfer;
      const Effects out = member.Receive(kTwo, 5, ask);
      EXPECT_TRUE(out.messages.empty() && out.messages_after_persist.empty());
    }
    member.Receive(kTwo, 4, TimeoutNow{});
    EXPECT_EQ(member.raft().term(), Term{4});
    EXPECT_EQ(member.raft().role(), Role::kFollower);
    AppendRequest append{.prev_index = LogIndex{2},
                         .prev_term = Term{1},
                         .commit = LogIndex{2},
                         .entries = MakeEntries(LogIndex{3}, {4}),
                         .all_durable = LogIndex{0},
                         .sequence = 1};
    member.Receive(kTwo, 4, append);
    member.Timeout();
    EXPECT_EQ(member.raft().role(), Role::kFollower) << "it has it, but not on its disk";
    member.Persist();
    member.Timeout();
    EXPECT_NE(member.raft().role(), Role::kFollower);
  }
}

TEST(Election, TheOnlyVoterThatIsFencedDoesNotElectItself) {
  Config config = TestConfig();
  config.fence = LogIndex{3};
  Member member({.nodes = 1, .config = config, .state = {.term = Term{4}}});
  member.Timeout();
  member.Persist();
  EXPECT_EQ(member.raft().role(), Role::kFollower);
}

TEST(Election, VotesTellOfCommitsUnlessTheyShallNot) {
  for (const bool tell : {true, false}) {
    Config config = NoPreVote();
    config.votes_tell_commit = tell;
    Member member({.config = config, .state = {.term = Term{1}}, .log = {1}});
    VoteRequest ask = Ask(1, 1);
    ask.commit = LogIndex{1};
    ask.commit_term = Term{1};
    member.Receive(kTwo, 2, ask);
    EXPECT_EQ(member.raft().commit(), LogIndex{tell ? 1u : 0u});
  }
}

}  // namespace
}  // namespace tidemark::raft
