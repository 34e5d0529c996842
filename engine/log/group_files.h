#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/log/hard_state.h"
#include "engine/log/scan.h"

namespace tidemark {

// All files of one group, read whole, and which of them make up the log: the first two steps of
// FORMAT.md section 6, without giving up at what is damaged.
struct GroupFiles {
  struct Found : FoundSegment {
    std::string_view sidecar_bytes;  // the whole file; empty if it cannot be read
    // `damage` is about the header: of one that is lost only group and number are set.
  };

  // In the order of the log, those with a damaged header where their number puts them. A sparse one
  // of which the footer is damaged is there if nothing else has what it stands for.
  std::vector<Found> segments;
  // Files that recovery removes: replaced, removed, never whole.
  std::vector<FileId> leftovers;
  // Sidecars without a segment.
  std::vector<FileId> orphans;
  // The highest index that the files of the log vouch for.
  LogIndex durable;
  LogIndex committed;

  // `hard_state` tells where the log begins, and which files are no part of it.
  //   Errors  kFailedPrecondition: another format version, or a file of another group.
  //   Lives   as long as `directory`.
  static absl::StatusOr<GroupFiles> Read(GroupId group, const HardStateRecord& hard_state,
                                         const DirectoryView& directory);
};

}  // namespace tidemark
