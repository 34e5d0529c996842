#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/node/catalog.h"

namespace tidemark {
namespace {

// What CATALOG.md says of its example.
Catalog Example() {
  Catalog catalog;
  EXPECT_TRUE(
      catalog
          .Apply(CreateTopicCommand{
              .name = "t", .retention_ms = 60'000, .replicas = {{NodeId(1), NodeId(2), NodeId(3)}}})
          .ok());
  EXPECT_TRUE(
      catalog.Apply(MovePartitionCommand{"t", PartitionId(0), {NodeId(1), NodeId(2), NodeId(4)}})
          .ok());
  EXPECT_TRUE(catalog
                  .Apply(AdmitReplicaCommand{
                      GroupId(1), NodeId(4), {.term = Term(5), .index = LogIndex(9)}})
                  .ok());
  EXPECT_TRUE(
      catalog.Apply(RecordNodeCommand{NodeId(3), Incarnation(7), RecordNodeCommand::Step::kLost})
          .ok());
  return catalog;
}

std::string Documented() {
  const char* source = std::getenv("TIDEMARK_SOURCE_DIR");
  std::ifstream file(std::string(source == nullptr ? "." : source) + "/engine/node/CATALOG.md");
  std::string bytes;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("```", 0) == 0) {
      inside = line == "```hex";
    } else if (inside) {
      std::istringstream fields(line.substr(5));
      for (unsigned byte = 0; fields >> std::hex >> byte;) bytes += static_cast<char>(byte);
    }
  }
  return bytes;
}

// With a right checksum at its end.
std::string Sealed(std::string body) {
  AppendLittle<uint32_t>(body, Crc32c(body));
  return body;
}
std::string Unsealed(const Catalog& catalog) {
  const std::string bytes = catalog.Encode();
  return bytes.substr(0, bytes.size() - 4);
}

TEST(CatalogState, TheWorkedExampleIsWhatIsWrittenAndRead) {
  const std::string documented = Documented();
  EXPECT_EQ(Example().Encode(), documented);
  const absl::StatusOr<Catalog> read = Catalog::Decode(documented);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Example());
}

TEST(CatalogState, ADecodedCatalogGoesOnAsTheOneThatWasEncoded) {
  Catalog one = Example();
  ASSERT_TRUE(one.Apply(CreateTopicCommand{.name = "u",
                                           .segment_bytes = 1 << 20,
                                           .retention_bytes = 7,
                                           .cleanup = {.policy = Cleanup::kCompactAndDelete,
                                                       .min_compaction_lag_ms = 3,
                                                       .tombstone_retention_ms = 4},
                                           .replicas = {{NodeId(2)}, {NodeId(3)}}})
                  .ok());
  ASSERT_TRUE(one.Apply(DeleteTopicCommand{"t"}).ok());
  using Step = RecordNodeCommand::Step;
  ASSERT_TRUE(one.Apply(RecordNodeCommand{NodeId(3), Incarnation(7), Step::kRemoved}).ok());
  ASSERT_TRUE(one.Apply(RecordNodeCommand{NodeId(2), Incarnation(8), Step::kKnown}).ok());
  absl::StatusOr<Catalog> other = Catalog::Decode(one.Encode());
  ASSERT_TRUE(other.ok()) << other.status();
  for (Catalog* catalog : {&one, &*other}) {
    ASSERT_TRUE(catalog->Apply(CreateTopicCommand{.name = "v", .replicas = {{NodeId(1)}}}).ok());
    ASSERT_TRUE(catalog->Apply(MovePartitionCommand{"u", PartitionId(1), {NodeId(1)}}).ok());
    EXPECT_EQ(catalog->returning(), (std::map<NodeId, bool>{{NodeId(3), true}}));
    EXPECT_EQ(catalog->IncarnationOf(NodeId(2)), Incarnation(8));
    ASSERT_TRUE(catalog->Apply(RecordNodeCommand{NodeId(3), Incarnation(7), Step::kKnown}).ok());
  }
  EXPECT_EQ(one, *other);
  EXPECT_EQ(one.Encode(), other->Encode());
  PartitionId partition;
  EXPECT_EQ(other->TopicOf(GroupId(3), &partition)->name, "u");
  EXPECT_EQ(partition, PartitionId(1));
}

TEST(CatalogState, ABitThatChangedIsNoticedAndSoIsWhatIsMissing) {
  const std::string bytes = Example().Encode();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(Catalog::Decode(damaged).status())) << "bit " << bit;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Catalog::Decode(bytes.substr(0, size)).ok()) << size;
    // Also where somebody made the checksum right.
    if (size + 4 < bytes.size()) {
      EXPECT_FALSE(Catalog::Decode(Sealed(bytes.substr(0, size))).ok());
    }
  }
  EXPECT_FALSE(Catalog::Decode(Sealed(Unsealed(Example()) + "x")).ok());
}

TEST(CatalogState, WhatNoCatalogCanBeIsRefused) {
  const std::string body = Unsealed(Example());
  ASSERT_TRUE(Catalog::Decode(Sealed(body)).ok());
  const auto with = [&](size_t at, char value) {
    std::string changed = body;
    changed[at] = value;
    return Catalog::Decode(Sealed(changed)).status();
  };
  EXPECT_TRUE(absl::IsDataLoss(with(6, 3))) << "a newer version";
  EXPECT_TRUE(absl::IsDataLoss(with(8, 1))) << "the topic's id was not given out";
  EXPECT_TRUE(absl::IsDataLoss(with(16, 1))) << "nor its group";
  EXPECT_TRUE(absl::IsDataLoss(with(32, '/'))) << "a name that none can have";
  EXPECT_TRUE(absl::IsDataLoss(with(65, 3))) << "an unknown cleanup";
  EXPECT_TRUE(absl::IsDataLoss(with(86, 0))) << "the group of the catalog";
  EXPECT_TRUE(absl::IsDataLoss(with(body.size() - 1, 3))) << "an unknown way back";
  EXPECT_TRUE(absl::IsDataLoss(with(body.size() - 9, 0))) << "incarnation 0";
  EXPECT_TRUE(absl::IsDataLoss(with(body.size() - 17, 0))) << "node 0";
}

TEST(CatalogState, WithoutIncarnationsItStaysReadableForOlderVersions) {
  Catalog catalog;
  ASSERT_TRUE(catalog.Apply(CreateTopicCommand{.name = "t", .replicas = {{NodeId(1)}}}).ok());
  std::string body = Unsealed(catalog);
  EXPECT_EQ(body[6], 1);
  const absl::StatusOr<Catalog> read = Catalog::Decode(Sealed(body));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, catalog);
  body[6] = 2;
  EXPECT_FALSE(Catalog::Decode(Sealed(body)).ok());
  AppendLittle<uint32_t>(body, 0);
  EXPECT_FALSE(Catalog::Decode(Sealed(body)).ok()) << "each state has one encoding";
}

}  // namespace
}  // namespace tidemark
