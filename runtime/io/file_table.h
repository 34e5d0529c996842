#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log/file.h"
#include "runtime/io/open_file.h"

namespace tidemark {

// The files of a data directory by id: keeps the descriptors used last open, closes the least
// recently used beyond a bound, and remembers which files must not be believed.
//   Threads  any. A file handed out stays usable after it was closed here, by whoever has it.
class FileTable {
 public:
  FileTable(std::string root, size_t open_max) : root_(std::move(root)), open_max_(open_max) {}

  std::string PathTo(const FileId& file) const;
  // Of the group's directory; node_meta is in the root.
  std::string FolderOf(const FileId& file) const;

  // Opens the file where needed. kNotFound: there is none, or its removal has begun.
  absl::StatusOr<std::shared_ptr<OpenFile>> Get(const FileId& file);
  // The file if it is open.
  std::shared_ptr<OpenFile> Peek(const FileId& file);
  void Put(const FileId& file, std::shared_ptr<OpenFile> open);

  // Closes the file, keeps others from opening it while `unname` takes its name away, and ends
  // its having failed. `unname` is given the file if it was open.
  absl::Status Remove(const FileId& file,
                      absl::FunctionRef<absl::Status(std::shared_ptr<OpenFile>)> unname);
  absl::Status Rename(const FileId& from, const FileId& to);

  // A write or sync of the file failed: its descriptor is dropped and CheckNotFailed says so from
  // now on. The kernel may have dropped the written pages and call the next sync a success.
  void Fail(const FileId& file);
  absl::Status CheckNotFailed(const FileId& file);
  // Drops all descriptors of `group` and ends its files' having failed. Nothing uses them
  // meanwhile.
  void Readmit(GroupId group);

  size_t open_count();

 private:
  struct Hash {
    size_t operator()(const FileId& file) const {
      return absl::HashOf(file.group.value(), file.kind, file.number);
    }
  };
  using Order = std::list<std::pair<FileId, std::shared_ptr<OpenFile>>>;

  // These need mutex_.
  std::shared_ptr<OpenFile> Drop(const FileId& file);
  void Insert(const FileId& file, std::shared_ptr<OpenFile> open);

  const std::string root_;
  const size_t open_max_;
  std::mutex mutex_;
  Order order_;  // most recently used first
  absl::flat_hash_map<FileId, Order::iterator, Hash> by_id_;
  std::set<FileId> removing_;
  std::set<FileId> failed_;
  std::atomic<bool> any_failed_ = false;
};

}  // namespace tidemark
