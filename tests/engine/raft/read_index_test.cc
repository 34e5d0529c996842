#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/read_index.cc; thesis 6.4.

namespace tidemark::raft {
namespace {

AppendReply Ack(uint64_t match, uint64_t sequence = 1) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

Member Serving(Config config = TestConfig()) {
  Member member({.config = std::move(config)});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, Ack(1));
  return member;
}

std::vector<ReadResult> Answered(std::vector<std::pair<uint64_t, uint64_t>> reads) {
  std::vector<ReadResult> results;
  for (const auto& [id, index] : reads) {
    results.push_back({.id = ReadId{id}, .index = LogIndex{index}});
  }
  return results;
}

TEST(ReadIndex, S6_4_WaitsForAQuorumToAnswerAHeartbeatSentAfterIt) {
  Member member = Serving();
  const Effects asked = member.Read(7);
  EXPECT_TRUE(asked.reads.empty());
  const auto* beat = Find<Heartbeat>(asked.messages, kTwo);
  ASSERT_NE(beat, nullptr);
  ASSERT_NE(beat->context, 0u);
  // An answer to an earlier heartbeat shows nothing.
  EXPECT_TRUE(member.Receive(kTwo, 1, HeartbeatReply{}).reads.empty());
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{.context = beat->context});
  EXPECT_EQ(answered.reads, Answered({{7, 1}}));
}

TEST(ReadIndex, ReadsThatComeMeanwhileShareTheNextRound) {
  Member member = Serving();
  const uint64_t first = Find<Heartbeat>(member.Read(1).messages, kTwo)->context;
  for (uint64_t id = 2; id <= 20; ++id) EXPECT_TRUE(member.Read(id).messages.empty());
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{.context = first});
  EXPECT_EQ(answered.reads, Answered({{1, 1}}));
  const auto* second = Find<Heartbeat>(answered.messages, kTwo);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(member.Receive(kThree, 1, HeartbeatReply{.context = second->context}).reads.size(),
            19u);
  EXPECT_EQ(member.raft().counters().read_rounds, 2u);
}

// SCENARIOS R8.
TEST(ReadIndex, R8_WaitsForAnEntryOfTheOwnTermAndIsNotForgotten) {
  Member member({.state = {.term = Term{1}}, .log = {1}, .commit = LogIndex{1}});
  member.Elect();
  EXPECT_TRUE(member.Read(1).messages.empty());
  member.Persist();
  const Effects committed = member.Receive(kTwo, 2, Ack(2));
  const auto* beat = Find<Heartbeat>(committed.messages, kTwo);
  ASSERT_NE(beat, nullptr);
  EXPECT_EQ(member.Receive(kTwo, 2, HeartbeatReply{.context = beat->context}).reads,
            Answered({{1, 2}}));
}

TEST(ReadIndex, IsRefusedWhenLeadershipIsLost) {
  Member member = Serving();
  member.Read(1);
  const Effects deposed = member.Receive(kTwo, 5, Heartbeat{});
  ASSERT_EQ(deposed.reads.size(), 1u);
  EXPECT_FALSE(deposed.reads[0].index.has_value());
}

// SCENARIOS R10.
TEST(ReadIndex, R10_IsRefusedWhileLeadershipIsHandedOver) {
  Member member = Serving();
  member.Read(1);
  Effects transfer;
  ASSERT_TRUE(member.raft().TransferLeadership(member.now(), kTwo, transfer).ok());
  ASSERT_EQ(transfer.reads.size(), 1u);
  EXPECT_FALSE(transfer.reads[0].index.has_value());
  EXPECT_FALSE(member.Read(2).reads.at(0).index.has_value());
}

TEST(ReadIndex, IsRefusedWhenNoQuorumAnswers) {
  Config config = TestConfig();
  config.check_quorum = false;
  Member member = Serving(config);
  member.Read(1);
  std::vector<ReadResult> results;
  const Instant asked = member.now();
  while (results.empty()) {
    ASSERT_LT(member.now() - asked, config.election_timeout * 2);
    results = member.Timeout().reads;
  }
  EXPECT_FALSE(results[0].index.has_value());
}

TEST(ReadIndex, TheOnlyVoterAsksNobody) {
  Member member({.nodes = 1});
  member.Persist();
  member.Persist();
  EXPECT_EQ(member.Read(3).reads, Answered({{3, 1}}));
}

TEST(ReadIndex, AFollowerAsksItsLeader) {
  Member member({.state = {.term = Term{1}}});
  EXPECT_FALSE(member.Read(1).reads.at(0).index.has_value()) << "there is none";
  member.Receive(kTwo, 1, Heartbeat{});
  const Effects asked = member.Read(2);
  const auto* request = Find<ReadIndexRequest>(asked.messages, kTwo);
  ASSERT_NE(request, nullptr);
  const ReadIndexReply reply{.id = request->id, .index = LogIndex{9}};
  EXPECT_TRUE(member.Receive(kThree, 1, reply).reads.empty()) << "not of the leader";
  EXPECT_EQ(member.Receive(kTwo, 1, reply).reads, Answered({{2, 9}}));
  EXPECT_TRUE(member.Receive(kTwo, 1, reply).reads.empty()) << "once";
}

TEST(ReadIndex, AFollowerRefusesWhatItsLeaderDoesNotAnswer) {
  Member member({.state = {.term = Term{1}}});
  member.Receive(kTwo, 1, Heartbeat{});
  member.Read(1);
  const Effects late = member.Timeout();
  ASSERT_EQ(late.reads.size(), 1u);
  member.Receive(kTwo, 1, Heartbeat{});
  member.Read(2);
  const Effects other = member.Receive(kThree, 2, Heartbeat{});
  ASSERT_EQ(other.reads.size(), 1u) << "another leader";
}

TEST(ReadIndex, ALeaderAnswersAFollower) {
  Member member = Serving();
  const Effects asked = member.Receive(kThree, 1, ReadIndexRequest{.id = ReadId{5}});
  const uint64_t round = Find<Heartbeat>(asked.messages, kTwo)->context;
  const Effects answered = member.Receive(kTwo, 1, HeartbeatReply{.context = round});
  const auto* reply = Find<ReadIndexReply>(answered.messages, kThree);
  ASSERT_NE(reply, nullptr);
  EXPECT_EQ(reply->id, ReadId{5});
  EXPECT_EQ(reply->index, LogIndex{1});
  EXPECT_TRUE(answered.reads.empty());
}

Config Leased() {
  Config config = TestConfig();
  config.lease_reads = true;
  return config;
}

TEST(ReadIndex, S6_4_1_ALeaseLastsFromWhenTheHeartbeatWasSentLessTheDrift) {
  Member member = Serving(Leased());
  EXPECT_TRUE(member.Read(1).reads.empty()) << "no lease yet";
  const Instant sent = member.now();
  member.Advance(Duration::Millis(10));
  EXPECT_EQ(member.Receive(kTwo, 1, HeartbeatReply{.context = 1, .sent = sent}).reads.size(), 1u);
  EXPECT_EQ(member.raft().lease_end(), sent + Duration::Millis(90));
  EXPECT_EQ(member.Read(2).reads, Answered({{2, 1}}));
  member.Advance(Duration::Millis(80));
  EXPECT_TRUE(member.Read(3).reads.empty());
}

// SCENARIOS R10: whoever was told to campaign may win whatever the others have heard.
TEST(ReadIndex, R10_ALeaseDoesNotSurviveATransferThatWasBegun) {
  Member member = Serving(Leased());
  member.Read(1);
  member.Receive(kTwo, 1, HeartbeatReply{.context = 1, .sent = member.now()});
  ASSERT_GT(member.raft().lease_end(), member.now());
  Effects transfer;
  ASSERT_TRUE(member.raft().TransferLeadership(member.now(), kTwo, transfer).ok());
  EXPECT_LE(member.raft().lease_end(), member.now());
}

TEST(ReadIndex, R10_WhoStartsAgainHelpsNobodyWhileAnOldLeaseMayLast) {
  Member member({.config = Leased(), .state = {.term = Term{3}}});
  EXPECT_TRUE(member.Receive(kTwo, 4, VoteRequest{}).persist == std::nullopt);
  member.Advance(Duration::Millis(100));
  if (member.raft().role() == Role::kFollower) {
    member.Receive(kTwo, 4, VoteRequest{});
    EXPECT_EQ(member.raft().hard_state().vote, kTwo);
  }
}

}  // namespace
}  // namespace tidemark::raft
