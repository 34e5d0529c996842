#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "proto/journal/frame.h"

// What a recovery saw of a data directory. A recovery is a pure function of that, so the bytes it
// read stand for the state it came to, whatever that state is made of.

namespace tidemark::journal {

// Passes everything through to a view and remembers what was asked for.
//   Lives   `directory` outlives it.
class RecordingView : public DirectoryView {
 public:
  explicit RecordingView(const DirectoryView* directory) : directory_(directory) {}

  std::vector<FileId> List(GroupId group) const override;
  std::vector<GroupId> Groups() const override;
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override;
  absl::StatusOr<uint64_t> Size(const FileId& file) const override;
  absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                     uint32_t length) const override;

  // Hands out what was seen as frames (kFile, kBytes), about a MiB at a time; runs of zeros are
  // left out, so that the unused part of a file costs nothing.
  void Encode(const std::function<void(std::string frames)>& emit) const;

 private:
  struct Piece {
    FilePos pos;
    std::string bytes;
  };
  struct Seen {
    uint64_t size = 0;
    absl::Status status;  // of the first thing that failed
    bool whole = false;   // `contents` is what Contents gave
    std::string_view contents;
    std::vector<Piece> pieces;
  };
  Seen& SizedFile(const FileId& file) const;

  const DirectoryView* directory_;
  mutable std::map<FileId, Seen> seen_;
};

// Shows what a RecordingView saw.
class DirectoryImage : public DirectoryView {
 public:
  // A frame of kind kFile or kBytes, in the order they were written.
  //   Errors  kInvalidArgument: what is wrong with it.
  absl::Status Add(const Frame& frame);

  std::vector<FileId> List(GroupId group) const override;
  std::vector<GroupId> Groups() const override;
  // kNotFound where there was no file, the error that was seen where there was one; kInternal: what
  // is asked for was not asked for when it was recorded.
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override;
  absl::StatusOr<uint64_t> Size(const FileId& file) const override;
  absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                     uint32_t length) const override;

  // Of the files, as far as they were recorded.
  size_t files() const { return files_.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Piece {
    uint64_t pos = 0;
    Bytes bytes;
  };
  struct File {
    uint64_t size = 0;
    bool whole = false;
    absl::Status status;
    std::vector<Piece> pieces;
    std::string contents;  // once they were asked for
  };
  absl::StatusOr<const File*> Find(const FileId& file) const;
  // [pos, pos + length) of it, which is inside.
  static std::string Assemble(const File& file, uint64_t pos, uint64_t length);

  mutable std::map<FileId, File> files_;
  File* last_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace tidemark::journal
