#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "runtime/base/unique_fd.h"

namespace tidemark {

// "<what> <path>: <reason>" for the system's `error`: kResourceExhausted where space is missing
// (and what to do about it), kPermissionDenied, kNotFound, else kUnavailable.
absl::Status SystemError(const char* what, const std::string& path, int error);

// Makes the names in the directory durable.
absl::Status SyncDirectory(const std::string& path);

// A descriptor of a file of the engine's, and what is known of the file's blocks.
//   Threads  any number may read; all else is done by one thread at a time (the engine has one
//   batch
//            of a group under way).
class OpenFile {
 public:
  static absl::StatusOr<std::shared_ptr<OpenFile>> Open(std::string path);
  // The file must not exist. It is sparse and reads as `size` zeros.
  static absl::StatusOr<std::shared_ptr<OpenFile>> Create(std::string path, uint64_t size);

  // Extends the file where needed.
  absl::Status Write(FilePos pos, const std::vector<Bytes>& data);
  // Writes zeros over [begin, end).
  absl::Status WriteZeros(uint64_t begin, uint64_t end);
  absl::Status Resize(uint64_t size);

  // Makes the data durable. After a failure the kernel may call the lost pages clean: nobody may
  // ask again and believe the answer.
  absl::Status Sync();
  // Hands the data to the device without waiting, so that the syncs of several files overlap.
  void StartSync();

  // Writes dirty pages of [begin, end) to the device and waits; they are not durable before Sync.
  absl::Status WriteOut(uint64_t begin, uint64_t end);

  // kDataLoss where the file ends before.
  absl::Status Read(FilePos pos, char* to, size_t count);
  // Reads what is in the page cache without waiting; false if that is not all of it.
  bool ReadCached(FilePos pos, char* to, size_t count);

  // For a file that is written front to back and about to be written in [begin, end): writes zeros
  // behind `end`, so that the syncs to come find their blocks allocated and change no metadata of
  // the file system. How far depends on what the file holds already, so a small file stays small.
  // Best effort: without space for the zeros there may still be some for the data.
  void FillAhead(uint64_t begin, uint64_t end);

  // Takes note of an append of `bytes`; the mean of the recent ones tells small synced appends,
  // which FillAhead makes faster, from bulk, for which it would double the bytes written.
  void NoteAppend(uint64_t bytes);
  // The mean at the last NoteAppend; nullopt before.
  std::optional<uint64_t> mean_append() const { return mean_append_; }
  void set_mean_append(std::optional<uint64_t> bytes) { mean_append_ = bytes; }

  const std::string& path() const { return path_; }
  // The file was given another name.
  void set_path(std::string path) { path_ = std::move(path); }
  uint64_t size() const { return size_; }

 private:
  OpenFile(UniqueFd fd, std::string path, uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}

  UniqueFd fd_;
  std::string path_;
  uint64_t size_;
  // Blocks are allocated and written up to here; nullopt: the file system has not been asked yet.
  std::optional<uint64_t> filled_to_;
  std::optional<uint64_t> mean_append_;
};

}  // namespace tidemark
