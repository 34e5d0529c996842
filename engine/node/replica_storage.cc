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

bool Replica::node_files_durable() const {
  return node_files_.empty() && !(flush_.has_value() && flush_->identity.has_value());
}

void Replica::Start(Now now, Effects& out) {
  wall_ = now.wall;
  started_ = true;
  if (!given_up_.empty()) {
    out.push_back(Note{Note::Level::kError,
                       alone() ? "log_damaged" : "log_end_given_up",
                       {{"group", absl::StrCat(options_.group.value())},
                        {"from_index", absl::StrCat((log_->last_index() + 1).value())},
                        {"upto_index", absl::StrCat(hard_record_.lost.index.value())},
                        {"damage", given_up_}}});
    // What nobody else has stays as it is until somebody decides.
    if (alone()) {
      Fail(now, absl::DataLossError(given_up_), out);
      failure_.reopen_at = Instant::Never();
      return;
    }
  }
  // Nothing was ever promised; else the first flush makes sure of it.
  if (hard_record_.generation == 0) StartRaft(now, out);
}

void Replica::StartRaft(Now now, Effects& out) {
  verified_ = true;
  healthy_since_ = now.instant;
  if (has_retention()) retention_.deadline = now.instant;
  // The term of an admission becomes this replica's own promise.
  if (hard_record_.term < options_.fence.term) unsaved_ = raft_.hard_state();
  NoteMembership();
  raft::Effects fx;
  raft_.Start(now.instant, fx);
  Absorb(std::move(fx), out);
  // Perhaps the disk has hung since before there was this raft.
  OnDiskStall(now, out);
}

void Replica::StageHardStateAgain(FileBatch& batch) {
  if (std::exchange(given_up_, {}).empty()) {
    RewriteHardState(options_.group, hard_record_, batch);
    return;
  }
  // It says something else now, and what was there stays until that is durable.
  ++hard_record_.generation;
  AppendHardState(options_.group, hard_record_, batch);
  batch.ops.push_back(RemoveFile{{options_.group, FileKind::kTemporary, 0}});
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
  const bool full = failure_.code == absl::StatusCode::kResourceExhausted;
  const char* const next = failure_.reopen_at == Instant::Never()
                               ? "it takes no further part"
                               : "it reads its files again by itself and then takes part again";
  return {.code = full ? failure_.code : absl::StatusCode::kDataLoss,
          .reason = full ? "DISK_FULL" : "STORAGE_FAILED",
          .message = absl::StrCat("this replica's storage failed (", failure_.what,
                                  "); other replicas go on, ", next),
          .metadata = {}};
}

void Replica::Fail(Now now, const absl::Status& status, Effects& out) {
  // Long ago counts no more.
  if (verified_ && now.instant - healthy_since_ >= shared_->reopen_delay_max) failure_.in_a_row = 0;
  verified_ = false;
  failure_.switching |= std::exchange(switching_, false);
  failure_.what = std::string(status.message());
  failure_.code = status.code();
  ++shared_->counters.groups_failed;
  ScheduleReopen(now);
  const Duration delay = failure_.reopen_at - now.instant;
  out.push_back(Note{Note::Level::kError,
                     "storage_failed",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"error", failure_.what},
                      {"verified_again_in_ms", absl::StrCat(delay.millis())}}});
  FailWaiting(StorageFailed(), out);
}

void Replica::ScheduleReopen(Now now) {
  Duration delay = shared_->reopen_delay_min;
  for (uint32_t i = 0; i < failure_.in_a_row && delay < shared_->reopen_delay_max; ++i)
    delay = delay * 2;
  delay = std::min(delay, shared_->reopen_delay_max);
  ++failure_.in_a_row;
  // Not all groups of a disk at once.
  failure_.reopen_at = now.instant + prng_.Between(delay / 2, delay + Duration::Nanos(1));
}

bool Replica::may_reopen() const {
  const bool wanted = removal_.begun ? removal_.step == RemovalUnderWay::Step::kReopen : failed();
  return wanted && !failure_.reopening && !flush_.has_value() && reads_.empty() &&
         !compaction_.flush.has_value() && !compaction_.read.has_value() &&
         !snapshot_flush_.has_value() && failure_.reopen_at != Instant::Never();
}

void Replica::Reopen(Effects& out) {
  failure_.reopening = true;
  LogIndex committed = std::min(raft_.commit(), log_->durable_index());
  if (failure_.switching) committed = std::min(committed, hard_record_.commit);
  if (removal_.begun) committed = LogIndex(0);
  out.push_back(ReopenGroup{
      .token = shared_->NewToken(options_.group), .group = options_.group, .committed = committed});
}

void Replica::OnSpaceBack(Now now) {
  if (may_reopen() && failure_.code == absl::StatusCode::kResourceExhausted) {
    failure_.reopen_at = std::min(failure_.reopen_at, now.instant);
  }
}

void Replica::OnReopened(Now now, absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered,
                         Effects& out) {
  TIDEMARK_CHECK(failure_.reopening);
  failure_.reopening = false;
  if (removal_.begun) {
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
    failure_.what = std::string(recovered.status().message());
    failure_.code = recovered.status().code();
    ScheduleReopen(now);
    if (IsFinal(recovered.status())) failure_.reopen_at = Instant::Never();
    out.push_back(Note{Note::Level::kError,
                       "storage_not_verified",
                       {{"group", absl::StrCat(options_.group.value())},
                        {"error", failure_.what},
                        {"again", IsFinal(recovered.status()) ? "no" : "yes"}}});
    return;
  }
  Reset(std::move(**recovered));
  ++shared_->counters.groups_reopened;
  out.push_back(Note{Note::Level::kInfo,
                     "storage_reopened",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"last_index", absl::StrCat(log_->last_index().value())}}});
  if (started_) Start(now, out);
}

absl::Status Replica::CheckAllThere(const RecoveredGroup& recovered) const {
  // A snapshot, complete as recovery saw it, has another end than the log whose place it took.
  const bool replaced = recovered.hard_state.generation > durable_generation_ &&
                        recovered.hard_state.snapshot.installed();
  // What was given up is known to be missing, and the next hard state says so.
  const bool given_up = !recovered.given_up.empty() && !alone();
  if (recovered.hard_state.generation >= durable_generation_ &&
      (replaced || given_up || recovered.log->last_index() >= log_->durable_index())) {
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
  failure_.what.clear();
  failure_.code = absl::StatusCode::kOk;
  failure_.switching = false;
  failure_.reopen_at = Instant::Never();
  kept_from_ = recovered.kept_from();
  fresh_.Forget();
  segment_begun_ = false;
  compaction_ = {};
  retention_ = {};
  removal_.leftover = std::move(recovered.leftover);
  received_ = std::move(recovered.received);
  given_up_ = std::move(recovered.given_up);
  regain_ = {.since_start = regain_.since_start && given_up_.empty()};
  install_.reset();
  repair_.Interrupt();
  repair_.Expect(std::move(recovered.damaged));
  digests_.Clear();
  new_files_.reset();
  shipping_.memberships.clear();
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
  wanted_reads_ = {};
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
  leadership_changed_ = true;
}

Instant Replica::stall_at() const {
  Instant oldest = Instant::Never();
  if (flush_.has_value()) oldest = flush_->begun;
  if (compaction_.flush.has_value()) oldest = std::min(oldest, compaction_.flush_begun);
  if (snapshot_flush_.has_value()) oldest = std::min(oldest, snapshot_flush_begun_);
  return oldest + shared_->disk_stall_timeout;
}

bool Replica::CheckStall(Now now) { return stalled_ = now.instant >= stall_at(); }

void Replica::OnDiskStall(Now now, Effects& out) {
  if (!active() || raft_.disk_stalled() == shared_->disk_stalled) return;
  raft::Effects fx;
  raft_.SetDiskStalled(now.instant, shared_->disk_stalled, fx);
  Absorb(std::move(fx), out);
}

void Replica::Remove(Now now, Effects& out) {
  if (removal_.begun) return;
  removal_.begun = true;
  FailWaiting({.code = absl::StatusCode::kNotFound,
               .reason = "TOPIC_NOT_FOUND",
               .message = "the topic was deleted",
               .metadata = {}},
              out);
  unsaved_.reset();
  held_.clear();
  node_files_ = {};
  // After a failure the disk may hold something else than was last written.
  if (failed() || switching_ || failure_.reopening) {
    switching_ = false;
    removal_.step = RemovalUnderWay::Step::kReopen;
    failure_.what.clear();
    failure_.reopen_at = now.instant;
  } else {
    MarkRemoved();
  }
  Settle(now, out);
}

void Replica::MarkRemoved() {
  removal_.step = RemovalUnderWay::Step::kMark;
  // First of all: a crash that leaves some of the files must not make a damaged log of them.
  ++hard_record_.generation;
  hard_record_.start = kRemovedGroup;
  AppendHardState(options_.group, hard_record_, node_files_);
}

void Replica::OnRemovalFlushed(Now now, const absl::Status& status, Effects& out) {
  if (!status.ok()) {
    RemoveLater(now, status, out);
  } else if (node_files_.empty() && removal_.step != RemovalUnderWay::Step::kReopen &&
             !compaction_.flush.has_value() && !snapshot_flush_.has_value()) {
    ContinueRemoval();
  }
}

void Replica::ContinueRemovalBeside() {
  if (removal_.step != RemovalUnderWay::Step::kReopen && !flush_.has_value() &&
      node_files_.empty() && !compaction_.flush.has_value() && !snapshot_flush_.has_value()) {
    ContinueRemoval();
  }
}

void Replica::RemoveLater(Now now, const absl::Status& status, Effects& out) {
  removal_.step = RemovalUnderWay::Step::kReopen;
  node_files_ = {};
  failure_.code = status.code();
  ScheduleReopen(now);
  out.push_back(Note{Note::Level::kWarning,
                     "removal_failed",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"error", std::string(status.message())},
                      {"again_in_ms", absl::StrCat((failure_.reopen_at - now.instant).millis())}}});
}

void Replica::ContinueRemoval() {
  const auto remove = [&](const FileId& file) { node_files_.ops.push_back(RemoveFile{file}); };
  switch (removal_.step) {
    case RemovalUnderWay::Step::kReopen:
      TIDEMARK_CHECK(false);
      return;
    case RemovalUnderWay::Step::kMark:
      removal_.step = RemovalUnderWay::Step::kLog;
      for (const FileId& file : log_->Files()) remove(file);
      for (const FileId& file : removal_.leftover) remove(file);
      for (const FileId& file : ReceivedFiles()) remove(file);
      if (!node_files_.empty()) return;
      [[fallthrough]];
    case RemovalUnderWay::Step::kLog:
      removal_.step = RemovalUnderWay::Step::kHardState;
      remove({.group = options_.group, .kind = FileKind::kHardState, .number = 0});
      return;
    case RemovalUnderWay::Step::kHardState:
      removal_.done = true;
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
