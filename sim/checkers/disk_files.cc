#include "sim/checkers/disk_files.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/log/verify.h"

namespace tidemark::sim {

void DiskFiles::Finish(NodeId node, const std::vector<GroupView>& groups, const Disk& disk) {
  const std::unique_ptr<DirectoryView> files = disk.View();
  const auto fail = [&](GroupId group, const std::string& what) {
    verdict_->Fail("disk_files",
                   absl::StrCat("node ", node.value(), ", group ", group.value(), ": ", what));
  };
  for (const GroupId group : files->Groups()) {
    const auto at = std::find_if(groups.begin(), groups.end(),
                                 [&](const GroupView& each) { return each.group == group; });
    if (at == groups.end()) {
      fail(group, absl::StrCat(PathOf(files->List(group).front()),
                               " is left over, of a group that this node has no replica of"));
      continue;
    }
    // What changes right now may look like anything.
    if (at->removing || at->log->has_staged()) continue;
    const absl::StatusOr<GroupVerification> found = VerifyGroup(group, *files);
    if (!found.ok()) {
      fail(group, std::string(found.status().message()));
      continue;
    }
    for (const Finding& finding : found->findings) {
      if (disk.IsRotten(finding.file)) continue;
      // A sidecar is not synced with its frames, which say it all again; the scrubber mends it.
      if (finding.kind == FindingKind::kStaleSidecar) continue;
      fail(group,
           absl::StrCat(std::string(NameOf(finding.kind)), " in ", PathOf(finding.file), " [",
                        finding.begin.value(), ", ", finding.end.value(), "): ", finding.what));
    }
  }
}

}  // namespace tidemark::sim
