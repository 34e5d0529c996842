#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/io/file_store.h"

namespace tidemark {

inline size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

inline constexpr FileId SegmentOf(uint64_t group, uint64_t number) {
  return {GroupId(group), FileKind::kSegment, number};
}

// A file store in a directory of the test's own, spoken to synchronously.
class FileStoreFixture : public ::testing::Test {
 protected:
  void SetUp() override { path_ = TestPath(); }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(path_);
  }

  static std::string TestPath() {
    const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return std::filesystem::path(::testing::TempDir()) /
           (std::string(info->test_suite_name()) + "_" + info->name() + "_" +
            std::to_string(::getpid()));
  }

  void Reopen(int threads = 2) {
    store_.reset();
    auto opened = FileStore::Open(path_, threads);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  absl::Status Run(FileBatch batch) {
    std::promise<absl::Status> done;
    store_->Execute(std::move(batch), [&](absl::Status status) { done.set_value(status); });
    return done.get_future().get();
  }
  absl::Status Create(const FileId& file, uint64_t bytes) {
    return Run({.ops = {CreateFile{file, bytes}}, .sync = {file}});
  }
  absl::Status Append(const FileId& file, uint64_t pos, std::string bytes) {
    return Run(
        {.ops = {WriteFile{file, FilePos(pos), {Bytes::From(std::move(bytes))}}}, .sync = {file}});
  }
  absl::Status Remove(const FileId& file) { return Run({.ops = {RemoveFile{file}}, .sync = {}}); }

  absl::StatusOr<std::unique_ptr<DirectoryView>> ReopenGroup(uint64_t group) {
    std::promise<absl::StatusOr<std::unique_ptr<DirectoryView>>> done;
    store_->Reopen(GroupId(group), [&](absl::StatusOr<std::unique_ptr<DirectoryView>> view) {
      done.set_value(std::move(view));
    });
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

}  // namespace tidemark
