#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/log/file.h"
#include "runtime/io/directory_view.h"

namespace tidemark {

// The engine's disk: executes file batches in a data directory and makes them durable.
//
// A small pool of threads does the blocking calls. Batches of different groups run side by side
// (their syncs share the device's queue). Of one group two may be under way if they name different
// files: what compaction writes, beside what is appended.
//   Durability  a batch is done when every file it lists is fdatasync'ed and, where names changed,
//               the directories are fsync'ed: all of them side by side.
//   Failures    the error is reported once; the descriptors of the batch's files are dropped, and
//               whatever names one of these files afterwards is refused (kFailedPrecondition) until
//               Reopen, except removing and reading it. kResourceExhausted: the file system is
//               full; the message names the file and says what to do.
//   Space       a new file is sparse at its full size. Where appends are small, blocks are written
//               before they are needed: zeros ahead of the data in a group's first segment, whole
//               segments prepared in the background after that (spare_segments.h). Large appends
//               are written once.
//   Descriptors at most half of what the process may open and kOpenFilesMax.
//   Locking     the directory is locked for the life of the store; a second process is refused.
class FileStore {
 public:
  static constexpr size_t kOpenFilesMax = 2048;
  // Appends up to this mean size find their blocks written before. Measured: DECISIONS.
  static constexpr uint64_t kSmallAppendBytesMax = 32u << 10;

  // Opens or creates the data directory at `path`.
  //   Errors  kFailedPrecondition: another process has it. kPermissionDenied, kUnavailable: names
  //           the path and the system's reason.
  static absl::StatusOr<std::unique_ptr<FileStore>> Open(const std::string& path, int threads);

  // Waits for everything under way.
  ~FileStore();
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  // A snapshot of the names with memory maps of the contents, for recovery, before any Execute.
  absl::StatusOr<std::unique_ptr<DirectoryView>> View(
      Unreadable unreadable = Unreadable::kRefuse) const;

  // Executes `batch` on a thread of the pool; `done` is called there.
  void Execute(FileBatch batch, std::function<void(absl::Status)> done);

  // The same on the calling thread: for whoever waits anyway, without the two hand-overs. The rule
  // about batches of one group holds for both together.
  absl::Status ExecuteHere(const FileBatch& batch);

  // Reads [pos, pos + length), which must exist. `done` is called on a thread of the pool, or, when
  // the bytes are in the page cache, before Read returns.
  void Read(const FileId& file, FilePos pos, uint32_t length,
            std::function<void(absl::StatusOr<Bytes>)> done);

  // After a batch of `group` failed: takes its files back and gives a view of them, read, not
  // mapped, so that a device that cannot read does not end the process. What it shows need not be
  // durable: what is still wanted of it must be written again. `done` is called on a thread of the
  // pool; what it does there may take its time. No batch of the group is under way before it is
  // called.
  //   Errors  of syncing the directories: one that an earlier batch made may not be durable.
  void Reopen(GroupId group,
              std::function<void(absl::StatusOr<std::unique_ptr<DirectoryView>>)> done);

  struct Space {
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
  };
  // Spares kept for later count as used; they are given up when space gets scarce.
  absl::StatusOr<Space> DiskSpace() const;

  const std::string& path() const;
  // For tests and measurements: waits until no spare segment is being prepared, and how many
  // descriptors of the engine's files are open.
  void WaitForSpares();
  size_t open_files() const;

 private:
  struct Impl;
  explicit FileStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark
