#include "sim/disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tidemark::sim {
namespace {

const FileId kLog{.group = GroupId{1}, .kind = FileKind::kSegment, .number = 0};
const FileId kState{.group = GroupId{1}, .kind = FileKind::kHardState, .number = 0};
const FileId kOther{.group = GroupId{2}, .kind = FileKind::kSegment, .number = 0};

FileBatch Write(const FileId& file, uint64_t pos, std::string data, bool sync = true) {
  FileBatch batch;
  batch.ops.push_back(WriteFile{file, FilePos{pos}, {Bytes::From(std::move(data))}});
  if (sync) batch.sync.push_back(file);
  return batch;
}

FileBatch Create(const FileId& file, uint64_t zero_bytes) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{file, zero_bytes});
  batch.sync.push_back(file);
  return batch;
}

class DiskTest : public testing::Test {
 protected:
  // A disk whose decisions come from `seed`.
  Disk NewDisk(uint64_t seed) {
    decisions_ = std::make_unique<Decisions>(seed);
    return Disk(0, 512, decisions_.get(), &coverage_);
  }
  static void Do(Disk& disk, const FileBatch& batch) {
    ASSERT_TRUE(disk.Execute(batch).ok());
    disk.Synced(batch);
  }
  static std::string Contents(const Disk& disk, const FileId& file) {
    const absl::StatusOr<std::string_view> contents = disk.View()->Contents(file);
    return contents.ok() ? std::string(*contents) : "(missing)";
  }

  std::unique_ptr<Decisions> decisions_;
  Coverage coverage_;
};

TEST_F(DiskTest, SyncedBytesSurviveEveryPowerLoss) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 2000));
    Do(disk, Write(kLog, 100, "hello"));
    disk.PowerLoss();
    std::string expected(2000, '\0');
    expected.replace(100, 5, "hello");
    EXPECT_EQ(Contents(disk, kLog), expected);
    EXPECT_FALSE(disk.HasUnsynced());
  }
}

TEST_F(DiskTest, ReadsSeeWhatIsNotSyncedYet) {
  Disk disk = NewDisk(1);
  ASSERT_TRUE(disk.Execute(Create(kLog, 10)).ok());
  ASSERT_TRUE(disk.Execute(Write(kLog, 2, "abc")).ok());
  EXPECT_EQ(disk.Read(kLog, FilePos{2}, 3)->view(), "abc");
  EXPECT_EQ(disk.Read(kLog, FilePos{8}, 3).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(disk.HasUnsynced());
}

TEST_F(DiskTest, EachSectorOfAnUnsyncedWriteSurvivesOnItsOwn) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 2048));
    ASSERT_TRUE(disk.Execute(Write(kLog, 0, std::string(1536, 'x'))).ok());
    disk.PowerLoss();
    const std::string contents = Contents(disk, kLog);
    std::string outcome;
    for (size_t sector = 0; sector < 3; ++sector) {
      const std::string bytes = contents.substr(sector * 512, 512);
      ASSERT_TRUE(bytes == std::string(512, 'x') || bytes == std::string(512, '\0'));
      outcome += bytes[0] == 'x' ? 'x' : '.';
    }
    outcomes.insert(outcome);
  }
  EXPECT_EQ(outcomes.size(), 8u);
  EXPECT_GT(coverage_[Probe::kWriteTorn], 0u);
  EXPECT_GT(coverage_[Probe::kWriteLost], 0u);
}

TEST_F(DiskTest, ALaterWriteToASectorNeverSurvivesWithoutTheEarlierOne) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 512));
    ASSERT_TRUE(disk.Execute(Write(kLog, 0, "first")).ok());
    ASSERT_TRUE(disk.Execute(Write(kLog, 5, "second")).ok());
    disk.PowerLoss();
    const std::string contents = Contents(disk, kLog);
    if (contents.substr(5, 6) == "second") {
      EXPECT_EQ(contents.substr(0, 5), "first");
    }
  }
}

TEST_F(DiskTest, AWriteThatNoBatchSyncedMayBeLostThoughLaterBatchesWere) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50 && !lost; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 512));
    Do(disk, Write(kLog, 0, "unlisted", /*sync=*/false));
    Do(disk, Create(kState, 512));
    disk.PowerLoss();
    lost = Contents(disk, kLog)[0] != 'u';
  }
  EXPECT_TRUE(lost);
}

TEST_F(DiskTest, UnsyncedNamesMayBeLostOrStay) {
  std::set<bool> created;
  std::set<bool> removed;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 16));
    ASSERT_TRUE(disk.Execute(Create(kState, 16)).ok());
    FileBatch remove;
    remove.ops.push_back(RemoveFile{kLog});
    ASSERT_TRUE(disk.Execute(remove).ok());
    disk.PowerLoss();
    created.insert(Contents(disk, kState) != "(missing)");
    removed.insert(Contents(disk, kLog) == "(missing)");
  }
  EXPECT_EQ(created.size(), 2u);
  EXPECT_EQ(removed.size(), 2u);
}

TEST_F(DiskTest, ARenameIsAtomic) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 4));
    Do(disk, Write(kLog, 0, "new!"));
    FileBatch rename;
    rename.ops.push_back(RenameFile{kLog, kState});
    ASSERT_TRUE(disk.Execute(rename).ok());
    disk.PowerLoss();
    const bool before = Contents(disk, kLog) == "new!" && Contents(disk, kState) == "(missing)";
    const bool after = Contents(disk, kLog) == "(missing)" && Contents(disk, kState) == "new!";
    EXPECT_TRUE(before || after);
  }
}

TEST_F(DiskTest, TruncationThatIsNotSyncedMayComeUndone) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 0));
    Do(disk, Write(kLog, 0, std::string(1000, 'y')));
    FileBatch cut;
    cut.ops.push_back(TruncateFile{kLog, 10});
    cut.sync.push_back(kLog);
    ASSERT_TRUE(disk.Execute(cut).ok());
    EXPECT_EQ(Contents(disk, kLog), std::string(10, 'y'));
    disk.PowerLoss();
    sizes.insert(Contents(disk, kLog).size());
  }
  EXPECT_EQ(sizes, (std::set<size_t>{10, 1000}));
}

TEST_F(DiskTest, BatchesOfOneGroupDoNotSyncTheNamesOfAnother) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50 && !lost; ++seed) {
    Disk disk = NewDisk(seed);
    ASSERT_TRUE(disk.Execute(Create(kOther, 16)).ok());
    Do(disk, Create(kLog, 16));
    disk.PowerLoss();
    EXPECT_NE(Contents(disk, kLog), "(missing)");
    lost = Contents(disk, kOther) == "(missing)";
  }
  EXPECT_TRUE(lost);
}

TEST_F(DiskTest, OperationsThatTheContractForbidsAreRefused) {
  Disk disk = NewDisk(1);
  EXPECT_FALSE(disk.Execute(Write(kLog, 0, "x")).ok());
  Do(disk, Create(kLog, 16));
  EXPECT_FALSE(disk.Execute(Create(kLog, 16)).ok());
  FileBatch sync;
  sync.sync.push_back(kState);
  EXPECT_FALSE(disk.Execute(sync).ok());
  FileBatch remove;
  remove.ops.push_back(RemoveFile{kState});
  EXPECT_TRUE(disk.Execute(remove).ok());
}

TEST_F(DiskTest, SyncAllMakesWhatIsReadableDurable) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Disk disk = NewDisk(seed);
    ASSERT_TRUE(disk.Execute(Create(kLog, 0)).ok());
    ASSERT_TRUE(disk.Execute(Write(kLog, 0, "kept")).ok());
    disk.SyncAll();
    disk.PowerLoss();
    EXPECT_EQ(Contents(disk, kLog), "kept");
  }
}

TEST_F(DiskTest, AfterAFailedSyncTheBytesReadBackButNoLaterSyncBringsThemToThePlatter) {
  std::set<std::string> read;
  std::set<std::string> left;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk = NewDisk(seed);
    Do(disk, Create(kLog, 512));
    Do(disk, Write(kLog, 0, "old"));
    const FileBatch failing = Write(kLog, 0, "new");
    ASSERT_TRUE(disk.Execute(failing).ok());
    disk.SyncFailed(failing);
    const std::string cached = Contents(disk, kLog).substr(0, 3);
    read.insert(cached);
    disk.Synced(failing);  // "succeeds"
    disk.SyncAll();
    disk.PowerLoss();
    const std::string survived = Contents(disk, kLog).substr(0, 3);
    left.insert(cached + " " + survived);
    // Written again, it is durable.
    Do(disk, Write(kLog, 0, "new"));
    disk.PowerLoss();
    EXPECT_EQ(Contents(disk, kLog).substr(0, 3), "new");
  }
  EXPECT_EQ(read, (std::set<std::string>{"old", "new"}));
  EXPECT_EQ(left, (std::set<std::string>{"old old", "new old", "new new"}));
}

TEST_F(DiskTest, RotChangesOneByteForGood) {
  Disk disk = NewDisk(1);
  Do(disk, Create(kLog, 0));
  Do(disk, Write(kLog, 0, "abc"));
  disk.Rot(kLog, FilePos(1));
  EXPECT_EQ(Contents(disk, kLog), "arc");
  disk.PowerLoss();
  EXPECT_EQ(Contents(disk, kLog), "arc");
}

TEST_F(DiskTest, WhatWasThereBeforeItRottedIsKnownUntilItIsWrittenAgain) {
  Disk disk = NewDisk(1);
  Do(disk, Create(kLog, 0));
  Do(disk, Write(kLog, 0, "abc"));
  disk.Rot(kLog, FilePos(1));
  disk.Rot(kLog, FilePos(1));
  EXPECT_NE(Contents(disk, kLog), "abc");
  EXPECT_TRUE(disk.IsRotten(kLog));
  EXPECT_EQ(disk.ReadAsWritten(kLog, FilePos(1), 2)->view(), "bc");
  Do(disk, Write(kLog, 1, "xy"));
  EXPECT_FALSE(disk.IsRotten(kLog));
  EXPECT_EQ(disk.ReadAsWritten(kLog, FilePos(0), 3)->view(), "axy");
}

TEST_F(DiskTest, AMisdirectedWriteIsFoundElsewhereAndNotWhereItShouldBe) {
  Disk disk = NewDisk(1);
  Do(disk, Create(kLog, 0));
  Do(disk, Write(kLog, 0, "aabbcc"));
  disk.Misdirect(kLog, FilePos(2), 2, FilePos(0));
  disk.PowerLoss();
  EXPECT_EQ(Contents(disk, kLog), std::string("bb\0\0cc", 6));
  EXPECT_EQ(disk.ReadAsWritten(kLog, FilePos(0), 6)->view(), "aabbcc");
  disk.Unrot(kLog);
  disk.PowerLoss();
  EXPECT_EQ(Contents(disk, kLog), "aabbcc");
  EXPECT_FALSE(disk.IsRotten(kLog));
}

}  // namespace
}  // namespace tidemark::sim
