#include "runtime/io/directory_view.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/runtime/io/file_store_fixture.h"

namespace tidemark {
namespace {

// Of files below `path`.
size_t MappingsOf(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) ++count;
  }
  return count;
}

class DirectoryViewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // As the system spells it in /proc/self/maps: without doubled slashes.
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("directory_view_" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  void Put(const std::string& relative, const std::string& bytes) {
    const std::filesystem::path path = path_ + "/" + relative;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::unique_ptr<DirectoryView> View() {
    auto view = MapDirectory(path_);
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }

  std::string path_;
};

TEST_F(DirectoryViewTest, ListsTheEnginesFilesOnly) {
  Put(PathOf(SegmentOf(7, 2)), "b");
  Put(PathOf(SegmentOf(7, 1)), "a");
  Put(PathOf(SegmentOf(9, 1)), "c");
  Put("node_meta", "m");
  Put("LOCK", "");
  Put("recycled/1", "spare");
  Put("g0000000000000007/notes.txt", "an operator's");
  const auto view = View();
  EXPECT_EQ(view->Groups(), (std::vector<GroupId>{GroupId(0), GroupId(7), GroupId(9)}));
  EXPECT_EQ(view->List(GroupId(7)), (std::vector<FileId>{SegmentOf(7, 1), SegmentOf(7, 2)}));
  EXPECT_TRUE(view->List(GroupId(8)).empty());
}

TEST_F(DirectoryViewTest, ReadsPartsAndWholesOfSmallAndLargeFiles) {
  std::string large(1u << 20, '\0');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i / 251);
  Put(PathOf(SegmentOf(7, 1)), large);
  Put(PathOf(SegmentOf(7, 2)), "small");
  Put(PathOf(SegmentOf(7, 3)), "");
  const auto view = View();
  EXPECT_EQ(*view->Contents(SegmentOf(7, 1)), large);
  EXPECT_EQ(*view->Contents(SegmentOf(7, 2)), "small");
  EXPECT_EQ(*view->Contents(SegmentOf(7, 3)), "");
  EXPECT_EQ(*view->Size(SegmentOf(7, 1)), large.size());
  EXPECT_EQ(*view->ReadAt(SegmentOf(7, 1), FilePos(70'000), 100), large.substr(70'000, 100));
  EXPECT_EQ(*view->ReadAt(SegmentOf(7, 1), FilePos(large.size() - 10), 100),
            large.substr(large.size() - 10));
  EXPECT_EQ(*view->ReadAt(SegmentOf(7, 2), FilePos(9), 1), "");
}

TEST_F(DirectoryViewTest, AFileThatIsNotThereIsNotFound) {
  const auto view = View();
  EXPECT_TRUE(absl::IsNotFound(view->Contents(SegmentOf(7, 1)).status()));
  EXPECT_TRUE(absl::IsNotFound(view->ReadAt(SegmentOf(7, 1), FilePos(0), 1).status()));
  EXPECT_TRUE(absl::IsNotFound(view->Size(SegmentOf(7, 1)).status()));
}

TEST_F(DirectoryViewTest, LookingIntoManyFilesKeepsNoMappingAndNoDescriptor) {
  constexpr uint64_t kFiles = 300;
  const std::string segment(100'000, 's');
  for (uint64_t number = 1; number <= kFiles; ++number) {
    Put(PathOf(SegmentOf(7, number)), number % 10 == 0 ? segment : "header");
    Put(PathOf({GroupId(7), FileKind::kIndex, number}), "entries");
  }
  auto view = View();
  const size_t descriptors = OpenDescriptors();
  for (const FileId& file : view->List(GroupId(7))) {
    ASSERT_TRUE(view->ReadAt(file, FilePos(0), 6).ok());
    ASSERT_TRUE(view->Size(file).ok());
    if (file.kind == FileKind::kIndex) {
      ASSERT_EQ(*view->Contents(file), "entries");
    }
  }
  EXPECT_EQ(OpenDescriptors(), descriptors);
  EXPECT_EQ(MappingsOf(path_), 0u);
  // A large file's contents do, as long as the view lives.
  ASSERT_EQ(*view->Contents(SegmentOf(7, 10)), segment);
  EXPECT_EQ(MappingsOf(path_), 1u);
  view.reset();
  EXPECT_EQ(MappingsOf(path_), 0u);
}

}  // namespace
}  // namespace tidemark
