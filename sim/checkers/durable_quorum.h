#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/log/file.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// What is committed is on the disks of a majority, synced, at the moment it is committed. Looks at
// the bytes that went to the disks, not at what nodes believe about them.
class DurableQuorum {
 public:
  explicit DurableQuorum(Verdict* verdict) : verdict_(verdict) {}

  // `batch` was handed to the disk of `node`; its files in `sync` are durable when OnSynced comes.
  void OnWritten(NodeId node, const FileBatch& batch);
  void OnSynced(NodeId node, const FileBatch& batch);
  // `node` came back with this entry on its disk.
  void OnRecovered(GroupId group, NodeId node, const EntryFact& entry);
  // The sync of `batch` failed: no later one makes durable what its files were written.
  void OnSyncFailed(NodeId node, const FileBatch& batch);
  void OnCrash(NodeId node);
  // The disk of `node`, which held a copy of these groups, is lost. What it writes counts in none
  // of them before it was let in there again; what it held counts still, for its acknowledgements
  // may be under way: that is as if it had been lost a little later.
  void OnWiped(NodeId node, std::span<const GroupId> groups);
  void OnLetIn(GroupId group, NodeId node) { lost_.erase({node, group}); }
  // `node` removes its files of `group`.
  void Forget(GroupId group, NodeId node);
  // Some node committed `entry` for the first time; `voters` are the members of the group.
  void OnCommitted(GroupId group, std::span<const NodeId> voters, const EntryFact& entry);
  // Whether `entry` is durable on `node`, as it was last written there. (Only client batches are
  // followed; of anything else it is taken for granted.)
  bool Holds(GroupId group, NodeId node, const EntryFact& entry) const;
  // Whether that node's disk was lost.
  bool WasWiped(GroupId group, NodeId node) const { return before_wiped_.contains({node, group}); }

 private:
  struct Frame {
    Offset base_offset;
    Term term;
    uint32_t crc = 0;
  };
  struct Held {
    Term term;
    uint32_t crc = 0;
  };
  using Copies = std::map<std::pair<NodeId, GroupId>, std::map<Offset, Held>>;
  static bool IsIn(const Copies& copies, GroupId group, NodeId node, const EntryFact& entry);
  static void FramesIn(std::string_view bytes, std::vector<Frame>& frames);

  Verdict* verdict_;
  // Written and not yet synced.
  std::map<std::pair<NodeId, FileId>, std::vector<Frame>> written_;
  // The durable client batches of each replica by offset, as they were last written there.
  Copies durable_;
  Copies before_wiped_;
  std::set<std::pair<NodeId, GroupId>> lost_;
};

}  // namespace tidemark::sim
