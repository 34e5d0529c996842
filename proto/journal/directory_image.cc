#include "proto/journal/directory_image.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "proto/journal/codec.h"
#include "proto/journal/fields.h"

namespace tidemark::journal {
namespace {

// What is looked at for being zeros, and what one frame holds at the most.
constexpr size_t kBlockBytes = 4096;
constexpr size_t kPieceBytes = 1u << 20;
// No file of a data directory is larger; a segment may be one batch longer than asked for.
constexpr uint64_t kFileBytesMax = kSegmentBytesMax + kBatchBytesMax;

bool AllZeros(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class Emitter {
 public:
  explicit Emitter(const std::function<void(std::string frames)>* emit) : emit_(*emit) {}
  ~Emitter() {
    if (!frames_.empty()) emit_(std::move(frames_));
  }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  void AddFile(const FileId& file, uint64_t size, bool whole, const absl::Status& status) {
    const size_t frame = BeginFrame(frames_, FrameKind::kFile);
    Writer writer(frames_);
    All(writer, file, size, whole);
    WriteStatus(writer, status);
    EndFrame(frames_, frame);
  }

  // Without the blocks that are zeros.
  void AddBytes(uint64_t pos, std::string_view bytes) {
    size_t begin = 0;
    while (begin < bytes.size()) {
      size_t end = begin;
      while (end < bytes.size() && end - begin < kPieceBytes &&
             !AllZeros(bytes.substr(end, kBlockBytes))) {
        end = std::min(end + kBlockBytes, bytes.size());
      }
      if (end > begin) AddPiece(pos + begin, bytes.substr(begin, end - begin));
      begin = end;
      while (begin < bytes.size() && AllZeros(bytes.substr(begin, kBlockBytes))) {
        begin = std::min(begin + kBlockBytes, bytes.size());
      }
    }
  }

 private:
  void AddPiece(uint64_t pos, std::string_view bytes) {
    const size_t frame = BeginFrame(frames_, FrameKind::kBytes);
    Writer writer(frames_);
    All(writer, pos);
    writer.Text(bytes);
    EndFrame(frames_, frame);
    if (frames_.size() >= kPieceBytes) emit_(std::exchange(frames_, {}));
  }

  const std::function<void(std::string frames)>& emit_;
  std::string frames_;
};

}  // namespace

std::vector<FileId> RecordingView::List(GroupId group) const {
  std::vector<FileId> list = directory_->List(group);
  for (const FileId& file : list) seen_.try_emplace(file);
  return list;
}

std::vector<GroupId> RecordingView::Groups() const {
  std::vector<GroupId> groups = directory_->Groups();
  // A group is known by its files.
  for (const GroupId group : groups) List(group);
  return groups;
}

RecordingView::Seen& RecordingView::SizedFile(const FileId& file) const {
  Seen& seen = seen_[file];
  if (seen.size == 0 && seen.status.ok()) {
    const absl::StatusOr<uint64_t> size = directory_->Size(file);
    if (size.ok()) seen.size = *size;
  }
  return seen;
}

absl::StatusOr<std::string_view> RecordingView::Contents(const FileId& file) const {
  absl::StatusOr<std::string_view> contents = directory_->Contents(file);
  if (absl::IsNotFound(contents.status())) return contents;
  Seen& seen = SizedFile(file);
  if (contents.ok()) {
    seen.size = contents->size();
    seen.whole = true;
    seen.contents = *contents;
  } else {
    seen.status.Update(contents.status());
  }
  return contents;
}

absl::StatusOr<uint64_t> RecordingView::Size(const FileId& file) const {
  absl::StatusOr<uint64_t> size = directory_->Size(file);
  if (absl::IsNotFound(size.status())) return size;
  Seen& seen = seen_[file];
  if (size.ok()) {
    seen.size = *size;
  } else {
    seen.status.Update(size.status());
  }
  return size;
}

absl::StatusOr<std::string> RecordingView::ReadAt(const FileId& file, FilePos pos,
                                                  uint32_t length) const {
  absl::StatusOr<std::string> bytes = directory_->ReadAt(file, pos, length);
  if (absl::IsNotFound(bytes.status())) return bytes;
  Seen& seen = SizedFile(file);
  if (bytes.ok()) {
    seen.pieces.push_back({pos, *bytes});
  } else {
    seen.status.Update(bytes.status());
  }
  return bytes;
}

void RecordingView::Encode(const std::function<void(std::string frames)>& emit) const {
  Emitter emitter(&emit);
  for (const auto& [file, seen] : seen_) {
    emitter.AddFile(file, seen.size, seen.whole, seen.status);
    if (seen.whole) {
      emitter.AddBytes(0, seen.contents);
      continue;
    }
    for (const Piece& piece : seen.pieces) emitter.AddBytes(piece.pos.value(), piece.bytes);
  }
}

absl::Status DirectoryImage::Add(const Frame& frame) {
  Reader reader(frame.body);
  if (frame.kind == FrameKind::kFile) {
    FileId file;
    File seen;
    All(reader, file, seen.size, seen.whole);
    seen.status = ReadStatus(reader);
    if (!reader.done() || file.kind < FileKind::kSegment || seen.size > kFileBytesMax) {
      return absl::InvalidArgumentError("a file of the data directory cannot be like this");
    }
    const auto [at, is_new] = files_.insert_or_assign(file, std::move(seen));
    last_ = &at->second;
    return absl::OkStatus();
  }
  TIDEMARK_CHECK(frame.kind == FrameKind::kBytes);
  Piece piece;
  All(reader, piece.pos, piece.bytes);
  if (!reader.done() || last_ == nullptr || piece.pos > last_->size ||
      piece.bytes.size() > last_->size - piece.pos) {
    return absl::InvalidArgumentError("bytes of a file of the data directory lie outside of it");
  }
  bytes_ += piece.bytes.size();
  last_->pieces.push_back(std::move(piece));
  return absl::OkStatus();
}

std::vector<FileId> DirectoryImage::List(GroupId group) const {
  std::vector<FileId> list;
  for (auto at = files_.lower_bound(FileId{group, FileKind(0), 0});
       at != files_.end() && at->first.group == group; ++at) {
    list.push_back(at->first);
  }
  return list;
}

std::vector<GroupId> DirectoryImage::Groups() const {
  std::vector<GroupId> groups;
  for (const auto& [file, seen] : files_) {
    if (groups.empty() || groups.back() != file.group) groups.push_back(file.group);
  }
  return groups;
}

absl::StatusOr<const DirectoryImage::File*> DirectoryImage::Find(const FileId& file) const {
  const auto found = files_.find(file);
  if (found == files_.end()) return absl::NotFoundError(PathOf(file));
  if (!found->second.status.ok()) return found->second.status;
  return &found->second;
}

std::string DirectoryImage::Assemble(const File& file, uint64_t pos, uint64_t length) {
  std::string bytes(length, '\0');
  for (const Piece& piece : file.pieces) {
    const uint64_t begin = std::max(pos, piece.pos);
    const uint64_t end = std::min(pos + length, piece.pos + piece.bytes.size());
    if (begin >= end) continue;
    std::memcpy(bytes.data() + (begin - pos), piece.bytes.data() + (begin - piece.pos),
                end - begin);
  }
  return bytes;
}

absl::StatusOr<std::string_view> DirectoryImage::Contents(const FileId& file) const {
  TIDEMARK_ASSIGN_OR_RETURN(const File* const found, Find(file));
  if (!found->whole) {
    return absl::InternalError(
        absl::StrCat("the contents of ", PathOf(file), " were not asked for when it was recorded"));
  }
  File& seen = files_.at(file);
  if (seen.contents.empty()) seen.contents = Assemble(seen, 0, seen.size);
  return std::string_view(seen.contents);
}

absl::StatusOr<uint64_t> DirectoryImage::Size(const FileId& file) const {
  TIDEMARK_ASSIGN_OR_RETURN(const File* const found, Find(file));
  return found->size;
}

absl::StatusOr<std::string> DirectoryImage::ReadAt(const FileId& file, FilePos pos,
                                                   uint32_t length) const {
  TIDEMARK_ASSIGN_OR_RETURN(const File* const found, Find(file));
  if (pos.value() >= found->size) return std::string();
  return Assemble(*found, pos.value(), std::min<uint64_t>(length, found->size - pos.value()));
}

}  // namespace tidemark::journal
