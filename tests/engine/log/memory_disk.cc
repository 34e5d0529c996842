#include "tests/engine/log/memory_disk.h"

#include <algorithm>

#include "engine/base/check.h"

namespace tidemark {
namespace {

constexpr size_t kSector = 512;

class CopyView : public DirectoryView {
 public:
  explicit CopyView(std::map<FileId, std::string> files) : files_(std::move(files)) {}
  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> list;
    for (const auto& [file, content] : files_) {
      if (file.group == group) list.push_back(file);
    }
    return list;
  }
  std::vector<GroupId> Groups() const override {
    std::vector<GroupId> groups;
    for (const auto& [file, content] : files_) {
      if (groups.empty() || groups.back() != file.group) groups.push_back(file.group);
    }
    return groups;
  }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    const auto found = files_.find(file);
    if (found == files_.end()) return absl::NotFoundError(PathOf(file));
    return found->second;
  }

 private:
  std::map<FileId, std::string> files_;
};

}  // namespace

MemoryDisk::Inode& MemoryDisk::Get(const FileId& file) {
  const auto found = names_.find(file);
  TIDEMARK_CHECK(found != names_.end());
  return *found->second;
}

void MemoryDisk::SetName(const FileId& file, InodePtr inode) {
  std::vector<InodePtr>& history = name_history_[file];
  if (history.empty()) {
    const auto found = names_.find(file);
    history.push_back(found == names_.end() ? nullptr : found->second);
  }
  history.push_back(inode);
  if (inode == nullptr) {
    names_.erase(file);
  } else {
    names_[file] = std::move(inode);
  }
}

void MemoryDisk::Apply(const FileBatch& batch) {
  for (const FileOp& op : batch.ops) {
    if (const auto* create = std::get_if<CreateFile>(&op)) {
      TIDEMARK_CHECK(!names_.contains(create->file));
      auto inode = std::make_shared<Inode>();
      if (create->zero_bytes > 0) inode->states.emplace_back(create->zero_bytes, '\0');
      SetName(create->file, std::move(inode));
    } else if (const auto* write = std::get_if<WriteFile>(&op)) {
      Inode& inode = Get(write->file);
      std::string next = inode.states.back();
      size_t pos = write->pos.value();
      for (const Bytes& slice : write->data) {
        if (next.size() < pos + slice.size()) next.resize(pos + slice.size());
        next.replace(pos, slice.size(), slice.view());
        pos += slice.size();
      }
      inode.states.push_back(std::move(next));
    } else if (const auto* truncate = std::get_if<TruncateFile>(&op)) {
      Inode& inode = Get(truncate->file);
      std::string next = inode.states.back();
      next.resize(truncate->size);
      inode.states.push_back(std::move(next));
    } else if (const auto* remove = std::get_if<RemoveFile>(&op)) {
      if (names_.contains(remove->file)) SetName(remove->file, nullptr);
    } else {
      const auto& rename = std::get<RenameFile>(op);
      Get(rename.from);
      SetName(rename.to, names_[rename.from]);
      SetName(rename.from, nullptr);
    }
  }
}

void MemoryDisk::Sync(const FileBatch& batch) {
  for (const FileId& file : batch.sync) {
    Inode& inode = Get(file);
    inode.states = {inode.states.back()};
  }
  for (const FileOp& op : batch.ops) {
    if (std::holds_alternative<WriteFile>(op) || std::holds_alternative<TruncateFile>(op)) continue;
    name_history_.clear();
    break;
  }
}

void MemoryDisk::Crash(Tear tear, const Pick& pick) {
  for (auto& [file, history] : name_history_) {
    InodePtr inode = history[pick(history.size())];
    if (inode == nullptr) {
      names_.erase(file);
    } else {
      names_[file] = std::move(inode);
    }
  }
  name_history_.clear();
  for (auto& [file, inode] : names_) {
    std::vector<std::string>& states = inode->states;
    if (states.size() == 1) continue;
    std::string survived = states[pick(states.size())];
    for (size_t at = 0; tear == Tear::kSectors && at < survived.size(); at += kSector) {
      const size_t end = std::min(at + kSector, survived.size());
      // Only sectors that have several states ask for a decision.
      std::vector<std::string> sectors;
      for (const std::string& state : states) {
        std::string sector = at < state.size() ? state.substr(at, end - at) : std::string();
        sector.resize(end - at, '\0');
        if (std::find(sectors.begin(), sectors.end(), sector) == sectors.end()) {
          sectors.push_back(std::move(sector));
        }
      }
      if (sectors.size() > 1) survived.replace(at, end - at, sectors[pick(sectors.size())]);
    }
    states = {std::move(survived)};
  }
}

std::vector<FileId> MemoryDisk::Files() const {
  std::vector<FileId> files;
  for (const auto& [file, inode] : names_) files.push_back(file);
  return files;
}

std::string& MemoryDisk::Contents(const FileId& file) { return Get(file).states.back(); }

std::unique_ptr<DirectoryView> MemoryDisk::View() const {
  std::map<FileId, std::string> files;
  for (const auto& [file, inode] : names_) files[file] = inode->states.back();
  return std::make_unique<CopyView>(std::move(files));
}

}  // namespace tidemark
