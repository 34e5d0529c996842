#include "runtime/io/file_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "tests/runtime/io/file_store_fixture.h"

namespace tidemark {
namespace {

constexpr FileId kSegment{GroupId(3), FileKind::kSegment, 0};
constexpr FileId kHardState{GroupId(3), FileKind::kHardState, 0};

class FileStoreTest : public FileStoreFixture {
 protected:
  void SetUp() override {
    FileStoreFixture::SetUp();
    Reopen();
  }

  // What the file occupies on the disk.
  uint64_t BlocksOf(const FileId& file) const {
    struct stat info = {};
    EXPECT_EQ(::stat((path_ + "/" + PathOf(file)).c_str(), &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }
  uint64_t InodeOf(const std::string& name) const {
    struct stat info = {};
    EXPECT_EQ(::stat((path_ + "/" + name).c_str(), &info), 0);
    return info.st_ino;
  }
  std::vector<std::string> Recycled() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/recycled")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // A log's segment of 1 MiB, full of appends of `append_bytes`.
  void FillSegment(const FileId& segment, size_t append_bytes, char fill) {
    FileBatch batch;
    batch.ops.push_back(CreateFile{segment, kSegmentBytes});
    batch.sync.push_back(segment);
    ASSERT_TRUE(Run(batch).ok());
    for (uint64_t at = 4096; at + append_bytes <= kSegmentBytes; at += append_bytes) {
      ASSERT_TRUE(Append(segment, at, std::string(append_bytes, fill)).ok());
    }
    store_->WaitForSpares();
  }

  static constexpr uint64_t kSegmentBytes = 1u << 20;
};

TEST_F(FileStoreTest, WritesSurviveReopenAndReadBackAsZerosElsewhere) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 1 << 20});
  batch.ops.push_back(
      WriteFile{kSegment, FilePos(4096), {Bytes::Copy("hello "), Bytes(), Bytes::Copy("world")}});
  batch.sync.push_back(kSegment);
  ASSERT_TRUE(Run(batch).ok());
  EXPECT_EQ(Read(kSegment, 4094, 15)->view(), std::string_view("\0\0hello world\0\0", 15));
  Reopen();
  const auto view = store_->View();
  ASSERT_TRUE(view.ok());
  EXPECT_EQ((*view)->Groups(), std::vector<GroupId>{GroupId(3)});
  const auto contents = (*view)->Contents(kSegment);
  ASSERT_TRUE(contents.ok());
  EXPECT_EQ(contents->size(), 1u << 20);
  EXPECT_EQ(contents->substr(4096, 11), "hello world");
  EXPECT_EQ(contents->find_first_not_of('\0'), 4096u);
  EXPECT_EQ(contents->find_last_not_of('\0'), 4106u);
}

TEST_F(FileStoreTest, WritingOneSlotLeavesTheOtherAlone) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kHardState, 8192});
  batch.ops.push_back(WriteFile{kHardState, FilePos(4096), {Bytes::Copy("second")}});
  batch.sync.push_back(kHardState);
  ASSERT_TRUE(Run(batch).ok());
  Reopen();
  FileBatch next;
  next.ops.push_back(WriteFile{kHardState, FilePos(0), {Bytes::Copy("first")}});
  next.sync.push_back(kHardState);
  ASSERT_TRUE(Run(next).ok());
  EXPECT_EQ(Read(kHardState, 4096, 6)->view(), "second");
}

TEST_F(FileStoreTest, AppendsAfterReopenKeepWhatIsThere) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 1 << 20});
  batch.ops.push_back(WriteFile{kSegment, FilePos(0), {Bytes::Copy(std::string(5000, 'a'))}});
  batch.sync.push_back(kSegment);
  ASSERT_TRUE(Run(batch).ok());
  Reopen();
  FileBatch next;
  next.ops.push_back(WriteFile{kSegment, FilePos(5000), {Bytes::Copy("b")}});
  next.sync.push_back(kSegment);
  ASSERT_TRUE(Run(next).ok());
  EXPECT_EQ(Read(kSegment, 0, 5001)->view(), std::string(5000, 'a') + "b");
}

TEST_F(FileStoreTest, TruncateRenameAndRemoveHappenInOrder) {
  const FileId torn{GroupId(3), FileKind::kTemporary, 0};
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 0});
  batch.ops.push_back(WriteFile{kSegment, FilePos(0), {Bytes::Copy("0123456789")}});
  batch.ops.push_back(TruncateFile{kSegment, 4});
  batch.ops.push_back(TruncateFile{kSegment, 6});
  batch.ops.push_back(RenameFile{kSegment, torn});
  batch.ops.push_back(RemoveFile{kSegment});
  batch.sync.push_back(torn);
  ASSERT_TRUE(Run(batch).ok());
  EXPECT_EQ(Read(torn, 0, 6)->view(), std::string_view("0123\0\0", 6));
  EXPECT_FALSE(Read(kSegment, 0, 1).ok());
}

TEST_F(FileStoreTest, SecondProcessIsToldTheDirectoryIsInUse) {
  const auto second = FileStore::Open(path_, 1);
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_NE(second.status().message().find(path_), std::string::npos);
}

TEST_F(FileStoreTest, FailedWriteIsReportedWithFileAndReason) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 0});
  ASSERT_TRUE(Run(batch).ok());
  // The kernel refuses to grow files beyond the limit with EFBIG (and SIGXFSZ, ignored here).
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small = {8192, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  FileBatch next;
  next.ops.push_back(WriteFile{kSegment, FilePos(8192), {Bytes::Copy("x")}});
  const absl::Status status = Run(next);
  ::setrlimit(RLIMIT_FSIZE, &old);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(PathOf(kSegment)), std::string::npos) << status;
}

TEST_F(FileStoreTest, ReadPastTheEndIsDataLossNotZeros) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 100});
  ASSERT_TRUE(Run(batch).ok());
  const auto bytes = Read(kSegment, 90, 20);
  ASSERT_FALSE(bytes.ok());
  EXPECT_TRUE(absl::IsDataLoss(bytes.status()));
}

TEST_F(FileStoreTest, CreatingAFileThatExistsFails) {
  FileBatch batch;
  batch.ops.push_back(CreateFile{kSegment, 10});
  ASSERT_TRUE(Run(batch).ok());
  EXPECT_FALSE(Run(batch).ok());
}

TEST_F(FileStoreTest, SmallAppendsFindTheirBlocksWritten) {
  ASSERT_TRUE(Create(SegmentOf(3, 1), 8u << 20).ok());
  ASSERT_TRUE(Append(SegmentOf(3, 1), 4096, std::string(100, 'a')).ok());
  const uint64_t blocks = BlocksOf(SegmentOf(3, 1));
  EXPECT_GE(blocks, 128u << 10);
  EXPECT_LE(blocks, 1u << 20) << "a topic of one record must not occupy a segment";
  ASSERT_TRUE(Append(SegmentOf(3, 1), 4196, std::string(100, 'b')).ok());
  EXPECT_EQ(BlocksOf(SegmentOf(3, 1)), blocks);
}

TEST_F(FileStoreTest, LargeAppendsAreWrittenOnce) {
  ASSERT_TRUE(Create(SegmentOf(3, 1), 8u << 20).ok());
  for (uint64_t i = 0; i < 16; ++i) {
    ASSERT_TRUE(Append(SegmentOf(3, 1), 4096 + (i << 16), std::string(64u << 10, 'a')).ok());
  }
  EXPECT_LE(BlocksOf(SegmentOf(3, 1)), 17u << 16);
}

TEST_F(FileStoreTest, WhatWasFilledIsNotFilledAgainAfterReopen) {
  ASSERT_TRUE(Create(SegmentOf(3, 1), 8u << 20).ok());
  ASSERT_TRUE(Append(SegmentOf(3, 1), 4096, std::string(100, 'a')).ok());
  const uint64_t blocks = BlocksOf(SegmentOf(3, 1));
  Reopen();
  ASSERT_TRUE(Append(SegmentOf(3, 1), 4196, std::string(100, 'a')).ok());
  EXPECT_EQ(BlocksOf(SegmentOf(3, 1)), blocks);
}

TEST_F(FileStoreTest, TheNextSegmentOfSmallAppendsIsASpareFullOfZeros) {
  FillSegment(SegmentOf(3, 1), 8192, 'x');
  const std::vector<std::string> spares = Recycled();
  ASSERT_EQ(spares.size(), 1u);
  const uint64_t inode = InodeOf("recycled/" + spares[0]);
  ASSERT_TRUE(Create(SegmentOf(3, 2), kSegmentBytes).ok());
  EXPECT_EQ(InodeOf(PathOf(SegmentOf(3, 2))), inode);
  EXPECT_GE(BlocksOf(SegmentOf(3, 2)), kSegmentBytes);
  EXPECT_EQ(Read(SegmentOf(3, 2), 0, kSegmentBytes)->view(), std::string(kSegmentBytes, '\0'));
}

TEST_F(FileStoreTest, RemovedSegmentsComeBackAsZeros) {
  FillSegment(SegmentOf(3, 1), 8192, 'x');
  const uint64_t inode = InodeOf(PathOf(SegmentOf(3, 1)));
  ASSERT_TRUE(Remove(SegmentOf(3, 1)).ok());
  EXPECT_FALSE(Read(SegmentOf(3, 1), 0, 1).ok());
  // Segment 2 asks for a second spare: the removed file. What was made last goes first.
  FillSegment(SegmentOf(3, 2), 8192, 'y');
  FillSegment(SegmentOf(3, 3), 8192, 'z');
  EXPECT_EQ(InodeOf(PathOf(SegmentOf(3, 3))), inode);
  ASSERT_TRUE(Create(SegmentOf(3, 4), kSegmentBytes).ok());
  EXPECT_EQ(Read(SegmentOf(3, 3), 0, 4096)->view(), std::string(4096, '\0'));
  EXPECT_EQ(Read(SegmentOf(3, 3), 4096, 8192)->view(), std::string(8192, 'z'));
}

TEST_F(FileStoreTest, SparesAreNoFilesOfTheEngineAndGoAtOpen) {
  FillSegment(SegmentOf(3, 1), 8192, 'x');
  ASSERT_EQ(Recycled().size(), 1u);
  Reopen();
  EXPECT_TRUE(Recycled().empty());
  EXPECT_EQ((*store_->View())->List(GroupId(3)), std::vector<FileId>{SegmentOf(3, 1)});
}

TEST_F(FileStoreTest, AFileOfAFailedBatchIsNotBelievedUntilItIsReopened) {
  ASSERT_TRUE(Create(SegmentOf(3, 1), 0).ok());
  ASSERT_TRUE(Create(kHardState, 8192).ok());
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small = {8192, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status first = Append(SegmentOf(3, 1), 8192, "x");
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(absl::IsUnavailable(first)) << first;
  // It would succeed now.
  const absl::Status second = Append(SegmentOf(3, 1), 8192, "x");
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_TRUE(absl::IsFailedPrecondition(Run({.ops = {}, .sync = {SegmentOf(3, 1)}})));
  EXPECT_TRUE(Append(kHardState, 0, "other files go on").ok());
  EXPECT_TRUE(Remove(SegmentOf(3, 1)).ok());
  Reopen();
  EXPECT_TRUE(Create(SegmentOf(3, 1), 0).ok());
}

TEST_F(FileStoreTest, FilesOfOneSyncAreAllDurableAndAMissingOneFailsIt) {
  FileBatch batch;
  for (uint64_t number = 1; number <= 9; ++number) {
    batch.ops.push_back(CreateFile{SegmentOf(3, number), 4096});
    batch.ops.push_back(WriteFile{SegmentOf(3, number), FilePos(0), {Bytes::Static("data")}});
    batch.sync.push_back(SegmentOf(3, number));
  }
  ASSERT_TRUE(Run(batch).ok());
  for (uint64_t number = 1; number <= 9; ++number) {
    EXPECT_EQ(Read(SegmentOf(3, number), 0, 4)->view(), "data");
  }
  EXPECT_FALSE(Run({.ops = {}, .sync = {SegmentOf(3, 1), SegmentOf(3, 10)}}).ok());
}

TEST_F(FileStoreTest, DescriptorsStayBoundedWithAThousandLogsOfAHundredSegments) {
  rlimit old = {};
  ::getrlimit(RLIMIT_NOFILE, &old);
  const rlimit few = {1024, old.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  // In memory where that is possible: a hundred thousand files take long elsewhere.
  const bool in_memory = ::access("/dev/shm", W_OK) == 0;
  if (in_memory) path_ = "/dev/shm/tidemark_file_store_test_" + std::to_string(::getpid());
  Reopen();
  size_t most = 0;
  const uint64_t groups = in_memory ? 1000 : 100;
  constexpr uint64_t kSegments = 100;
  for (uint64_t group = 1; group <= groups; ++group) {
    FileBatch batch;
    for (uint64_t number = 1; number <= kSegments; ++number) {
      batch.ops.push_back(CreateFile{SegmentOf(group, number), 0});
    }
    ASSERT_TRUE(Run(batch).ok());
    most = std::max(most, OpenDescriptors());
  }
  ::setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_GE(store_->open_files(), 256u);
  EXPECT_LE(store_->open_files(), 512u);
  EXPECT_LE(most, 600u);
  EXPECT_TRUE(Append(SegmentOf(1, 1), 0, "still there").ok());
}

TEST_F(FileStoreTest, ReopeningAGroupGivesItsFilesBackAndNobodyElses) {
  Reopen();
  for (const uint64_t group : {3, 4}) {
    ASSERT_TRUE(Create(SegmentOf(group, 1), 4096).ok());
    ASSERT_TRUE(Append(SegmentOf(group, 1), 0, "there").ok());
    // The second file of the batch does not exist: both are in doubt.
    ASSERT_FALSE(Run({.ops = {}, .sync = {SegmentOf(group, 1), SegmentOf(group, 9)}}).ok());
    ASSERT_TRUE(absl::IsFailedPrecondition(Append(SegmentOf(group, 1), 0, "x")));
  }
  const auto view = ReopenGroup(3);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ((*view)->List(GroupId(3)), std::vector{SegmentOf(3, 1)});
  EXPECT_TRUE((*view)->List(GroupId(4)).empty());
  EXPECT_EQ((*view)->Contents(SegmentOf(3, 1))->substr(0, 5), "there");
  EXPECT_TRUE(Append(SegmentOf(3, 1), 0, "again").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Append(SegmentOf(4, 1), 0, "x")));
  const auto never = ReopenGroup(77);
  ASSERT_TRUE(never.ok()) << never.status();
  EXPECT_TRUE((*never)->Groups().empty());
}

}  // namespace
}  // namespace tidemark
