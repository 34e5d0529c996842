#include "engine/log/node_meta.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "tests/engine/log/memory_disk.h"

namespace tidemark {
namespace {

constexpr FileId kFile = kNodeMetaFile;
// Of the cluster "blue".
constexpr size_t kIdentityBytes = 32 + 4 + 4;

NodeMeta Mine() {
  return {.cluster_id = "blue", .node = NodeId(2), .created = WallTime::FromMillis(1000)};
}

MemoryDisk Mine(const NodeMeta& meta) {
  MemoryDisk disk;
  const auto batch = CheckNodeMeta(*disk.View(), meta);
  EXPECT_TRUE(batch.ok() && batch->has_value());
  disk.ApplyAndSync(**batch);
  return disk;
}

TEST(NodeMeta, IsWrittenOnceAndRecognised) {
  MemoryDisk disk = Mine(Mine());
  const auto again = CheckNodeMeta(*disk.View(), Mine());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_FALSE(again->has_value());
  // Nothing that is written to it later needs space.
  EXPECT_EQ(disk.Contents(kFile).size(), kNodeMetaBytes);
}

TEST(NodeMeta, OfAnotherNodeOrClusterIsRefusedByName) {
  MemoryDisk disk = Mine(Mine());
  NodeMeta other_node = Mine();
  other_node.node = NodeId(3);
  NodeMeta other_cluster = Mine();
  other_cluster.cluster_id = "green";
  for (const NodeMeta& other : {other_node, other_cluster}) {
    const auto refused = CheckNodeMeta(*disk.View(), other);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(std::string(refused.status().message()).find("node 2 of cluster \"blue\""),
              std::string::npos);
  }
}

TEST(NodeMeta, OfAnotherFormatIsRefused) {
  for (const uint32_t version : {kFormatVersion - 1, kFormatVersion + 1}) {
    MemoryDisk disk = Mine(Mine());
    std::string& file = disk.Contents(kFile);
    StoreLittle<uint32_t>(file.data() + 8, version);
    StoreLittle(file.data() + kIdentityBytes - 4,
                Crc32c(std::string_view(file).substr(0, kIdentityBytes - 4)));
    const absl::Status status = CheckNodeMeta(*disk.View(), Mine()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(status.message().find(absl::StrCat("format ", version)), std::string::npos);
  }
}

TEST(NodeMeta, NoFlippedByteIsTakenForAnIdentity) {
  MemoryDisk disk = Mine(Mine());
  for (size_t at = 0; at < kIdentityBytes; ++at) {
    disk.Contents(kFile)[at] ^= 1;
    EXPECT_FALSE(CheckNodeMeta(*disk.View(), Mine()).ok()) << at;
    disk.Contents(kFile)[at] ^= 1;
  }
}

TEST(NodeMeta, MissingBesideALogIsDataLoss) {
  MemoryDisk disk;
  disk.ApplyAndSync({.ops = {CreateFile{{GroupId(1), FileKind::kSegment, 1}, 10}}, .sync = {}});
  EXPECT_TRUE(absl::IsDataLoss(CheckNodeMeta(*disk.View(), Mine()).status()));
}

TEST(NodeMeta, AFirstStartCutShortStartsAgain) {
  MemoryDisk disk;
  disk.ApplyAndSync({.ops = {CreateFile{kFile, 0}}, .sync = {}});
  const auto batch = CheckNodeMeta(*disk.View(), Mine());
  ASSERT_TRUE(batch.ok() && batch->has_value());
  disk.ApplyAndSync(**batch);
  EXPECT_FALSE(CheckNodeMeta(*disk.View(), Mine())->has_value());
}

NodeStanding Known() {
  return {.generation = 1,
          .incarnation = Incarnation(7),
          .settled = true,
          .fence_term = Term(3),
          .fence_index = LogIndex(9),
          .known = {{NodeId(1), {.incarnation = Incarnation(5), .founding = true}},
                    {NodeId(3), {.incarnation = Incarnation(6)}}}};
}

void Write(MemoryDisk& disk, const NodeStanding& standing) {
  FileBatch batch;
  AppendStanding(standing, batch);
  disk.ApplyAndSync(batch);
}

TEST(NodeStanding, IsWrittenInTurnSoThatATornWriteLeavesTheOneBefore) {
  MemoryDisk disk = Mine(Mine());
  EXPECT_EQ(*ReadStanding(*disk.View()), NodeStanding());
  NodeStanding standing = Known();
  Write(disk, standing);
  EXPECT_EQ(*ReadStanding(*disk.View()), standing);
  EXPECT_FALSE(CheckNodeMeta(*disk.View(), Mine())->has_value());
  standing.generation = 2;
  standing.fence_index = LogIndex(10);
  Write(disk, standing);
  EXPECT_EQ(*ReadStanding(*disk.View()), standing);
  disk.Contents(kFile)[4096 + 20] ^= 1;
  EXPECT_EQ(*ReadStanding(*disk.View()), Known());
}

TEST(NodeStanding, DamagedBesideALogIsRefusedAndWithoutALogIsAStartCutShort) {
  MemoryDisk disk = Mine(Mine());
  Write(disk, Known());
  disk.Contents(kFile)[2 * 4096 + 20] ^= 1;
  EXPECT_EQ(*ReadStanding(*disk.View()), NodeStanding());
  disk.ApplyAndSync({.ops = {CreateFile{{kCatalogGroup, FileKind::kHardState, 0}, 0}}, .sync = {}});
  EXPECT_EQ(ReadStanding(*disk.View()).status().code(), absl::StatusCode::kDataLoss);
}

// Both are written by the first flush of all, of which a crash leaves any sectors.
TEST(NodeStanding, WithoutTheIdentityThatWasToBeWrittenWithItIsAStartCutShort) {
  MemoryDisk disk = Mine(Mine());
  Write(disk, Known());
  disk.Contents(kFile).replace(0, 4096, std::string(4096, '\0'));
  EXPECT_EQ(*ReadStanding(*disk.View()), NodeStanding());
  const auto batch = CheckNodeMeta(*disk.View(), Mine());
  ASSERT_TRUE(batch.ok() && batch->has_value());
  disk.ApplyAndSync(**batch);
  EXPECT_FALSE(CheckNodeMeta(*disk.View(), Mine())->has_value());
  // Beside anything else it is damage.
  disk.Contents(kFile).replace(0, 4096, std::string(4096, '\0'));
  disk.ApplyAndSync({.ops = {CreateFile{{kCatalogGroup, FileKind::kHardState, 0}, 0}}, .sync = {}});
  EXPECT_EQ(CheckNodeMeta(*disk.View(), Mine()).status().code(), absl::StatusCode::kDataLoss);
}

TEST(NodeStanding, ADirectoryOfAnOlderProgramIsSettled) {
  MemoryDisk disk = Mine(Mine());
  disk.ApplyAndSync({.ops = {CreateFile{{kCatalogGroup, FileKind::kHardState, 0}, 0}}, .sync = {}});
  const auto standing = ReadStanding(*disk.View());
  ASSERT_TRUE(standing.ok());
  EXPECT_TRUE(standing->settled);
  EXPECT_EQ(standing->generation, 0u);
}

}  // namespace
}  // namespace tidemark
