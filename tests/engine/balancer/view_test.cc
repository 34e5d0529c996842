#include "engine/balancer/view.h"

#include <gtest/gtest.h>

namespace tidemark::balancer {
namespace {

const TopicPartition kWhere{"t", PartitionId(0)};

ClusterView ThreeServers() {
  ClusterView view({"seed:1", "b:1"});
  view.UpdateServers({{NodeId(1), "a:1", "voter", false},
                      {NodeId(2), "b:1", "voter", true},
                      {NodeId(3), "c:1", "voter", false}});
  return view;
}

PartitionInfo Info(uint64_t leader, uint64_t term, uint64_t group = 7) {
  return {.partition = PartitionId(0),
          .group = GroupId(group),
          .replicas = {NodeId(3), NodeId(1), NodeId(2)},
          .leader = NodeId(leader),
          .leader_term = Term(term)};
}

TEST(ClusterView, AsksServersFirstAndEachAddressOnce) {
  const std::vector<Target> targets = ThreeServers().AllTargets();
  ASSERT_EQ(targets.size(), 4u);
  EXPECT_EQ(targets[0].address, "a:1");
  EXPECT_EQ(targets[3].address, "seed:1");
  EXPECT_EQ(ThreeServers().CatalogLeader()->address, "b:1");
}

TEST(ClusterView, AnEmptyServerListTeachesNothing) {
  ClusterView view = ThreeServers();
  view.UpdateServers({});
  EXPECT_EQ(view.AllTargets().size(), 4u);
}

TEST(ClusterView, OldNewsDoesNotReplaceNew) {
  ClusterView view = ThreeServers();
  view.UpdateTopic("t", {Info(2, 5)});
  view.UpdateTopic("t", {Info(1, 4)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(2));
  view.UpdateTopic("t", {Info(1, 5)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(2));
  view.UpdateTopic("t", {Info(3, 6)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(3));
  EXPECT_EQ(view.LeaderTerm(kWhere), Term(6));
  view.UpdateTopic("t", {Info(0, 9)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(3)) << "a node without a leader forgets for nobody";
}

TEST(ClusterView, ARecreatedTopicStartsOver) {
  ClusterView view = ThreeServers();
  view.UpdateTopic("t", {Info(2, 50, 7)});
  view.UpdateTopic("t", {Info(1, 1, 8)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(1));
  view.UpdateTopic("t", {Info(2, 51, 7)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(1));
}

TEST(ClusterView, NotLeaderHintsAreFollowedAndFenced) {
  ClusterView view = ThreeServers();
  view.UpdateTopic("t", {Info(2, 5)});
  const Target a{NodeId(1), "a:1"};
  const Target b{NodeId(2), "b:1"};
  EXPECT_TRUE(view.OnNotLeader(kWhere, b, {NodeId(3), "c:1", Term(6)}));
  EXPECT_EQ(view.Leader(kWhere)->address, "c:1");
  // A laggard's hint about term 5 changes nothing; there still is somewhere else to go.
  EXPECT_TRUE(view.OnNotLeader(kWhere, a, {NodeId(2), "b:1", Term(5)}));
  EXPECT_EQ(view.Leader(kWhere)->address, "c:1");
  // The leader itself denies it and knows no other.
  EXPECT_FALSE(view.OnNotLeader(kWhere, {NodeId(3), "c:1"}, {}));
  EXPECT_FALSE(view.Leader(kWhere).has_value());
  // An older leader does not come back; the same term may.
  EXPECT_FALSE(view.OnNotLeader(kWhere, a, {NodeId(2), "b:1", Term(5)}));
  view.UpdateTopic("t", {Info(3, 6)});
  EXPECT_EQ(view.Leader(kWhere)->node, NodeId(3));
}

TEST(ClusterView, AServerThatNamesItselfIsNotAHint) {
  ClusterView view({"a:1"});
  const Target a{kNoNode, "a:1"};
  EXPECT_FALSE(view.OnNotLeader(kWhere, a, {NodeId(1), "a:1", Term(3)}));
  EXPECT_FALSE(view.Leader(kWhere).has_value());
}

TEST(ClusterView, AHintTeachesAnUnknownServersAddress) {
  ClusterView view({"a:1"});
  EXPECT_TRUE(view.OnNotLeader(kWhere, {kNoNode, "a:1"}, {NodeId(9), "z:1", Term(1)}));
  EXPECT_EQ(view.Leader(kWhere)->address, "z:1");
  EXPECT_EQ(view.AllTargets().size(), 2u);
}

TEST(ClusterView, OnlyTheUnreachableLeaderIsForgotten) {
  ClusterView view = ThreeServers();
  view.UpdateTopic("t", {Info(2, 5)});
  view.OnUnreachable(kWhere, {NodeId(1), "a:1"});
  EXPECT_TRUE(view.Leader(kWhere).has_value());
  EXPECT_EQ(view.Followers(kWhere).size(), 2u);
  view.OnUnreachable(kWhere, {NodeId(2), "b:1"});
  EXPECT_FALSE(view.Leader(kWhere).has_value());
  EXPECT_EQ(view.Followers(kWhere).size(), 3u);
}

}  // namespace
}  // namespace tidemark::balancer
