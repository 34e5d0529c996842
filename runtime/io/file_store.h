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

namespace tidemark {

// The engine's disk: executes file batches in a data directory and makes them durable.
//
// A small pool of threads does the blocking calls. Batches of different groups run side by side
// (their syncs share the device's queue); the engine never has two batches of one group under way.
//   Durability  a batch is done when every file it lists is fdatasync'ed and, where names changed,
//               the directories are fsync'ed. After a failed sync the file's descriptor is dropped
//               and the error reported once: the engine believes nothing about that group any more.
//   Space       a new file is sparse at its full size; space just ahead of each write is filled
//   with
//               zeros, so that most syncs touch no file system metadata (measured in PLATFORM: 0.08
//               ms against 0.14 ms).
//   Locking     the directory is locked for the life of the store; a second process is refused.
class FileStore {
 public:
  // Opens or creates the data directory at `path`.
  //   Errors  kFailedPrecondition: another process has it. kPermissionDenied, kUnavailable: names
  //   the
  //           path and the system's reason.
  static absl::StatusOr<std::unique_ptr<FileStore>> Open(const std::string& path, int threads);

  // Waits for everything under way.
  ~FileStore();
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  // A snapshot of the names with memory maps of the contents, for recovery, before any Execute.
  absl::StatusOr<std::unique_ptr<DirectoryView>> View() const;

  // Executes `batch` on a thread of the pool; `done` is called there.
  void Execute(FileBatch batch, std::function<void(absl::Status)> done);

  // The same on the calling thread: for whoever waits anyway, without the two hand-overs. The rule
  // of one batch of a group at a time holds for both together.
  absl::Status ExecuteHere(const FileBatch& batch);

  // Reads [pos, pos + length), which must exist. `done` is called on a thread of the pool, or, when
  // the bytes are in the page cache, before Read returns.
  void Read(const FileId& file, FilePos pos, uint32_t length,
            std::function<void(absl::StatusOr<Bytes>)> done);

  struct Space {
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
  };
  absl::StatusOr<Space> DiskSpace() const;

  const std::string& path() const;

 private:
  struct Impl;
  explicit FileStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark
