#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/node/replica.h"

// How a replica begins, fails and begins again, and is removed. Nothing is believed of files after
// a failed write or sync: the kernel may have dropped the pages and call them clean. What is read
// from them counts when it has been written again.

namespace tidemark {
namespace {

// What recovery says when trying again changes nothing.
bool IsFinal(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

void Replica::Start(Now now, Effects& out) {
  wall_ = now.wall;
  // Nothing was ever promised; else the first flush makes sure of it.
  if (hard_record_.generation == 0) StartRaft(now, out);
}

void Replica::StartRaft(Now now, Effects& out) {
  verified_ = true;
  healthy_since_ = now.instant;
  if (has_retention()) retention_deadline_ = now.instant;
  // The term of an admission becomes this replica's own promise.
  if (hard_record_.term < options_.fence.term) unsaved_ = raft_.hard_state();
  NoteMembership();
  raft::Effects fx;
  raft_.Start(now.instant, fx);
  Absorb(std::move(fx), out);
}

void Replica::StageIdentityAgain(FileBatch batch) {
  // Some of it may be there.
  std::vector<FileOp> removals;
  for (const FileOp& op : batch.ops) {
    if (const auto* create = std::get_if<CreateFile>(&op)) {
      removals.push_back(RemoveFile{create->file});
    }
  }
  batch.ops.insert(batch.ops.begin(), removals.begin(), removals.end());
  StageNodeFiles(std::move(batch));
}

RpcError Replica::StorageFailed() const {
  const bool full = failure_code_ == absl::StatusCode::kResourceExhausted;
  const char* const next = reopen_at_ == Instant::Never()
                               ? "it takes no further part"
                               : "it reads its files again by itself and then takes part again";
  return {.code = full ? failure_code_ : absl::StatusCode::kDataLoss,
          .reason = full ? "DISK_FULL" : "STORAGE_FAILED",
          .message = absl::StrCat("this replica's storage failed (", failure_,
                                  "); other replicas go on, ", next),
          .metadata = {}};
}

void Replica::Fail(Now now, const absl::Status& status, Effects& out) {
  // Long ago counts no more.
  if (verified_ && now.instant - healthy_since_ >= shared_->reopen_delay_max) failures_ = 0;
  verified_ = false;
  switching_ = false;
  failure_ = std::string(status.message());
  failure_code_ = status.code();
  ++shared_->counters.groups_failed;
  ScheduleReopen(now);
  const Duration delay = reopen_at_ - now.instant;
  out.push_back(Note{Note::Level::kError,
                     "storage_failed",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"error", failure_},
                      {"verified_again_in_ms", absl::StrCat(delay.millis())}}});
  FailWaiting(StorageFailed(), out);
}

void Replica::ScheduleReopen(Now now) {
  Duration delay = shared_->reopen_delay_min;
  for (uint32_t i = 0; i < failures_ && delay < shared_->reopen_delay_max; ++i) delay = delay * 2;
  delay = std::min(delay, shared_->reopen_delay_max);
  ++failures_;
  // Not all groups of a disk at once.
  reopen_at_ = now.instant + prng_.Between(delay / 2, delay + Duration::Nanos(1));
}

bool Replica::may_reopen() const {
  const bool wanted = removing_ ? removal_ == Removal::kReopen : failed();
  return wanted && !reopening_ && !flush_.has_value() && reads_.empty() &&
         !compaction_.flush.has_value() && !compaction_.read.has_value() &&
         !snapshot_flush_.has_value() && reopen_at_ != Instant::Never();
}

void Replica::Reopen(Effects& out) {
  reopening_ = true;
  out.push_back(ReopenGroup{
      .token = shared_->NewToken(options_.group),
      .group = options_.group,
      .committed = removing_ ? LogIndex(0) : std::min(raft_.commit(), log_->durable_index())});
}

void Replica::OnSpaceBack(Now now) {
  if (may_reopen() && failure_code_ == absl::StatusCode::kResourceExhausted) {
    reopen_at_ = std::min(reopen_at_, now.instant);
  }
}

void Replica::OnReopened(Now now, absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered,
                         Effects& out) {
  TIDEMARK_CHECK(reopening_);
  reopening_ = false;
  if (removing_) {
    RemoveReopened(now, std::move(recovered), out);
    return;
  }
  if (switching_) {
    if (recovered.ok()) {
      FinishInstall(now, std::move(**recovered), out);
    } else {
      Fail(now, recovered.status(), out);
    }
    return;
  }
  if (recovered.ok()) {
    if (absl::Status lost = CheckAllThere(**recovered); !lost.ok()) recovered = std::move(lost);
  }
  if (!recovered.ok()) {
    failure_ = std::string(recovered.status().message());
    failure_code_ = recovered.status().code();
    ScheduleReopen(now);
    if (IsFinal(recovered.status())) reopen_at_ = Instant::Never();
    out.push_back(Note{Note::Level::kError,
                       "storage_not_verified",
                       {{"group", absl::StrCat(options_.group.value())},
                        {"error", failure_},
                        {"again", IsFinal(recovered.status()) ? "no" : "yes"}}});
    return;
  }
  Reset(std::move(**recovered));
  ++shared_->counters.groups_reopened;
  out.push_back(Note{Note::Level::kInfo,
                     "storage_reopened",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"last_index", absl::StrCat(log_->last_index().value())}}});
  Start(now, out);
}

absl::Status Replica::CheckAllThere(const RecoveredGroup& recovered) const {
  // A snapshot, complete as recovery saw it, has another end than the log whose place it took.
  const bool replaced = recovered.hard_state.generation > durable_generation_ &&
                        recovered.hard_state.snapshot.installed();
  if (recovered.hard_state.generation >= durable_generation_ &&
      (replaced || recovered.log->last_index() >= log_->durable_index())) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "the files of group ", options_.group.value(), " end at index ",
      recovered.log->last_index().value(), " and generation ", recovered.hard_state.generation,
      " of the hard state, but index ", log_->durable_index().value(), " and generation ",
      durable_generation_,
      " were synced; is the right file system mounted? Put it right and restart the node, or start "
      "it with an empty data directory if other replicas are healthy"));
}

void Replica::Reset(RecoveredGroup recovered) {
  failure_.clear();
  failure_code_ = absl::StatusCode::kOk;
  reopen_at_ = Instant::Never();
  kept_from_ = recovered.kept_from();
  segment_begun_ = false;
  compaction_ = {};
  retention_deadline_ = Instant::Never();
  wanted_from_ = LogIndex();
  held_back_by_ = kNoNode;
  leftover_ = std::move(recovered.leftover);
  received_ = std::move(recovered.received);
  install_.reset();
  new_files_.reset();
  memberships_.clear();
  log_ = std::move(recovered.log);
  log_->SetCheckpointSource(this);
  hard_record_ = recovered.hard_state;
  durable_files_ = hard_record_.snapshot;
  install_wanted_.reset();
  all_durable_ = std::max(all_durable_, raft_.all_durable());
  members_ = std::move(recovered.members);
  members_.SetOrigin(options_.origin);
  raft::Config config = RaftConfig();
  config.campaign_at_start = false;
  raft_ = raft::Raft(std::move(config), HardStateAtStart(), CommitAtStart(), this, prng_.Fork());
  producers_ = std::move(recovered.producers);
  LoadCatalog(recovered);
  proposed_ = false;
  unsaved_.reset();
  held_.clear();
  wanted_reads_.clear();
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
  leadership_changed_ = true;
}

void Replica::Remove(Now now, Effects& out) {
  if (removing_) return;
  removing_ = true;
  FailWaiting({.code = absl::StatusCode::kNotFound,
               .reason = "TOPIC_NOT_FOUND",
               .message = "the topic was deleted",
               .metadata = {}},
              out);
  unsaved_.reset();
  held_.clear();
  node_files_ = {};
  // After a failure the disk may hold something else than was last written.
  if (failed() || switching_ || reopening_) {
    switching_ = false;
    removal_ = Removal::kReopen;
    failure_.clear();
    reopen_at_ = now.instant;
  } else {
    MarkRemoved();
  }
  Settle(now, out);
}

void Replica::MarkRemoved() {
  removal_ = Removal::kMark;
  // First of all: a crash that leaves some of the files must not make a damaged log of them.
  ++hard_record_.generation;
  hard_record_.start = kRemovedGroup;
  AppendHardState(options_.group, hard_record_, node_files_);
}

void Replica::OnRemovalFlushed(Now now, const absl::Status& status, Effects& out) {
  if (!status.ok()) {
    RemoveLater(now, status, out);
  } else if (node_files_.empty() && removal_ != Removal::kReopen &&
             !compaction_.flush.has_value() && !snapshot_flush_.has_value()) {
    ContinueRemoval();
  }
}

void Replica::ContinueRemovalBeside() {
  if (removal_ != Removal::kReopen && !flush_.has_value() && node_files_.empty() &&
      !compaction_.flush.has_value() && !snapshot_flush_.has_value()) {
    ContinueRemoval();
  }
}

void Replica::RemoveLater(Now now, const absl::Status& status, Effects& out) {
  removal_ = Removal::kReopen;
  node_files_ = {};
  failure_code_ = status.code();
  ScheduleReopen(now);
  out.push_back(Note{Note::Level::kWarning,
                     "removal_failed",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"error", std::string(status.message())},
                      {"again_in_ms", absl::StrCat((reopen_at_ - now.instant).millis())}}});
}

void Replica::ContinueRemoval() {
  const auto remove = [&](const FileId& file) { node_files_.ops.push_back(RemoveFile{file}); };
  switch (removal_) {
    case Removal::kReopen:
      TIDEMARK_CHECK(false);
      return;
    case Removal::kMark:
      removal_ = Removal::kLog;
      for (const FileId& file : log_->Files()) remove(file);
      for (const FileId& file : leftover_) remove(file);
      for (const FileId& file : ReceivedFiles()) remove(file);
      if (!node_files_.empty()) return;
      [[fallthrough]];
    case Removal::kLog:
      removal_ = Removal::kHardState;
      remove({.group = options_.group, .kind = FileKind::kHardState, .number = 0});
      return;
    case Removal::kHardState:
      removed_ = true;
  }
}

void Replica::RemoveReopened(Now now, absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered,
                             Effects& out) {
  if (!recovered.ok() && !IsFinal(recovered.status())) {
    RemoveLater(now, recovered.status(), out);
    return;
  }
  if (recovered.ok()) {
    Reset(std::move(**recovered));
  } else {
    hard_record_ = {};  // nothing can be damaged further: from scratch
  }
  MarkRemoved();
}

}  // namespace tidemark
