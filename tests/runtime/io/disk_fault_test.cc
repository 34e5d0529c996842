#include <gtest/gtest.h>

#include <string>

#include "tests/runtime/io/file_store_fixture.h"
#include "tests/runtime/io/mounted.h"

// The file store on file systems that are full or lose their power: real ones, mounted for the
// test.

namespace tidemark {
namespace {

constexpr FileId kHardState{GroupId(3), FileKind::kHardState, 0};

class DiskFaultTest : public FileStoreFixture {
 protected:
  // Appends 64 KiB at a time until that fails; where, and how.
  std::pair<uint64_t, absl::Status> AppendUntilItFails(const FileId& file) {
    for (uint64_t at = 4096;; at += 64u << 10) {
      absl::Status status = Append(file, at, std::string(64u << 10, 'f'));
      if (!status.ok()) return {at, std::move(status)};
    }
  }
  void ExpectAllWorksButWriting(const FileId& full, uint64_t end) {
    // Reads, of the file that could not be written to as well.
    for (uint64_t at = 4096; at < end; at += 64u << 10) {
      ASSERT_EQ(Read(full, at, 64u << 10)->view(), std::string(64u << 10, 'f')) << at;
    }
    // What is written in place needs no space: a vote can be cast.
    EXPECT_TRUE(Append(kHardState, 4096, std::string(4096, 'v')).ok());
    EXPECT_TRUE(
        Run({.ops = {TruncateFile{SegmentOf(4, 1), 4096}}, .sync = {SegmentOf(4, 1)}}).ok());
    EXPECT_TRUE(Remove(SegmentOf(5, 1)).ok());
  }
  void FillAndRecover() {
    Reopen();
    ASSERT_TRUE(Create(kHardState, 8192).ok());
    ASSERT_TRUE(Append(kHardState, 0, std::string(8192, 'h')).ok());
    ASSERT_TRUE(Create(SegmentOf(4, 1), 0).ok());
    ASSERT_TRUE(Append(SegmentOf(4, 1), 0, std::string(64u << 10, 'a')).ok());
    ASSERT_TRUE(Create(SegmentOf(5, 1), 0).ok());
    ASSERT_TRUE(Append(SegmentOf(5, 1), 0, std::string(256u << 10, 'a')).ok());
    ASSERT_TRUE(Create(SegmentOf(3, 1), 64u << 20).ok());
    const auto [end, status] = AppendUntilItFails(SegmentOf(3, 1));
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_NE(status.message().find(PathOf(SegmentOf(3, 1))), std::string::npos) << status;
    EXPECT_NE(status.message().find("free space"), std::string::npos) << status;
    ExpectAllWorksButWriting(SegmentOf(3, 1), end);
    // Space is back, but the file that failed is not believed before it was verified.
    EXPECT_TRUE(absl::IsFailedPrecondition(Append(SegmentOf(3, 1), end, "x")));
    EXPECT_TRUE(Create(SegmentOf(6, 1), 64u << 20).ok());
    EXPECT_TRUE(Append(SegmentOf(6, 1), 4096, std::string(64u << 10, 'n')).ok());
    Reopen();
    EXPECT_EQ((*store_->View())->ReadAt(kHardState, FilePos(4096), 4096)->front(), 'v');
    EXPECT_TRUE(Append(SegmentOf(3, 1), end, std::string(4096, 'x')).ok());
    EXPECT_EQ(Read(SegmentOf(3, 1), end, 1)->view(), "x");
  }
};

TEST_F(DiskFaultTest, AFullMemoryFileSystemFailsWritesOnly) {
  const Mounted mounted(Mounted::Kind::kTmpfs, path_, 2u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  FillAndRecover();
  store_.reset();
}

TEST_F(DiskFaultTest, AFullExt4FailsWritesOnly) {
  const Mounted mounted(Mounted::Kind::kExt4, path_, 8u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  FillAndRecover();
  store_.reset();
}

TEST_F(DiskFaultTest, SparesGiveWayToData) {
  const Mounted mounted(Mounted::Kind::kTmpfs, path_, 16u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  Reopen();
  constexpr uint64_t kSegmentBytes = 1u << 20;
  ASSERT_TRUE(Create(SegmentOf(3, 1), kSegmentBytes).ok());
  for (uint64_t at = 4096; at < kSegmentBytes; at += 8192) {
    ASSERT_TRUE(Append(SegmentOf(3, 1), at, std::string(4096, 's')).ok());
  }
  store_->WaitForSpares();
  ASSERT_FALSE(std::filesystem::is_empty(path_ + "/recycled"));
  ASSERT_TRUE(Create(SegmentOf(4, 1), 64u << 20).ok());
  EXPECT_GT(AppendUntilItFails(SegmentOf(4, 1)).first, 14u << 20);
  EXPECT_TRUE(std::filesystem::is_empty(path_ + "/recycled"));
  store_.reset();
}

TEST_F(DiskFaultTest, AFailedSyncIsReportedOnceAndNeverBelieved) {
  Mounted mounted(Mounted::Kind::kExt4, path_, 16u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  Reopen();
  ASSERT_TRUE(Create(SegmentOf(3, 1), 1u << 20).ok());
  ASSERT_TRUE(Append(SegmentOf(3, 1), 4096, "durable").ok());
  // In the page cache alone when the power goes.
  ASSERT_TRUE(
      Run({.ops = {WriteFile{SegmentOf(3, 1), FilePos(8192), {Bytes::Static("lost")}}}, .sync = {}})
          .ok());
  const size_t open = store_->open_files();
  if (!mounted.TakePowerAway()) GTEST_SKIP() << "this kernel cannot shut an ext4 down";
  const absl::Status first = Run({.ops = {}, .sync = {SegmentOf(3, 1)}});
  EXPECT_TRUE(absl::IsUnavailable(first)) << first;
  EXPECT_NE(first.message().find(PathOf(SegmentOf(3, 1))), std::string::npos) << first;
  EXPECT_EQ(store_->open_files(), open - 1);
  const absl::Status second = Run({.ops = {}, .sync = {SegmentOf(3, 1)}});
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;

  store_.reset();
  ASSERT_TRUE(mounted.Remount());
  Reopen();
  const auto view = store_->View();
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(*(*view)->ReadAt(SegmentOf(3, 1), FilePos(4096), 7), "durable");
  EXPECT_EQ(*(*view)->ReadAt(SegmentOf(3, 1), FilePos(8192), 4), std::string(4, '\0'));
  EXPECT_TRUE(Append(SegmentOf(3, 1), 8192, "again").ok());
  store_.reset();
}

// Through a mapping a bad sector is a signal that ends the process.
TEST_F(DiskFaultTest, ABadSectorIsAnErrorThatNamesItsBytesOrShowsAsZeros) {
  Mounted mounted(Mounted::Kind::kExt4, path_, 16u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  Reopen();
  const std::string content(1u << 20, 'c');
  for (const FileId& file : {SegmentOf(3, 1), SegmentOf(3, 2)}) {
    ASSERT_TRUE(Create(file, 0).ok());
    ASSERT_TRUE(Append(file, 0, content).ok());
  }
  constexpr size_t kGood = 512u << 10;
  if (!mounted.LoseFrom(path_ + "/" + PathOf(SegmentOf(3, 2)), kGood)) {
    GTEST_SKIP() << "this machine has no loop devices that read directly";
  }
  const auto refused = (*store_->View())->Contents(SegmentOf(3, 2)).status();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  for (const std::string& word :
       {PathOf(SegmentOf(3, 2)), std::to_string(kGood), std::string("tidemark log verify")}) {
    EXPECT_NE(refused.message().find(word), std::string::npos) << refused;
  }
  const auto view = *store_->View(Unreadable::kZeros);
  EXPECT_EQ(*view->Contents(SegmentOf(3, 1)), content);
  EXPECT_EQ(*view->Contents(SegmentOf(3, 2)),
            content.substr(0, kGood) + std::string(content.size() - kGood, '\0'));
  EXPECT_EQ(*view->ReadAt(SegmentOf(3, 2), FilePos(kGood - 10), 20),
            std::string(10, 'c') + std::string(10, '\0'));
  EXPECT_TRUE((*store_->View())->ReadAt(SegmentOf(3, 2), FilePos(kGood - 10), 10).ok());
  store_.reset();
}

// What the spares promise: a crash right after a segment was begun finds zeros and what was synced.
TEST_F(DiskFaultTest, ASegmentBegunFromASpareHoldsZerosAfterPowerLoss) {
  Mounted mounted(Mounted::Kind::kExt4, path_, 32u << 20);
  if (!mounted.ok()) GTEST_SKIP() << mounted.why();
  Reopen();
  constexpr uint64_t kSegmentBytes = 1u << 20;
  for (uint64_t number = 1; number <= 4; ++number) {
    ASSERT_TRUE(Create(SegmentOf(3, number), kSegmentBytes).ok());
    for (uint64_t at = 4096; at < kSegmentBytes; at += 8192) {
      ASSERT_TRUE(Append(SegmentOf(3, number), at, std::string(4096, 'o')).ok());
    }
    if (number > 1) {
      ASSERT_TRUE(Remove(SegmentOf(3, number - 1)).ok());
    }
    store_->WaitForSpares();
  }
  ASSERT_TRUE(Create(SegmentOf(3, 5), kSegmentBytes).ok());
  ASSERT_TRUE(Append(SegmentOf(3, 5), 4096, "new").ok());
  if (!mounted.TakePowerAway()) GTEST_SKIP() << "this kernel cannot shut an ext4 down";
  store_.reset();
  ASSERT_TRUE(mounted.Remount());
  Reopen();
  const auto view = store_->View();
  ASSERT_TRUE(view.ok()) << view.status();
  std::string expected(kSegmentBytes, '\0');
  expected.replace(4096, 3, "new");
  EXPECT_TRUE(*(*view)->Contents(SegmentOf(3, 5)) == expected);
  EXPECT_EQ((*view)->List(GroupId(3)), (std::vector<FileId>{SegmentOf(3, 4), SegmentOf(3, 5)}));
  store_.reset();
}

}  // namespace
}  // namespace tidemark
