#include <gtest/gtest.h>

#include "engine/base/limits.h"
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

// A rumour, as any member of the cluster could send it.
std::string Rumour(Member member) {
  Packet packet;
  packet.cluster_id = "green";
  packet.from = NodeId(1);
  packet.endpoint = Cluster::At(1);
  packet.members = {std::move(member)};
  return AddChecksum(EncodePacket(packet));
}

TEST(Refute, AFalseSuspicionIsOutbidByItsSubject) {
  Cluster cluster(1);
  Settle(cluster, 5);
  const uint64_t before = cluster.at(3).self().incarnation;
  Member rumour = cluster.at(3).self();
  rumour.state = MemberState::kSuspect;
  cluster.Inject(1, Cluster::At(2), Rumour(rumour), false);
  EXPECT_EQ(cluster.StateOf(3, 1), MemberState::kSuspect);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
  EXPECT_GT(cluster.at(3).self().incarnation, before);
  EXPECT_GT(cluster.at(3).counters().refutations, 0u);
  EXPECT_EQ(cluster.Count(Kind::kFailed, 3), 0);
}

TEST(Refute, OwnDeathIsAlwaysARumour) {
  Cluster cluster(2);
  Settle(cluster, 4);
  for (const MemberState state : {MemberState::kDead, MemberState::kLeft}) {
    Member rumour = cluster.at(3).self();
    rumour.state = state;
    rumour.incarnation += 5;
    cluster.Inject(3, Cluster::At(2), Rumour(rumour), false);
    EXPECT_EQ(cluster.at(3).self().state, MemberState::kAlive);
    EXPECT_GT(cluster.at(3).self().incarnation, rumour.incarnation);
    cluster.Inject(2, Cluster::At(3), Rumour(rumour), false);
    EXPECT_EQ(cluster.StateOf(3, 2), state);
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
  }
}

TEST(Refute, WhoeverIsThoughtDeadHearsOfItFromThoseItPingsAndSaysItAgain) {
  for (const uint64_t known : {0, 1}) {
    Cluster cluster(3);
    for (const uint64_t id : {1, 2, 3}) {
      Config config = Cluster::ConfigOf(id);
      config.push_pull_interval = Duration::Seconds(600);
      config.seeds = {Cluster::At(3)};
      cluster.Add(id, config);
    }
    ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(20), [&] { return cluster.Converged(); }));
    // Nobody compares views, and nobody is left to join by.
    cluster.Crash(3);
    ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(60), [&] { return cluster.Converged(); }));
    cluster.Run(Duration::Seconds(10));
    Member rumour = cluster.at(2).self();
    rumour.state = MemberState::kDead;
    // All that is told of it is lost, that it is dead or, where it has heard so, that it is not.
    cluster.Cut(1, 2);
    cluster.Inject(1, Cluster::At(2), Rumour(rumour), false);
    if (known == 1) cluster.Inject(2, Cluster::At(1), Rumour(rumour), false);
    cluster.Run(Duration::Seconds(3));
    cluster.Heal();
    ASSERT_EQ(cluster.StateOf(2, 1), MemberState::kDead);
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(30), [&] { return cluster.Converged(); }));
  }
}

TEST(Restart, TheSameMemberComesBackWhetherItsDeathWasNoticedOrNot) {
  for (const int64_t seconds : {0, 1, 3, 60}) {
    Cluster cluster(static_cast<uint64_t>(seconds));
    Settle(cluster, 5);
    cluster.Crash(4);
    cluster.Run(Duration::Seconds(seconds));
    cluster.Add(4);
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(10), [&] { return cluster.Converged(); }))
        << seconds;
  }
}

// The seed itself: it has nobody to ask, and the others have not missed it.
TEST(Restart, ASeedThatForgotEverybodyHearsOfThemFromTheFirstThatSpeaksToIt) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Cluster cluster(seed);
    Settle(cluster, 3);
    cluster.Crash(1);
    cluster.Add(1);
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(4), [&] { return cluster.Converged(); }))
        << seed;
  }
}

TEST(Restart, AClockThatWentBackIsOutbidToo) {
  Cluster cluster(3);
  Settle(cluster, 3);
  Member earlier = cluster.at(2).self();
  // What the others remember is ahead of what the restarted member begins with.
  earlier.incarnation += 1'000'000'000;
  earlier.state = MemberState::kDead;
  cluster.Inject(1, Cluster::At(3), Rumour(earlier), false);
  cluster.Inject(3, Cluster::At(1), Rumour(earlier), false);
  cluster.Crash(2);
  cluster.Add(2);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(10), [&] { return cluster.Converged(); }));
  EXPECT_GT(cluster.at(2).self().incarnation, earlier.incarnation);
}

TEST(Restart, AMemberThatMovedIsTakenOverOnceItsOldPlaceIsDead) {
  Cluster cluster(4);
  Settle(cluster, 3);
  cluster.Crash(3);
  Config config = Cluster::ConfigOf(3);
  config.advertise = Cluster::At(30);
  cluster.Add(30, config);
  cluster.Run(Duration::Seconds(90));
  for (const uint64_t viewer : {1, 2}) {
    EXPECT_EQ(cluster.StateOf(3, viewer), MemberState::kAlive);
    EXPECT_EQ(cluster.at(viewer).Find(NodeId(3))->endpoint, Cluster::At(30));
  }
}

TEST(Conflict, ANewcomerDoesNotReplaceALiveMember) {
  Cluster cluster(5);
  Settle(cluster, 4);
  Config impostor = Cluster::ConfigOf(3);
  impostor.advertise = Cluster::At(30);
  cluster.Add(30, impostor);
  cluster.Run(Duration::Seconds(120));
  for (const uint64_t viewer : {1, 2, 4}) {
    EXPECT_EQ(cluster.at(viewer).Find(NodeId(3))->endpoint, Cluster::At(3)) << viewer;
    EXPECT_EQ(cluster.StateOf(3, viewer), MemberState::kAlive) << viewer;
  }
  EXPECT_EQ(cluster.Count(Kind::kFailed, 3), 0);
  bool named = false;
  for (const std::string& note : cluster.notes) {
    named = named || (note.find("10.0.0.3:7000") != std::string::npos &&
                      note.find("10.0.0.30:7000") != std::string::npos &&
                      note.find("incarnation") != std::string::npos);
  }
  EXPECT_TRUE(named);
  EXPECT_GT(cluster.at(1).counters().conflicts, 0u);
  // Seen, and not a flood; and no war of incarnations.
  Member claim = cluster.at(30).self();
  for (int i = 0; i < 1000; ++i) cluster.Inject(1, Cluster::At(30), Rumour(claim), false);
  EXPECT_LT(cluster.notes.size(), 60u);
  EXPECT_EQ(cluster.at(3).counters().refutations, 0u);
}

TEST(OldNews, DoesNotResurrectTheDead) {
  Cluster cluster(6);
  Settle(cluster, 4);
  cluster.Crash(4);
  ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(30),
                               [&] { return cluster.AllSee(4, MemberState::kDead); }));
  cluster.changes.clear();
  const std::vector<Cluster::Sent> old = cluster.sent;
  for (const Cluster::Sent& message : old) {
    for (const uint64_t to : {1, 2, 3}) {
      cluster.Inject(to, Cluster::At(message.from), message.bytes.view(), message.stream);
    }
  }
  EXPECT_TRUE(cluster.AllSee(4, MemberState::kDead));
  cluster.Run(Duration::Seconds(30));
  EXPECT_TRUE(cluster.AllSee(4, MemberState::kDead));
  EXPECT_EQ(cluster.Count(Kind::kJoined, 4), 0);
}

TEST(OldNews, IntroducesNoDeadMemberToANewOne) {
  Cluster cluster(7);
  Settle(cluster, 3);
  cluster.Crash(3);
  ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(30),
                               [&] { return cluster.AllSee(3, MemberState::kDead); }));
  const std::vector<Cluster::Sent> old = cluster.sent;
  cluster.Add(5);
  ASSERT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
  cluster.changes.clear();
  for (const Cluster::Sent& message : old) {
    cluster.Inject(5, Cluster::At(message.from), message.bytes.view(), message.stream);
  }
  EXPECT_EQ(cluster.Count(Kind::kJoined, 3), 0);
  EXPECT_EQ(cluster.StateOf(3, 5), MemberState::kDead);
}

TEST(OldNews, TheGoneAreForgottenByAllInTheEnd) {
  Cluster cluster(8);
  for (uint64_t id = 1; id <= 4; ++id) {
    Config config = Cluster::ConfigOf(id);
    // They forget at different times, and must not teach each other again in between.
    config.reclaim_after = Duration::Seconds(id == 1 ? 100 : 300);
    cluster.Add(id, config);
  }
  cluster.Run(Duration::Seconds(10));
  cluster.Crash(3);
  cluster.Leave(4);
  cluster.Run(Duration::Seconds(1));
  cluster.Crash(4);
  cluster.Run(Duration::Seconds(60));
  EXPECT_EQ(cluster.at(1).members().size(), 4u);
  cluster.Run(Duration::Seconds(140));
  EXPECT_EQ(cluster.at(1).members().size(), 2u);
  EXPECT_EQ(cluster.at(2).members().size(), 4u);
  cluster.Run(Duration::Seconds(140));
  EXPECT_EQ(cluster.at(2).members().size(), 2u);
}

TEST(Partition, HealsAndViewsConverge) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    Cluster cluster(seed);
    Settle(cluster, 7);
    for (uint64_t a = 1; a <= 3; ++a) {
      for (uint64_t b = 4; b <= 7; ++b) cluster.Cut(a, b);
    }
    cluster.Run(Duration::Seconds(90));
    EXPECT_EQ(cluster.StateOf(5, 1), MemberState::kDead);
    EXPECT_EQ(cluster.StateOf(1, 5), MemberState::kDead);
    EXPECT_EQ(cluster.StateOf(2, 1), MemberState::kAlive);
    cluster.Heal();
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(120), [&] { return cluster.Converged(); }))
        << seed;
  }
}

TEST(Bounds, MoreMembersThanRememberedPushOutTheGoneAndNeverTheLive) {
  Cluster cluster(9);
  Settle(cluster, 2);
  const auto member = [](uint64_t id, MemberState state) {
    Member stranger;
    stranger.id = NodeId(id);
    stranger.name = "stranger-" + std::to_string(id);
    stranger.endpoint = Cluster::At(200);
    stranger.incarnation = 1;
    stranger.state = state;
    return stranger;
  };
  for (uint64_t id = 1000; id < 1000 + kGossipMembersMax; ++id) {
    cluster.Inject(1, Cluster::At(2), Rumour(member(id, MemberState::kAlive)), false);
  }
  EXPECT_EQ(cluster.at(1).members().size(), kGossipMembersMax);
  EXPECT_EQ(cluster.StateOf(2, 1), MemberState::kAlive);
  cluster.Inject(1, Cluster::At(2), Rumour(member(5000, MemberState::kAlive)), false);
  EXPECT_EQ(cluster.StateOf(5000, 1), std::nullopt);
  cluster.Inject(1, Cluster::At(2), Rumour(member(1007, MemberState::kLeft)), false);
  cluster.Inject(1, Cluster::At(2), Rumour(member(5000, MemberState::kAlive)), false);
  EXPECT_EQ(cluster.StateOf(5000, 1), MemberState::kAlive);
  EXPECT_EQ(cluster.StateOf(1007, 1), std::nullopt);
  EXPECT_EQ(cluster.at(1).members().size(), kGossipMembersMax);
  // The largest view still fits a stream, which the harness checks.
  cluster.Run(Duration::Seconds(60));
}

}  // namespace
}  // namespace tidemark::gossip
