#include "engine/node/recovered_group.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/status_macros.h"
#include "engine/log/recovery.h"

namespace tidemark {
namespace {

constexpr uint32_t kGroupStateVersion = 2;

// Rebuilds what a replica derives from its log.
class Rebuild : public RecoveryObserver {
 public:
  Rebuild(RecoveredGroup* group, bool keep_entries) : group_(group), keep_entries_(keep_entries) {}

  bool needs_all_entries() const override { return keep_entries_; }

  bool OnCheckpoint(std::string_view state) override {
    if (state.size() >= 8 && LoadLittle<uint32_t>(state.data()) == kGroupStateVersion) {
      const uint32_t bytes = LoadLittle<uint32_t>(state.data() + 4);
      state.remove_prefix(8);
      if (bytes > state.size()) return false;
      std::optional<MembershipLog> members = MembershipLog::Parse(state.substr(0, bytes));
      if (!members.has_value()) return false;
      group_->members = *std::move(members);
      state.remove_prefix(bytes);
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
  TIDEMARK_ASSIGN_OR_RETURN(
      recovered.log,
      Log::Recover(group, options, directory, std::max(recovered.hard_state.commit, committed),
                   &rebuild, std::max(recovered.hard_state.start, LogIndex(1)),
                   recovered.hard_state.snapshot));
  if (!rebuild.status().ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("group ", group.value(), ": ", rebuild.status().message()));
  }
  if (recovered.hard_state.snapshot.receiving()) {
    recovered.received = RecoverReceived(group, recovered.hard_state.snapshot, directory);
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

RecoveredGroup EmptyGroup(GroupId group, const LogOptions& options) {
  absl::StatusOr<RecoveredGroup> empty = RecoverGroup(group, options, NoFiles());
  TIDEMARK_CHECK(empty.ok());
  return *std::move(empty);
}

}  // namespace tidemark
