#include "engine/node/catalog.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

CreateTopicCommand Create(std::string name, size_t partitions = 1) {
  return {.name = std::move(name),
          .segment_bytes = 0,
          .replicas = std::vector<std::vector<NodeId>>(partitions, {NodeId(1), NodeId(2)})};
}

TEST(Catalog, GroupsAreNeverReused) {
  Catalog catalog;
  ASSERT_TRUE(catalog.Apply(Create("a", 2)).ok());
  ASSERT_TRUE(catalog.Apply(DeleteTopicCommand{"a"}).ok());
  ASSERT_TRUE(catalog.Apply(Create("a")).ok());
  EXPECT_EQ(catalog.Find("a")->partitions[0].group, GroupId(3));
  PartitionId partition;
  EXPECT_EQ(catalog.TopicOf(GroupId(1), &partition), nullptr);
  EXPECT_EQ(catalog.TopicOf(GroupId(3), &partition)->name, "a");
}

TEST(Catalog, SecondCreateAndUnknownDeleteHaveNoEffect) {
  Catalog catalog;
  ASSERT_TRUE(catalog.Apply(Create("a")).ok());
  const CatalogTopic before = *catalog.Find("a");
  EXPECT_TRUE(absl::IsAlreadyExists(catalog.Apply(Create("a", 5))));
  EXPECT_EQ(*catalog.Find("a"), before);
  EXPECT_TRUE(absl::IsNotFound(catalog.Apply(DeleteTopicCommand{"b"})));
}

TEST(Catalog, NamesAreCheckedAsDocumented) {
  for (const char* good : {"a", "orders.eu-1_x", "..."}) EXPECT_TRUE(CheckTopicName(good).ok());
  for (const char* bad : {"", ".", "..", "a/b", "a b", "\xc3\xa9"}) {
    EXPECT_FALSE(CheckTopicName(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckTopicName(std::string(249, 'x')).ok());
  EXPECT_FALSE(CheckTopicName(std::string(250, 'x')).ok());
}

RC_GTEST_PROP(Catalog, CommandsRoundTrip,
              (const std::string& name, uint64_t segment_bytes, uint64_t retention_bytes,
               uint64_t retention_ms)) {
  CreateTopicCommand create = Create(name, segment_bytes % 5);
  create.segment_bytes = segment_bytes;
  create.retention_bytes = retention_bytes;
  create.retention_ms = retention_ms;
  if (retention_bytes % 3 != 0) {
    create.cleanup = {.policy = static_cast<Cleanup>(retention_bytes % 3),
                      .min_compaction_lag_ms = retention_ms,
                      .tombstone_retention_ms = segment_bytes};
  }
  const auto decoded = DecodeCatalogCommand(EncodeCatalogCommand(create));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(std::get<CreateTopicCommand>(*decoded) == create);
  const auto removed = DecodeCatalogCommand(EncodeCatalogCommand(DeleteTopicCommand{name}));
  RC_ASSERT(removed.ok());
  RC_ASSERT(std::get<DeleteTopicCommand>(*removed).name == name);
}

TEST(Catalog, EveryTruncationOfACommandIsRefused) {
  CreateTopicCommand create = Create("orders", 3);
  for (const uint64_t retention_ms : {0, 1}) {
    create.retention_ms = retention_ms;
    const std::string whole = EncodeCatalogCommand(create);
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_FALSE(DecodeCatalogCommand(whole.substr(0, length)).ok()) << length;
    }
    EXPECT_FALSE(DecodeCatalogCommand(whole + "x").ok());
  }
}

TEST(Catalog, CommandsWithoutRetentionStayReadableForOlderVersions) {
  EXPECT_EQ(EncodeCatalogCommand(Create("a"))[0], 1);
  CreateTopicCommand create = Create("a");
  create.retention_bytes = 1;
  EXPECT_EQ(EncodeCatalogCommand(create)[0], 2);
}

const GroupId kGroup{1};

Catalog WithTopic() {
  Catalog catalog;
  EXPECT_TRUE(catalog.Apply(Create("a")).ok());
  return catalog;
}

TEST(Catalog, CommandsOfMovesAndOfNodesRoundTrip) {
  const std::vector<CatalogCommand> commands = {
      MovePartitionCommand{"a", PartitionId(3), {NodeId(4), NodeId(1)}},
      AdmitReplicaCommand{GroupId(7), NodeId(4), {.term = Term(5), .index = LogIndex(99)}},
      AdmitReplicaCommand{
          GroupId(7), NodeId(4), {.term = Term(5), .index = LogIndex(99)}, LogIndex(98)},
      FinishMoveCommand{GroupId(7), {NodeId(4)}},
      RecordNodeCommand{NodeId(4), Incarnation(8), RecordNodeCommand::Step::kLost}};
  for (const CatalogCommand& command : commands) {
    const std::string whole = EncodeCatalogCommand(command);
    const auto decoded = DecodeCatalogCommand(whole);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, command);
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_FALSE(DecodeCatalogCommand(whole.substr(0, length)).ok()) << length;
    }
    EXPECT_FALSE(DecodeCatalogCommand(whole + "x").ok());
  }
}

TEST(Catalog, MovedPartitionIsWhereItWasUntilTheMoveIsFinished) {
  Catalog catalog = WithTopic();
  const std::vector<NodeId> target = {NodeId(2), NodeId(3)};
  ASSERT_TRUE(catalog.Apply(MovePartitionCommand{"a", PartitionId(0), target}).ok());
  EXPECT_FALSE(catalog.PlaceOf(kGroup)->PlacedAt(NodeId(3))) << "not admitted yet";
  EXPECT_EQ(catalog.PartitionsAt(NodeId(3)).size(), 1u) << "but wanted there";
  const AdmitReplicaCommand admit{kGroup, NodeId(3), {.term = Term(5), .index = LogIndex(9)}};
  ASSERT_TRUE(catalog.Apply(admit).ok());
  EXPECT_TRUE(catalog.PlaceOf(kGroup)->PlacedAt(NodeId(1)));
  EXPECT_TRUE(catalog.PlaceOf(kGroup)->PlacedAt(NodeId(3)));
  ASSERT_TRUE(catalog.Apply(FinishMoveCommand{kGroup, {NodeId(3), NodeId(2)}}).ok());
  EXPECT_EQ(catalog.PlaceOf(kGroup)->replicas, target);
  EXPECT_FALSE(catalog.PlaceOf(kGroup)->PlacedAt(NodeId(1)));
  EXPECT_EQ(catalog.PlaceOf(kGroup)->origin, (std::vector<NodeId>{NodeId(1), NodeId(2)}));
  EXPECT_EQ(catalog.PlaceOf(kGroup)->admitted.at(NodeId(3)), admit.admission);
}

TEST(Catalog, ReportsOfAnOlderMoveHaveNoEffect) {
  Catalog catalog = WithTopic();
  ASSERT_TRUE(catalog.Apply(MovePartitionCommand{"a", PartitionId(0), {NodeId(3)}}).ok());
  ASSERT_TRUE(catalog.Apply(MovePartitionCommand{"a", PartitionId(0), {NodeId(4)}}).ok());
  EXPECT_FALSE(catalog.Apply(FinishMoveCommand{kGroup, {NodeId(3)}}).ok());
  EXPECT_FALSE(catalog.Apply(AdmitReplicaCommand{kGroup, NodeId(3), {}}).ok());
  EXPECT_EQ(catalog.PlaceOf(kGroup)->target, std::vector<NodeId>{NodeId(4)});
}

TEST(Catalog, AnIncarnationOfNothingIsNoCommand) {
  using Step = RecordNodeCommand::Step;
  const std::vector<RecordNodeCommand> commands = {{NodeId(0), Incarnation(8), Step::kKnown},
                                                   {NodeId(4), Incarnation(0), Step::kKnown},
                                                   {NodeId(4), Incarnation(8), Step(3)}};
  for (const RecordNodeCommand& command : commands) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeCatalogCommand(EncodeCatalogCommand(command)).status()));
  }
}

// Its partitions go on without it, and are to have it again.
TEST(Catalog, R14_ANodeWhoseDiskWasLostHoldsNoReplicaBeforeItIsAdmittedAgain) {
  using Step = RecordNodeCommand::Step;
  Catalog catalog = WithTopic();
  const Incarnation fresh(8);
  const auto place = [&] { return *catalog.PlaceOf(GroupId(1)); };
  ASSERT_TRUE(catalog.Apply(RecordNodeCommand{NodeId(2), Incarnation(7), Step::kKnown}).ok());
  ASSERT_TRUE(catalog.Apply(RecordNodeCommand{NodeId(2), fresh, Step::kLost}).ok());
  EXPECT_FALSE(place().PlacedAt(NodeId(2)));
  EXPECT_EQ(place().target, (std::vector<NodeId>{NodeId(1), NodeId(2)}));
  EXPECT_EQ(catalog.IncarnationOf(NodeId(2)), fresh);
  // Said again, too early, or of an incarnation of before: no effect.
  const Catalog before = catalog;
  EXPECT_FALSE(catalog.Apply(RecordNodeCommand{NodeId(2), fresh, Step::kLost}).ok());
  EXPECT_FALSE(catalog.Apply(RecordNodeCommand{NodeId(2), fresh, Step::kKnown}).ok());
  EXPECT_FALSE(catalog.Apply(RecordNodeCommand{NodeId(2), Incarnation(7), Step::kRemoved}).ok());
  EXPECT_FALSE(catalog.Apply(RecordNodeCommand{NodeId(5), fresh, Step::kRemoved}).ok());
  EXPECT_EQ(catalog, before);
  ASSERT_TRUE(catalog.Apply(RecordNodeCommand{NodeId(2), fresh, Step::kRemoved}).ok());
  ASSERT_TRUE(catalog.Apply(RecordNodeCommand{NodeId(2), fresh, Step::kKnown}).ok());
  EXPECT_TRUE(catalog.returning().empty());
  ASSERT_TRUE(catalog
                  .Apply(AdmitReplicaCommand{
                      GroupId(1), NodeId(2), {.term = Term(5), .index = LogIndex(9)}})
                  .ok());
  EXPECT_TRUE(place().PlacedAt(NodeId(2)));
  ASSERT_TRUE(catalog.Apply(RecordNodeCommand{NodeId(2), Incarnation(9), Step::kLost}).ok());
  EXPECT_FALSE(place().PlacedAt(NodeId(2))) << "lost again, its admission is of before";

  // Seed 5773 of profile everything: who leads anew, or by mistake, takes its former self for one
  // that was added just now.
  AdmitReplicaCommand admit{GroupId(1), NodeId(2), {.term = Term(6), .index = LogIndex(20)}};
  for (const LogIndex absent_at : {LogIndex(0), LogIndex(9)}) {
    admit.absent_at = absent_at;
    EXPECT_TRUE(absl::IsFailedPrecondition(catalog.Apply(admit)));
  }
  EXPECT_FALSE(place().PlacedAt(NodeId(2)));
  // Nor does a move count as finished that was reported before.
  EXPECT_TRUE(absl::IsFailedPrecondition(
      catalog.Apply(FinishMoveCommand{GroupId(1), {NodeId(1), NodeId(2)}})));
  admit.absent_at = LogIndex(10);
  ASSERT_TRUE(catalog.Apply(admit).ok());
  EXPECT_TRUE(place().PlacedAt(NodeId(2)));
  EXPECT_TRUE(catalog.Apply(FinishMoveCommand{GroupId(1), {NodeId(1), NodeId(2)}}).ok());
}

TEST(Catalog, NoMoreNodesAreRecordedThanThereMayBe) {
  Catalog catalog;
  const auto record = [&](uint64_t node) {
    return catalog.Apply(RecordNodeCommand{NodeId(node), Incarnation(node)});
  };
  for (uint64_t node = 1; node <= kNodesMax; ++node) ASSERT_TRUE(record(node).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(record(kNodesMax + 1)));
  EXPECT_TRUE(record(1).ok());
}

TEST(Catalog, MoveToWhereItIsIsNone) {
  Catalog catalog = WithTopic();
  ASSERT_TRUE(
      catalog.Apply(MovePartitionCommand{"a", PartitionId(0), {NodeId(2), NodeId(1)}}).ok());
  EXPECT_TRUE(catalog.PlaceOf(kGroup)->target.empty());
  EXPECT_TRUE(absl::IsNotFound(
      catalog.Apply(MovePartitionCommand{"a", PartitionId(1), {NodeId(2), NodeId(1)}})));
}

}  // namespace
}  // namespace tidemark
