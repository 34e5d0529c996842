#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/trace.h"
#include "engine/log/file.h"
#include "sim/coverage.h"
#include "sim/decisions.h"

namespace tidemark::sim {

// The disk of one node: what programs read back (the page cache), what is on the platter, and the
// unsynced operations between the two.
//
// At a power loss every sector an unsynced write touched takes, on its own, one of the states it
// went through since the last sync; so do sizes; and every unsynced name (created, removed,
// renamed) is there or not on its own. That is the weakest promise a POSIX file system makes, and
// all that a FileBatch lets the engine rely on.
class Disk {
 public:
  // `actor` tells this disk's decisions from those of others.
  Disk(uint32_t actor, uint32_t sector_bytes, Decisions* decisions, Coverage* coverage);

  // Does `batch.ops` in the page cache.
  //   Errors  kFailedPrecondition: an operation that the contract of FileBatch forbids (a file that
  //           exists is created, one that does not is written, ...): a bug of the engine.
  absl::Status Execute(const FileBatch& batch);
  // The sync of an executed batch is complete: its files and names are on the platter.
  void Synced(const FileBatch& batch);

  // The sync of an executed batch failed. Of what was written to its files since their last good
  // sync each sector is on the platter or not, once and for all: it reads as written (or, where the
  // cache let go of it, as it is on the platter), but no later sync writes it. Names are tried
  // again.
  void SyncFailed(const FileBatch& batch);

  // Bytes as the page cache has them. Errors: kNotFound, kOutOfRange.
  absl::StatusOr<Bytes> Read(const FileId& file, FilePos pos, uint32_t length) const;

  // The disk changes the byte at `pos` of a file that is there, all of it synced.
  void Rot(const FileId& file, FilePos pos);
  // What a program wrote at `pos` went to `to` of the same file, instead of what was there, and
  // nothing to where it should. Both ranges are there, all of them synced.
  void Misdirect(const FileId& file, FilePos pos, uint32_t length, FilePos to);
  // As if neither had been done to `file`.
  void Unrot(const FileId& file);
  // Whether some of what Rot or Misdirect changed in `file` is there still.
  bool IsRotten(const FileId& file) const;
  // As Read, but as it was before: for who judges what a replica knows, not what it can read.
  absl::StatusOr<Bytes> ReadAsWritten(const FileId& file, FilePos pos, uint32_t length) const;
  // The machine loses power: the page cache is gone.
  void PowerLoss();
  // Somebody puts an empty disk in its place.
  void Wipe();
  // What a driver does before it lets a node recover: makes what is readable durable, so that
  // nothing recovery sees can vanish later.
  void SyncAll();

  // Reads the page cache; valid until the next Execute.
  std::unique_ptr<DirectoryView> View() const;

  bool HasUnsynced() const;
  void AddTo(TraceHash& hash) const;

 private:
  // A write (data at pos) or a change of size (to `pos`, no data).
  struct Change {
    bool resize = false;
    uint64_t pos = 0;
    Bytes data;
    // What takes it back: the size that there was, and the bytes from `pos` on that are lost.
    uint64_t size_before = 0;
    std::string before;
  };
  // The platter has what is cached less what is unsynced, so that most files are held once; unless
  // a sync has failed: then what it has is `platter`.
  struct Inode {
    std::string cached;
    std::optional<std::string> platter;
    std::vector<Change> unsynced;
    std::map<uint64_t, char> before_rot;  // by position: what the disk changed
  };
  using InodePtr = std::shared_ptr<Inode>;
  // `from` loses its name if `remove`; `to` names `inode` if `add`.
  struct NameChange {
    bool remove = false;
    FileId from;
    bool add = false;
    FileId to;
    InodePtr inode;
  };
  class Snapshot;

  absl::Status Apply(const FileOp& op);
  static void ApplyChange(const Change& change, std::string& content);
  static void TakeBack(const Change& change, std::string& content);
  static std::string OnPlatter(const Inode& inode);
  // To the page cache, and remembers it for the next sync.
  static void Make(Change change, Inode& inode);
  // In the page cache and on the platter: the disk itself does it.
  static void Alter(Inode& inode, uint64_t pos, char byte);
  // The same, and remembers what was there.
  static void Put(Inode& inode, uint64_t pos, char byte);
  static void ApplyName(const NameChange& change, std::map<FileId, InodePtr>& names);
  static void MakeDurable(Inode& inode);
  // What of `inode` is on the platter if its unsynced changes came there each on its own or not.
  std::string Survivor(const Inode& inode);
  // The page cache is gone, and `content` is what is left.
  static void ReadAnew(Inode& inode, std::string content);

  uint32_t actor_;
  uint32_t sector_bytes_;
  Decisions* decisions_;
  Coverage* coverage_;
  std::map<FileId, InodePtr> names_;
  std::map<FileId, InodePtr> durable_names_;
  std::vector<NameChange> unsynced_names_;
};

}  // namespace tidemark::sim
