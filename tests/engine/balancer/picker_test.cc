#include "engine/balancer/picker.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace tidemark::balancer {
namespace {

const TopicPartition kWhere{"t", PartitionId(0)};
Instant At(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

// Five servers n1..n5, all replicas; n1 leads.
ClusterView FiveReplicas() {
  ClusterView view({"seed"});
  std::vector<ServerInfo> servers;
  std::vector<NodeId> replicas;
  for (uint64_t id = 1; id <= 5; ++id) {
    servers.push_back({NodeId(id), "n" + std::to_string(id), "voter", false});
    replicas.push_back(NodeId(id));
  }
  view.UpdateServers(servers);
  view.UpdateTopic("t", {{.partition = PartitionId(0),
                          .group = GroupId(1),
                          .replicas = replicas,
                          .leader = NodeId(1),
                          .leader_term = Term(1)}});
  return view;
}

void Sample(Picker& picker, int64_t now, const std::string& address, int64_t millis, bool ok) {
  picker.OnStart(address);
  picker.OnDone(At(now), address, Duration::Millis(millis), ok);
}

TEST(Picker, ProducesToTheLeaderAndRotatesWhileThereIsNone) {
  Picker picker({}, Prng(1));
  ClusterView view = FiveReplicas();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(picker.PickProduce(At(0), view, kWhere)->address, "n1");
  view.OnUnreachable(kWhere, {NodeId(1), "n1"});
  std::set<std::string> asked;
  for (int i = 0; i < 6; ++i) asked.insert(picker.PickProduce(At(0), view, kWhere)->address);
  EXPECT_EQ(asked.size(), 6u);
  EXPECT_FALSE(picker.PickProduce(At(0), ClusterView({}), kWhere).has_value());
}

TEST(Picker, TwoChoicesPreferTheFasterAndTheIdler) {
  Picker picker({}, Prng(1));
  const ClusterView view = FiveReplicas();
  for (const char* address : {"n2", "n3", "n4", "n5"}) {
    Sample(picker, 0, address, address == std::string("n2") ? 200 : 2, true);
  }
  std::map<std::string, int> picked;
  for (int i = 0; i < 400; ++i) ++picked[picker.PickConsume(At(0), view, kWhere)->address];
  EXPECT_EQ(picked.count("n1"), 0u) << "the leader has healthy followers";
  EXPECT_EQ(picked["n2"], 0) << "the slowest of all loses every comparison";
  EXPECT_GT(picked["n3"], 60);
  for (int i = 0; i < 10; ++i) picker.OnStart("n3");
  picked.clear();
  for (int i = 0; i < 400; ++i) ++picked[picker.PickConsume(At(0), view, kWhere)->address];
  EXPECT_LT(picked["n3"], picked["n4"]);
  EXPECT_LT(picked["n3"], picked["n5"]);
}

TEST(Picker, PeaksCountAtOnceAndFade) {
  Picker picker({}, Prng(1));
  Sample(picker, 0, "a", 10, true);
  const uint64_t calm = picker.Cost(At(0), "a");
  Sample(picker, 1, "a", 1000, true);
  const uint64_t peak = picker.Cost(At(1), "a");
  EXPECT_GE(peak, 1'000'000u);
  EXPECT_GT(peak, 50 * calm);
  EXPECT_NEAR(static_cast<double>(picker.Cost(At(5001), "a")), static_cast<double>(peak) / 2, 2);
  EXPECT_EQ(picker.Cost(At(10'000'000), "a"), 1u);
}

TEST(Picker, AFastFailureIsNoSpeed) {
  Picker picker({}, Prng(1));
  Sample(picker, 0, "a", 100, true);
  const uint64_t before = picker.Cost(At(0), "a");
  Sample(picker, 0, "a", 0, false);
  EXPECT_EQ(picker.Cost(At(0), "a"), before);
}

TEST(Picker, EjectedFollowersAreSkippedAndComeBack) {
  Picker picker({}, Prng(1));
  const ClusterView view = FiveReplicas();
  ASSERT_TRUE(picker.PickConsume(At(0), view, kWhere).has_value());
  for (int i = 0; i < 3; ++i) Sample(picker, 1, "n2", 1, false);
  EXPECT_TRUE(picker.IsEjected(At(1), "n2"));
  std::set<std::string> before;
  std::set<std::string> after;
  for (int i = 0; i < 200; ++i) {
    before.insert(picker.PickConsume(At(2), view, kWhere)->address);
    after.insert(picker.PickConsume(At(60'000), view, kWhere)->address);
  }
  EXPECT_EQ(before.count("n2"), 0u);
  EXPECT_EQ(after.count("n2"), 1u);
}

TEST(Picker, ConsumesFromTheLeaderOnlyWhenNoFollowerIsLeft) {
  Picker picker({}, Prng(1));
  const ClusterView view = FiveReplicas();
  EXPECT_EQ(picker.PickConsume(At(0), view, kWhere, {"n2", "n3", "n4"})->address, "n5");
  EXPECT_EQ(picker.PickConsume(At(0), view, kWhere, {"n2", "n3", "n4", "n5"})->address, "n1");
}

TEST(Picker, StreamsStayUnlessAnotherIsClearlyCheaper) {
  Picker picker({}, Prng(1));
  const ClusterView view = FiveReplicas();
  for (const char* address : {"n2", "n3", "n4", "n5"}) Sample(picker, 0, address, 10, true);
  const std::string current = "n2";
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(picker.PickConsume(At(0), view, kWhere, {}, &current)->address, "n2");
  }
  Sample(picker, 0, "n2", 100, true);
  for (int i = 0; i < 50; ++i) {
    EXPECT_NE(picker.PickConsume(At(0), view, kWhere, {}, &current)->address, "n2");
  }
}

TEST(Picker, SameSeedSameChoices) {
  const ClusterView view = FiveReplicas();
  Picker one({}, Prng(42));
  Picker two({}, Prng(42));
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(one.PickConsume(At(i), view, kWhere)->address,
              two.PickConsume(At(i), view, kWhere)->address);
  }
}

}  // namespace
}  // namespace tidemark::balancer
