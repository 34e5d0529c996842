#include <gtest/gtest.h>

#include <variant>

#include "tests/engine/raft/cluster.h"
#include "tests/engine/raft/member.h"

// Bugs that other systems had, each built on purpose. Named by their row in the catalogue of
// scenarios; rows that are about one rule are also unit tests beside that rule.

namespace tidemark::raft {
namespace {

void ExpectNoFailures(const Cluster& cluster) {
  EXPECT_TRUE(cluster.failures().empty()) << cluster.failures().front();
  EXPECT_EQ(cluster.totals().contradictions, 0u);
}

bool ElectedAt(Cluster& cluster, NodeId id) {
  return cluster.RunUntilTrue([&] { return cluster.leader() == id; }, Duration::Seconds(20));
}

// Cuts `id` off from all but `friends`.
void OnlyWith(Cluster& cluster, NodeId id, const std::set<NodeId>& friends) {
  for (const NodeId other : cluster.ids()) {
    if (other != id && !friends.contains(other)) cluster.CutBoth(id, other);
  }
}

// Thesis figure 3.7, built step by step. Without the rule, node 1 commits the entry of its first
// term by counting in its second, and node 5 overwrites it.
TEST(Scenario, R6_AnEntryOfAnOlderTermOnAMajorityIsNotYetCommitted) {
  Config config = TestConfig();
  config.noop_at_election = false;
  config.pre_vote = false;
  config.check_quorum = false;
  Cluster cluster({.nodes = 5, .config = config, .seed = 11});
  // (a) Whoever leads gets an entry to itself and one other.
  ASSERT_TRUE(
      cluster.RunUntilTrue([&] { return cluster.leader() != kNoNode; }, Duration::Seconds(2)));
  const NodeId first = cluster.leader();
  ASSERT_TRUE(cluster.ProposeAndSettle("base"));
  const NodeId second = first == kOne ? kTwo : kOne;
  NodeId rival = kFive;
  if (rival == first) rival = kFour;
  cluster.filter = [&](const Message& m) {
    const auto* append = std::get_if<AppendRequest>(&m.body);
    return append == nullptr || append->entries.empty() || m.to == second;
  };
  const LogIndex contested = *cluster.Propose(first, "old");
  cluster.RunFor(Duration::Millis(10));
  ASSERT_EQ(cluster.log(second).last_index(), contested);
  cluster.Crash(first);
  cluster.filter = nullptr;
  // (b) The rival wins without `second` and appends an entry of its own, to itself only.
  cluster.Isolate(second);
  cluster.filter = [&](const Message& m) {
    if (std::holds_alternative<VoteRequest>(m.body)) return m.from == rival;
    const auto* append = std::get_if<AppendRequest>(&m.body);
    return append == nullptr || append->entries.empty();
  };
  ASSERT_TRUE(ElectedAt(cluster, rival));
  ASSERT_TRUE(cluster.Propose(rival, "rival").has_value());
  cluster.RunFor(Duration::Millis(5));
  cluster.Crash(rival);
  // (c) The first leader returns, leads again and brings its old entry to a majority.
  cluster.Restart(first);
  for (const NodeId a : cluster.ids()) {
    for (const NodeId b : cluster.ids()) cluster.Mend(a, b);
  }
  const auto only_elects = [&cluster](NodeId candidate) {
    cluster.filter = [candidate](const Message& m) {
      return !std::holds_alternative<VoteReply>(m.body) || m.to == candidate;
    };
  };
  only_elects(first);
  ASSERT_TRUE(ElectedAt(cluster, first));
  cluster.RunFor(Duration::Millis(60));
  size_t holders = 0;
  for (const NodeId id : cluster.ids()) {
    if (cluster.disk(id).size() >= contested.value() &&
        cluster.disk(id)[contested.value() - 1].term == cluster.log(first).At(contested).term) {
      ++holders;
    }
  }
  ASSERT_GE(holders, 3u);
  EXPECT_LT(cluster.raft(first).commit(), contested);
  EXPECT_FALSE(cluster.raft(first).serving());
  // (d) So the rival may still overwrite it, and nobody minds.
  cluster.Crash(first);
  cluster.Restart(rival);
  only_elects(rival);
  ASSERT_TRUE(ElectedAt(cluster, rival));
  ASSERT_TRUE(cluster.ProposeAndSettle("after"));
  EXPECT_EQ(cluster.committed().at(contested).payload, "rival");
  cluster.Heal();
  EXPECT_TRUE(cluster.ProposeAndSettle("healed"));
  ExpectNoFailures(cluster);
}

TEST(Scenario, R7_ARestartBetweenGrantingAndPersistingAVoteElectsNoSecondLeader) {
  Config config = TestConfig();
  config.pre_vote = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Cluster cluster({.nodes = 3,
                     .config = config,
                     .seed = seed,
                     .write_min = Duration::Millis(1),
                     .write_max = Duration::Millis(40)});
    // Crash every voter in turn while its write is under way.
    for (int round = 0; round < 20; ++round) {
      cluster.RunFor(Duration::Millis(10 + round));
      const NodeId victim = cluster.ids()[static_cast<size_t>(round) % 3];
      cluster.Crash(victim);
      cluster.Restart(victim);
    }
    cluster.Heal();
    ASSERT_TRUE(cluster.ProposeAndSettle("healed")) << seed;
    ExpectNoFailures(cluster);
  }
}

TEST(Scenario, R8_ALeaderThatCannotCommitNeverServes) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 5});
  // Appends with entries are lost: elected, but nothing of its term commits.
  cluster.filter = [](const Message& m) {
    const auto* append = std::get_if<AppendRequest>(&m.body);
    return append == nullptr || append->entries.empty();
  };
  ASSERT_TRUE(
      cluster.RunUntilTrue([&] { return cluster.leader() != kNoNode; }, Duration::Seconds(5)));
  for (int i = 0; i < 100; ++i) {
    cluster.RunFor(Duration::Millis(5));
    for (const NodeId id : cluster.ids()) EXPECT_FALSE(cluster.raft(id).serving());
  }
  // And is not refused for ever.
  cluster.Heal();
  EXPECT_NE(cluster.WaitForLeader(), kNoNode);
  EXPECT_TRUE(cluster.raft(cluster.leader()).serving());
  ExpectNoFailures(cluster);
}

TEST(Scenario, R9_APartitionedMemberThatReturnsDoesNotDisturbTheLeader) {
  Cluster cluster({.nodes = 5, .config = TestConfig(), .seed = 8});
  const NodeId leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  const Term term = cluster.raft(leader).term();
  const NodeId outsider = leader == kFive ? kFour : kFive;
  cluster.Isolate(outsider);
  cluster.RunFor(Duration::Seconds(5));
  EXPECT_EQ(cluster.raft(outsider).term(), term);
  cluster.Heal();
  ASSERT_TRUE(cluster.ProposeAndSettle("b"));
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.raft(leader).term(), term);
  ExpectNoFailures(cluster);
}

// A member that everybody but the leader can reach must not depose it for ever.
TEST(Scenario, R9_APartialPartitionSettlesOnALeaderWithAQuorum) {
  for (const bool pre_vote : {true, false}) {
    Config config = TestConfig();
    config.pre_vote = pre_vote;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Cluster cluster({.nodes = 5, .config = config, .seed = seed});
      const NodeId leader = cluster.WaitForLeader();
      ASSERT_NE(leader, kNoNode);
      const NodeId other = leader == kOne ? kTwo : kOne;
      cluster.CutBoth(leader, other);
      cluster.RunFor(Duration::Seconds(2));
      const NodeId settled = cluster.WaitForLeader();
      ASSERT_NE(settled, kNoNode);
      if (pre_vote) {
        // The others still hear the leader, so nobody helps the one that does not.
        EXPECT_EQ(settled, leader) << seed;
      }
      EXPECT_TRUE(cluster.Propose(settled, "x").has_value());
      ExpectNoFailures(cluster);
    }
  }
}

// A leader that can send to its followers but hears none of them keeps them from electing another.
TEST(Scenario, R9_ALeaderThatHearsNobodyGivesUpAndAnotherLeads) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 21});
  const NodeId deaf = cluster.WaitForLeader();
  for (const NodeId id : cluster.ids()) {
    if (id != deaf) cluster.Cut(id, deaf);
  }
  ASSERT_TRUE(
      cluster.RunUntilTrue([&] { return cluster.leader() != deaf && cluster.leader() != kNoNode; },
                           Duration::Seconds(3)));
  ExpectNoFailures(cluster);
}

// Rolling enablement: members with and without pre-vote in one group, in every combination.
TEST(Scenario, R9_AMemberStuckAtAHigherTermIsFreedWithOrWithoutPreVote) {
  for (const bool check_quorum : {true, false}) {
    Config config = TestConfig();
    config.pre_vote = false;
    config.check_quorum = check_quorum;
    Cluster cluster({.nodes = 3, .config = config, .seed = 9});
    const NodeId leader = cluster.WaitForLeader();
    const NodeId outsider = leader == kThree ? kTwo : kThree;
    cluster.Isolate(outsider);
    cluster.RunFor(Duration::Seconds(2));
    EXPECT_GT(cluster.raft(outsider).term(), cluster.raft(leader).term());
    cluster.Heal();
    ASSERT_TRUE(cluster.ProposeAndSettle("freed"));
    const Term settled = cluster.raft(cluster.leader()).term();
    cluster.RunFor(Duration::Seconds(2));
    EXPECT_EQ(cluster.raft(cluster.leader()).term(), settled);
    ExpectNoFailures(cluster);
  }
}

// R13, as far as static membership goes: neither half of a split group of four commits.
TEST(Scenario, R13_HalvesOfAnEvenGroupCannotBothCommit) {
  Cluster cluster({.nodes = 4, .config = TestConfig(), .seed = 4});
  ASSERT_TRUE(cluster.WaitForLeader() != kNoNode && cluster.ProposeAndSettle("a"));
  const size_t before = cluster.committed().size();
  OnlyWith(cluster, kOne, {kTwo});
  OnlyWith(cluster, kTwo, {kOne});
  for (int i = 0; i < 50; ++i) {
    cluster.RunFor(Duration::Millis(20));
    for (const NodeId id : cluster.ids()) cluster.Propose(id, "split");
  }
  EXPECT_EQ(cluster.committed().size(), before);
  EXPECT_EQ(cluster.leader(), kNoNode);
  cluster.Heal();
  EXPECT_TRUE(cluster.ProposeAndSettle("healed"));
  ExpectNoFailures(cluster);
}

TEST(Scenario, R16_WhatIsCommittedSurvivesEveryChangeOfLeader) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 16});
  for (int round = 0; round < 30; ++round) {
    const NodeId leader = cluster.WaitForLeader();
    ASSERT_NE(leader, kNoNode);
    ASSERT_TRUE(cluster.ProposeAndSettle("committed " + std::to_string(round)));
    // More that will not commit, then the leader disappears.
    cluster.Isolate(leader);
    for (int i = 0; i < 5; ++i) cluster.Propose(leader, "lost");
    ASSERT_TRUE(cluster.RunUntilTrue(
        [&] { return cluster.leader() != leader && cluster.leader() != kNoNode; },
        Duration::Seconds(5)));
    cluster.Heal();
  }
  ASSERT_TRUE(cluster.ProposeAndSettle("end"));
  int kept = 0;
  for (const auto& [index, entry] : cluster.committed()) {
    kept += entry.payload.starts_with("committed") ? 1 : 0;
    EXPECT_NE(entry.payload, "lost");
  }
  EXPECT_EQ(kept, 30);
  EXPECT_GT(cluster.totals().truncations, 0u);
  ExpectNoFailures(cluster);
}

TEST(Scenario, R17_AFollowerWithAHangingDiskStillLearnsWhatIsCommitted) {
  Cluster cluster({.nodes = 3, .config = TestConfig(), .seed = 17});
  const NodeId leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  const NodeId slow = leader == kThree ? kTwo : kThree;
  cluster.StallDisk(slow, true);
  const LogIndex index = *cluster.Propose(leader, "b");
  EXPECT_TRUE(cluster.RunUntilTrue([&] { return cluster.raft(slow).commit() >= index; },
                                   Duration::Millis(50)));
  EXPECT_LT(cluster.disk(slow).size(), index.value());
  ExpectNoFailures(cluster);
}

TEST(Scenario, R19_CatchUpOverALossyNetworkEndsWithEqualLogs) {
  Config config = TestConfig();
  config.append_entries_max = 4;
  Cluster cluster({.nodes = 3,
                   .config = config,
                   .seed = 19,
                   .drop = 300,
                   .duplicate = 200,
                   .delay_max = Duration::Millis(5),
                   .cached_entries = 8});
  const NodeId leader = cluster.WaitForLeader();
  ASSERT_NE(leader, kNoNode);
  const NodeId behind = leader == kThree ? kTwo : kThree;
  cluster.Crash(behind);
  for (int i = 0; i < 200; ++i) {
    cluster.Propose(cluster.leader(), "x");
    cluster.RunFor(Duration::Millis(1));
  }
  cluster.Restart(behind);
  EXPECT_TRUE(cluster.ProposeAndSettle("end", Duration::Seconds(30)));
  ExpectNoFailures(cluster);
}

// A leader whose followers are slow keeps what is in flight bounded, and loses nothing.
TEST(Scenario, R24_ASlowFollowerNeverHasMoreInFlightThanTheLimit) {
  Config config = TestConfig();
  config.inflight_messages_max = 4;
  Cluster cluster({.nodes = 3, .config = config, .seed = 24});
  const NodeId leader = cluster.WaitForLeader();
  ASSERT_TRUE(cluster.ProposeAndSettle("a"));
  const NodeId slow = leader == kThree ? kTwo : kThree;
  cluster.StallDisk(slow, true);
  uint64_t with_entries = 0;
  uint64_t largest = 0;
  cluster.filter = [&](const Message& m) {
    const auto* append = std::get_if<AppendRequest>(&m.body);
    if (append != nullptr && m.to == slow && !append->entries.empty()) {
      ++with_entries;
      largest = std::max<uint64_t>(largest, append->entries.size());
    }
    return true;
  };
  for (int i = 0; i < 300; ++i) {
    cluster.Propose(leader, "x");
    cluster.RunFor(Duration::Micros(300));
  }
  EXPECT_LE(with_entries, 4u);
  cluster.StallDisk(slow, false);
  EXPECT_TRUE(cluster.ProposeAndSettle("end"));
  EXPECT_GT(largest, 100u);  // one message carried the backlog
  ExpectNoFailures(cluster);
}

TEST(Scenario, TheSameSeedRunsTheSameWayTwice) {
  const auto run = [] {
    Cluster cluster({.nodes = 5,
                     .config = TestConfig(),
                     .seed = 77,
                     .drop = 100,
                     .duplicate = 100,
                     .delay_max = Duration::Millis(10)});
    for (int i = 0; i < 200; ++i) {
      cluster.RunFor(Duration::Millis(5));
      cluster.Propose(cluster.leader(), "x");
    }
    return std::tuple(cluster.messages_delivered(), cluster.committed().size(), cluster.leader());
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace tidemark::raft
