#include "engine/log/node_addresses.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/limits.h"
#include "engine/log/node_meta.h"
#include "tests/engine/log/memory_disk.h"

namespace tidemark {
namespace {

MemoryDisk WithIdentity() {
  MemoryDisk disk;
  const auto batch = CheckNodeMeta(
      *disk.View(),
      {.cluster_id = "blue", .node = NodeId(2), .created = WallTime::FromMillis(1000)});
  EXPECT_TRUE(batch.ok() && batch->has_value());
  disk.ApplyAndSync(**batch);
  return disk;
}

void Write(MemoryDisk& disk, const NodeAddresses& addresses) {
  FileBatch batch;
  AppendAddresses(addresses, batch);
  disk.ApplyAndSync(batch);
}

NodeAddresses Two(uint64_t generation) {
  return {.generation = generation,
          .of = {{NodeId(1), {.host = "10.0.0.1", .port = 7600}},
                 {NodeId(3), {.host = "node-3.example", .port = 65535}}}};
}

TEST(NodeAddresses, AreWrittenInTurnSoThatATornWriteLeavesTheOnesBefore) {
  MemoryDisk disk = WithIdentity();
  EXPECT_EQ(ReadAddresses(*disk.View()), NodeAddresses());
  Write(disk, Two(1));
  EXPECT_EQ(ReadAddresses(*disk.View()), Two(1));
  NodeAddresses next{.generation = 2, .of = {{NodeId(1), {.host = "::1", .port = 1}}}};
  Write(disk, next);
  EXPECT_EQ(ReadAddresses(*disk.View()), next);
  disk.Contents(kNodeMetaFile)[kNodeAddressesPos + 12] ^= 1;
  EXPECT_EQ(ReadAddresses(*disk.View()), Two(1));
}

TEST(NodeAddresses, NoFlippedBitIsTakenForAnAddress) {
  MemoryDisk disk = WithIdentity();
  Write(disk, Two(2));
  const std::string whole = disk.Contents(kNodeMetaFile);
  const size_t end = whole.find_last_not_of('\0');
  for (size_t bit = kNodeAddressesPos * 8; bit < (end + 1) * 8; ++bit) {
    std::string& file = disk.Contents(kNodeMetaFile);
    file = whole;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(ReadAddresses(*disk.View()), NodeAddresses()) << bit;
  }
}

TEST(NodeAddresses, NothingIsKnownWhereNoneWereEverWritten) {
  MemoryDisk disk;
  EXPECT_EQ(ReadAddresses(*disk.View()), NodeAddresses());
  disk = WithIdentity();
  // As an older program made it.
  disk.Contents(kNodeMetaFile).resize(kNodeAddressesPos);
  EXPECT_EQ(ReadAddresses(*disk.View()), NodeAddresses());
  Write(disk, Two(1));
  EXPECT_EQ(ReadAddresses(*disk.View()), Two(1));
}

TEST(NodeAddresses, AsManyAndAsLongAsTheyMayBeFit) {
  MemoryDisk disk = WithIdentity();
  NodeAddresses all{.generation = 1, .of = {}};
  for (uint64_t node = 1; node <= kNodesMax; ++node) {
    all.of[NodeId(node)] = {.host = std::string(kRememberedHostBytesMax, 'h'), .port = 7600};
  }
  Write(disk, all);
  all.generation = 2;
  Write(disk, all);
  EXPECT_EQ(ReadAddresses(*disk.View()), all);
  EXPECT_EQ(disk.Contents(kNodeMetaFile).size(), kNodeMetaBytes);
}

}  // namespace
}  // namespace tidemark
