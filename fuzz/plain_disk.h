#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/check.h"
#include "engine/log/file.h"

namespace tidemark {

// Files in memory that a target may damage. What is executed is done and durable at once; what does
// not keep the contract of file.h dies.
class PlainDisk : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> list;
    for (const auto& [file, content] : files) {
      if (file.group == group) list.push_back(file);
    }
    return list;
  }
  std::vector<GroupId> Groups() const override {
    std::vector<GroupId> groups;
    for (const auto& [file, content] : files) {
      if (groups.empty() || groups.back() != file.group) groups.push_back(file.group);
    }
    return groups;
  }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    const auto found = files.find(file);
    if (found == files.end()) return absl::NotFoundError(PathOf(file));
    return found->second;
  }

  void Execute(const FileBatch& batch) {
    for (const FileOp& op : batch.ops) {
      std::visit([this](const auto& each) { Do(each); }, op);
    }
    for (const FileId& file : batch.sync) TIDEMARK_CHECK(files.contains(file));
  }

  std::map<FileId, std::string> files;

 private:
  std::string& Existing(const FileId& file) {
    const auto found = files.find(file);
    TIDEMARK_CHECK(found != files.end());
    return found->second;
  }
  void Do(const CreateFile& create) {
    TIDEMARK_CHECK(!files.contains(create.file));
    files[create.file] = std::string(create.zero_bytes, '\0');
  }
  void Do(const WriteFile& write) {
    std::string& content = Existing(write.file);
    size_t pos = write.pos.value();
    for (const Bytes& slice : write.data) {
      content.resize(std::max(content.size(), pos + slice.size()));
      content.replace(pos, slice.size(), slice.view());
      pos += slice.size();
    }
  }
  void Do(const TruncateFile& truncate) { Existing(truncate.file).resize(truncate.size); }
  void Do(const RenameFile& rename) {
    files[rename.to] = std::move(Existing(rename.from));
    files.erase(rename.from);
  }
  void Do(const RemoveFile& remove) { files.erase(remove.file); }
};

}  // namespace tidemark
