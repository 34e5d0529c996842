#include <gtest/gtest.h>

#include "engine/log/batch.h"
#include "tests/engine/node/cluster_world.h"

namespace tidemark {
namespace {

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const GroupId kGroup{1};  // the first topic's only partition
using Nodes = std::vector<NodeId>;

class NodeStandings : public ::testing::Test {
 protected:
  void Begin() {
    ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kCatalogGroup) != kNoNode; }));
    world_.Run(Duration::Seconds(3));
    ASSERT_TRUE(world_.Succeeds<CreateTopicResponse>(
        CreateTopicRequest{.name = "t", .replication_factor = 3}));
    ASSERT_TRUE(world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; }));
  }
  bool Produce(const std::string& value) {
    const std::vector<Record> records = {{.value = value, .timestamp_ms = 1}};
    if (!world_.RunUntil([&] { return world_.Leader(kGroup) != kNoNode; })) return false;
    const NodeId leader = world_.Leader(kGroup);
    const RequestId name =
        world_.Ask(leader, ProduceRequest{"t", PartitionId(0), *EncodeBatch(records)});
    const auto& answers = world_.slots_.at(leader).answers;
    world_.RunUntil([&] { return answers.contains(name); }, Duration::Seconds(5));
    return answers.contains(name) && std::holds_alternative<ProduceResponse>(answers.at(name));
  }
  void Wipe(NodeId node) {
    world_.Crash(node);
    world_.slots_.at(node).disk = {};
  }
  bool Settled(NodeId node) { return world_.slots_.at(node).node->settled(); }
  bool IsBack(NodeId node) {
    const Nodes all = {kOne, kTwo, kThree};
    return Settled(node) && world_.VotersAt(node, kCatalogGroup) == all &&
           world_.VotersAt(node, kGroup) == all;
  }
  // Whoever asks the emptied node learns that, and what will happen by itself.
  void ExpectTellsWhatHappened() {
    const std::string why = world_.slots_.at(kThree).node->lost_disk();
    EXPECT_NE(why.find("disk came back empty"), std::string::npos);
    EXPECT_NE(why.find("by itself"), std::string::npos);
    const std::vector<Request> requests = {DescribeTopicRequest{"t"}, AddMemberRequest{kTwo}};
    for (const Request& request : requests) {
      const RequestId name = world_.Ask(kThree, request);
      const auto* refused = std::get_if<RpcError>(&world_.slots_.at(kThree).answers.at(name));
      ASSERT_NE(refused, nullptr);
      EXPECT_EQ(refused->reason, "NO_LEADER");
      EXPECT_NE(refused->message.find(why), std::string::npos) << refused->message;
    }
    const RequestId name = world_.Ask(kThree, GetStatusRequest{});
    const auto& status = std::get<GetStatusResponse>(world_.slots_.at(kThree).answers.at(name));
    ASSERT_EQ(status.groups.size(), 1u);
    EXPECT_EQ(status.groups[0].failure, why);
  }
  Offset EndAt(NodeId node) {
    const GroupView* view = world_.GroupAt(node, kGroup);
    return view == nullptr ? Offset(0) : view->log->EndOffsetOf(view->raft->commit());
  }

  ClusterWorld world_{3};
};

TEST_F(NodeStandings, R14_AVoterThatLostItsDiskIsLetInAgainAsANewMemberByItself) {
  Begin();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Produce("before"));
  for (const NodeId victim : {kThree, kOne, kTwo}) {
    Wipe(victim);
    ASSERT_TRUE(Produce("without it"));
    world_.Boot(victim);
    EXPECT_FALSE(Settled(victim));
    ASSERT_TRUE(world_.RunUntil([&] { return IsBack(victim); })) << victim.value();
    EXPECT_TRUE(world_.Noted(victim, "disk_came_back_empty"));
    EXPECT_FALSE(world_.Noted(victim, "removed_from_cluster"));
    EXPECT_EQ(world_.slots_.at(victim).node->lost_disk(), "");
  }
  // What was acknowledged outlives each of them.
  ASSERT_TRUE(world_.RunUntil([&] { return EndAt(kThree) == Offset(23); }));
  world_.Crash(kTwo);
  EXPECT_TRUE(Produce("after"));
}

TEST_F(NodeStandings, R14_WithoutAMajorityOfTheOthersAnEmptyVoterDecidesNothing) {
  Begin();
  ASSERT_TRUE(Produce("acknowledged"));
  const NodeId alone = world_.Leader(kCatalogGroup) == kOne ? kTwo : kOne;
  const NodeId down = alone == kOne ? kTwo : kOne;
  world_.Crash(down);
  Wipe(kThree);
  world_.Boot(kThree);
  world_.Run(Duration::Seconds(30));
  EXPECT_FALSE(Settled(kThree));
  ExpectTellsWhatHappened();
  EXPECT_EQ(world_.Leader(kCatalogGroup), kNoNode) << "it would be by the empty one's vote";
  EXPECT_EQ(world_.GroupAt(kThree, kGroup), nullptr);
  world_.Boot(down);
  ASSERT_TRUE(world_.RunUntil([&] { return IsBack(kThree); }));
  EXPECT_TRUE(world_.RunUntil([&] { return EndAt(kThree) == Offset(1); }));
}

TEST_F(NodeStandings, R14_APromiseSurvivesRestartsOfTheEmptyVoterOnItsWayBack) {
  Begin();
  ASSERT_TRUE(Produce("acknowledged"));
  Wipe(kThree);
  world_.Boot(kThree);
  for (int i = 0; i < 20 && !IsBack(kThree); ++i) {
    world_.Run(Duration::Millis(150));
    world_.Crash(kThree);
    world_.Boot(kThree);
  }
  EXPECT_TRUE(world_.RunUntil([&] { return IsBack(kThree); }));
  EXPECT_TRUE(world_.RunUntil([&] { return EndAt(kThree) == Offset(1); }));
}

TEST_F(NodeStandings, R14_ADiskLostTwiceIsTwoReturns) {
  Begin();
  ASSERT_TRUE(Produce("acknowledged"));
  for (int i = 0; i < 6; ++i) {
    Wipe(kThree);
    world_.Boot(kThree);
    world_.Run(Duration::Millis(100 + 200 * i));
  }
  EXPECT_TRUE(world_.RunUntil([&] { return IsBack(kThree); }));
}

// A remove and an addition in one term, then what the removed one had acknowledged.
TEST_F(NodeStandings, R12_AnAcknowledgementOfTheFormerIncarnationCountsForNothing) {
  Begin();
  ASSERT_TRUE(Produce("acknowledged"));
  const NodeId leader = world_.Leader(kGroup);
  const NodeId victim = leader == kThree ? kTwo : kThree;
  const Term term = world_.GroupAt(leader, kGroup)->raft->term();
  const LogIndex last = world_.GroupAt(leader, kGroup)->log->last_index();
  Wipe(victim);
  world_.Boot(victim);
  ASSERT_TRUE(world_.RunUntil([&] {
    const GroupView* view = world_.GroupAt(leader, kGroup);
    return view->raft->membership().learners.Contains(victim) &&
           view->raft->MatchOf(victim) == LogIndex();
  }));
  world_.Tell(leader,
              PeerReceived{victim,
                           {.group = kGroup,
                            .message = {.from = victim,
                                        .to = leader,
                                        .term = term,
                                        .body = raft::AppendReply{
                                            .success = true, .match = last, .sequence = 40}}}});
  EXPECT_EQ(world_.GroupAt(leader, kGroup)->raft->MatchOf(victim), LogIndex());
}

// raft-dev, "bug in single-server membership changes": no change before a leader's first entry.
TEST_F(NodeStandings, R13_ANewLeaderChangesNoMembersBeforeItHasCommittedInItsTerm) {
  Begin();
  const NodeId leader = world_.Leader(kCatalogGroup);
  for (const NodeId node : {kOne, kTwo, kThree}) {
    if (node != leader) world_.Crash(node);
  }
  EXPECT_TRUE(world_.GroupAt(leader, kCatalogGroup)->raft->serving());
  world_.Run(Duration::Seconds(5));
  const RequestId name = world_.Ask(leader, RemoveMemberRequest{leader == kOne ? kTwo : kOne});
  const auto& answers = world_.slots_.at(leader).answers;
  ASSERT_TRUE(answers.contains(name));
  EXPECT_TRUE(std::holds_alternative<RpcError>(answers.at(name)));
  EXPECT_EQ(world_.VotersAt(leader, kCatalogGroup), (Nodes{kOne, kTwo, kThree}));
}

}  // namespace
}  // namespace tidemark
