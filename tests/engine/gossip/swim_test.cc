#include "engine/gossip/swim.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "engine/base/limits.h"
#include "tests/engine/gossip/cluster.h"

namespace tidemark::gossip {
namespace {

using Kind = MemberChange::Kind;

void Grow(Cluster& cluster, uint64_t count) {
  for (uint64_t id = 1; id <= count; ++id) cluster.Add(id);
}

TEST(Join, S6_1_OneAddressIsEnough) {
  for (const uint64_t count : {2, 3, 5, 10, 32}) {
    Cluster cluster(count);
    Grow(cluster, count);
    EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(10), [&] { return cluster.Converged(); }))
        << count;
    for (uint64_t id = 1; id <= count; ++id) {
      EXPECT_EQ(cluster.Count(Kind::kJoined, id), static_cast<int>(count - 1));
    }
    EXPECT_EQ(cluster.at(1).members().size(), count);
  }
}

TEST(Join, GoesOnUntilTheSeedIsThere) {
  Cluster cluster(1);
  cluster.Add(2);
  cluster.Add(3);
  cluster.Run(Duration::Seconds(20));
  EXPECT_EQ(cluster.at(2).members().size(), 1u);
  cluster.Add(1);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
}

TEST(Join, TriesOneSeedAfterAnotherAndSkipsItself) {
  Cluster cluster(1);
  cluster.Add(1);
  Config config = Cluster::ConfigOf(2);
  config.seeds = {Cluster::At(2), Cluster::At(77), Cluster::At(78), Cluster::At(1)};
  cluster.Add(2, config);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
  for (const Cluster::Sent& sent : cluster.sent) {
    EXPECT_NE(sent.to, Cluster::At(sent.from));
  }
}

TEST(Join, ConvergesOverALossyNetwork) {
  Cluster cluster(5);
  cluster.Lose(300);
  Grow(cluster, 8);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(60), [&] { return cluster.Converged(); }));
}

TEST(Join, AMemberOfAnotherClusterIsRefusedVisibly) {
  Cluster cluster(1);
  Grow(cluster, 3);
  Config foreign = Cluster::ConfigOf(4);
  foreign.cluster_id = "blue";
  cluster.Add(4, foreign);
  cluster.Run(Duration::Seconds(40));
  EXPECT_EQ(cluster.StateOf(4, 1), std::nullopt);
  EXPECT_EQ(cluster.at(4).members().size(), 1u);
  EXPECT_GT(cluster.at(1).counters().refused, 0u);
  ASSERT_FALSE(cluster.notes.empty());
  EXPECT_NE(cluster.notes[0].find("cluster \"blue\", this is \"green\""), std::string::npos)
      << cluster.notes[0];
  // A stranger that never gives up does not fill the log.
  EXPECT_LT(cluster.notes.size(), 12u);
}

struct KeyCase {
  std::vector<std::string> first, second;
  bool meet;
};

TEST(Join, KeysDecideWhoMayTalk) {
  const std::string a(16, 'a'), b(32, 'b');
  for (const KeyCase& keys :
       {KeyCase{{a}, {a}, true}, KeyCase{{a}, {b}, false}, KeyCase{{a}, {}, false},
        KeyCase{{}, {b}, false}, KeyCase{{a, b}, {b, a}, true}, KeyCase{{b}, {b}, true}}) {
    Cluster cluster(1);
    Config one = Cluster::ConfigOf(1), two = Cluster::ConfigOf(2);
    one.keys = keys.first;
    two.keys = keys.second;
    cluster.Add(1, one);
    cluster.Add(2, two);
    cluster.Run(Duration::Seconds(5));
    EXPECT_EQ(cluster.Converged(), keys.meet);
    EXPECT_EQ(cluster.at(1).counters().refused > 0, !keys.meet);
    EXPECT_EQ(cluster.notes.empty(), keys.meet);
  }
}

TEST(Join, OneKeyDoesNotJoinTwoClusters) {
  Cluster cluster(1);
  Config one = Cluster::ConfigOf(1), two = Cluster::ConfigOf(2);
  one.keys = two.keys = {std::string(16, 'a')};
  two.cluster_id = "blue";
  cluster.Add(1, one);
  cluster.Add(2, two);
  cluster.Run(Duration::Seconds(5));
  EXPECT_EQ(cluster.at(1).members().size(), 1u);
  EXPECT_GT(cluster.at(1).counters().refused, 0u);
}

TEST(Leave, IsSeenAsLeftAndNotAsFailed) {
  Cluster cluster(3);
  Grow(cluster, 6);
  cluster.Run(Duration::Seconds(5));
  cluster.Leave(4);
  cluster.Run(Duration::Millis(100));
  cluster.Crash(4);
  EXPECT_TRUE(cluster.AllSee(4, MemberState::kLeft));
  cluster.Run(Duration::Seconds(90));
  EXPECT_TRUE(cluster.AllSee(4, MemberState::kLeft));
  EXPECT_EQ(cluster.Count(Kind::kLeft, 4), 5);
  EXPECT_EQ(cluster.Count(Kind::kSuspect, 4), 0);
  EXPECT_EQ(cluster.Count(Kind::kFailed, 4), 0);
}

TEST(Leave, CanComeBack) {
  Cluster cluster(3);
  Grow(cluster, 3);
  cluster.Run(Duration::Seconds(5));
  cluster.Leave(2);
  cluster.Run(Duration::Seconds(1));
  cluster.Crash(2);
  cluster.Run(Duration::Seconds(1));
  cluster.Add(2);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
}

TEST(Tags, AChangeReachesEverybody) {
  Cluster cluster(4);
  Grow(cluster, 12);
  cluster.Run(Duration::Seconds(10));
  ASSERT_TRUE(cluster.Converged());
  const uint64_t before = cluster.at(3).self().incarnation;
  ASSERT_TRUE(cluster.SetTags(3, {{"role", "learner"}, {"zone", "b"}, {"id", "99"}}).ok());
  EXPECT_GT(cluster.at(3).self().incarnation, before);
  EXPECT_TRUE(cluster.RunUntil(Duration::Seconds(5), [&] { return cluster.Converged(); }));
  const Member* seen = cluster.at(9).Find(NodeId(3));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->tags,
            (std::map<std::string, std::string>{
                {"addr", "10.0.0.3:7000"}, {"id", "3"}, {"role", "learner"}, {"zone", "b"}}));
  EXPECT_EQ(cluster.Count(Kind::kUpdated, 3), 12);
}

TEST(Tags, ThatFitNoDatagramAreRefused) {
  Cluster cluster(4);
  Grow(cluster, 2);
  cluster.Run(Duration::Seconds(5));
  const absl::Status status = cluster.SetTags(1, {{"note", std::string(2000, 'x')}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cluster.at(1).self().tags.at("role"), "voter");
  EXPECT_TRUE(cluster.Converged());
}

TEST(Config, SaysWhatToChange) {
  const auto message = [](auto change) {
    Config config = Cluster::ConfigOf(1);
    change(config);
    return std::string(config.Check().message());
  };
  EXPECT_EQ(message([](Config&) {}), "");
  EXPECT_NE(message([](Config& c) { c.cluster_id = ""; }).find("cluster id"), std::string::npos);
  EXPECT_NE(message([](Config& c) { c.cluster_id.assign(200, 'x'); }).find("cluster id"),
            std::string::npos);
  EXPECT_NE(message([](Config& c) { c.id = kNoNode; }).find("id"), std::string::npos);
  EXPECT_NE(message([](Config& c) { c.name = ""; }).find("name"), std::string::npos);
  EXPECT_NE(message([](Config& c) { c.keys = {"short"}; }).find("16, 24 or 32"), std::string::npos);
  EXPECT_NE(message([](Config& c) { c.advertise = {}; }).find("endpoint"), std::string::npos);
  EXPECT_NE(message([](Config& c) { c.tags["x"].assign(1000, 'x'); }).find("tags"),
            std::string::npos);
  EXPECT_NE(message([](Config& c) { c.probe_timeout = c.probe_interval; }).find("timeout"),
            std::string::npos);
  EXPECT_NE(message([](Config& c) { c.SpeedUp(1'000'000'000'000); }).find("intervals"),
            std::string::npos);
}

TEST(Traffic, AnIdleClusterOnlyProbes) {
  Cluster cluster(4);
  Grow(cluster, 10);
  cluster.Run(Duration::Seconds(20));
  const size_t before = cluster.sent.size();
  cluster.Run(Duration::Seconds(60));
  // A ping and an ack a member and second; push and pull twice a minute.
  EXPECT_LE(cluster.sent.size() - before, 10u * 60 * 2 + 10 * 3 * 2);
}

TEST(Traffic, AMemberWithoutNewsWakesOnlyToProbe) {
  Cluster cluster(4);
  Grow(cluster, 3);
  cluster.Run(Duration::Seconds(60));
  const Config config = Cluster::ConfigOf(1);
  int wakes = 0;
  Instant last;
  cluster.RunUntil(Duration::Seconds(10), [&] {
    const Instant next = cluster.at(1).next_deadline();
    wakes += next != last ? 1 : 0;
    last = next;
    return false;
  });
  // A probe begins and may end without news; the same again now and then to compare views.
  EXPECT_LE(wakes, 2 * (Duration::Seconds(10).nanos() / config.probe_interval.nanos()) + 4);
}

TEST(Traffic, NewsAfterAQuietTimeIsToldAtOnce) {
  Cluster cluster(4);
  Grow(cluster, 3);
  cluster.Run(Duration::Seconds(60));
  Effects out;
  ASSERT_TRUE(cluster.at(1).SetTags(cluster.now(), {{"zone", "b"}}, out).ok());
  EXPECT_EQ(cluster.at(1).next_deadline(), cluster.now().instant);
}

TEST(Determinism, OneSeedGivesOneTrace) {
  const auto run = [](uint64_t seed) {
    Cluster cluster(seed);
    cluster.Lose(50);
    Grow(cluster, 7);
    cluster.Run(Duration::Seconds(10));
    cluster.Crash(3);
    cluster.Run(Duration::Seconds(30));
    cluster.Add(3);
    cluster.Run(Duration::Seconds(10));
    return cluster.trace();
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(HostileBytes, AreCountedAndChangeNothing) {
  Cluster cluster(9);
  Grow(cluster, 3);
  cluster.Run(Duration::Seconds(5));
  const std::vector<Member> before = cluster.at(1).members();
  const std::vector<Cluster::Sent> real = cluster.sent;
  for (const bool stream : {false, true}) {
    cluster.Inject(1, Cluster::At(9), "", stream);
    cluster.Inject(1, Cluster::At(9), std::string(4u << 20, 'x'), stream);
    for (size_t i = 0; i < real.size(); i += 7) {
      const std::string bytes(real[i].bytes.view());
      for (size_t cut = 0; cut < bytes.size(); cut += 3) {
        cluster.Inject(1, Cluster::At(9), bytes.substr(0, cut), stream);
      }
    }
  }
  EXPECT_EQ(cluster.at(1).members(), before);
  EXPECT_GT(cluster.at(1).counters().refused, 100u);
  EXPECT_LT(cluster.notes.size(), 30u);
}

RC_GTEST_PROP(HostileBytes, FlippedAnywhereNeverHarmAMember, (uint64_t seed)) {
  Cluster cluster(seed);
  Grow(cluster, 3);
  cluster.Run(Duration::Seconds(3));
  Prng prng(seed);
  const std::vector<Cluster::Sent> real = cluster.sent;
  for (int i = 0; i < 300; ++i) {
    const Cluster::Sent& message = real[prng.Below(real.size())];
    std::string bytes(message.bytes.view());
    for (uint64_t flips = prng.Between(uint64_t{1}, uint64_t{4}); flips > 0; --flips) {
      bytes[prng.Below(bytes.size())] ^= static_cast<char>(1 << prng.Below(8));
    }
    cluster.Inject(1, Cluster::At(9), bytes, message.stream);
  }
  RC_ASSERT(cluster.at(1).members().size() <= kGossipMembersMax);
  RC_ASSERT(cluster.at(1).self().state == MemberState::kAlive);
}

}  // namespace
}  // namespace tidemark::gossip
