#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"

// The seam between the engine and a disk. The engine names files, states what must happen to them
// and in which order; a driver (the real file store or the simulated disk) does it.

namespace tidemark {

// Of everything in a data directory; FORMAT.md section 8 has the rule for changing it.
inline constexpr uint16_t kFormatVersion = 2;

enum class FileKind : uint8_t {
  kSegment = 1,    // frames: <group>/<number>.log
  kIndex = 2,      // sidecar of the segment of the same number: <group>/<number>.idx
  kHardState = 3,  // term, vote, watermarks: <group>/hard_state
  kTemporary = 4,  // being made, to be renamed when it is whole: <group>/<number>.tmp
  kNodeMeta = 5,   // identity of the data directory: node_meta (group 0, number 0)
};

// A file of one raft group. Drivers may use it as a key.
struct FileId {
  GroupId group;
  FileKind kind = FileKind::kSegment;
  // Order of creation for kSegment and kIndex, from 1; 0 for the others.
  uint64_t number = 0;

  friend auto operator<=>(const FileId&, const FileId&) = default;
};

// The path below the data directory, e.g. "g0000000000000007/00000000000000001000.log".
std::string PathOf(const FileId& file);
// The inverse; kInvalidArgument for a path that PathOf never gives.
absl::StatusOr<FileId> ParsePath(std::string_view path);

// Creates the file, which must not exist, reading as `zero_bytes` zero bytes. The driver may fill
// them ahead of the data, or recycle a removed file, so that a later sync of data inside touches no
// file system metadata.
struct CreateFile {
  FileId file;
  uint64_t zero_bytes = 0;
};

// Writes `data`, one slice after the other, at `pos`. Extends the file where needed.
struct WriteFile {
  FileId file;
  FilePos pos;
  std::vector<Bytes> data;
};

// Cuts the file to `size` bytes, or zero-fills up to it.
struct TruncateFile {
  FileId file;
  uint64_t size = 0;
};

// Removes the file; it is no error if it does not exist.
struct RemoveFile {
  FileId file;
};

// Atomically gives `from` the name of `to`, replacing it.
struct RenameFile {
  FileId from;
  FileId to;
};

using FileOp = std::variant<CreateFile, WriteFile, TruncateFile, RemoveFile, RenameFile>;

// Ordered file operations of one group that become durable together: the driver executes `ops` in
// order, then syncs the files in `sync` and, where a name was created, removed (also one that did
// not exist) or renamed, the directory. Before its completion any subset of its effects may survive
// a crash, in any order.
struct FileBatch {
  std::vector<FileOp> ops;
  // Files whose data must be durable at completion. A file that is written but not listed may be
  // lost at a crash until a later batch lists it.
  std::vector<FileId> sync;

  bool empty() const { return ops.empty() && sync.empty(); }
};

// What recovery may read, synchronously, before the node starts. The driver maps the files whose
// contents are asked for, and has synced what names and contents there are: what a killed process
// left in the page cache alone recovery takes as a promise. After a failed sync no sync tells;
// therefore whoever makes promises writes them again first (engine/node/replica_storage.cc).
class DirectoryView {
 public:
  virtual ~DirectoryView() = default;
  // All files of `group`, ascending.
  virtual std::vector<FileId> List(GroupId group) const = 0;
  // The groups that have at least one file, ascending.
  virtual std::vector<GroupId> Groups() const = 0;
  // The whole contents. Errors: kNotFound; kDataLoss where the device cannot read it.
  //   Lives  valid until the view is destroyed.
  virtual absl::StatusOr<std::string_view> Contents(const FileId& file) const = 0;
  // Its size, and the bytes [pos, pos + length) of it, as many of them as there are: for files of
  // which a few bytes are enough, so that the driver need not map them. By default they go through
  // Contents. Errors as there.
  virtual absl::StatusOr<uint64_t> Size(const FileId& file) const;
  virtual absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                             uint32_t length) const;
};

}  // namespace tidemark
