#include <gtest/gtest.h>

#include <string>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "tests/engine/node/trio_world.h"

// Mirrors engine/node/replica_log.cc: what is read for members that lag, and when.

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};
constexpr uint64_t kRate = kCatchUpRateMin;

std::string BatchOf(size_t bytes) {
  const Record record{.key = std::nullopt, .value = std::string(bytes, 'x'), .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), {});
}

// Three nodes that keep five batches in memory, topic "t", and a follower that lacks 600 KB.
class Lagging : public testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < 3; ++i) world.at(i).options.catch_up_bytes_per_second = kRate;
    world.BootAll();
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup).has_value(); }));
    world.Ask(*world.LeaderOf(kCatalogGroup),
              CreateTopicRequest{.name = "t", .partitions = 1, .replication_factor = 3});
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
    leader = *world.LeaderOf(kTopicGroup);
    away = (leader + 1) % 3;
    other = (leader + 2) % 3;
    world.Kill(away);
    Produce(150);
    // Long enough for nobody to be in the way any more.
    world.Advance(Duration::Millis(2 * kCatchUpBusyMillis));
    ASSERT_EQ(world.LeaderOf(kTopicGroup), leader);
  }

  void Produce(int batches) {
    for (int i = 0; i < batches; ++i) {
      const RequestId id = world.Ask(leader, ProduceRequest{"t", PartitionId(0), BatchOf(4000)});
      ASSERT_TRUE(world.AdvanceUntil([&] { return world.at(leader).answers.contains(id); }));
      ASSERT_TRUE(std::holds_alternative<ProduceResponse>(world.at(leader).answers.at(id)));
    }
  }
  uint64_t Sent() { return world.at(leader).node->counters().catch_up_bytes; }
  bool CaughtUp() {
    const std::optional<GroupView> here = world.GroupAt(away, kTopicGroup);
    return here.has_value() &&
           here->log->last_index() == world.GroupAt(leader, kTopicGroup)->log->last_index();
  }

  TrioWorld world;
  size_t leader = 0;
  size_t away = 0;
  size_t other = 0;
};

TEST_F(Lagging, AMemberThatNobodyWaitsForGetsWhatItLacksAtTheRate) {
  world.Boot(away);
  world.Advance(Duration::Seconds(3));
  EXPECT_GE(Sent(), 2 * kRate);
  // What is saved up at the beginning, and what the last turn was too much.
  EXPECT_LE(Sent(), 3 * kRate + 2 * kCatchUpReadBytes);
  EXPECT_FALSE(CaughtUp());
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(); }));
  EXPECT_GE(Sent(), 500'000u);
  EXPECT_GE(world.at(leader).node->counters().catch_up_turns, 5u);
}

TEST_F(Lagging, ItComesNearerWhateverIsAppended) {
  world.Boot(away);
  // Faster than the rate.
  for (int tenth = 0; tenth < 300; ++tenth) {
    Produce(4);
    world.Advance(Duration::Millis(100));
  }
  EXPECT_TRUE(CaughtUp());
}

TEST_F(Lagging, AMemberThatTheOthersCannotCommitWithoutDoesNotWait) {
  const Instant begin = world.now();
  world.Kill(other);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(); }));
  // An election timeout until the other is known to be gone, and no more than that.
  EXPECT_LE(world.now() - begin, Duration::Seconds(3));
}

TEST_F(Lagging, WhoeverDoesNotGetItsTurnFromAnOldLeaderGetsItFromTheNext) {
  world.Boot(away);
  world.Advance(Duration::Seconds(1));
  ASSERT_FALSE(CaughtUp());
  world.Kill(leader);
  const size_t old = std::exchange(leader, other);
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup) == other; }));
  world.Boot(old);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(); }));
}

}  // namespace
}  // namespace tidemark
