#include "engine/log/file.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

constexpr size_t kGroupDigits = 16;   // hexadecimal: any uint64_t
constexpr size_t kNumberDigits = 20;  // decimal: any uint64_t
constexpr std::string_view kHardStateName = "hard_state";
constexpr std::string_view kNodeMetaName = "node_meta";

// `value` in `base` (at most 16), zero-padded so that names sort like numbers.
std::string Padded(uint64_t value, unsigned base, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; value != 0; value /= base) {
    text[--i] = "0123456789abcdef"[value % base];
  }
  return text;
}

absl::Status NotOurs(std::string_view path, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", std::string(path), "' is not a file of a data directory: ", why));
}

// Parses exactly `digits` digits of `base`, as Padded gives them.
absl::StatusOr<uint64_t> ParsePadded(std::string_view path, std::string_view text, unsigned base,
                                     size_t digits) {
  if (text.size() != digits) return NotOurs(path, absl::StrCat("expected ", digits, " digits"));
  unsigned __int128 value = 0;
  for (const char c : text) {
    const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                           : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                                                  : 16u;
    if (digit >= base) return NotOurs(path, absl::StrCat("not a digit of base ", base));
    value = value * base + digit;
    if (value > UINT64_MAX) return NotOurs(path, "number does not fit 64 bits");
  }
  return static_cast<uint64_t>(value);
}

std::string_view SuffixOf(FileKind kind) {
  switch (kind) {
    case FileKind::kSegment:
      return ".log";
    case FileKind::kIndex:
      return ".idx";
    case FileKind::kTemporary:
      return ".tmp";
    case FileKind::kHardState:
    case FileKind::kNodeMeta:
      break;
  }
  return "";
}

}  // namespace

std::string PathOf(const FileId& file) {
  if (file.kind == FileKind::kNodeMeta) return std::string(kNodeMetaName);
  std::string path = absl::StrCat("g", Padded(file.group.value(), 16, kGroupDigits), "/");
  if (file.kind == FileKind::kHardState) return path + std::string(kHardStateName);
  return path + Padded(file.number, 10, kNumberDigits) + std::string(SuffixOf(file.kind));
}

absl::StatusOr<FileId> ParsePath(std::string_view path) {
  if (path == kNodeMetaName) {
    return FileId{.group = GroupId{0}, .kind = FileKind::kNodeMeta, .number = 0};
  }
  if (path.size() < kGroupDigits + 2 || path[0] != 'g' || path[kGroupDigits + 1] != '/') {
    return NotOurs(path, "expected node_meta or g<16 hexadecimal digits>/<name>");
  }
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t group,
                            ParsePadded(path, path.substr(1, kGroupDigits), 16, kGroupDigits));
  const std::string_view name = path.substr(kGroupDigits + 2);
  FileId file{.group = GroupId{group}, .kind = FileKind::kHardState, .number = 0};
  if (name == kHardStateName) return file;
  for (const FileKind kind : {FileKind::kSegment, FileKind::kIndex, FileKind::kTemporary}) {
    const std::string_view suffix = SuffixOf(kind);
    if (!name.ends_with(suffix)) continue;
    TIDEMARK_ASSIGN_OR_RETURN(
        file.number,
        ParsePadded(path, name.substr(0, name.size() - suffix.size()), 10, kNumberDigits));
    file.kind = kind;
    return file;
  }
  return NotOurs(path, "expected hard_state or a name ending in .log, .idx or .tmp");
}

absl::StatusOr<uint64_t> DirectoryView::Size(const FileId& file) const {
  TIDEMARK_ASSIGN_OR_RETURN(const std::string_view contents, Contents(file));
  return contents.size();
}

absl::StatusOr<std::string> DirectoryView::ReadAt(const FileId& file, FilePos pos,
                                                  uint32_t length) const {
  TIDEMARK_ASSIGN_OR_RETURN(const std::string_view contents, Contents(file));
  return std::string(contents.substr(std::min<uint64_t>(pos.value(), contents.size()), length));
}

}  // namespace tidemark
