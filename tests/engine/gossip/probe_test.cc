#include <gtest/gtest.h>

#include "tests/engine/gossip/cluster.h"

namespace tidemark::gossip {
namespace {

using Kind = MemberChange::Kind;

void Settle(Cluster& cluster, uint64_t count) {
  for (uint64_t id = 1; id <= count; ++id) cluster.Add(id);
  ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(20), [&] { return cluster.Converged(); }));
  cluster.Run(Duration::Seconds(5));
  cluster.changes.clear();
}

TEST(Probe, ACrashedMemberIsSuspectedThenDeadForAllAndNobodyElseIs) {
  for (const uint64_t count : {2, 3, 5, 10, 32}) {
    Cluster cluster(count + 100);
    Settle(cluster, count);
    cluster.Crash(2);
    const Instant crashed = cluster.now().instant;
    ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(60), [&] {
      return cluster.AllSee(2, MemberState::kDead);
    })) << count;
    // Found within a few probe intervals, then given time to object: 4 intervals, twice as many
    // from ten members on, doubled for one that is not sure of its own health.
    EXPECT_LE((cluster.now().instant - crashed).millis(), count < 9 ? 15'000 : 30'000) << count;
    EXPECT_GE((cluster.now().instant - crashed).millis(), 4'000) << count;
    for (uint64_t id = 1; id <= count; ++id) {
      EXPECT_EQ(cluster.Count(Kind::kFailed, id), id == 2 ? static_cast<int>(count - 1) : 0);
      EXPECT_EQ(cluster.Count(Kind::kSuspect, id) > 0, id == 2) << count << ": " << id;
    }
  }
}

TEST(Probe, OthersSaveAMemberWhoseDirectPathIsCut) {
  Cluster cluster(11);
  Settle(cluster, 4);
  cluster.Cut(1, 2);
  cluster.Run(Duration::Seconds(120));
  EXPECT_EQ(cluster.Count(Kind::kSuspect, 2), 0);
  EXPECT_EQ(cluster.Count(Kind::kSuspect, 1), 0);
  EXPECT_TRUE(cluster.Converged());
  // Only the others saved it: with them cut off as well, it fails.
  for (const uint64_t id : {3, 4}) cluster.Cut(id, 2);
  cluster.Run(Duration::Seconds(60));
  EXPECT_EQ(cluster.StateOf(2, 1), MemberState::kDead);
}

TEST(Probe, OneWayLossIsNotFatalEither) {
  Cluster cluster(12);
  Settle(cluster, 5);
  cluster.CutOneWay(2, 1);
  cluster.CutOneWay(4, 3);
  cluster.Run(Duration::Seconds(120));
  for (uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(cluster.Count(Kind::kFailed, id), 0);
}

TEST(Probe, LossDoesNotKill) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    Cluster cluster(seed);
    Settle(cluster, 8);
    cluster.Lose(100);
    cluster.Run(Duration::Seconds(300));
    for (uint64_t id = 1; id <= 8; ++id) EXPECT_EQ(cluster.Count(Kind::kFailed, id), 0) << seed;
  }
}

TEST(Probe, ASlowMemberDoesNotMakeOthersFail) {
  Cluster cluster(13);
  Settle(cluster, 6);
  // Too slow for a direct answer, and for most indirect ones.
  cluster.Slow(6, Duration::Millis(400));
  cluster.Run(Duration::Seconds(300));
  for (uint64_t id = 1; id <= 5; ++id) {
    EXPECT_EQ(cluster.Count(Kind::kFailed, id), 0) << id;
  }
}

TEST(Probe, AnAddressTakenOverByAnotherMemberDoesNotAnswerForTheOldOne) {
  Cluster cluster(14);
  Settle(cluster, 3);
  cluster.Crash(3);
  // Another id at the address of member 3.
  Config config = Cluster::ConfigOf(9);
  config.advertise = Cluster::At(3);
  cluster.Add(3, config);
  ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(40), [&] {
    return cluster.StateOf(3, 1) == MemberState::kDead &&
           cluster.StateOf(3, 2) == MemberState::kDead;
  }));
  EXPECT_EQ(cluster.StateOf(9, 1), MemberState::kAlive);
  EXPECT_EQ(cluster.StateOf(9, 2), MemberState::kAlive);
}

TEST(Probe, NobodyPingsAStrangerForSomebody) {
  Cluster cluster(15);
  Settle(cluster, 2);
  cluster.sent.clear();
  Packet request;
  request.cluster_id = "green";
  request.type = PacketType::kPingRequest;
  request.from = NodeId(2);
  request.sequence = 7;
  request.target = NodeId(50);
  request.endpoint = Cluster::At(50);
  cluster.Inject(1, Cluster::At(2), AddChecksum(EncodePacket(request)), false);
  EXPECT_TRUE(cluster.sent.empty());
  // And to whom it knows, only where it knows it to be.
  request.target = NodeId(2);
  cluster.Inject(1, Cluster::At(2), AddChecksum(EncodePacket(request)), false);
  ASSERT_EQ(cluster.sent.size(), 1u);
  EXPECT_EQ(cluster.sent[0].to, Cluster::At(2));
}

}  // namespace
}  // namespace tidemark::gossip
