#include "runtime/io/file_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tidemark {
namespace {

constexpr FileId Segment(uint64_t number) { return {GroupId(3), FileKind::kSegment, number}; }

class FileTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (uint64_t number = 1; number <= 5; ++number) {
      std::filesystem::create_directories(table_.FolderOf(Segment(number)));
      std::ofstream(table_.PathTo(Segment(number))) << number;
    }
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  const std::string root_ =
      std::string(::testing::TempDir()) + "/file_table_" + std::to_string(::getpid());
  FileTable table_{root_, 3};
};

TEST_F(FileTableTest, ClosesTheLeastRecentlyUsed) {
  for (const uint64_t number : {1, 2, 3, 1, 4}) ASSERT_TRUE(table_.Get(Segment(number)).ok());
  EXPECT_EQ(table_.open_count(), 3u);
  EXPECT_NE(table_.Peek(Segment(1)), nullptr);
  EXPECT_EQ(table_.Peek(Segment(2)), nullptr);
}

TEST_F(FileTableTest, AFileOutlivesItsPlaceInTheTable) {
  const std::shared_ptr<OpenFile> first = *table_.Get(Segment(1));
  for (const uint64_t number : {2, 3, 4}) ASSERT_TRUE(table_.Get(Segment(number)).ok());
  char byte = 0;
  EXPECT_TRUE(first->Read(FilePos(0), &byte, 1).ok());
  EXPECT_EQ(byte, '1');
}

TEST_F(FileTableTest, NobodyOpensAFileWhileItIsRemoved) {
  ASSERT_TRUE(table_.Get(Segment(1)).ok());
  const absl::Status removed = table_.Remove(Segment(1), [&](std::shared_ptr<OpenFile> open) {
    EXPECT_NE(open, nullptr);
    // Its name is still there.
    EXPECT_TRUE(absl::IsNotFound(table_.Get(Segment(1)).status()));
    return absl::OkStatus();
  });
  EXPECT_TRUE(removed.ok());
  EXPECT_TRUE(table_.Get(Segment(1)).ok());
}

TEST_F(FileTableTest, RenamingReplacesWhatWasOpen) {
  ASSERT_TRUE(table_.Get(Segment(1)).ok());
  ASSERT_TRUE(table_.Get(Segment(2)).ok());
  ASSERT_TRUE(table_.Rename(Segment(1), Segment(2)).ok());
  char byte = 0;
  EXPECT_TRUE((*table_.Get(Segment(2)))->Read(FilePos(0), &byte, 1).ok());
  EXPECT_EQ(byte, '1');
  EXPECT_TRUE(absl::IsNotFound(table_.Get(Segment(1)).status()));
  EXPECT_TRUE(absl::IsNotFound(table_.Rename(Segment(1), Segment(3))));
}

TEST_F(FileTableTest, AFailedFileIsClosedAndStaysFailedUntilRemoved) {
  ASSERT_TRUE(table_.Get(Segment(1)).ok());
  EXPECT_TRUE(table_.CheckNotFailed(Segment(1)).ok());
  table_.Fail(Segment(1));
  EXPECT_EQ(table_.open_count(), 0u);
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.CheckNotFailed(Segment(1))));
  EXPECT_TRUE(table_.CheckNotFailed(Segment(2)).ok());
  ASSERT_TRUE(
      table_.Remove(Segment(1), [](const std::shared_ptr<OpenFile>&) { return absl::OkStatus(); })
          .ok());
  EXPECT_TRUE(table_.CheckNotFailed(Segment(1)).ok());
}

}  // namespace
}  // namespace tidemark
