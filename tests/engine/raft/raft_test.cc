#include "engine/raft/raft.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/raft/cluster.h"
#include "tests/engine/raft/member.h"

// Mirrors engine/raft/raft.cc: dispatch, terms, roles, what is believed and what is not.

namespace tidemark::raft {
namespace {

TEST(RaftCluster, ElectsOneLeaderThatServesAndReplicates) {
  for (size_t nodes = 1; nodes <= 5; ++nodes) {
    Cluster cluster({.nodes = nodes, .config = TestConfig(), .seed = nodes});
    ASSERT_NE(cluster.WaitForLeader(), kNoNode) << nodes;
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(cluster.ProposeAndSettle("record " + std::to_string(i)));
    }
    EXPECT_EQ(cluster.committed().size(), 21u) << nodes;
    EXPECT_TRUE(cluster.failures().empty()) << cluster.failures().front();
  }
}

TEST(RaftCluster, ElectsTheNextLeaderWhenOneDies) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 2});
  const NodeId first = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  cluster.Crash(first);
  const Instant died = cluster.now();
  ASSERT_TRUE(cluster.ProposeAndSettle("b"));
  EXPECT_LT(cluster.now() - died, Duration::Millis(450));
  cluster.Restart(first);
  ASSERT_TRUE(cluster.ProposeAndSettle("c"));
  EXPECT_TRUE(cluster.failures().empty());
}

TEST(Raft, S3_3_AHigherTermIsAdoptedAndMadeDurable) {
  Member member({.state = {.term = Term{1}, .vote = kTwo}});
  const Effects heard = member.Receive(kTwo, 4, AppendRequest{.sequence = 1});
  EXPECT_EQ(member.raft().term(), Term{4});
  EXPECT_EQ(heard.persist, (HardState{.term = Term{4}}));
  EXPECT_TRUE(heard.role_changed);
}

TEST(Raft, S3_3_ALeaderThatSeesAHigherTermStepsDown) {
  Member member({});
  member.Elect();
  member.Receive(kTwo, 5, AppendReply{});
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().leader(), kNoNode);
  EXPECT_EQ(member.raft().term(), Term{5});
  // It has a timer again.
  EXPECT_NE(member.raft().next_deadline(), Instant::Never());
}

TEST(Raft, AnswersOfStrangersAndMessagesForOthersAreIgnoredAndCounted) {
  Member member({});
  const auto deliver = [&](NodeId from, NodeId to, uint64_t term) {
    Effects effects;
    decltype(Message::body) body = AppendRequest{.sequence = 1};
    if (from == NodeId{9}) body = AppendReply{.success = true, .sequence = 1};
    member.raft().OnMessage(
        member.now(), Message{.from = from, .to = to, .term = Term{term}, .body = std::move(body)},
        effects);
    EXPECT_TRUE(effects.messages.empty());
    EXPECT_FALSE(effects.persist.has_value());
  };
  deliver(NodeId{9}, kOne, 3);
  deliver(kTwo, kThree, 3);
  deliver(kOne, kOne, 3);
  deliver(kNoNode, kOne, 3);
  deliver(kTwo, kOne, 0);
  deliver(kTwo, kOne, kTermMax + 1);
  deliver(kTwo, kOne, UINT64_MAX);
  EXPECT_EQ(member.raft().counters().messages_ignored, 7u);
  EXPECT_EQ(member.raft().term(), Term{0});
}

TEST(Raft, MalformedAppendsAreIgnoredAndCounted) {
  const auto entries = [](uint64_t first, std::vector<uint64_t> terms) {
    return MakeEntries(LogIndex{first}, terms);
  };
  const auto request = [](uint64_t prev, uint64_t prev_term, EntryList list,
                          uint64_t sequence = 1) {
    return AppendRequest{.prev_index = LogIndex{prev},
                         .prev_term = Term{prev_term},
                         .entries = std::move(list),
                         .sequence = sequence};
  };
  EntryList gap = entries(1, {1, 1});
  gap[1].index = LogIndex{3};
  EntryList offsets = entries(1, {1, 1});
  offsets[1].base_offset = Offset{5};
  EntryList overflow = entries(1, {1});
  overflow[0].base_offset = Offset{UINT64_MAX};
  Member member({});
  const AppendRequest malformed[] = {
      request(0, 0, gap),
      request(0, 0, offsets),
      request(0, 0, overflow),
      request(0, 0, entries(1, {3, 2})),  // terms fall
      request(0, 0, entries(1, {9})),     // above the sender's term
      request(0, 0, entries(1, {0})),     // no term
      request(1, 2, entries(2, {1})),     // below prev_term
      request(0, 1, {}),                  // a term before the first entry
      request(1, 0, {}),                  // an entry without a term
      request(1, 9, {}),                  // prev_term above the sender's
      request(0, 0, entries(2, {1})),     // does not begin behind prev
      request(0, 0, entries(1, {1}), 0),  // no sequence
      request(UINT64_MAX, 1, entries(1, {1})),
  };
  for (const AppendRequest& bad : malformed) {
    const Effects effects = member.Receive(kTwo, 4, bad);
    EXPECT_TRUE(effects.messages.empty());
    EXPECT_FALSE(effects.log_staged);
  }
  EXPECT_EQ(member.raft().counters().messages_ignored, std::size(malformed));
  EXPECT_EQ(member.raft().term(), Term{0});
  // Extreme but well-formed numbers are refused, not fatal.
  const Effects far = member.Receive(kTwo, 4, request(UINT64_MAX - 1, 4, {}));
  EXPECT_FALSE(Find<AppendReply>(far.messages, kTwo)->success);
}

TEST(Raft, MalformedVoteRequestsAreIgnored) {
  Member member({});
  member.Receive(kTwo, 3, VoteRequest{.last_index = LogIndex{5}, .last_term = Term{3}});
  member.Receive(kTwo, 3, VoteRequest{.last_index = LogIndex{5}, .last_term = Term{0}});
  member.Receive(kTwo, 3, VoteRequest{.last_index = LogIndex{0}, .last_term = Term{1}});
  EXPECT_EQ(member.raft().counters().messages_ignored, 3u);
  EXPECT_EQ(member.raft().term(), Term{0});
}

TEST(Raft, AnyReplyWithExtremeNumbersIsHarmless) {
  Member member({.state = {.term = Term{1}}, .log = {1, 1}});
  member.Elect();
  for (const uint64_t match : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
    for (const uint64_t hint_term : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
      for (const uint64_t sequence : {uint64_t{0}, uint64_t{1}, UINT64_MAX}) {
        for (const bool success : {false, true}) {
          member.Receive(kTwo, 2,
                         AppendReply{.success = success,
                                     .match = LogIndex{match},
                                     .hint_term = Term{hint_term},
                                     .refused = LogIndex{match},
                                     .sequence = sequence});
        }
      }
    }
  }
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_LE(member.raft().MatchOf(kTwo), member.log().last_index());
}

TEST(Raft, AMemberThatIsNotAVoterOnlyFollows) {
  TestLog log;
  Config config = TestConfig();
  config.self = NodeId{9};
  config.voters = {kOne, kTwo, kThree};
  Raft raft(config, {}, {}, &log, Prng(1));
  Effects effects;
  raft.Start(Instant::FromNanos(0), effects);
  EXPECT_EQ(raft.next_deadline(), Instant::Never());
  raft.OnMessage(Instant::FromNanos(1),
                 Message{.from = kOne, .to = NodeId{9}, .term = Term{1}, .body = VoteRequest{}},
                 effects);
  // It may be a voter by now, as those know who have applied more.
  EXPECT_EQ(effects.messages_after_persist.size(), 1u);
  raft.OnMessage(
      Instant::FromNanos(2),
      Message{.from = kOne,
              .to = NodeId{9},
              .term = Term{1},
              .body = AppendRequest{.entries = MakeEntries(LogIndex{1}, {1}), .sequence = 1}},
      effects);
  EXPECT_EQ(log.last_index(), LogIndex{1});
  EXPECT_EQ(raft.next_deadline(), Instant::Never());
}

TEST(Raft, NoVotersMeansNoLeader) {
  TestLog log;
  Config config = TestConfig();
  config.self = kOne;
  config.campaign_at_start = true;
  Raft raft(config, {}, {}, &log, Prng(1));
  Effects effects;
  raft.Start(Instant::FromNanos(0), effects);
  EXPECT_EQ(raft.role(), Role::kFollower);
  EXPECT_EQ(raft.next_deadline(), Instant::Never());
}

// A crash between the files of one write: entries of a term whose hard state did not make it.
TEST(Raft, RecoveryRaisesTheTermToThatOfTheLog) {
  Member member({.state = {.term = Term{2}, .vote = kTwo}, .log = {1, 4}});
  EXPECT_EQ(member.raft().hard_state(), (HardState{.term = Term{4}}));
  // Nothing is acknowledged before that is durable.
  const Effects heard = member.Receive(
      kTwo, 4, AppendRequest{.prev_index = LogIndex{2}, .prev_term = Term{4}, .sequence = 1});
  EXPECT_TRUE(heard.messages.empty());
  EXPECT_EQ(All<AppendReply>(member.Persist().messages, kTwo).size(), 1u);
}

TEST(Raft, RecoveredCommitIsKeptWithinTheLog) {
  Member member({.state = {.term = Term{2}}, .log = {1, 2}, .commit = LogIndex{9}});
  EXPECT_EQ(member.raft().commit(), LogIndex{2});
}

TEST(Raft, KnowsSinceWhenItHasNoLeader) {
  Member member({.state = {.term = Term{1}}});
  EXPECT_EQ(member.raft().leaderless_since(), Instant::FromNanos(1));
  member.Receive(kTwo, 1, AppendRequest{.sequence = 1});
  EXPECT_FALSE(member.raft().leaderless_since().has_value());
  member.Timeout();
  EXPECT_EQ(member.raft().leaderless_since(), member.now());
}

TEST(Raft, AfterATimerTheNextDeadlineIsInTheFuture) {
  Member member({});
  for (int i = 0; i < 50; ++i) {
    member.Advance(Duration::Seconds(3));  // a pause of the process
    EXPECT_GT(member.raft().next_deadline(), member.now());
    if (i == 20) {
      member.Persist();
      member.Elect();
    }
  }
}

TEST(Raft, ARepeatedOrLateDurabilityReportChangesNothing) {
  Member member({});
  member.Elect();
  member.Persist();
  Effects effects;
  member.raft().OnPersisted(member.now(), HardState{}, effects);
  member.raft().OnPersisted(member.now(), std::nullopt, effects);
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_TRUE(effects.messages.empty());
}

TEST(RaftDeathTest, OnlyALeaderMayReportAppendedEntries) {
  Member member({});
  EXPECT_DEATH(member.Propose("x"), "check failed");
}

TEST(RaftDeathTest, RefusesAConfigurationThatCannotWork) {
  const auto construct = [](Config config) {
    TestLog log;
    Raft(config, {}, {}, &log, Prng(1));
  };
  Config config = TestConfig();
  EXPECT_DEATH(construct(config), "config.self");
  config.self = kOne;
  config.voters = {kTwo, kOne};
  EXPECT_DEATH(construct(config), "check failed");
  config.voters = {kOne};
  config.heartbeat_interval = config.election_timeout;
  EXPECT_DEATH(construct(config), "heartbeat_interval");
}

}  // namespace
}  // namespace tidemark::raft
