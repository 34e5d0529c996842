#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/incarnation.h"
#include "engine/base/time.h"
#include "engine/log/file.h"

namespace tidemark {

// One file holds all that the data directory says of its node.
inline constexpr FileId kNodeMetaFile{kCatalogGroup, FileKind::kNodeMeta, 0};
// Behind the identity and the two slots of the standing: the addresses (node_addresses.h).
inline constexpr uint64_t kNodeAddressesPos = 12288;
inline constexpr uint64_t kNodeAddressesSlotBytes = 40960;
inline constexpr uint64_t kNodeMetaBytes = kNodeAddressesPos + 2 * kNodeAddressesSlotBytes;

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

// What a node remembers of another one.
struct KnownNode {
  Incarnation incarnation;
  // It was met before this node was settled, so when neither had promised anything.
  bool founding = false;
  // The catalog named it in the place of another one: it is no new node, and nobody vouches for it.
  bool recorded = false;
  friend bool operator==(const KnownNode&, const KnownNode&) = default;
};

// Which life of its data directory a node is in, and which of every other node it knows. Format:
// FORMAT.md section 5.1 (two slots behind the identity, written in turn).
struct NodeStanding {
  uint64_t generation = 0;  // 0: never written
  // Drawn when the directory was new.
  Incarnation incarnation;
  // Whether it may promise anything (engine/node/standing.h).
  bool settled = false;
  // Let back in after its disk was lost: the catalog's replica begins as Replica::Fence says.
  Term fence_term;
  LogIndex fence_index;
  std::map<NodeId, KnownNode> known;

  friend bool operator==(const NodeStanding&, const NodeStanding&) = default;
};

// The newest slot. Without one: generation 0; then a directory that has a log is an older program's
// and settled, any other is new.
//   Errors  kDataLoss: both slots are damaged, and there is a log.
absl::StatusOr<NodeStanding> ReadStanding(const DirectoryView& directory);

// Adds a write of `bytes` at `pos` of the file to `batch`, synced with it.
void AppendNodeMeta(FilePos pos, std::string bytes, FileBatch& batch);

// Adds the write of `standing` (generation 1 or more) to `batch`, synced with it. The file is
// there, or made by an operation before.
//   Checks  dies if it knows more than kNodesMax nodes.
void AppendStanding(const NodeStanding& standing, FileBatch& batch);

}  // namespace tidemark
