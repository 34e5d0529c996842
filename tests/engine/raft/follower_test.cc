#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/follower.cc: the receiving side of AppendEntries.

namespace tidemark::raft {
namespace {

AppendRequest Append(uint64_t prev_index, uint64_t prev_term, const std::vector<uint64_t>& terms,
                     uint64_t sequence, uint64_t commit = 0) {
  return AppendRequest{.prev_index = LogIndex{prev_index},
                       .prev_term = Term{prev_term},
                       .commit = LogIndex{commit},
                       .entries = MakeEntries(LogIndex{prev_index + 1}, terms),
                       .sequence = sequence};
}

TEST(Follower, S3_5_AppendsWhatFollowsAndAcknowledgesWhenItIsDurable) {
  Member member({.state = {.term = Term{1}}});
  const Effects received = member.Receive(kTwo, 1, Append(0, 0, {1, 1}, 1));
  EXPECT_TRUE(received.log_staged);
  EXPECT_TRUE(received.messages.empty());
  const Effects written = member.Persist();
  const auto* reply = Find<AppendReply>(written.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->success);
  EXPECT_EQ(reply->match, LogIndex{2});
  EXPECT_EQ(reply->sequence, 1u);
}

TEST(Follower, S10_2_1_OneAcknowledgementPerWriteStandsForManyAppends) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1}, 1));
  member.BeginWrite();
  member.Receive(kTwo, 1, Append(1, 1, {1}, 2));
  member.Receive(kTwo, 1, Append(2, 1, {1, 1}, 3));
  const auto first = member.EndWrite();
  ASSERT_EQ(All<AppendReply>(first.messages, kTwo).size(), 1u);
  EXPECT_EQ(Find<AppendReply>(first.messages, kTwo)->match, LogIndex{1});
  const auto second = member.Persist();
  ASSERT_EQ(All<AppendReply>(second.messages, kTwo).size(), 1u);
  EXPECT_EQ(Find<AppendReply>(second.messages, kTwo)->match, LogIndex{4});
}

TEST(Follower, AnAppendIsAnsweredWhenAllItVerifiedIsDurable) {
  Member member({.state = {.term = Term{1}}, .log = {1}});
  const Effects idle = member.Receive(kTwo, 1, Append(1, 1, {}, 1));
  ASSERT_NE(Find<AppendReply>(idle.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(idle.messages, kTwo)->match, LogIndex{1});
  member.Receive(kTwo, 1, Append(1, 1, {1}, 2));
  const Effects busy = member.Receive(kTwo, 1, Append(2, 1, {}, 3));
  EXPECT_EQ(Find<AppendReply>(busy.messages, kTwo), nullptr);
  const Effects written = member.Persist();
  ASSERT_NE(Find<AppendReply>(written.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(written.messages, kTwo)->match, LogIndex{2});
  EXPECT_EQ(Find<AppendReply>(written.messages, kTwo)->sequence, 3u);
}

TEST(Follower, WithoutCumulativeAcknowledgementsEveryAppendGetsItsOwn) {
  Config config = TestConfig();
  config.cumulative_acks = false;
  Member member({.config = config, .state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1}, 1));
  member.Receive(kTwo, 1, Append(1, 1, {1, 1}, 2));
  member.Receive(kTwo, 1, Append(3, 1, {}, 3));
  const Effects written = member.Persist();
  const std::vector<AppendReply> replies = All<AppendReply>(written.messages, kTwo);
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[0].match, LogIndex{1});
  EXPECT_EQ(replies[1].match, LogIndex{3});
  EXPECT_EQ(replies[2].match, LogIndex{3});
  EXPECT_EQ(replies[2].sequence, 3u);
}

TEST(Follower, ARepeatedAppendIsAcknowledgedAtOnceAndChangesNothing) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1, 1}, 1));
  member.Persist();
  const Effects again = member.Receive(kTwo, 1, Append(0, 0, {1, 1}, 1));
  EXPECT_FALSE(again.log_staged);
  ASSERT_NE(Find<AppendReply>(again.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(again.messages, kTwo)->match, LogIndex{2});
}

TEST(Follower, AnAcknowledgementWaitsForTheTermToBeDurable) {
  Member member({.state = {.term = Term{1}}, .log = {1}});
  const Effects heard = member.Receive(kTwo, 5, Append(1, 1, {}, 1));
  EXPECT_EQ(heard.persist, (HardState{.term = Term{5}}));
  EXPECT_TRUE(heard.messages.empty());
  const Effects written = member.Persist();
  ASSERT_NE(Find<AppendReply>(written.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(written.messages, kTwo)->match, LogIndex{1});
}

TEST(Follower, S3_5_CutsAConflictingSuffixFromTheFirstConflictOnly) {
  Member member({.state = {.term = Term{4}}, .log = {1, 1, 2, 2, 2}});
  LogIndex cut;
  member.log().on_truncate = [&](LogIndex from) { cut = from; };
  const Effects received = member.Receive(kTwo, 4, Append(1, 1, {1, 2, 3, 4}, 1));
  EXPECT_EQ(cut, LogIndex{4});
  EXPECT_TRUE(received.log_staged);
  EXPECT_EQ(member.log().last_index(), LogIndex{5});
  EXPECT_EQ(member.log().last_term(), Term{4});
}

TEST(Follower, S3_5_AShorterMessageCutsNothing) {
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 1, 1}});
  bool cut = false;
  member.log().on_truncate = [&](LogIndex) { cut = true; };
  member.Receive(kTwo, 2, Append(0, 0, {1, 1}, 1));
  member.Receive(kTwo, 2, Append(0, 0, {}, 2));
  EXPECT_FALSE(cut);
  EXPECT_EQ(member.log().last_index(), LogIndex{4});
}

TEST(Follower, S3_5_DoesNotAcknowledgeATailTheLeaderHasNotVerified) {
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 1, 1}});
  const Effects received = member.Receive(kTwo, 2, Append(2, 1, {}, 1));
  ASSERT_NE(Find<AppendReply>(received.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(received.messages, kTwo)->match, LogIndex{2});
}

TEST(Follower, S3_5_CommitsNoFurtherThanWhatIsVerified) {
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 1, 1}});
  const Effects received = member.Receive(kTwo, 2, Append(2, 1, {}, 1, /*commit=*/9));
  EXPECT_EQ(received.commit, LogIndex{2});
  EXPECT_EQ(member.raft().commit(), LogIndex{2});
}

// SCENARIOS R17: a disk that hangs does not hide what is committed.
TEST(Follower, R17_CommitAdvancesWhileTheOwnWriteHangs) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1, 1}, 1));
  const Effects received = member.Receive(kTwo, 1, Append(2, 1, {}, 2, /*commit=*/2));
  EXPECT_EQ(received.commit, LogIndex{2});
  EXPECT_EQ(member.log().durable_index(), LogIndex{0});
}

TEST(Follower, S3_5_RefusesAGapWithAHintAtItsEnd) {
  Member member({.state = {.term = Term{3}}, .log = {1, 2}});
  const Effects received = member.Receive(kTwo, 3, Append(7, 3, {3}, 5));
  const auto* reply = Find<AppendReply>(received.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_FALSE(reply->success);
  EXPECT_EQ(reply->match, LogIndex{2});
  EXPECT_EQ(reply->hint_term, Term{2});
  EXPECT_EQ(reply->refused, LogIndex{7});
  EXPECT_EQ(reply->sequence, 5u);
}

TEST(Follower, S3_5_TheHintSkipsTermsTheLeaderCannotHave) {
  Member member({.state = {.term = Term{9}}, .log = {1, 1, 4, 5, 5, 5}});
  const Effects received = member.Receive(kTwo, 9, Append(6, 3, {}, 1));
  const auto* reply = Find<AppendReply>(received.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_EQ(reply->match, LogIndex{2});
  EXPECT_EQ(reply->hint_term, Term{1});
}

TEST(Follower, ALeaderOfAnOlderTermIsToldTheNewOne) {
  Member member({.state = {.term = Term{5}}, .log = {1}});
  const Effects received = member.Receive(kTwo, 3, Append(1, 1, {2}, 8));
  const auto* reply = Find<AppendReply>(received.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_FALSE(reply->success);
  EXPECT_EQ(reply->sequence, 0u);
  EXPECT_EQ(received.messages[0].term, Term{5});
  EXPECT_EQ(member.log().last_index(), LogIndex{1});
}

// SCENARIOS R23: the completion of an append that was cut and rewritten meanwhile.
TEST(Follower, R23_TheCompletionOfASupersededWriteAcknowledgesNothing) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1, 1, 1}, 1));
  member.BeginWrite();
  // Another leader rewrites 2..3 while the write of the old ones is under way.
  member.Receive(kThree, 2, Append(1, 1, {2, 2}, 1));
  const Effects superseded = member.EndWrite();
  EXPECT_EQ(member.log().durable_index(), LogIndex{1});
  for (const AppendReply& reply : All<AppendReply>(superseded.messages, kThree)) {
    EXPECT_LE(reply.match, LogIndex{1});
  }
  EXPECT_TRUE(All<AppendReply>(superseded.messages, kTwo).empty());
  const Effects written = member.Persist();
  ASSERT_NE(Find<AppendReply>(written.messages, kThree), nullptr);
  EXPECT_EQ(Find<AppendReply>(written.messages, kThree)->match, LogIndex{3});
}

TEST(Follower, AnAcknowledgementOwedToADeposedLeaderIsDropped) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1}, 1));
  member.Receive(
      kThree, 2,
      VoteRequest{.last_index = LogIndex{9}, .last_term = Term{1}, .leadership_transfer = true});
  const Effects written = member.Persist();
  EXPECT_TRUE(All<AppendReply>(written.messages, kTwo).empty());
}

// SCENARIOS R16: committed means for ever; a message that says otherwise is not believed.
TEST(Follower, R16_NothingCommittedIsEverCut) {
  Member member({.state = {.term = Term{3}}, .log = {1, 1, 2}, .commit = LogIndex{3}});
  const Effects rewritten = member.Receive(kTwo, 3, Append(1, 1, {3, 3}, 1));
  EXPECT_FALSE(rewritten.log_staged);
  const Effects contradicted = member.Receive(kTwo, 3, Append(3, 3, {3}, 2));
  EXPECT_FALSE(contradicted.log_staged);
  EXPECT_EQ(member.log().last_term(), Term{2});
  EXPECT_EQ(member.raft().counters().contradictions, 2u);
}

TEST(Follower, ASecondLeaderInOneTermIsNotBelieved) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Append(0, 0, {1}, 1));
  member.Receive(kThree, 1, Append(0, 0, {1, 1}, 1));
  EXPECT_EQ(member.log().last_index(), LogIndex{1});
  EXPECT_EQ(member.raft().leader(), kTwo);
  EXPECT_EQ(member.raft().counters().contradictions, 1u);
}

TEST(Follower, ALeaderCannotTakeBackWhatItVerified) {
  Member member({.state = {.term = Term{3}}});
  member.Receive(kTwo, 3, Append(0, 0, {1, 1}, 1));
  member.Receive(kTwo, 3, Append(1, 1, {2}, 2));
  EXPECT_EQ(member.log().last_term(), Term{1});
  EXPECT_EQ(member.raft().counters().contradictions, 1u);
}

TEST(Follower, AMessageWhoseOffsetsDoNotContinueTheLogIsNotStaged) {
  Member member({.state = {.term = Term{1}}, .log = {1}});
  AppendRequest forged = Append(1, 1, {1}, 1);
  forged.entries[0].base_offset = Offset{77};
  const Effects received = member.Receive(kTwo, 1, forged);
  EXPECT_FALSE(received.log_staged);
  EXPECT_EQ(member.raft().counters().messages_ignored, 1u);
}

// The leader does not know how far the logs agree; what lies behind that is a message of its own.
TEST(Follower, WhatBeginsBeforeTheCommitIndexIsAnsweredWithIt) {
  Member member({.state = {.term = Term{2}}, .log = {1, 1, 1, 1}, .commit = LogIndex{4}});
  member.log().RemovePrefix(LogIndex{4});
  const Effects received = member.Receive(kTwo, 2, Append(1, 1, {1, 1, 1, 2}, 1));
  EXPECT_FALSE(received.log_staged);
  const Effects written = member.Persist();
  const auto* reply =
      Find<AppendReply>(received.messages.empty() ? written.messages : received.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->success);
  EXPECT_EQ(reply->match, LogIndex{4});
}

TEST(Follower, WithoutRoomItFollowsAndVotesButTakesNoRecords) {
  Member member({.state = {.term = Term{1}}, .log = {1}});
  member.log().set_has_room(false);
  const Effects first = member.Receive(kTwo, 1, Append(0, 0, {1, 1, 1}, 1));
  const auto* reply = Find<AppendReply>(first.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->success);
  EXPECT_TRUE(reply->no_room);
  EXPECT_EQ(reply->match, LogIndex{1});
  EXPECT_EQ(member.raft().leader(), kTwo);
  // A later leader's control entry is stored: elections need it.
  AppendRequest noop = Append(1, 1, {2}, 1);
  noop.entries.front().kind = EntryKind::kControl;
  noop.entries.front().offset_span = 0;
  member.Receive(kThree, 2, noop);
  const Effects written = member.Persist();
  EXPECT_EQ(member.log().last_index(), LogIndex{2});
  ASSERT_NE(Find<AppendReply>(written.messages, kThree), nullptr);
  EXPECT_EQ(Find<AppendReply>(written.messages, kThree)->match, LogIndex{2});
  member.log().set_has_room(true);
  const Effects beat = member.Receive(kThree, 2, Append(2, 2, {}, 2));
  ASSERT_NE(Find<AppendReply>(beat.messages, kThree), nullptr);
  EXPECT_FALSE(Find<AppendReply>(beat.messages, kThree)->no_room);
}

}  // namespace
}  // namespace tidemark::raft
