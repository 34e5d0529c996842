#include "engine/log/group_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/log/found_header.h"

namespace tidemark {
namespace {

using Found = GroupFiles::Found;

// Reads the two files of a segment. False: it never became whole.
absl::StatusOr<bool> ReadSegment(const DirectoryView& directory, Found& found) {
  if (found.has_index) {
    const absl::StatusOr<std::string_view> sidecar = directory.Contents(found.sidecar());
    if (sidecar.ok()) found.sidecar_bytes = *sidecar;
    found.index_file_bytes = found.sidecar_bytes.size();
    found.index = DecodeIndex(found.sidecar_bytes);
    found.footer = DecodeFooter(found.sidecar_bytes);
  }
  const absl::StatusOr<std::string_view> bytes = directory.Contents(found.file());
  if (absl::IsResourceExhausted(bytes.status())) return bytes.status();
  if (!bytes.ok()) {
    found.damage = std::string(bytes.status().message());
    return true;
  }
  found.bytes = *bytes;
  found.file_bytes = bytes->size();
  TIDEMARK_ASSIGN_OR_RETURN(
      HeaderVerdict verdict,
      JudgeHeader(std::string(found.bytes.substr(0, kSegmentHeaderBytes)), found));
  found.damage = std::move(verdict.damage);
  return verdict.state != HeaderState::kNeverWhole;
}

class Sorter {
 public:
  explicit Sorter(GroupFiles& files) : files_(files) {}

  void Leftover(const Found& found) {
    files_.leftovers.push_back(found.file());
    if (found.has_index) files_.leftovers.push_back(found.sidecar());
  }

  // A segment replaces what earlier ones have from its base index on; sparse ones come last.
  void Add(Found found) {
    if (found.damage.empty() && found.header.sparse.has_value()) {
      sparse_.push_back(std::move(found));
      return;
    }
    std::vector<Found>& live = files_.segments;
    if (found.damage.empty()) {
      const auto replaced = [&](const Found& each) {
        return each.damage.empty() && each.header.base_index >= found.header.base_index;
      };
      for (const Found& each : live) {
        if (replaced(each)) Leftover(each);
      }
      std::erase_if(live, replaced);
      for (auto at = live.rbegin(); at != live.rend(); ++at) {
        if (!at->damage.empty()) continue;
        at->end = found.header.base_index;
        break;
      }
    }
    live.push_back(std::move(found));
  }

  // A sparse segment replaces those of lower numbers in its range, once it is whole. One that is
  // not is left over from a crash, unless what it stands for is gone.
  void PlaceSparse(LogIndex start) {
    std::vector<Found> unfinished;
    for (Found& found : sparse_) {
      if (IsWholeSparse(found)) {
        Place(std::move(found));
      } else {
        unfinished.push_back(std::move(found));
      }
    }
    for (Found& found : unfinished) {
      const LogIndex base = found.header.base_index;
      const bool stood_for =
          std::any_of(files_.segments.begin(), files_.segments.end(), [&](const Found& each) {
            return each.damage.empty() && each.header.base_index <= base && base < each.end;
          });
      if (stood_for || base < start) {
        Leftover(found);
      } else {
        Place(std::move(found));
      }
    }
  }

  void DropRemovedPrefix(LogIndex start) {
    std::vector<Found>& live = files_.segments;
    size_t first = 0;
    while (first + 1 < live.size() && live[first].damage.empty() &&
           live[first + 1].damage.empty() && live[first + 1].header.base_index <= start) {
      Leftover(live[first]);
      ++first;
    }
    live.erase(live.begin(), live.begin() + static_cast<ptrdiff_t>(first));
  }

 private:
  void Place(Found found) {
    std::vector<Found>& live = files_.segments;
    const LogIndex base = found.header.base_index;
    found.end = found.header.sparse->end_index;
    const auto is_inside = [&](const Found& each) {
      return each.damage.empty() && each.header.base_index >= base &&
             each.header.base_index < found.end && each.header.number < found.header.number;
    };
    for (const Found& each : live) {
      if (is_inside(each)) Leftover(each);
    }
    std::erase_if(live, is_inside);
    auto at = std::find_if(live.begin(), live.end(), [&](const Found& each) {
      return each.damage.empty() && each.header.base_index > base;
    });
    for (auto before = at; before != live.begin();) {
      --before;
      if (!before->damage.empty()) continue;
      before->end = std::min(before->end, base);
      break;
    }
    live.insert(at, std::move(found));
  }

  GroupFiles& files_;
  std::vector<Found> sparse_;
};

}  // namespace

absl::StatusOr<GroupFiles> GroupFiles::Read(GroupId group, const HardStateRecord& hard_state,
                                            const DirectoryView& directory) {
  const SnapshotFiles& snapshot = hard_state.snapshot;
  GroupFiles files;
  Sorter sorter(files);
  std::set<uint64_t> sidecars;
  std::set<uint64_t> segments;
  for (const FileId& file : directory.List(group)) {
    if (file.number > UINT64_MAX / 2) {
      return absl::FailedPreconditionError(
          absl::StrCat(PathOf(file), " was not written by this program; move it away"));
    }
    const bool numbered = file.kind == FileKind::kIndex || file.kind == FileKind::kSegment;
    if (numbered && !snapshot.counts(file.number)) {
      // What is being received goes on being received.
      if (snapshot.installed()) files.leftovers.push_back(file);
      continue;
    }
    if (file.kind == FileKind::kIndex) sidecars.insert(file.number);
    if (file.kind == FileKind::kSegment) segments.insert(file.number);
    if (file.kind == FileKind::kTemporary) files.leftovers.push_back(file);
  }
  for (const uint64_t number : segments) {
    Found found;
    found.header.group = group;
    found.header.number = number;
    found.has_index = sidecars.contains(number);
    TIDEMARK_ASSIGN_OR_RETURN(const bool whole, ReadSegment(directory, found));
    if (whole) {
      sorter.Add(std::move(found));
    } else {
      sorter.Leftover(found);
    }
  }
  sorter.PlaceSparse(hard_state.start);
  sorter.DropRemovedPrefix(hard_state.start);
  for (const uint64_t number : sidecars) {
    if (!segments.contains(number)) {
      files.orphans.push_back({.group = group, .kind = FileKind::kIndex, .number = number});
    }
  }
  for (const Found& found : files.segments) {
    if (!found.damage.empty()) continue;
    files.durable = std::max(files.durable, found.durable());
    files.committed = std::max(files.committed, found.committed());
  }
  return files;
}

}  // namespace tidemark
