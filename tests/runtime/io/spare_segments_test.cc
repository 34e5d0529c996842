#include "runtime/io/spare_segments.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>

namespace tidemark {
namespace {

constexpr uint64_t kBytes = 1u << 20;

class SpareSegmentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(root_ + "/recycled");
    std::ofstream(root_ + "/recycled/7") << "left by an earlier process";
    auto opened = SpareSegments::Open(root_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    spares_ = *std::move(opened);
  }
  void TearDown() override {
    spares_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  size_t Files() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(root_ + "/recycled")) {
      ++count;
    }
    return count;
  }
  std::shared_ptr<OpenFile> Used(const std::string& name, uint64_t bytes) {
    std::shared_ptr<OpenFile> file = *OpenFile::Create(Path(name), bytes);
    EXPECT_TRUE(file->Write(FilePos(0), {Bytes::From(std::string(bytes, 'u'))}).ok());
    return file;
  }
  static bool AllZeros(OpenFile& file) {
    std::string bytes(file.size(), '?');
    EXPECT_TRUE(file.Read(FilePos(0), bytes.data(), bytes.size()).ok());
    return bytes.find_first_not_of('\0') == std::string::npos;
  }

  const std::string root_ =
      std::string(::testing::TempDir()) + "/spare_segments_" + std::to_string(::getpid());
  std::unique_ptr<SpareSegments> spares_;
};

TEST_F(SpareSegmentsTest, OpeningDeletesWhatAnEarlierProcessLeft) { EXPECT_EQ(Files(), 0u); }

TEST_F(SpareSegmentsTest, NothingIsKeptBeforeAnybodyAsks) {
  EXPECT_FALSE(spares_->Retire(*Used("a", kBytes)));
  EXPECT_EQ(spares_->Take(kBytes, Path("b")), nullptr);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(SpareSegmentsTest, ASpareIsTakenOnceAndOnlyInItsSize) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  EXPECT_EQ(spares_->Take(kBytes * 2, Path("a")), nullptr);
  const std::shared_ptr<OpenFile> file = spares_->Take(kBytes, Path("a"));
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->path(), Path("a"));
  EXPECT_EQ(std::filesystem::file_size(Path("a")), kBytes);
  EXPECT_TRUE(AllZeros(*file));
  EXPECT_EQ(spares_->Take(kBytes, Path("b")), nullptr);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(SpareSegmentsTest, ANameThatExistsIsNotReplaced) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  const std::shared_ptr<OpenFile> used = Used("a", 10);
  EXPECT_EQ(spares_->Take(kBytes, Path("a")), nullptr);
  EXPECT_EQ(std::filesystem::file_size(Path("a")), 10u);
}

TEST_F(SpareSegmentsTest, ThereAreNeverMoreThanTheBound) {
  for (int i = 0; i < 5; ++i) spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  EXPECT_EQ(spares_->ready_count(), SpareSegments::kSpareFilesMax);
  EXPECT_EQ(Files(), SpareSegments::kSpareFilesMax);
  EXPECT_FALSE(spares_->Retire(*Used("a", kBytes)));
}

TEST_F(SpareSegmentsTest, ARetiredFileIsOverwrittenOnlyOnceItsLastReaderIsGone) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  std::shared_ptr<OpenFile> file = Used("a", kBytes);
  std::shared_ptr<OpenFile> reader = file;
  ASSERT_TRUE(spares_->Retire(*file));
  EXPECT_FALSE(std::filesystem::exists(Path("a")));
  spares_->Reuse(std::move(file), /*removed=*/true);
  spares_->Want(kBytes);
  std::future<void> idle = std::async(std::launch::async, [this] { spares_->WaitUntilIdle(); });
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(AllZeros(*reader));
  EXPECT_EQ(spares_->ready_count(), 1u);
  reader.reset();
  idle.get();
  EXPECT_EQ(spares_->ready_count(), 2u);
  EXPECT_TRUE(AllZeros(*spares_->Take(kBytes, Path("b"))));
}

TEST_F(SpareSegmentsTest, AFileWhoseRemovalIsNotDurableIsDeletedUntouched) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  std::shared_ptr<OpenFile> file = Used("a", kBytes);
  const std::shared_ptr<OpenFile> reader = file;
  ASSERT_TRUE(spares_->Retire(*file));
  spares_->Reuse(std::move(file), /*removed=*/false);
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  EXPECT_FALSE(AllZeros(*reader));
  EXPECT_EQ(Files(), 2u);
}

TEST_F(SpareSegmentsTest, AnotherSizeReplacesTheSpares) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  spares_->Want(kBytes / 2);
  spares_->WaitUntilIdle();
  EXPECT_EQ(Files(), 1u);
  EXPECT_NE(spares_->Take(kBytes / 2, Path("a")), nullptr);
}

TEST_F(SpareSegmentsTest, SparesGoWhenSpaceIsShort) {
  spares_->Want(kBytes);
  spares_->WaitUntilIdle();
  spares_->OnFreeSpace(kBytes * 1000);
  spares_->WaitUntilIdle();
  EXPECT_EQ(Files(), 1u);
  spares_->OnFreeSpace(kBytes);
  spares_->WaitUntilIdle();
  EXPECT_EQ(Files(), 0u);
  EXPECT_FALSE(spares_->Drop());
}

}  // namespace
}  // namespace tidemark
