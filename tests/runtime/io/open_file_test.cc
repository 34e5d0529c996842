#include "runtime/io/open_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

namespace tidemark {
namespace {

class OpenFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::string(::testing::TempDir()) + "/open_file_" + std::to_string(::getpid());
    auto created = OpenFile::Create(path_, 4u << 20);
    ASSERT_TRUE(created.ok()) << created.status();
    file_ = *std::move(created);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string Read(uint64_t pos, size_t count) {
    std::string bytes(count, '?');
    const absl::Status status = file_->Read(FilePos(pos), bytes.data(), count);
    EXPECT_TRUE(status.ok()) << status;
    return bytes;
  }

  std::string path_;
  std::shared_ptr<OpenFile> file_;
};

TEST_F(OpenFileTest, WritesMoreSlicesThanOneCallTakes) {
  std::vector<Bytes> slices;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string slice(static_cast<size_t>(i % 7), static_cast<char>('a' + i % 26));
    expected += slice;
    slices.push_back(Bytes::Copy(slice));
  }
  ASSERT_TRUE(file_->Write(FilePos(100), slices).ok());
  EXPECT_EQ(Read(100, expected.size()), expected);
}

TEST_F(OpenFileTest, WritingBehindTheEndExtends) {
  ASSERT_TRUE(file_->Resize(10).ok());
  ASSERT_TRUE(file_->Write(FilePos(20), {Bytes::Static("end")}).ok());
  EXPECT_EQ(file_->size(), 23u);
  EXPECT_EQ(Read(10, 13), std::string(10, '\0') + "end");
}

TEST_F(OpenFileTest, FillingAheadNeverTouchesWhatWasWritten) {
  ASSERT_TRUE(file_->Write(FilePos(4096), {Bytes::Static("first")}).ok());
  file_->FillAhead(4101, 4107);
  ASSERT_TRUE(file_->Write(FilePos(4101), {Bytes::Static("second")}).ok());
  file_->FillAhead(4107, 4112);
  ASSERT_TRUE(file_->Write(FilePos(4107), {Bytes::Static("third")}).ok());
  EXPECT_EQ(Read(4096, 17), std::string("firstsecondthird") + '\0');
  EXPECT_EQ(file_->size(), 4u << 20);
}

TEST_F(OpenFileTest, OneLargeAppendDoesNotMakeSmallOnesLarge) {
  EXPECT_FALSE(file_->mean_append().has_value());
  for (int i = 0; i < 50; ++i) file_->NoteAppend(4096);
  EXPECT_EQ(file_->mean_append(), 4096u);
  file_->NoteAppend(100'000);
  EXPECT_LT(*file_->mean_append(), 32u << 10);
  for (int i = 0; i < 50; ++i) file_->NoteAppend(100'000);
  EXPECT_GT(*file_->mean_append(), 90'000u);
}

TEST_F(OpenFileTest, ReadingPastTheEndIsDataLoss) {
  char byte = 0;
  EXPECT_TRUE(absl::IsDataLoss(file_->Read(FilePos(file_->size()), &byte, 1)));
  EXPECT_FALSE(file_->ReadCached(FilePos(file_->size()), &byte, 1));
}

TEST(SystemErrorTest, SaysWhatToDoAboutAFullDisk) {
  for (const int error : {ENOSPC, EDQUOT}) {
    const absl::Status status = SystemError("cannot write", "/data/x", error);
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_NE(status.message().find("/data/x"), std::string::npos) << status;
    EXPECT_NE(status.message().find("free space"), std::string::npos) << status;
  }
  EXPECT_TRUE(absl::IsPermissionDenied(SystemError("cannot open", "/data/x", EACCES)));
  EXPECT_TRUE(absl::IsNotFound(SystemError("cannot open", "/data/x", ENOENT)));
  EXPECT_TRUE(absl::IsUnavailable(SystemError("cannot sync", "/data/x", EIO)));
}

}  // namespace
}  // namespace tidemark
