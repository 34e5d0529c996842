#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/log/index.h"
#include "engine/node/catalog.h"
#include "tests/engine/node/trio_world.h"

namespace tidemark {
namespace {

constexpr uint64_t kInterval = 8;

// Three nodes whose catalog's log is cut short again and again.
class CatalogSnapshots : public testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < 3; ++i) {
      world.at(i).options.catalog_snapshot_entries = kInterval;
      world.at(i).options.log.segment_bytes = kSegmentBytesMin;
    }
    world.BootAll();
    Settle();
  }
  void Settle() {
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup).has_value(); }));
  }

  template <typename Answer>
  void Do(Request request) {
    Settle();
    const size_t leader = *world.LeaderOf(kCatalogGroup);
    const RequestId id = world.Ask(leader, std::move(request));
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.at(leader).answers.contains(id); }));
    ASSERT_TRUE(std::holds_alternative<Answer>(world.at(leader).answers.at(id)));
  }
  void Create(const std::string& name, uint32_t partitions = 1) {
    Do<CreateTopicResponse>(
        CreateTopicRequest{.name = name, .partitions = partitions, .replication_factor = 1});
  }
  // Two entries a round.
  void Churn(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      Create("fleeting");
      Do<DeleteTopicResponse>(DeleteTopicRequest{"fleeting"});
    }
  }

  const Node& NodeAt(size_t i) { return *world.at(i).node; }
  const Log& LogOf(size_t i) { return *world.GroupAt(i, kCatalogGroup)->log; }
  bool CaughtUp(size_t i) {
    const std::optional<size_t> leader = world.LeaderOf(kCatalogGroup);
    if (!leader.has_value() || !world.GroupAt(i, kCatalogGroup).has_value()) return false;
    return LogOf(i).last_index() == LogOf(*leader).last_index() &&
           NodeAt(i).catalog_applied() == LogOf(i).last_index();
  }
  void ExpectSame(size_t i) {
    const size_t leader = *world.LeaderOf(kCatalogGroup);
    EXPECT_EQ(NodeAt(i).catalog(), NodeAt(leader).catalog());
    EXPECT_EQ(LogOf(i).digest(), LogOf(leader).digest());
    EXPECT_EQ(world.GroupAt(i, kCatalogGroup)->raft->membership(),
              world.GroupAt(leader, kCatalogGroup)->raft->membership());
  }
  size_t Follower() { return (*world.LeaderOf(kCatalogGroup) + 1) % 3; }
  // The sidecars of node `i`, ascending.
  std::vector<FileId> Sidecars(size_t i) {
    std::vector<FileId> files;
    for (const auto& [file, bytes] : world.at(i).disk.files_) {
      if (file.group == kCatalogGroup && file.kind == FileKind::kIndex) files.push_back(file);
    }
    return files;
  }
  // What the disk does to the states in one of them.
  void Damage(size_t i, const FileId& sidecar) {
    std::string& bytes = world.at(i).disk.files_.at(sidecar);
    const size_t at = bytes.find("TMCAT");
    ASSERT_NE(at, std::string::npos);
    bytes[at + 20] = static_cast<char>(bytes[at + 20] ^ 1);
  }

  TrioWorld world;
};

TEST_F(CatalogSnapshots, TheLogIsAsShortAfterManyCommandsAsAfterFew) {
  Create("kept");
  Churn(20);
  size_t files = 0;
  for (int i = 0; i < 4; ++i) {
    Churn(20);
    world.Advance(Duration::Seconds(1));
    for (size_t node = 0; node < 3; ++node) {
      const Log& log = LogOf(node);
      EXPECT_LT(log.last_index() - log.first_index(), 4 * kInterval);
      files = std::max(files, log.Files().size());
      EXPECT_GT(NodeAt(node).Status({}).groups.front().snapshot_index, LogIndex(1));
    }
  }
  EXPECT_LE(files, 10u);
  EXPECT_GT(NodeAt(0).counters().catalog_snapshots_made, 15u);
  for (size_t node = 0; node < 3; ++node) EXPECT_NE(NodeAt(node).catalog().Find("kept"), nullptr);
}

TEST_F(CatalogSnapshots, ARestartBeginsWithTheStateAndKnowsEveryTopic) {
  for (int i = 0; i < 5; ++i) Create(absl::StrCat("kept-", i), 2);
  Churn(40);
  world.Advance(Duration::Seconds(1));
  const size_t node = Follower();
  const Catalog before = NodeAt(node).catalog();
  world.Kill(node);
  world.Boot(node);
  // Before it has heard from anybody.
  EXPECT_EQ(NodeAt(node).counters().catalog_snapshots_loaded, 1u);
  EXPECT_EQ(NodeAt(node).counters().catalog_snapshots_installed, 0u);
  EXPECT_GT(NodeAt(node).catalog_applied() + 2 * kInterval, LogOf(node).last_index());
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(NodeAt(node).catalog().Find(absl::StrCat("kept-", i)), nullptr);
  }
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(node); }));
  EXPECT_EQ(NodeAt(node).catalog(), before);
  // All at once, too.
  for (size_t i = 0; i < 3; ++i) world.Kill(i);
  world.BootAll();
  Create("later");
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(0) && CaughtUp(1) && CaughtUp(2); }));
  for (size_t i = 0; i < 3; ++i) {
    ExpectSame(i);
    EXPECT_EQ(NodeAt(i).catalog().topics().size(), 6u);
  }
}

TEST_F(CatalogSnapshots, ANodeThatWasAwayForLongerGetsTheStateAndNotTheCommands) {
  Create("gone");
  const size_t away = Follower();
  const LogIndex had = LogOf(away).last_index();
  world.Kill(away);
  Do<DeleteTopicResponse>(DeleteTopicRequest{"gone"});
  Create("kept", 3);
  Churn(60);
  ASSERT_GT(LogOf(*world.LeaderOf(kCatalogGroup)).first_index(), had + 1);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(NodeAt(away).counters().catalog_snapshots_installed, 1u);
  EXPECT_EQ(NodeAt(away).catalog().Find("gone"), nullptr);
  ExpectSame(away);
  // It may lead with that.
  Churn(20);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  ExpectSame(away);
}

// What is on its way somewhere stays so: the state has it all.
TEST_F(CatalogSnapshots, AMoveThatIsUnderWayIsInTheState) {
  for (const char* name : {"m0", "m1", "m2"}) {
    Do<CreateTopicResponse>(
        CreateTopicRequest{.name = name, .partitions = 1, .replication_factor = 2});
  }
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(0) && CaughtUp(1) && CaughtUp(2); }));
  // Where the leader of the catalog is not: it needs to hear from nobody to have it moved there.
  const NodeId to(*world.LeaderOf(kCatalogGroup) + 1);
  std::string moves;
  for (const auto& [name, topic] : NodeAt(0).catalog().topics()) {
    if (!topic.partitions[0].PlacedAt(to)) moves = name;
  }
  const std::vector<NodeId> from = NodeAt(0).catalog().Find(moves)->partitions[0].replicas;
  const auto place = [&](size_t node) { return NodeAt(node).catalog().Find(moves)->partitions[0]; };
  // One of those it is on is down: the move cannot end.
  const size_t down = from[0].value() - 1;
  const size_t other = from[1].value() - 1;
  world.Kill(down);
  Do<MovePartitionResponse>(MovePartitionRequest{moves, PartitionId(0), {to}});
  Churn(40);
  ASSERT_FALSE(place(other).target.empty());
  world.Boot(down);
  ASSERT_TRUE(world.AdvanceUntil(
      [&] { return CaughtUp(down) && place(down).replicas == std::vector<NodeId>{to}; }));
  EXPECT_EQ(NodeAt(down).counters().catalog_snapshots_installed, 1u);
  ExpectSame(down);
}

// SCENARIOS R1.
TEST_F(CatalogSnapshots, R1ALogThatConflictsWithTheSnapshotIsDiscardedWhole) {
  Create("kept");
  const size_t led = *world.LeaderOf(kCatalogGroup);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(0) && CaughtUp(1) && CaughtUp(2); }));
  for (size_t i = 0; i < 3; ++i) {
    if (i != led) world.Kill(i);
  }
  // Nobody hears of these.
  const LogIndex before = LogOf(led).last_index();
  for (int i = 0; i < 20; ++i) {
    world.Ask(led, CreateTopicRequest{
                       .name = absl::StrCat("lost-", i), .partitions = 1, .replication_factor = 1});
  }
  ASSERT_GT(LogOf(led).last_index(), before);
  world.Kill(led);
  for (size_t i = 0; i < 3; ++i) {
    if (i != led) world.Boot(i);
  }
  Churn(60);
  world.Boot(led);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(led); }));
  EXPECT_EQ(NodeAt(led).counters().catalog_snapshots_installed, 1u);
  EXPECT_GT(LogOf(led).first_index(), before);
  EXPECT_EQ(NodeAt(led).catalog().Find("lost-0"), nullptr);
  ExpectSame(led);
}

// SCENARIOS R3, R4: the state is many times what the log holds and takes longer to fetch than the
// next one to be made; appends go on meanwhile, and it ends.
TEST_F(CatalogSnapshots, R3R4ASlowFollowerOfALargeCatalogCatchesUpInOneTransfer) {
  // Many times what the commands take that are left.
  Create("wide", 128);
  const size_t away = Follower();
  world.Kill(away);
  Churn(60);
  world.at(away).options.snapshot_bytes_per_second = kSnapshotRateMin;
  world.Boot(away);
  const auto received = [&] { return NodeAt(away).counters().snapshot_bytes_received; };
  ASSERT_TRUE(world.AdvanceUntil([&] { return received() > 0; }));
  int rounds = 0;
  uint64_t last = received();
  while (NodeAt(away).counters().catalog_snapshots_installed == 0 && rounds < 200) {
    // More entries than the interval, each second, and answered at once.
    Churn(static_cast<int>(kInterval));
    world.Advance(Duration::Seconds(1));
    EXPECT_LE(received() - last, 8 * kSnapshotRateMin);
    last = received();
    ++rounds;
  }
  EXPECT_GT(rounds, 2);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(NodeAt(away).counters().catalog_snapshots_installed, 1u);
  ExpectSame(away);
}

// SCENARIOS R21.
TEST_F(CatalogSnapshots, R21ASourceThatDisappearsIsReplacedByAnother) {
  Create("wide", 32);
  const size_t away = Follower();
  world.Kill(away);
  Churn(60);
  world.at(away).options.snapshot_bytes_per_second = kSnapshotRateMin;
  world.Boot(away);
  ASSERT_TRUE(
      world.AdvanceUntil([&] { return NodeAt(away).counters().snapshot_bytes_received > 0; }));
  ASSERT_EQ(NodeAt(away).counters().catalog_snapshots_installed, 0u);
  const size_t source = *world.LeaderOf(kCatalogGroup);
  const size_t third = 3 - away - source;
  world.Kill(source);
  // The other one leads, with the vote of who is still receiving.
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup) == third; }));
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(NodeAt(away).counters().catalog_snapshots_installed, 1u);
  ExpectSame(away);
}

TEST_F(CatalogSnapshots, OneStateThatTheDiskHasChangedIsNotMissed) {
  Create("kept");
  Churn(40);
  world.Advance(Duration::Seconds(1));
  const size_t node = Follower();
  world.Kill(node);
  ASSERT_GE(Sidecars(node).size(), 2u);
  Damage(node, Sidecars(node).back());
  world.Boot(node);
  EXPECT_NE(NodeAt(node).catalog().Find("kept"), nullptr);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(node); }));
  ExpectSame(node);
}

TEST_F(CatalogSnapshots, WithoutAnyStateTheNodeRefusesToStartAndSaysWhatToDo) {
  Create("kept");
  Churn(40);
  world.Advance(Duration::Seconds(1));
  const size_t node = Follower();
  world.Kill(node);
  for (const FileId& sidecar : Sidecars(node)) Damage(node, sidecar);
  const absl::Status refused =
      Node::Recover(world.at(node).options, world.at(node).disk, {}, Prng(1)).status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_NE(refused.message().find("start it empty"), std::string::npos) << refused;
  // And that helps.
  world.at(node).disk.files_.clear();
  world.Boot(node);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(node); }));
  ExpectSame(node);
}

}  // namespace
}  // namespace tidemark
