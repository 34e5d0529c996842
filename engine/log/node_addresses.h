#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "engine/base/endpoint.h"
#include "engine/base/ids.h"
#include "engine/log/file.h"

namespace tidemark {

// Longest host that is remembered: what DNS allows (RFC 1035 section 2.3.4).
inline constexpr size_t kRememberedHostBytesMax = 255;

// Where a node last reached the other members of its cluster: a restart may come while the nodes
// that it was told to join by are gone for good. A hint: gossip corrects it, and the peer's hello
// proves who is there. Format: FORMAT.md section 5.2 (two slots, written in turn).
struct NodeAddresses {
  uint64_t generation = 0;  // 0: never written
  std::map<NodeId, Endpoint> of;

  friend bool operator==(const NodeAddresses&, const NodeAddresses&) = default;
};

// The newest slot; generation 0 where none can be read: nothing depends on it.
NodeAddresses ReadAddresses(const DirectoryView& directory);

// Adds the write of `addresses` (generation 1 or more) to `batch`, synced with it. The file is
// there, or made by an operation before.
//   Checks  dies if there are more than kNodesMax, or a host is longer than
//           kRememberedHostBytesMax.
void AppendAddresses(const NodeAddresses& addresses, FileBatch& batch);

}  // namespace tidemark
