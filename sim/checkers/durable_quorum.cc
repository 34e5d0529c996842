#include "sim/checkers/durable_quorum.h"

#include <algorithm>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"

namespace tidemark::sim {

void DurableQuorum::FramesIn(std::string_view bytes, std::vector<Frame>& frames) {
  while (bytes.size() >= kBatchHeaderBytes) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(bytes);
    if (!header.ok() || header->total_bytes() > bytes.size()) return;
    // What compaction has left of a batch is not the batch.
    if (header->magic == EntryKind::kData && !header->is_sparse()) {
      frames.push_back(
          {.base_offset = header->base_offset, .term = header->leader_epoch, .crc = header->crc});
    }
    bytes.remove_prefix(header->total_bytes());
  }
}

void DurableQuorum::OnWritten(NodeId node, const FileBatch& batch) {
  for (const FileOp& op : batch.ops) {
    const auto* write = std::get_if<WriteFile>(&op);
    if (write == nullptr || write->file.kind != FileKind::kSegment) continue;
    std::vector<Frame>& frames = written_[{node, write->file}];
    uint64_t header = write->pos.value() == 0 ? kSegmentHeaderBytes : 0;
    for (const Bytes& slice : write->data) {
      const uint64_t skipped = std::min<uint64_t>(header, slice.size());
      header -= skipped;
      FramesIn(slice.view().substr(skipped), frames);
    }
  }
}

void DurableQuorum::OnSynced(NodeId node, const FileBatch& batch) {
  for (const FileId& file : batch.sync) {
    const auto found = written_.find({node, file});
    if (found == written_.end()) continue;
    std::map<Offset, Held>& durable = durable_[{node, file.group}];
    for (const Frame& frame : found->second) {
      durable[frame.base_offset] = {.term = frame.term, .crc = frame.crc};
    }
    written_.erase(found);
  }
}

void DurableQuorum::OnRecovered(GroupId group, NodeId node, const EntryFact& entry) {
  if (entry.kind != EntryKind::kData) return;
  durable_[{node, group}][entry.base_offset] = {.term = entry.term, .crc = entry.crc};
}

void DurableQuorum::OnSyncFailed(NodeId node, const FileBatch& batch) {
  for (const FileId& file : batch.sync) written_.erase({node, file});
}

void DurableQuorum::OnCrash(NodeId node) {
  std::erase_if(written_, [&](const auto& entry) { return entry.first.first == node; });
}

void DurableQuorum::OnWiped(NodeId node, std::span<const GroupId> groups) {
  OnCrash(node);
  for (const GroupId group : groups) {
    lost_.emplace(node, group);
    before_wiped_.try_emplace({node, group});
  }
  for (auto at = durable_.begin(); at != durable_.end();) {
    if (at->first.first != node) {
      ++at;
      continue;
    }
    std::map<Offset, Held>& before = before_wiped_[at->first];
    for (const auto& [offset, held] : at->second) before[offset] = held;
    at = durable_.erase(at);
  }
}

void DurableQuorum::Forget(GroupId group, NodeId node) {
  durable_.erase({node, group});
  std::erase_if(written_, [&](const auto& entry) {
    return entry.first.first == node && entry.first.second.group == group;
  });
}

bool DurableQuorum::Holds(GroupId group, NodeId node, const EntryFact& entry) const {
  return IsIn(durable_, group, node, entry);
}

bool DurableQuorum::IsIn(const Copies& copies, GroupId group, NodeId node, const EntryFact& entry) {
  if (entry.kind != EntryKind::kData) return true;
  const auto replica = copies.find({node, group});
  if (replica == copies.end()) return false;
  const auto held = replica->second.find(entry.base_offset);
  return held != replica->second.end() && held->second.term == entry.term &&
         held->second.crc == entry.crc;
}

void DurableQuorum::OnCommitted(GroupId group, std::span<const NodeId> voters,
                                const EntryFact& entry) {
  if (entry.kind != EntryKind::kData) return;
  size_t holders = 0;
  std::string others;
  for (const NodeId node : voters) {
    if (lost_.contains({node, group})) {
      if (IsIn(before_wiped_, group, node, entry)) {
        ++holders;
      } else {
        absl::StrAppend(&others, ", node ", node.value(),
                        " came back with an empty disk and was not let in again");
      }
      continue;
    }
    const auto replica = durable_.find({node, group});
    if (replica == durable_.end()) continue;
    const auto held = replica->second.find(entry.base_offset);
    if (held == replica->second.end()) continue;
    if (held->second.term == entry.term && held->second.crc == entry.crc) {
      ++holders;
    } else {
      absl::StrAppend(&others, ", node ", node.value(), " has one of term ",
                      held->second.term.value(), " there");
    }
  }
  if (holders * 2 > voters.size()) return;
  verdict_->Fail("durable_quorum",
                 absl::StrCat("group ", group.value(), " index ", entry.index.value(), " (offset ",
                              entry.base_offset.value(), ", term ", entry.term.value(),
                              ") is committed but durable on ", holders, " of ", voters.size(),
                              " replicas only", others));
}

}  // namespace tidemark::sim
