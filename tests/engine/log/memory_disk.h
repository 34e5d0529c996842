#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log/file.h"

namespace tidemark {

// A disk in memory with a page cache: what was not synced survives a crash in any subset, sector by
// sector and name by name.
class MemoryDisk {
 public:
  // Picks one of `n` (>= 1) possibilities, as an index below n.
  using Pick = std::function<size_t(size_t n)>;

  // Executes the operations; dies where the contract of file.h is broken (creating what exists,
  // writing to what does not).
  void Apply(const FileBatch& batch);
  // The syncs of `batch` complete.
  void Sync(const FileBatch& batch);
  void ApplyAndSync(const FileBatch& batch) {
    Apply(batch);
    Sync(batch);
  }

  // All names are durable as they are: what a driver does before a recovery.
  void SyncNames() { name_history_.clear(); }

  enum class Tear { kWholeFiles, kSectors };
  // The machine loses power: everything unsynced ends in one of its possible states.
  void Crash(Tear tear, const Pick& pick);

  std::vector<FileId> Files() const;
  bool Exists(const FileId& file) const { return names_.contains(file); }
  // The contents as a reader sees them; the test may damage them.
  std::string& Contents(const FileId& file);
  // A view of the disk as it is now; independent of later changes.
  std::unique_ptr<DirectoryView> View() const;

 private:
  struct Inode {
    // states[0] is durable, the last one is what readers see.
    std::vector<std::string> states{std::string()};
  };
  using InodePtr = std::shared_ptr<Inode>;

  Inode& Get(const FileId& file);
  void SetName(const FileId& file, InodePtr inode);

  std::map<FileId, InodePtr> names_;
  // Per name, what it went through since it was durable (first: durable; null: no such file).
  std::map<FileId, std::vector<InodePtr>> name_history_;
};

}  // namespace tidemark
