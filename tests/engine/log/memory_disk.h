#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log/file.h"

namespace tidemark {

// Files and their contents, as a reader finds them.
using DiskImage = std::map<FileId, std::string>;

// What recovery sees of `image`, which must outlive the view; no copies.
class ImageView : public DirectoryView {
 public:
  explicit ImageView(const DiskImage& image) : image_(image) {}
  std::vector<FileId> List(GroupId group) const override;
  std::vector<GroupId> Groups() const override;
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override;

 private:
  const DiskImage& image_;
};

// A disk in memory with a page cache: what was not synced survives a crash in any subset, sector by
// sector and name by name.
class MemoryDisk {
 public:
  // Picks one of `n` (>= 1) possibilities, as an index below n.
  using Pick = std::function<size_t(size_t n)>;

  MemoryDisk() = default;
  // Holds `image`, all of it durable.
  explicit MemoryDisk(const DiskImage& image);

  // Executes the operations; dies where the contract of file.h is broken (creating what exists,
  // writing to what does not).
  void Apply(const FileBatch& batch);
  void ApplyOne(const FileOp& op);
  // The syncs of `batch` complete.
  void Sync(const FileBatch& batch);
  // One of them does: of a file's data, of the directory.
  void SyncFile(const FileId& file);
  void SyncNames();
  // Whether completing `batch` syncs the directory.
  static bool ChangesNames(const FileBatch& batch);
  void ApplyAndSync(const FileBatch& batch) {
    Apply(batch);
    Sync(batch);
  }

  enum class Tear { kWholeFiles, kSectors };
  // The machine loses power: everything unsynced ends in one of its possible states.
  void Crash(Tear tear, const Pick& pick);

  std::vector<FileId> Files() const;
  bool Exists(const FileId& file) const { return names_.contains(file); }
  // The contents as a reader sees them; the test may damage them once they are synced.
  std::string& Contents(const FileId& file);
  // The same to look at; empty if there is no such file.
  std::string_view Read(const FileId& file) const;
  // The disk as a reader sees it now; independent of later changes.
  DiskImage Image() const;
  std::unique_ptr<DirectoryView> View() const;

 private:
  friend class CrashSpace;

  // Bytes written at `pos` (none: a truncation), after which the file has `size` bytes.
  struct Change {
    uint64_t pos = 0;
    std::vector<Bytes> data;
    uint64_t size = 0;
  };
  struct Inode {
    std::string durable;
    std::string current;  // what readers see: `durable` with `pending` applied
    std::vector<Change> pending;

    // `durable`, then the contents after each pending change.
    std::vector<std::string> States() const;
  };
  using InodePtr = std::shared_ptr<Inode>;

  static void Make(const Change& change, std::string& contents);
  Inode& Get(const FileId& file);
  void SetName(const FileId& file, InodePtr inode);

  std::map<FileId, InodePtr> names_;
  // Per name, what it went through since it was durable (first: durable; null: no such file).
  std::map<FileId, std::vector<InodePtr>> name_history_;
};

// Everything a power failure can leave of a disk at one moment: a product of independent decisions
// (what a name refers to, how long a file is, what a sector holds), each with its alternatives in
// the order of time: 0 is what was synced, the last one what readers saw.
class CrashSpace {
 public:
  // kTorn adds, as the last alternatives of each sector, the newest contents in its beginning and
  // the synced ones in the rest: worse than the disks of FORMAT.md.
  enum class Sectors { kWhole, kTorn };

  explicit CrashSpace(const MemoryDisk& disk, Sectors sectors = Sectors::kWhole);

  // Alternatives per decision, each at least 2.
  const std::vector<uint32_t>& alternatives() const { return alternatives_; }
  // Which alternative readers saw.
  const std::vector<uint32_t>& newest() const { return newest_; }
  // All combinations; saturates.
  uint64_t outcomes() const;
  // A choice per decision.
  DiskImage ImageOf(std::span<const uint32_t> choice) const;
  // Equal only for choices that give the same image (but for collisions of 64 bits).
  uint64_t HashOf(std::span<const uint32_t> choice) const;

 private:
  static constexpr uint32_t kDecided = UINT32_MAX;
  struct Sector {
    uint32_t decision = kDecided;
    std::vector<std::string> values;
    std::vector<uint64_t> hashes;
  };
  struct File {
    std::string newest;
    uint32_t size_decision = kDecided;
    std::vector<uint64_t> sizes;
    std::vector<Sector> sectors;
  };
  struct Name {
    FileId file;
    uint32_t decision = kDecided;
    std::vector<const File*> inodes;  // null: the name does not exist
  };

  const File* Describe(const MemoryDisk::Inode& inode, Sectors sectors);
  uint32_t AddDecision(size_t alternatives, size_t newest);
  template <typename Visit>
  void ForEachFile(std::span<const uint32_t> choice, Visit visit) const;

  std::vector<uint32_t> alternatives_;
  std::vector<uint32_t> newest_;
  std::map<const MemoryDisk::Inode*, std::unique_ptr<File>> files_;
  std::vector<Name> names_;
};

}  // namespace tidemark
