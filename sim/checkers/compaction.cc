#include "sim/checkers/compaction.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void Compaction::OnEntry(GroupId group, const EntryFact& entry, std::string_view frame) {
  const auto found = groups_.find(group);
  if (found == groups_.end() || entry.kind != EntryKind::kData) return;
  const std::tuple key(entry.base_offset, entry.term, entry.crc);
  if (found->second.seen.contains(key)) return;
  absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(frame);
  if (records.ok()) found->second.seen.emplace(key, *std::move(records));
}

void Compaction::OnCommitted(GroupId id, const EntryFact& entry) {
  const auto group = groups_.find(id);
  if (group == groups_.end() || entry.kind != EntryKind::kData) return;
  Group& known = group->second;
  const auto seen = known.seen.find({entry.base_offset, entry.term, entry.crc});
  if (seen == known.seen.end()) {
    verdict_->Fail("compaction",
                   absl::StrCat("group ", id.value(), ": the entry at offset ",
                                entry.base_offset.value(), " was committed before it was seen"));
    return;
  }
  for (DecodedRecord& decoded : seen->second) {
    if (!decoded.record.key.has_value()) {
      verdict_->Fail("compaction",
                     absl::StrCat("group ", id.value(), " took a record without key"));
      return;
    }
    known.newest[*decoded.record.key] = decoded.offset;
    known.records[decoded.offset] = std::move(decoded.record);
  }
  // Nothing is looked up by place again: the key stays, so that no copy is decoded anew.
  seen->second.clear();
}

std::optional<Offset> Compaction::Missed(const Group& group, Offset begin, Offset end) {
  for (auto at = group.records.lower_bound(begin); at != group.records.end() && at->first < end;
       ++at) {
    if (at->second.value.has_value() && group.newest.at(*at->second.key) == at->first) {
      return at->first;
    }
  }
  return std::nullopt;
}

std::string Compaction::Judge(const Group& group, GroupId id, std::string_view frame, Offset begin,
                              Offset& position, std::set<Offset>* found) const {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(frame);
  if (!header.ok() || !records.ok()) return "bytes that are not a batch";
  const EntryFact* entry = committed_->At(id, header->base_offset);
  if (entry == nullptr || entry->base_offset != header->base_offset ||
      (entry->term != header->leader_epoch && (found != nullptr || !rotten_.contains(id))) ||
      entry->offset_span != header->offset_span()) {
    return absl::StrCat("a batch at offset ", header->base_offset.value(),
                        " that is not what is left of the committed one");
  }
  if (begin < position) {
    return absl::StrCat("offset ", begin.value(), " when ", position.value(), " was next");
  }
  for (const DecodedRecord& each : *records) {
    if (each.offset < begin) continue;
    const auto committed = group.records.find(each.offset);
    if (committed == group.records.end() || !(committed->second == each.record)) {
      return absl::StrCat("another record at offset ", each.offset.value(),
                          " than the committed one");
    }
    if (const std::optional<Offset> missed = Missed(group, position, each.offset)) {
      return absl::StrCat("no record at offset ", missed->value(), ", the newest of its key");
    }
    position = each.offset + 1;
    if (found != nullptr) found->insert(each.offset);
  }
  if (const std::optional<Offset> missed = Missed(group, position, entry->end_offset())) {
    return absl::StrCat("no record at offset ", missed->value(), ", the newest of its key");
  }
  position = entry->end_offset();
  return "";
}

void Compaction::OnDelivered(uint32_t consumer, GroupId id, std::string_view frame, uint64_t skip) {
  const auto group = groups_.find(id);
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  std::string wrong = "records of a topic that is not compacted";
  if (group != groups_.end() && header.ok()) {
    Offset& position = positions_[{consumer, id}];
    const Offset begin = header->base_offset + skip;
    if (begin > position) coverage_->Hit(Probe::kConsumerAcrossGap);
    wrong = Judge(group->second, id, frame, begin, position, nullptr);
  }
  if (wrong.empty()) return;
  verdict_->Fail("compaction", absl::StrCat("consumer ", consumer, " of group ", id.value(),
                                            " was given ", wrong));
}

void Compaction::OnFinalLog(GroupId id, NodeId node, Range range, std::span<const Bytes> frames) {
  const Group& group = groups_.at(id);
  std::set<Offset> found;
  std::string wrong;
  Offset position = range.begin;
  for (const Bytes& frame : frames) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame.view());
    wrong = header.ok() ? Judge(group, id, frame.view(), header->base_offset, position, &found)
                        : "bytes that are not a batch";
    if (!wrong.empty()) break;
  }
  const std::optional<Offset> missed = Missed(group, position, range.end);
  if (wrong.empty() && missed.has_value()) {
    wrong = absl::StrCat("no record at offset ", missed->value(), ", the newest of its key");
  }
  // A deleted key comes back if something of it outlives its tombstone.
  for (const Offset offset : found) {
    const Record& record = group.records.at(offset);
    const Offset newest = group.newest.at(*record.key);
    if (!wrong.empty() || newest == offset || newest >= range.end || found.contains(newest)) {
      continue;
    }
    wrong = absl::StrCat("the record at offset ", offset.value(), ", not the tombstone at ",
                         newest.value(), " that deletes it");
  }
  if (wrong.empty()) return;
  verdict_->Fail("compaction",
                 absl::StrCat("node ", node.value(), " has of group ", id.value(), " ", wrong));
}

}  // namespace tidemark::sim
