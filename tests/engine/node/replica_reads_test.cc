#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "engine/log/batch.h"
#include "tests/engine/node/trio_world.h"

// Mirrors engine/node/replica_reads.cc: reads of a whole node, SCENARIOS R8 and R10, thesis 6.4.

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};

std::string Batch() {
  const Record record{.key = std::nullopt, .value = "v", .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), {});
}

FetchRequest End(Consistency consistency, Duration max_staleness = {}) {
  return {.topic = "t",
          .start = FetchRequest::Start::kLatest,
          .consistency = consistency,
          .max_staleness = max_staleness};
}

class Reads : public testing::Test {
 protected:
  void Begin(bool lease_reads = false) {
    for (size_t i = 0; i < 3; ++i) world.at(i).options.lease_reads = lease_reads;
    world.BootAll();
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup).has_value(); }));
    world.Ask(*world.LeaderOf(kCatalogGroup),
              CreateTopicRequest{.name = "t", .partitions = 1, .replication_factor = 3});
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
    world.Advance(Duration::Seconds(1));
    leader = *world.LeaderOf(kTopicGroup);
    follower = (leader + 1) % 3;
  }
  // At `node`, acknowledged at once.
  void Produce(size_t node) {
    const RequestId id = world.Ask(node, ProduceRequest{"t", PartitionId(0), Batch()});
    ASSERT_TRUE(world.at(node).answers.contains(id));
    ASSERT_TRUE(std::holds_alternative<ProduceResponse>(world.at(node).answers.at(id)));
  }
  const Response* AnswerTo(size_t node, RequestId id) {
    const auto found = world.at(node).answers.find(id);
    return found == world.at(node).answers.end() ? nullptr : &found->second;
  }
  // Its answer, at the latest after `bound`.
  FetchResponse Read(size_t node, const FetchRequest& fetch, Duration bound = {}) {
    const RequestId id = world.Ask(node, fetch);
    if (AnswerTo(node, id) == nullptr) world.Advance(bound);
    const Response* const answer = AnswerTo(node, id);
    if (answer == nullptr || !std::holds_alternative<FetchResponse>(*answer)) {
      ADD_FAILURE() << (answer == nullptr ? "no answer"
                                          : std::get<RpcError>(*answer).reason.c_str());
      return {};
    }
    return std::get<FetchResponse>(*answer);
  }
  RpcError Refused(size_t node, const FetchRequest& fetch, Duration bound) {
    const RequestId id = world.Ask(node, fetch);
    world.Advance(bound);
    const Response* const answer = AnswerTo(node, id);
    if (answer == nullptr || !std::holds_alternative<RpcError>(*answer)) {
      ADD_FAILURE() << (answer == nullptr ? "no answer" : "was answered");
      return {};
    }
    return std::get<RpcError>(*answer);
  }

  TrioWorld world;
  size_t leader = 0;
  size_t follower = 0;
};

constexpr Duration kTwoElectionTimeouts = Duration::Millis(2000);

TEST_F(Reads, S6_4_AFollowerShowsLinearizablyWhatItDidNotHaveWhenItWasAsked) {
  Begin();
  world.Cut(follower);
  Produce(leader);
  world.Heal();
  EXPECT_EQ(Read(follower, End(Consistency::kCommitted)).limit, Offset(0));
  const FetchResponse read = Read(follower, End(Consistency::kLinearizable), Duration::Millis(500));
  EXPECT_EQ(read.limit, Offset(1));
  EXPECT_EQ(read.from, Offset(1));
  ASSERT_TRUE(read.staleness.has_value());
  EXPECT_LE(*read.staleness, Duration::Millis(500));
  FetchRequest first = End(Consistency::kLinearizable);
  first.start = FetchRequest::Start::kEarliest;
  EXPECT_TRUE(Read(follower, first).range.has_value());
  EXPECT_EQ(world.at(follower).node->counters().reads_linearizable, 2u);
}

TEST_F(Reads, S6_4_ALeaderThatIsCutOffAnswersNobody) {
  Begin();
  Produce(leader);
  world.Cut(leader);
  const RequestId stale = world.Ask(leader, End(Consistency::kLinearizable));
  EXPECT_EQ(AnswerTo(leader, stale), nullptr) << "it leads, as far as it knows, and asks";
  EXPECT_EQ(Read(leader, End(Consistency::kCommitted)).limit, Offset(1));
  world.Advance(kTwoElectionTimeouts);
  const Response* const answer = AnswerTo(leader, stale);
  ASSERT_NE(answer, nullptr) << "it does not hang";
  const RpcError& refusal = std::get<RpcError>(*answer);
  EXPECT_EQ(refusal.reason, "READ_NOT_CONFIRMED");
  EXPECT_EQ(refusal.code, absl::StatusCode::kUnavailable);
  // The others go on, and it follows once it is back.
  const auto other = [&] {
    const std::optional<size_t> now = world.LeaderOf(kTopicGroup);
    return now.has_value() && *now != leader;
  };
  ASSERT_TRUE(world.AdvanceUntil(other));
  Produce(*world.LeaderOf(kTopicGroup));
  EXPECT_EQ(Refused(leader, End(Consistency::kLinearizable), Duration()).reason,
            "READ_NOT_CONFIRMED")
      << "at once: it knows no leader";
  world.Heal();
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(Read(leader, End(Consistency::kLinearizable)).limit, Offset(2));
}

TEST_F(Reads, R8_AFollowerWhoseQuestionIsLostRefusesAndNamesTheLeader) {
  Begin();
  world.Cut(follower);
  const RpcError refusal =
      Refused(follower, End(Consistency::kLinearizable), Duration::Millis(1000));
  EXPECT_EQ(refusal.reason, "READ_NOT_CONFIRMED");
  EXPECT_FALSE(refusal.message.empty());
}

TEST_F(Reads, R8_ANewLeaderAnswersOnlyWhenItCommittedAnEntryOfItsTerm) {
  Begin();
  Produce(leader);
  world.Kill(leader);
  // Asked over and over, whoever is asked never shows less than was acknowledged.
  std::vector<RequestId> asked;
  const Instant begun = world.now();
  while (!world.LeaderOf(kTopicGroup).has_value() || world.now() - begun < Duration::Millis(4000)) {
    ASSERT_LT(world.now() - begun, Duration::Seconds(60));
    asked.push_back(world.Ask(follower, End(Consistency::kLinearizable)));
    world.Advance(Duration::Millis(10));
  }
  world.Advance(kTwoElectionTimeouts);
  size_t answered = 0;
  for (const RequestId id : asked) {
    const Response* const answer = AnswerTo(follower, id);
    ASSERT_NE(answer, nullptr) << "never dropped for ever";
    const auto* read = std::get_if<FetchResponse>(answer);
    if (read == nullptr) continue;
    ++answered;
    EXPECT_EQ(read->limit, Offset(1));
  }
  EXPECT_GT(answered, 0u);
  EXPECT_LT(answered, asked.size());
}

TEST_F(Reads, ABoundedReadAsksOnceAndThenAnswersByItselfWithinItsBound) {
  Begin();
  Produce(leader);
  const Duration bound = Duration::Millis(500);
  EXPECT_EQ(Read(follower, End(Consistency::kBounded, bound)).limit, Offset(1));
  world.Cut(follower);
  world.Advance(Duration::Millis(360));
  const FetchResponse read = Read(follower, End(Consistency::kBounded, bound));
  EXPECT_EQ(read.limit, Offset(1));
  EXPECT_EQ(read.staleness, Duration::Millis(400)) << "360, for a clock that is a tenth slow";
  world.Advance(Duration::Millis(100));
  const RpcError refusal =
      Refused(follower, End(Consistency::kBounded, bound), kTwoElectionTimeouts);
  EXPECT_EQ(refusal.reason, "TOO_STALE");
  EXPECT_EQ(refusal.metadata.at("max_staleness_us"), "500000");
  EXPECT_TRUE(refusal.metadata.contains("staleness_us"));
  EXPECT_EQ(Read(follower, End(Consistency::kBounded, Duration::Seconds(60))).limit, Offset(1))
      << "who may see older ones still does";
  EXPECT_EQ(world.at(follower).node->counters().reads_refused, 1u);
}

TEST_F(Reads, HearingOfALeaderAloneMakesNothingFresher) {
  Begin();
  Produce(leader);
  EXPECT_EQ(Read(follower, End(Consistency::kBounded, Duration::Millis(500))).limit, Offset(1));
  // Of several heartbeats, which may have been long on their way.
  world.Advance(Duration::Millis(360));
  EXPECT_EQ(Read(follower, End(Consistency::kCommitted)).staleness, Duration::Millis(400));
}

TEST_F(Reads, ATailWithABoundEndsWhenItCannotBeKept) {
  Begin();
  FetchRequest tail = End(Consistency::kBounded, Duration::Millis(200));
  tail.wait = true;
  const RequestId id = world.Ask(follower, tail);
  world.Advance(Duration::Seconds(5));
  EXPECT_EQ(AnswerTo(follower, id), nullptr) << "it is told again and again that nothing came";
  const RequestId woken = world.Ask(follower, tail);
  Produce(leader);
  world.Advance(Duration::Millis(400));
  ASSERT_NE(AnswerTo(follower, id), nullptr);
  EXPECT_EQ(std::get<FetchResponse>(*AnswerTo(follower, id)).limit, Offset(1));
  EXPECT_NE(AnswerTo(follower, woken), nullptr);
  const RequestId silent = world.Ask(follower, tail);
  world.Cut(follower);
  world.Advance(Duration::Millis(200) + kTwoElectionTimeouts);
  ASSERT_NE(AnswerTo(follower, silent), nullptr);
  EXPECT_EQ(std::get<RpcError>(*AnswerTo(follower, silent)).reason, "TOO_STALE");
}

TEST_F(Reads, R10_ALeaseAnswersWithoutARoundAndNotWhileLeadershipIsHandedOver) {
  Begin(/*lease_reads=*/true);
  Produce(leader);
  const auto by_lease = [&] {
    return world.GroupAt(leader, kTopicGroup)->raft->counters().reads_by_lease;
  };
  EXPECT_EQ(Read(leader, End(Consistency::kLinearizable)).limit, Offset(1));
  EXPECT_EQ(by_lease(), 1u);
  EXPECT_EQ(Read(follower, End(Consistency::kLinearizable)).limit, Offset(1));
  EXPECT_EQ(by_lease(), 2u) << "for a follower, too";
  EXPECT_EQ(world.GroupAt(leader, kTopicGroup)->raft->counters().read_rounds, 0u);
  // Nobody it could be handed to hears of it.
  world.Cut(leader);
  world.Advance(Duration::Millis(1));
  world.Ask(leader, TransferLeadershipRequest{
                        .topic = "t", .partition = PartitionId(0), .to = NodeId(follower + 1)});
  EXPECT_EQ(Refused(leader, End(Consistency::kLinearizable), Duration()).reason,
            "READ_NOT_CONFIRMED");
  EXPECT_EQ(by_lease(), 2u);
}

TEST_F(Reads, ABoundThatIsNoneIsRefused) {
  Begin();
  EXPECT_EQ(Refused(leader, End(Consistency::kBounded), Duration()).reason, "INVALID_CONSISTENCY");
}

TEST_F(Reads, ACancelledReadIsNotAnswered) {
  Begin();
  world.Cut(leader);
  const RequestId id = world.Ask(leader, End(Consistency::kLinearizable));
  world.Cancel(leader, id);
  world.Advance(kTwoElectionTimeouts);
  EXPECT_EQ(AnswerTo(leader, id), nullptr);
}

}  // namespace
}  // namespace tidemark
