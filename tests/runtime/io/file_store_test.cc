#include "runtime/io/file_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <string>

namespace tidemark {
namespace {

constexpr FileId kSegment{GroupId(3), FileKind::kSegment, 0};
constexpr FileId kHardState{GroupId(3), FileKind::kHardState, 0};

class FileStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("file_store_" + std::to_string(::getpid()) + "_" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(path_);
  }
  void Reopen() {
    store_.reset();
    auto opened = FileStore::Open(path_, 2);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  absl::Status Run(FileBatch batch) {
    std::promise<absl::Status> done;
    store_->Execute(std::move(batch), [&](absl::Status status) { done.set_value(status); });
    return done.get_future().get();
  }
  absl::StatusOr<Bytes> Read(const FileId& file, uint64_t pos, uint32_t length) {
    std::promise<absl::StatusOr<Bytes>> done;
    store_->Read(file, FilePos(pos), length,
                 [&](absl::StatusOr<Bytes> bytes) { done.set_value(std::move(bytes)); });
    return done.get_future().get();
  }

  std::string path_;
  std::unique_ptr<FileStore> store_;
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

}  // namespace
}  // namespace tidemark
