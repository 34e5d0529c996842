#include "sim/network.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

Scenario ThreeNodes() {
  Scenario scenario;
  scenario.nodes = {NodeId{1}, NodeId{2}, NodeId{3}};
  scenario.latency_min = Duration::Micros(100);
  scenario.latency_max = Duration::Micros(500);
  scenario.election_timeout = Duration::Millis(100);
  return scenario;
}

class NetworkTest : public testing::Test {
 protected:
  Network Make() { return Network(scenario_, &decisions_, &coverage_); }

  Scenario scenario_ = ThreeNodes();
  Decisions decisions_{1};
  Coverage coverage_;
};

TEST_F(NetworkTest, MessagesArriveOnceWithinTheLatencyAndInOrder) {
  Network network = Make();
  network.Connect(0, 1);
  Instant last;
  for (int i = 0; i < 100; ++i) {
    const Instant now = Instant::FromNanos(i * 1000);
    const Network::Arrivals arrivals = network.PlanMessage(now, 0, 1);
    ASSERT_EQ(arrivals.count, 1u);
    EXPECT_GE(arrivals.at[0], now + scenario_.latency_min);
    EXPECT_GE(arrivals.at[0], last);
    last = arrivals.at[0];
  }
}

TEST_F(NetworkTest, MessagesOfOneInstantTravelTogetherIfPacked) {
  Network network = Make();
  network.Connect(0, 1);
  const Instant now = Instant() + Duration::Millis(1);
  const Instant first = network.PlanMessage(now, 0, 1).at[0];
  EXPECT_EQ(network.PlanMessage(now, 0, 1).at[0], first);
  EXPECT_EQ(network.PlanMessage(now, 0, 1).at[0], first);
  // Not with those of another instant or another connection, and not once they have arrived.
  network.Connect(0, 2);
  EXPECT_NE(network.PlanMessage(now, 0, 2).at[0], first);
  EXPECT_GT(network.PlanMessage(first, 0, 1).at[0], first);
}

TEST_F(NetworkTest, MessagesOfOneInstantDrawALatencyEachIfNotPacked) {
  scenario_.packed = false;
  scenario_.ordered_links = false;
  Network network = Make();
  network.Connect(0, 1);
  const Instant now = Instant() + Duration::Millis(1);
  const Instant first = network.PlanMessage(now, 0, 1).at[0];
  EXPECT_NE(network.PlanMessage(now, 0, 1).at[0], first);
}

TEST_F(NetworkTest, NothingArrivesWithoutAConnection) {
  Network network = Make();
  EXPECT_EQ(network.PlanMessage(Instant(), 0, 1).count, 0u);
  network.Connect(0, 1);
  EXPECT_EQ(network.PlanMessage(Instant(), 0, 1).count, 1u);
  EXPECT_EQ(network.PlanMessage(Instant(), 1, 0).count, 0u);
  const uint32_t epoch = network.Epoch(0, 1);
  network.Disconnect(0, 1);
  EXPECT_EQ(network.PlanMessage(Instant(), 0, 1).count, 0u);
  EXPECT_NE(network.Epoch(0, 1), epoch);
}

TEST_F(NetworkTest, ABlockedLinkIsBlockedOneWayUntilItHeals) {
  Network network = Make();
  network.Connect(0, 1);
  network.Connect(1, 0);
  network.Block(0, 1);
  EXPECT_FALSE(network.Reachable(0, 1));
  EXPECT_TRUE(network.Reachable(1, 0));
  EXPECT_EQ(network.PlanMessage(Instant(), 0, 1).count, 0u);
  EXPECT_EQ(network.PlanDatagram(Instant(), 0, 1).count, 0u);
  EXPECT_EQ(network.PlanMessage(Instant(), 1, 0).count, 1u);
  EXPECT_EQ(network.PlanDatagram(Instant(), 0, 2).count, 1u);
  network.HealAll();
  EXPECT_EQ(network.PlanMessage(Instant(), 0, 1).count, 1u);
}

TEST_F(NetworkTest, LosesRepeatsAndReordersAsOftenAsTheScenarioSays) {
  scenario_.message_lost = 200'000;
  scenario_.message_duplicated = 200'000;
  scenario_.message_reordered = 200'000;
  scenario_.datagram_lost = 500'000;
  Network network = Make();
  network.Connect(0, 1);
  int lost = 0;
  int twice = 0;
  int overtaken = 0;
  int datagrams = 0;
  Instant last;
  for (int i = 0; i < 1000; ++i) {
    const Instant now = Instant::FromNanos(i * 1'000'000);
    const Network::Arrivals arrivals = network.PlanMessage(now, 0, 1);
    lost += arrivals.count == 0;
    twice += arrivals.count == 2;
    if (arrivals.count > 0) {
      overtaken += arrivals.at[0] < last;
      last = arrivals.at[0];
    }
    datagrams += network.PlanDatagram(now, 0, 1).count == 1;
  }
  EXPECT_GT(lost, 150);
  EXPECT_LT(lost, 250);
  EXPECT_GT(twice, 100);
  EXPECT_GT(overtaken, 50);
  EXPECT_GT(datagrams, 400);
  EXPECT_LT(datagrams, 600);
  EXPECT_EQ(coverage_[Probe::kMessageLost], static_cast<uint64_t>(lost));
}

TEST_F(NetworkTest, NothingGoesWrongOnceItIsCalm) {
  scenario_.message_lost = 900'000;
  scenario_.message_duplicated = 900'000;
  scenario_.message_reordered = 900'000;
  scenario_.ordered_links = false;
  scenario_.datagram_lost = 900'000;
  Network network = Make();
  network.Connect(0, 1);
  network.Calm();
  Instant last;
  for (int i = 0; i < 100; ++i) {
    const Instant now = Instant::FromNanos(i * 1000);
    const Network::Arrivals arrivals = network.PlanMessage(now, 0, 1);
    ASSERT_EQ(arrivals.count, 1u);
    EXPECT_GE(arrivals.at[0], last);
    last = arrivals.at[0];
    EXPECT_EQ(network.PlanDatagram(now, 0, 1).count, 1u);
  }
}

}  // namespace
}  // namespace tidemark::sim
