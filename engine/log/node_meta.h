#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"

namespace tidemark {

// Whose data directory it is. Format: FORMAT.md section 5.
struct NodeMeta {
  std::string cluster_id;
  NodeId node;
  WallTime created;
};

// Compares the directory's identity with `mine`.
//   Result  nullopt: it is mine. A batch: the directory is new; the batch writes the identity.
//   Errors  kFailedPrecondition: it belongs to another node or cluster, or a newer version wrote
//   it.
//           kDataLoss: the identity is damaged.
absl::StatusOr<std::optional<FileBatch>> CheckNodeMeta(const DirectoryView& directory,
                                                       const NodeMeta& mine);

}  // namespace tidemark
