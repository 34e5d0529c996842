#include "engine/node/catalog.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

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

}  // namespace
}  // namespace tidemark
