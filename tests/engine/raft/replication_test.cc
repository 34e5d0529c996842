#include <gtest/gtest.h>

#include "engine/raft/quorum.h"
#include "tests/engine/raft/member.h"

// Mirrors engine/raft/replication.cc: the sending side of AppendEntries.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

AppendReply Refusal(uint64_t hint, uint64_t hint_term, uint64_t sequence, uint64_t refused) {
  return AppendReply{.success = false,
                     .match = LogIndex{hint},
                     .hint_term = Term{hint_term},
                     .refused = LogIndex{refused},
                     .sequence = sequence};
}

// A leader of term 1 whose peer 2 has acknowledged the no-op.
Member Streaming(Config config = TestConfig()) {
  Member member({.config = config});
  const Effects won = member.Elect();
  member.Receive(kTwo, 1, Ack(1, Find<AppendRequest>(won.messages, kTwo)->sequence));
  return member;
}

TEST(Replication, ANewLeaderProbesEveryPeerWithItsNoop) {
  Member member({.state = {.term = Term{1}}, .log = {1, 1}});
  const Effects won = member.Elect();
  for (const NodeId peer : {kTwo, kThree}) {
    const auto* append = Find<AppendRequest>(won.messages, peer);
    ASSERT_NE(append, nullptr);
    EXPECT_EQ(append->prev_index, LogIndex{2});
    EXPECT_EQ(append->prev_term, Term{1});
    ASSERT_EQ(append->entries.size(), 1u);
    EXPECT_EQ(append->entries[0].kind, EntryKind::kControl);
  }
}

// Simulated seeds 1 and 48: it went back to the match, which a new leader does not know yet, and so
// to what retention had removed.
TEST(Replication, AProbeIsAskedAgainWhenItsConnectionBreaks) {
  Member member({.state = {.term = Term{1}}, .log = {1, 1, 1, 1}, .commit = LogIndex{4}});
  member.log().RemovePrefix(LogIndex{4});
  member.Elect();
  const Effects reset = member.PeerReset(kTwo);
  const auto* again = Find<AppendRequest>(reset.messages, kTwo);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->prev_index, LogIndex{4});
}

TEST(Replication, AProbeIsOneMessageUntilItIsAnswered) {
  Member member({});
  member.Elect();
  EXPECT_TRUE(member.Propose("a").messages.empty());
  EXPECT_TRUE(member.Propose("b").messages.empty());
  const Effects answered = member.Receive(kTwo, 1, Ack(0, 1));
  const auto* append = Find<AppendRequest>(answered.messages, kTwo);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->entries.size(), 3u);
}

TEST(Replication, S10_2_2_AfterTheFirstSuccessAppendsDoNotWaitForEachOther) {
  Member member = Streaming();
  for (uint64_t i = 2; i <= 9; ++i) {
    const Effects proposed = member.Propose("x");
    const auto* append = Find<AppendRequest>(proposed.messages, kTwo);
    ASSERT_NE(append, nullptr);
    EXPECT_EQ(append->prev_index, LogIndex{i - 1});
    ASSERT_EQ(append->entries.size(), 1u);
  }
}

// SCENARIOS R24: a full pipeline makes messages larger, not more numerous.
TEST(Replication, R24_AFullPipelineCoalescesWhatFollows) {
  Config config = TestConfig();
  config.inflight_messages_max = 2;
  Member member = Streaming(config);
  EXPECT_EQ(member.Propose("a").messages.size(), 1u);
  EXPECT_EQ(member.Propose("b").messages.size(), 1u);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(member.Propose("c").messages.empty());
  const Effects answered = member.Receive(kTwo, 1, Ack(2, 3));
  const auto* append = Find<AppendRequest>(answered.messages, kTwo);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->entries.size(), 50u);
}

TEST(Replication, R24_BytesInFlightAreBoundedButOneLargeEntryPasses) {
  Config config = TestConfig();
  config.inflight_bytes_max = 100;
  Member member = Streaming(config);
  EXPECT_EQ(member.Propose(std::string(500, 'x')).messages.size(), 1u);
  EXPECT_TRUE(member.Propose("y").messages.empty());
  EXPECT_FALSE(member.Receive(kTwo, 1, Ack(2, 2)).messages.empty());
}

TEST(Replication, MessagesKeepTheirLimitsOfBytesAndEntries) {
  Config config = TestConfig();
  config.append_entries_max = 3;
  config.append_bytes_max = 10;
  Member member({.config = config});
  member.Elect();
  for (int i = 0; i < 6; ++i) member.Propose("four");
  const Effects answered = member.Receive(kTwo, 1, Ack(1, 1));
  for (const AppendRequest& append : All<AppendRequest>(answered.messages, kTwo)) {
    EXPECT_LE(append.entries.size(), 2u);
  }
  EXPECT_EQ(All<AppendRequest>(answered.messages, kTwo).size(), 3u);
}

TEST(Replication, AnAnsweredHeartbeatAsksAFullPipelineWhetherAnythingWasLost) {
  Config config = TestConfig();
  config.inflight_messages_max = 1;
  Member member = Streaming(config);
  member.Propose("a");
  member.Propose("b");
  EXPECT_TRUE(All<AppendRequest>(member.Advance(config.heartbeat_interval).messages, kTwo).empty());
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{});
  const auto* probe = Find<AppendRequest>(answered.messages, kTwo);
  ASSERT_NE(probe, nullptr);
  EXPECT_TRUE(probe->entries.empty());
  EXPECT_EQ(probe->prev_index, LogIndex{2});
}

TEST(Replication, ALostMessageIsNoticedAtTheNextHeartbeatAndSentAgain) {
  Member member = Streaming();
  member.Propose("lost");
  member.Advance(Duration::Millis(15));
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{});
  const uint64_t sequence = Find<AppendRequest>(answered.messages, kTwo)->sequence;
  const Effects refused = member.Receive(kTwo, 1, Refusal(1, 1, sequence, 2));
  const auto* again = Find<AppendRequest>(refused.messages, kTwo);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->prev_index, LogIndex{1});
  EXPECT_EQ(again->entries.size(), 1u);
  EXPECT_EQ(member.raft().counters().pipeline_breaks, 1u);
}

TEST(Replication, APeerThatIsNotReachableIsProbedAfterTheNextHeartbeat) {
  Member member = Streaming();
  Effects effects;
  member.raft().ReportUnreachable(member.now(), kTwo, effects);
  EXPECT_TRUE(effects.messages.empty());
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{});
  const auto* probe = Find<AppendRequest>(answered.messages, kTwo);
  ASSERT_NE(probe, nullptr);
  EXPECT_EQ(probe->prev_index, LogIndex{1});
  member.Receive(kTwo, 1, Ack(1, probe->sequence));
  EXPECT_EQ(member.raft().Peers(member.now())[1].state, PeerStatus::State::kReplicate);
}

TEST(Replication, RefusalsOfOneLossBreakThePipelineOnce) {
  Member member = Streaming();
  for (int i = 0; i < 5; ++i) member.Propose("x");  // sequences 2..6, the first is lost
  EXPECT_EQ(member.Receive(kTwo, 1, Refusal(1, 1, 3, 2)).messages.size(), 1u);
  for (uint64_t sequence = 4; sequence <= 6; ++sequence) {
    const Effects late = member.Receive(kTwo, 1, Refusal(1, 1, sequence, sequence - 1));
    EXPECT_TRUE(late.messages.empty());
  }
  EXPECT_EQ(member.raft().counters().pipeline_breaks, 1u);
}

TEST(Replication, S3_5_ARefusalSkipsWholeTerms) {
  // The peer's log: 1 1 1 1 1 1 1, this leader's: 1 1 2 2 2 2 2 and its no-op.
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 2, 2, 2, 2, 2}});
  const Effects won = member.Elect();
  const Effects refused =
      member.Receive(kTwo, 3, Refusal(7, 1, Find<AppendRequest>(won.messages, kTwo)->sequence, 7));
  const auto* probe = Find<AppendRequest>(refused.messages, kTwo);
  ASSERT_NE(probe, nullptr);
  EXPECT_EQ(probe->prev_index, LogIndex{2});
  EXPECT_EQ(probe->prev_term, Term{1});
  EXPECT_EQ(probe->entries.size(), 6u);
}

TEST(Replication, LateRepliesOfAnEarlierSessionMeanNothing) {
  Member member = Streaming();
  member.Propose("a");
  member.PeerReset(kTwo);
  EXPECT_TRUE(member.Receive(kTwo, 1, Refusal(0, 0, 1, 1)).messages.empty());
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{1});
}

TEST(Replication, ALateRefusalDoesNotBreakThePipelineThatFollowedIt) {
  Member member = Streaming();
  for (int i = 0; i < 4; ++i) member.Propose("x");  // sequences 2..5, the first is lost
  member.Receive(kTwo, 1, Refusal(1, 1, 3, 2));
  member.Receive(kTwo, 1, Ack(3, 6));  // the new session streams; entries 4 and 5 are in flight
  EXPECT_TRUE(member.Receive(kTwo, 1, Refusal(1, 1, 4, 3)).messages.empty());
  member.Propose("y");
  EXPECT_TRUE(member.Receive(kTwo, 1, Refusal(3, 1, 5, 4)).messages.empty());
  EXPECT_EQ(member.raft().counters().pipeline_breaks, 1u);
}

TEST(Replication, MatchNeverFallsAndNeverPassesTheLog) {
  Member member = Streaming();
  member.Propose("a");
  member.Receive(kTwo, 1, Ack(2, 2));
  member.Receive(kTwo, 1, Ack(1, 2));
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{2});
  member.Receive(kTwo, 1, Ack(99, 2));
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{2});
  EXPECT_EQ(member.raft().counters().messages_ignored, 1u);
}

// SCENARIOS R12, as far as static membership allows: an answer of another term raises nothing.
TEST(Replication, R12_AcknowledgementsOfAnEarlierTermAreIgnored) {
  Member member({.state = {.term = Term{4}}, .log = {1, 2, 3}});
  member.Elect();
  member.Receive(kTwo, 4, Ack(3, 1));
  member.Receive(kThree, 3, Ack(3, 1));
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{0});
  EXPECT_EQ(member.raft().MatchOf(kThree), LogIndex{0});
}

// SCENARIOS R14-like: a peer that lost its disk cannot make the leader spin.
TEST(Replication, APeerThatRefusesWhatItAcknowledgedIsAskedAtThePaceOfHeartbeats) {
  Member member = Streaming();
  member.Propose("a");
  member.Receive(kTwo, 1, Ack(2, 2));
  uint64_t sequence = 2;
  int sent = 0;
  for (int i = 0; i < 10; ++i) {
    const Effects refused = member.Receive(kTwo, 1, Refusal(0, 0, sequence, 2));
    for (const AppendRequest& append : All<AppendRequest>(refused.messages, kTwo)) {
      sequence = append.sequence;
      ++sent;
    }
  }
  EXPECT_LE(sent, 1);
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{2});
  EXPECT_FALSE(member.Advance(Duration::Millis(15)).messages.empty());
}

// SCENARIOS R14: it is found out by the probe that follows its restart.
TEST(Replication, AMemberThatCameBackWithoutItsDiskBeginsAnew) {
  Member member = Streaming();
  member.Propose("a");
  member.Receive(kTwo, 1, Ack(2, 2));
  ASSERT_EQ(member.raft().MatchOf(kTwo), LogIndex{2});
  const Effects reset = member.PeerReset(kTwo);
  const AppendRequest* probe = Find<AppendRequest>(reset.messages, kTwo);
  ASSERT_NE(probe, nullptr);
  EXPECT_EQ(probe->prev_index, LogIndex{2});
  const uint64_t sequence = probe->sequence;
  const Effects refused = member.Receive(kTwo, 1, Refusal(0, 0, sequence, 2));
  const AppendRequest* again = Find<AppendRequest>(refused.messages, kTwo);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->prev_index, LogIndex{0});
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{0});
  // What it said before it lost everything means nothing any more.
  member.Receive(kTwo, 1, Ack(2, sequence));
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{0});
  member.Receive(kTwo, 1, Ack(2, again->sequence));
  EXPECT_EQ(member.raft().MatchOf(kTwo), LogIndex{2});
}

TEST(Replication, AColdReadIsAskedForOncePerPeerAndBlocksNobody) {
  Member member({});
  member.Elect();
  member.Persist();
  for (int i = 0; i < 5; ++i) member.Propose("old");
  member.Persist();
  member.Receive(kThree, 1, Ack(1, 1));
  member.log().cached_from = LogIndex{7};
  const Effects answered = member.Receive(kTwo, 1, Ack(1, 1));
  // What is committed is told meanwhile.
  for (const AppendRequest& append : All<AppendRequest>(answered.messages, kTwo)) {
    EXPECT_TRUE(append.entries.empty());
  }
  ASSERT_EQ(member.log().reads.size(), 1u);
  EXPECT_EQ(member.log().reads.front().to, kTwo);
  EXPECT_EQ(member.log().reads.front().first, LogIndex{2});

  const Effects proposed = member.Propose("new");
  EXPECT_NE(Find<AppendRequest>(proposed.messages, kThree), nullptr);
  EXPECT_EQ(Find<AppendRequest>(proposed.messages, kTwo), nullptr);
  EXPECT_EQ(member.log().reads.size(), 1u);

  const auto& log = member.log().entries();
  const Effects read = member.ReadDone(kTwo, {log.begin() + 1, log.begin() + 6});
  const auto appends = All<AppendRequest>(read.messages, kTwo);
  ASSERT_EQ(appends.size(), 2u);  // what was read, then what is in memory
  EXPECT_EQ(appends[0].entries.size(), 5u);
  EXPECT_EQ(appends[1].prev_index, LogIndex{6});
}

TEST(Replication, AFailedReadIsRetriedAtTheNextHeartbeatOnly) {
  Member member({});
  member.Elect();
  member.Propose("old");
  member.Persist();
  member.log().cached_from = LogIndex{9};
  member.Receive(kTwo, 1, Ack(1, 1));
  ASSERT_EQ(member.log().reads.size(), 1u);
  member.ReadDone(kTwo, {});
  EXPECT_TRUE(member.log().reads.empty());
  member.Propose("more");
  EXPECT_TRUE(member.log().reads.empty());
  member.Advance(Duration::Millis(15));
  member.Receive(kTwo, 1, HeartbeatReply{});
  EXPECT_EQ(member.log().reads.size(), 1u);
}

TEST(Replication, AReadOvertakenByEventsIsDropped) {
  Member member({});
  member.Elect();
  for (int i = 0; i < 3; ++i) member.Propose("old");
  member.Persist();
  member.log().cached_from = LogIndex{5};
  member.Receive(kTwo, 1, Ack(1, 1));
  ASSERT_EQ(member.log().reads.size(), 1u);
  const EntryList stale(member.log().entries().begin() + 1, member.log().entries().begin() + 3);
  member.Receive(kTwo, 1, Ack(4, 1));
  const Effects read = member.ReadDone(kTwo, stale);
  EXPECT_TRUE(read.messages.empty());
}

// Of six committed entries peer 2 lacks five, which are not in memory, and peer 3 none.
Member Lagging() {
  Config config = TestConfig();
  config.paced_catch_up = true;
  config.append_entries_max = 2;
  Member member({.config = config});
  member.Elect();
  for (int i = 0; i < 5; ++i) member.Propose("old");
  member.Persist();
  member.Receive(kThree, 1, Ack(6, 1));
  EXPECT_EQ(member.raft().commit(), LogIndex{6});
  member.log().cached_from = LogIndex{7};
  EXPECT_FALSE(member.raft().MayWait(member.now(), kTwo));
  member.Receive(kTwo, 1, Ack(1, 1));
  EXPECT_EQ(member.log().reads.size(), 1u);
  return member;
}

TEST(Replication, WhatAPeerLacksThatNobodyWaitsForIsReadWhateverIsInMemory) {
  Member member = Lagging();
  EXPECT_TRUE(member.raft().MayWait(member.now(), kTwo));
  EXPECT_FALSE(member.raft().MayWait(member.now(), kThree));
  member.log().cached_from = LogIndex{1};
  const auto& log = member.log().entries();
  const Effects read = member.ReadDone(kTwo, {log.begin() + 1, log.begin() + 3});
  EXPECT_EQ(All<AppendRequest>(read.messages, kTwo).size(), 1u);
  ASSERT_EQ(member.log().reads.size(), 1u);
  EXPECT_EQ(member.log().reads.front().first, LogIndex{4});

  // With the end of what is committed it is one like the others.
  const Effects last = member.ReadDone(kTwo, {log.begin() + 3, log.begin() + 5});
  EXPECT_EQ(All<AppendRequest>(last.messages, kTwo).size(), 2u);
  EXPECT_TRUE(member.log().reads.empty());
  EXPECT_FALSE(member.raft().MayWait(member.now(), kTwo));
}

TEST(Replication, NobodyMayWaitWithoutWhomNothingIsCommitted) {
  Member member = Lagging();
  member.PeerReset(kThree);
  EXPECT_FALSE(member.raft().MayWait(member.now(), kTwo));
  member.Receive(kThree, 1, Ack(6, 1));
  EXPECT_TRUE(member.raft().MayWait(member.now(), kTwo));
  EXPECT_FALSE(member.raft().MayWait(member.now() + TestConfig().election_timeout, kTwo));
}

TEST(Replication, NobodyMayWaitWhoIsToLead) {
  Member member = Lagging();
  Effects out;
  ASSERT_TRUE(member.raft().TransferLeadership(member.now(), kTwo, out).ok());
  EXPECT_FALSE(member.raft().MayWait(member.now(), kTwo));
}

TEST(Replication, APeerThatNeedsRemovedEntriesIsAskedForTheRestAtThePaceOfHeartbeats) {
  Member member({.state = {.term = Term{1}}, .log = {1, 1, 1, 1}, .commit = LogIndex{4}});
  member.log().RemovePrefix(LogIndex{4});
  const Effects won = member.Elect();
  const uint64_t sequence = Find<AppendRequest>(won.messages, kTwo)->sequence;
  EXPECT_TRUE(member.Receive(kTwo, 2, Refusal(1, 1, sequence, 4)).messages.empty());
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(Find<Heartbeat>(member.Advance(Duration::Millis(15)).messages, kTwo), nullptr);
    const Effects asked = member.Receive(kTwo, 2, HeartbeatReply{});
    const AppendRequest* probe = Find<AppendRequest>(asked.messages, kTwo);
    ASSERT_NE(probe, nullptr);
    EXPECT_GE(probe->prev_index, LogIndex{3});
    const AppendReply refusal = Refusal(1, 1, probe->sequence, probe->prev_index.value());
    EXPECT_TRUE(member.Receive(kTwo, 2, refusal).messages.empty());
  }
  EXPECT_TRUE(member.raft().PeerActive(member.now(), kTwo));
}

TEST(Replication, APeerWithoutRoomGetsNoEntriesUntilItHasRoom) {
  Member member = Streaming();
  const Effects sent = member.Propose("a");
  AppendReply full = Ack(1, Find<AppendRequest>(sent.messages, kTwo)->sequence);
  full.no_room = true;
  member.Receive(kTwo, 1, full);
  EXPECT_EQ(Find<AppendRequest>(member.Propose("b").messages, kTwo), nullptr);
  for (int i = 0; i < 3; ++i) {
    const Effects beat = member.Advance(TestConfig().heartbeat_interval);
    EXPECT_NE(Find<Heartbeat>(beat.messages, kTwo), nullptr);
    const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{.no_room = true});
    for (const AppendRequest& append : All<AppendRequest>(answered.messages, kTwo)) {
      EXPECT_TRUE(append.entries.empty());
    }
  }
  const Effects room = member.Receive(kTwo, 1, HeartbeatReply{});
  const auto* append = Find<AppendRequest>(room.messages, kTwo);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->entries.size(), 1u);
  // What was in flight when the room ended is missing.
  const Effects refused = member.Receive(kTwo, 1, Refusal(1, 1, append->sequence, 2));
  ASSERT_NE(Find<AppendRequest>(refused.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendRequest>(refused.messages, kTwo)->entries.size(), 2u);
}

// SCENARIOS R12: removed and added again within a term, and an answer of the time before arrives.
TEST(Replication, R12_AnAnswerFromBeforeAPeerWasRemovedSaysNothingOfTheOneAddedAgain) {
  Member member({});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1, 1));
  member.Receive(kThree, 1, Ack(1, 1));
  member.Apply();
  const auto change = [&](Change::Kind kind) {
    absl::Status status;
    member.Change({.changes = {{.kind = kind, .node = kThree}}}, &status);
    ASSERT_TRUE(status.ok()) << status;
    member.Persist();
    const LogIndex last = member.log().last_index();
    member.Receive(kTwo, 1, Ack(last.value(), member.raft().term().value()));
    ASSERT_EQ(member.raft().commit(), last);
    member.Apply();
  };
  member.Propose("before");
  const uint64_t late = 2;  // the message to node 3 that carried it
  member.Persist();
  change(Change::Kind::kRemove);
  EXPECT_EQ(member.raft().Peers(member.now()).size(), 2u);
  change(Change::Kind::kAddVoter);
  ASSERT_EQ(member.raft().Peers(member.now()).size(), 3u);
  member.Receive(kThree, 1, Ack(2, late));
  EXPECT_EQ(member.raft().MatchOf(kThree), LogIndex{0});
}

}  // namespace
}  // namespace tidemark::raft
