#include "engine/node/recovered_group.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "engine/log/index.h"
#include "engine/log/recovery.h"
#include "engine/log/segment.h"
#include "engine/node/catalog_fields.h"

namespace tidemark {
namespace {

constexpr uint32_t kGroupStateVersion = 2;
constexpr uint32_t kCatalogGroupStateVersion = 3;

// The checkpoint of a partition's log, or of the catalog's up to where the catalog itself begins.
bool ReadDerived(std::string_view members, std::string_view producers, RecoveredGroup& group) {
  std::optional<MembershipLog> log = MembershipLog::Parse(members);
  std::optional<ProducerTable> table = ProducerTable::Parse(producers);
  if (!log.has_value() || !table.has_value()) return false;
  group.members = *std::move(log);
  group.producers = *std::move(table);
  return true;
}

// One of group 0.
bool ReadCatalogState(std::string_view state, RecoveredGroup& group) {
  CatalogReader reader(state);
  if (reader.Integer<uint32_t>() != kCatalogGroupStateVersion) return false;
  const std::string_view members = reader.View(reader.Integer<uint32_t>());
  const std::string_view producers = reader.View(reader.Integer<uint32_t>());
  const LogIndex applied{reader.Integer<uint64_t>()};
  const std::string_view encoded = reader.View(reader.Integer<uint32_t>());
  if (reader.broken()) return false;
  absl::StatusOr<Catalog> catalog = Catalog::Decode(encoded);
  if (!catalog.ok()) return false;
  std::vector<Entry> pending;
  if (const std::string_view frames = reader.Rest(); !frames.empty()) {
    const absl::StatusOr<BatchHeader> first = DecodeBatchHeader(frames);
    if (!first.ok()) return false;
    absl::StatusOr<std::vector<Entry>> entries =
        EntriesIn({.length = static_cast<uint32_t>(frames.size()),
                   .first_index = applied + 1,
                   .first_offset = first->base_offset},
                  Bytes::Copy(frames));
    if (!entries.ok()) return false;
    pending = *std::move(entries);
  }
  if (!ReadDerived(members, producers, group)) return false;
  group.catalog = CatalogSnapshot{.applied = applied,
                                  .catalog = *std::move(catalog),
                                  .at = applied + pending.size() + 1,
                                  .bytes = encoded.size()};
  group.entries.assign(std::make_move_iterator(pending.begin()),
                       std::make_move_iterator(pending.end()));
  return true;
}

// Rebuilds what a replica derives from its log.
class Rebuild : public RecoveryObserver {
 public:
  Rebuild(RecoveredGroup* group, bool keep_entries) : group_(group), keep_entries_(keep_entries) {}

  bool OnCheckpoint(std::string_view state) override {
    // Of the catalog's log one that has not all of the catalog is of no use.
    if (keep_entries_) return ReadCatalogState(state, *group_);
    if (state.size() >= 8 && LoadLittle<uint32_t>(state.data()) == kGroupStateVersion) {
      const uint32_t bytes = LoadLittle<uint32_t>(state.data() + 4);
      state.remove_prefix(8);
      if (bytes > state.size()) return false;
      return ReadDerived(state.substr(0, bytes), state.substr(bytes), *group_);
    }
    std::optional<ProducerTable> table = ProducerTable::Parse(state);
    if (!table.has_value()) return false;
    group_->producers = *std::move(table);
    return true;
  }

  void OnFrame(const Entry& entry, const BatchHeader& header, std::string_view frame,
               WallTime) override {
    if (entry.kind == EntryKind::kData) {
      group_->producers.Record(header, entry.index, entry.base_offset);
    } else if (absl::Status read = group_->members.AppendFrame(entry.index, entry.kind, frame);
               status_.ok() && !read.ok()) {
      status_ = std::move(read);
    }
    if (!keep_entries_) return;
    Entry kept = entry;
    kept.frame = Bytes::Copy(frame);
    group_->entries.push_back(std::move(kept));
  }

  const absl::Status& status() const { return status_; }

 private:
  RecoveredGroup* group_;
  bool keep_entries_;
  absl::Status status_;
};

class NoFiles : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    return absl::NotFoundError(PathOf(file));
  }
};

// Where full segments of the catalog's log begin with a state, and how large it is.
std::vector<std::pair<LogIndex, uint64_t>> StatesOf(const Log& log,
                                                    const DirectoryView& directory) {
  std::vector<std::pair<LogIndex, uint64_t>> states;
  LogIndex after;
  while (const std::optional<SealedSegment> segment = log.SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    const absl::StatusOr<std::string_view> sidecar = directory.Contents(segment->sidecar());
    if (!sidecar.ok()) continue;
    for (const DecodedIndexEntry& each : DecodeIndex(*sidecar)) {
      if (each.entry.first > 0) break;
      if (!each.entry.is_checkpoint() || each.state.empty()) continue;
      states.emplace_back(segment->base_index, each.state.size());
      break;
    }
  }
  return states;
}

}  // namespace

absl::StatusOr<RecoveredGroup> RecoverGroup(GroupId group, const LogOptions& options,
                                            const DirectoryView& directory, LogIndex committed) {
  RecoveredGroup recovered;
  const absl::StatusOr<std::string_view> hard_state =
      directory.Contents({.group = group, .kind = FileKind::kHardState, .number = 0});
  if (hard_state.ok()) {
    TIDEMARK_ASSIGN_OR_RETURN(recovered.hard_state, DecodeHardState(*hard_state));
  } else if (!absl::IsNotFound(hard_state.status())) {
    return hard_state.status();
  }
  if (recovered.removed()) {
    for (const FileId& file : directory.List(group)) {
      if (file.kind != FileKind::kHardState) recovered.leftover.push_back(file);
    }
    TIDEMARK_ASSIGN_OR_RETURN(recovered.log, Log::Recover(group, options, NoFiles(), LogIndex(0)));
    return recovered;
  }
  Rebuild rebuild(&recovered, group == kCatalogGroup);
  RecoveredDamage damage;
  TIDEMARK_ASSIGN_OR_RETURN(
      recovered.log,
      RecoverUpToDamage(group, options, directory, std::max(recovered.hard_state.commit, committed),
                        &rebuild, std::max(recovered.hard_state.start, LogIndex(1)),
                        recovered.hard_state.snapshot, damage));
  recovered.damaged = std::move(damage.segments);
  if (!rebuild.status().ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("group ", group.value(), ": ", rebuild.status().message()));
  }
  if (group == kCatalogGroup) recovered.states = StatesOf(*recovered.log, directory);
  const LogIndex first = recovered.log->first_index();
  if (group == kCatalogGroup && first > LogIndex(1) && !recovered.catalog.has_value()) {
    return absl::DataLossError(absl::StrCat(
        "the catalog's log begins at index ", first.value(),
        ", and no state of what was before can be read from the checkpoints in its sidecars: they "
        "are damaged. Put the files of group 0 back from a copy, or, if other nodes are healthy, "
        "move this node's data directory away and start it empty"));
  }
  if (recovered.hard_state.snapshot.receiving()) {
    recovered.received = RecoverReceived(group, recovered.hard_state.snapshot, directory);
  }
  if (std::optional<GivenUp>& given_up = damage.given_up) {
    HardStateRecord& state = recovered.hard_state;
    if (state.generation == 0) return absl::DataLossError(given_up->what);
    // No entry is of a later term than the last promise.
    const LostEntries lost{.term = state.term, .index = given_up->upto};
    if (!state.lost.AreIn(lost.term, lost.index)) {
      state.lost.index = std::max(state.lost.index, lost.index);
    } else {
      state.lost = lost;
    }
    state.commit = std::min(state.commit, recovered.log->last_index());
    recovered.given_up = std::move(given_up->what);
  }
  if (recovered.hard_state.generation == 0 && recovered.log->durable_index() > LogIndex(0)) {
    return absl::DataLossError(absl::StrCat(
        PathOf({.group = group, .kind = FileKind::kHardState, .number = 0}),
        " is missing or empty, but the log has durable entries: this replica does not know what it "
        "promised. Put the file back, or, if other replicas are healthy, move this node's data "
        "directory away and start it empty"));
  }
  return recovered;
}

absl::StatusOr<std::shared_ptr<RecoveredGroup>> RecoverGroupAgain(GroupId group,
                                                                  const LogOptions& options,
                                                                  const DirectoryView& directory,
                                                                  LogIndex committed) {
  TIDEMARK_ASSIGN_OR_RETURN(RecoveredGroup recovered,
                            RecoverGroup(group, options, directory, committed));
  return std::make_shared<RecoveredGroup>(std::move(recovered));
}

void AppendGroupState(const ProducerTable& producers, const MembershipLog& members,
                      std::string& out) {
  AppendLittle<uint32_t>(out, kGroupStateVersion);
  const size_t length_at = out.size();
  AppendLittle<uint32_t>(out, 0);
  members.AppendTo(out);
  StoreLittle(out.data() + length_at, static_cast<uint32_t>(out.size() - length_at - 4));
  producers.AppendTo(out);
}

std::optional<uint64_t> AppendCatalogGroupState(const CatalogGroupState& state, std::string& out) {
  uint64_t pending_bytes = 0;
  for (const Entry& entry : state.pending) pending_bytes += entry.frame.size();
  if (state.applied + state.pending.size() != state.last ||
      pending_bytes > kCatalogPendingBytesMax) {
    return std::nullopt;
  }
  const std::string catalog = state.catalog.Encode();
  if (catalog.size() > kCatalogStateBytesMax) return std::nullopt;
  const auto append = [&](const auto& part) {
    const size_t length_at = out.size();
    AppendLittle<uint32_t>(out, 0);
    part.AppendTo(out);
    StoreLittle(out.data() + length_at, static_cast<uint32_t>(out.size() - length_at - 4));
  };
  AppendLittle<uint32_t>(out, kCatalogGroupStateVersion);
  append(state.members);
  append(state.producers);
  AppendLittle<uint64_t>(out, state.applied.value());
  AppendText(out, catalog);
  for (const Entry& entry : state.pending) out += entry.frame.view();
  return catalog.size();
}

std::optional<CatalogSnapshot> CatalogSnapshotIn(std::string_view checkpoint) {
  RecoveredGroup group;
  static_cast<void>(ReadCatalogState(checkpoint, group));
  return std::move(group.catalog);
}

RecoveredGroup EmptyGroup(GroupId group, const LogOptions& options) {
  absl::StatusOr<RecoveredGroup> empty = RecoverGroup(group, options, NoFiles());
  TIDEMARK_CHECK(empty.ok());
  return *std::move(empty);
}

}  // namespace tidemark
