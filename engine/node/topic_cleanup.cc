#include "engine/node/topic_cleanup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"

namespace tidemark {

absl::Status CheckCleanup(const TopicCleanup& cleanup, bool has_retention) {
  if (cleanup.policy > Cleanup::kCompactAndDelete) {
    return absl::InvalidArgumentError(
        "cleanup_policy must be one of delete, compact and compact,delete");
  }
  if (!cleanup.deletes() && has_retention) {
    return absl::InvalidArgumentError(
        "a topic with cleanup_policy compact keeps the newest record of each key for ever; for "
        "retention_bytes or retention_ms, make it compact,delete");
  }
  for (const auto& [name, millis] :
       {std::pair("min_compaction_lag_ms", cleanup.min_compaction_lag_ms),
        std::pair("tombstone_retention_ms", cleanup.tombstone_retention_ms)}) {
    if (millis != 0 && !cleanup.compacts()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name,
          " is for topics with cleanup_policy compact or compact,delete; this one has delete"));
    }
    if (millis > kRetentionMillisMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " must be at most ", kRetentionMillisMax, " (100 years)"));
    }
  }
  return absl::OkStatus();
}

}  // namespace tidemark
