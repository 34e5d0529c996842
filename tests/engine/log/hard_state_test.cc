#include "engine/log/hard_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/engine/log/memory_disk.h"

namespace tidemark {
namespace {

constexpr GroupId kGroup{3};
constexpr FileId kFile{kGroup, FileKind::kHardState, 0};

HardStateRecord Record(uint64_t generation) {
  return {.generation = generation,
          .term = Term(generation * 2),
          .vote = NodeId(generation % 3),
          .commit = LogIndex(generation * 10),
          .start = LogIndex(generation * 5),
          // Not every one has it.
          .snapshot = generation % 2 == 0 ? SnapshotFiles()
                                          : SnapshotFiles{.first = generation,
                                                          .end = generation + 7,
                                                          .live = generation % 3}};
}

void Write(MemoryDisk& disk, uint64_t generation) {
  FileBatch batch;
  AppendHardState(kGroup, Record(generation), batch);
  disk.ApplyAndSync(batch);
}

TEST(HardState, ReadsBackTheLastOneWritten) {
  EXPECT_EQ(DecodeHardState("")->generation, 0u);
  MemoryDisk disk;
  for (uint64_t generation = 1; generation < 6; ++generation) {
    Write(disk, generation);
    EXPECT_EQ(disk.Contents(kFile).size(), 8192u);
    const auto read = DecodeHardState(disk.Contents(kFile));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, Record(generation));
  }
}

TEST(HardState, TheFirstWriteTakesAllTheSpaceThatLaterOnesNeed) {
  FileBatch batch;
  AppendHardState(kGroup, Record(1), batch);
  std::vector<bool> written(8192);
  for (const FileOp& op : batch.ops) {
    const auto* write = std::get_if<WriteFile>(&op);
    if (write == nullptr) continue;
    uint64_t pos = write->pos.value();
    for (const Bytes& slice : write->data) {
      for (size_t i = 0; i < slice.size(); ++i) written.at(pos++) = true;
    }
  }
  EXPECT_EQ(std::count(written.begin(), written.end(), true), 8192);
}

TEST(HardState, AnyCrashOfAWriteLeavesTheOldOneOrTheNewOne) {
  for (uint64_t generation = 1; generation < 4; ++generation) {
    for (size_t outcome = 0; outcome < 64; ++outcome) {
      MemoryDisk disk;
      for (uint64_t earlier = 1; earlier < generation; ++earlier) Write(disk, earlier);
      FileBatch batch;
      AppendHardState(kGroup, Record(generation), batch);
      disk.Apply(batch);
      size_t bits = outcome;
      disk.Crash(MemoryDisk::Tear::kSectors, [&](size_t n) {
        const size_t pick = bits % n;
        bits /= n;
        return pick;
      });
      const auto read = DecodeHardState(disk.Exists(kFile) ? disk.Contents(kFile) : "");
      ASSERT_TRUE(read.ok()) << generation << " " << outcome;
      EXPECT_TRUE(read->generation == generation || read->generation == generation - 1);
      if (read->generation > 0) {
        EXPECT_EQ(*read, Record(read->generation));
      }
      // And the next write works on whatever is left.
      FileBatch next;
      AppendHardState(kGroup, Record(read->generation + 1), next);
      disk.ApplyAndSync(next);
      EXPECT_EQ(*DecodeHardState(disk.Contents(kFile)), Record(read->generation + 1));
    }
  }
}

TEST(HardState, OneBadSectorForgetsNothing) {
  MemoryDisk disk;
  Write(disk, 1);
  Write(disk, 2);
  for (size_t sector = 0; sector < 16; ++sector) {
    for (const char junk : {'\0', '\xff'}) {
      std::string damaged = disk.Contents(kFile);
      damaged.replace(sector * 512, 512, std::string(512, junk));
      const auto read = DecodeHardState(damaged);
      ASSERT_TRUE(read.ok());
      EXPECT_EQ(*read, Record(2)) << sector;
    }
  }
}

TEST(HardState, ACutFileIsDataLossAndNotAnOlderPromise) {
  MemoryDisk disk;
  Write(disk, 1);
  Write(disk, 2);
  for (size_t size = 1; size < 8192; ++size) {
    const auto read = DecodeHardState(disk.Contents(kFile).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(read.status())) << size;
  }
}

TEST(HardState, LosingBothSlotsIsDataLossWithAdvice) {
  const auto read = DecodeHardState(std::string(8192, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(read.status()));
  EXPECT_NE(std::string(read.status().message()).find("rejoin"), std::string::npos);
}

TEST(HardState, RewritingTouchesOnlyTheSlotItWasReadFrom) {
  for (uint64_t last = 1; last < 4; ++last) {
    MemoryDisk disk;
    for (uint64_t generation = 1; generation <= last; ++generation) Write(disk, generation);
    FileBatch batch;
    RewriteHardState(kGroup, Record(last), batch);
    for (const FileOp& op : batch.ops) {
      if (const auto* write = std::get_if<WriteFile>(&op)) {
        EXPECT_EQ(write->pos, FilePos((last + 1) % 2 * 4096));
        EXPECT_EQ(write->data.size(), 1u);
        // Of the first generation there is no other slot yet.
        EXPECT_EQ(write->data.front().size(), last == 1 ? 8192u : 4096u);
      } else {
        // Nothing that could take the file away.
        ASSERT_TRUE(std::holds_alternative<RemoveFile>(op));
        EXPECT_NE(std::get<RemoveFile>(op).file, kFile);
      }
    }
    const std::string before(disk.Contents(kFile));
    disk.ApplyAndSync(batch);
    EXPECT_EQ(disk.Contents(kFile), before);
  }
}

TEST(HardState, RemembersWhatTheLogHasLost) {
  HardStateRecord record = Record(1);
  record.lost = {.term = Term(7), .index = LogIndex(90)};
  MemoryDisk disk;
  FileBatch batch;
  AppendHardState(kGroup, record, batch);
  disk.ApplyAndSync(batch);
  const std::string file(disk.Contents(kFile));
  EXPECT_EQ(*DecodeHardState(file), record);
  // Neither half of a copy is believed without its checksum.
  for (const size_t at : {size_t{60}, size_t{85}}) {
    std::string damaged = file;
    damaged[at] ^= 1;
    EXPECT_FALSE(DecodeHardStateCopy(damaged).has_value());
    EXPECT_EQ(*DecodeHardState(damaged), record) << "there is the other copy";
  }
}

TEST(HardState, ALogHasWhatWasLostOnceItEndsAsLate) {
  const LostEntries lost{.term = Term(7), .index = LogIndex(90)};
  EXPECT_FALSE(lost.AreIn(Term(7), LogIndex(89)));
  EXPECT_FALSE(lost.AreIn(Term(6), LogIndex(500)));
  EXPECT_TRUE(lost.AreIn(Term(7), LogIndex(90)));
  EXPECT_TRUE(lost.AreIn(Term(8), LogIndex(20)));
}

}  // namespace
}  // namespace tidemark
