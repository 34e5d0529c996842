#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/log/compaction.h"
#include "engine/node/replica.h"

// Compaction of a replica's log by key (engine/log/compaction.h): each replica's own decision, as
// retention is, of what is committed and durable on every voter.

namespace tidemark {
namespace {

class ReplicaContext : public CompactionContext {
 public:
  ReplicaContext(const ProducerTable* producers, LogIndex commit)
      : producers_(producers), commit_(commit) {}
  std::optional<Offset> LastBatchOf(int64_t producer_id) const override {
    return producers_->LastBatchOf(producer_id, commit_);
  }
  // A partition's control frames are leaders' no-ops: once committed they have done their work.
  bool IsSuperseded(const CompactionFrame&) const override { return true; }

 private:
  const ProducerTable* producers_;
  LogIndex commit_;
};

}  // namespace

LogIndex Replica::CompactionLimit(Now now) const {
  // Something to make a snapshot of stays, as with retention: what is derived from a log is not
  // known behind a compacted segment. All have had what is compacted, but one may have lost it
  // since.
  const LogIndex limit = std::min(
      {raft_.commit(), log_->durable_index(), raft_.all_durable(), log_->LastShippable() - 1});
  const Duration lag = options_.compaction->min_lag;
  if (lag == Duration()) return limit;
  return log_->RetentionPoint({.bytes = std::nullopt, .age = lag}, now.wall, limit) - 1;
}

// Nobody is sent what a pass replaces: who receives would have to begin again after each.
std::optional<CompactionSizes> Replica::CompactionWork(Now now) const {
  if (!options_.compaction.has_value() || !active() || log_->compacting() || install_.has_value() ||
      now.instant < compaction_.not_before || shipping_.pin.From(now.instant).has_value()) {
    return std::nullopt;
  }
  const CompactionSizes sizes = log_->SizesForCompaction(CompactionLimit(now));
  if (!WorthCompacting(sizes, options_.compaction->policy, now.wall)) return std::nullopt;
  return sizes;
}

void Replica::BeginCompaction(Now now, KeySeed seed) {
  compaction_.next_step = now.instant;
  log_->BeginCompaction(
      {.tombstone_retention = options_.compaction->tombstone_retention, .seed = seed},
      CompactionLimit(now), now.wall);
}

void Replica::DriveCompaction(Now now, Effects& out) {
  if (!log_->compacting()) return;
  // What is being received takes the place of all that could be compacted; and see CompactionWork.
  if (!active() || install_.has_value() || shipping_.pin.From(now.instant).has_value()) {
    log_->CancelCompaction();
  }
  if (compaction_.flush.has_value() || compaction_.read.has_value()) return;
  if (now.instant >= compaction_.next_step) {
    compaction_.next_step = now.instant + Duration::Micros(kCompactionPauseMicros);
    const absl::Status status = log_->CompactionStep(ReplicaContext(&producers_, raft_.commit()),
                                                     now.wall, kCompactionStepBytes);
    if (!status.ok()) {
      NoteFailedCompaction(now, status, out);
      if (absl::IsDataLoss(status)) OnDamage(now, compaction_.input, out);
    }
  }
  if (const std::optional<FileRange> range = log_->CompactionRead()) {
    const IoToken token = shared_->NewToken(options_.group);
    compaction_.read.emplace(token, *range);
    compaction_.input = range->file;
    out.push_back(ReadRange{token, range->file, range->pos, range->length});
  } else if (log_->has_compaction_batch()) {
    const IoToken token = shared_->NewToken(options_.group);
    compaction_.flush = token;
    compaction_.flush_begun = now.instant;
    out.push_back(Flush{token, options_.group, log_->TakeCompactionBatch()});
  }
}

bool Replica::OnCompactionFlushed(Now now, IoToken token, const absl::Status& status,
                                  Effects& out) {
  if (compaction_.flush != token) return false;
  compaction_.flush.reset();
  if (status.ok()) {
    log_->OnCompactionBatchDurable();
  } else {
    // Nothing that anybody relies on was written. If the disk is broken, the log's own flushes
    // will find out.
    log_->OnCompactionBatchFailed();
    NoteFailedCompaction(now, status, out);
  }
  CountCompaction();
  // Its files could not go while they were being written.
  if (removal_.begun) ContinueRemovalBeside();
  return true;
}

bool Replica::OnCompactionRead(Now now, IoToken token, const absl::StatusOr<Bytes>& bytes,
                               Effects& out) {
  if (!compaction_.read.has_value() || compaction_.read->first != token) return false;
  const FileRange range = compaction_.read->second;
  compaction_.read.reset();
  if (!bytes.ok() && range.file.kind == FileKind::kSegment && log_->CompactionRead() == range) {
    log_->CancelCompaction();
    NoteFailedCompaction(now, bytes.status(), out);
    if (absl::IsDataLoss(bytes.status())) OnDamage(now, range.file, out);
    return true;
  }
  // The end of a sidecar may not be written yet; the pass has means to go on without.
  log_->OnCompactionRead(range, bytes.ok() ? *bytes : Bytes());
  return true;
}

void Replica::NoteFailedCompaction(Now now, const absl::Status& status, Effects& out) {
  compaction_.not_before = now.instant + Duration::Seconds(kCompactionRetrySeconds);
  out.push_back(Note{
      Note::Level::kError,
      "compaction_failed",
      {{"group", absl::StrCat(options_.group.value())},
       {"error", std::string(status.message())},
       {"hint", "the log is as it was and goes on growing; it is tried again in ten minutes"}}});
}

void Replica::CountCompaction() {
  const CompactionTotals& now = log_->compaction_totals();
  CompactionTotals& counted = compaction_.counted;
  NodeCounters& counters = shared_->counters;
  counters.compaction_passes += now.passes - counted.passes;
  counters.compaction_records_removed += now.records_removed - counted.records_removed;
  counters.compaction_bytes_removed += now.bytes_removed - counted.bytes_removed;
  counted = now;
}

Instant Replica::compaction_deadline() const {
  const bool waits = compaction_.flush.has_value() || compaction_.read.has_value();
  return log_->compacting() && !waits ? compaction_.next_step : Instant::Never();
}

}  // namespace tidemark
