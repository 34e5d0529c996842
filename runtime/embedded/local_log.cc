#include "runtime/embedded/local_log.h"

#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "engine/log/compaction.h"
#include "engine/log/hard_state.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/io/file_store.h"

namespace tidemark {
namespace {

// One log in a directory; a server's directory has group 0, the catalog, too.
constexpr GroupId kGroup{1};
// Without elections there is one term.
constexpr Term kTerm{1};
// The next flush waits while so many are answered (DECISIONS.md 26).
constexpr size_t kLingerAnswersMax = 64;

// There are neither sessions of producers nor entries of consensus that others would depend on.
class NoContext : public CompactionContext {
 public:
  std::optional<Offset> LastBatchOf(int64_t) const override { return std::nullopt; }
  bool IsSuperseded(const CompactionFrame&) const override { return false; }
};

absl::StatusOr<HardStateRecord> ReadHardState(const DirectoryView& view) {
  const absl::StatusOr<std::string_view> file = view.Contents({kGroup, FileKind::kHardState, 0});
  if (absl::IsNotFound(file.status())) return HardStateRecord();
  if (!file.ok()) return file.status();
  return DecodeHardState(*file);
}

uint64_t TotalBytes(const CompactionSizes& sizes) { return sizes.clean_bytes + sizes.dirty_bytes; }

}  // namespace

struct LocalLog::Impl {
  struct Waiting {
    LogIndex index;
    Offset offset;
    Done done;
  };
  struct Answer {
    absl::StatusOr<Offset> result;
    Done done;
  };

  Impl(std::unique_ptr<FileStore> store_in, Log log_in, const HardStateRecord& hard_state_in,
       uint64_t unsynced_bytes_max_in)
      : log(std::move(log_in)),
        hard_state(hard_state_in),
        unsynced_bytes_max(unsynced_bytes_max_in),
        store(std::move(store_in)) {}

  mutable std::mutex mutex;
  // Any of: a flush is done, the log failed, answers are delivered.
  std::condition_variable changed;
  Log log;
  HardStateRecord hard_state;   // only its commit and its start mean something
  bool maintaining = false;     // a Compact or Retain is under way
  bool settle = false;          // the next flush syncs whatever it has
  uint64_t flushes = 0;         // that are done
  std::deque<Waiting> waiting;  // ascending by index
  bool flushing = false;
  bool flush_syncs = true;  // the flush under way
  LogIndex sync_to;         // somebody waits for this to be durable
  uint64_t unsynced = 0;    // bytes handed to the disk since the last flush that synced
  const uint64_t unsynced_bytes_max;
  absl::Status failure;  // of the disk; never becomes ok again
  bool closed = false;
  std::deque<Answer> answers;
  // The thread that calls the answers' `done`, one at a time so that they keep their order.
  std::optional<std::thread::id> delivering;
  bool lingers = false;  // the next flush, until they are given
  // Last: its threads use everything above, its destructor waits for them.
  std::unique_ptr<FileStore> store;

  // These hold the mutex.
  absl::Status Refusal() const {
    if (!failure.ok()) return failure;
    if (closed) return absl::FailedPreconditionError("the log is closed; open it again to append");
    return absl::OkStatus();
  }
  struct Place {
    LogIndex index;
    Offset offset;
  };
  Place Stage(const BatchHeader& header, std::string batch) {
    const Place place{.index = log.last_index() + 1, .offset = log.next_offset()};
    PatchBatch(batch.data(), place.offset, kTerm);
    log.Append({.index = place.index,
                .term = kTerm,
                .kind = EntryKind::kData,
                .base_offset = place.offset,
                .offset_span = header.offset_span(),
                .frame = Bytes::From(std::move(batch))},
               WallNow());
    return place;
  }
  // What to flush next, if anything.
  std::optional<FileBatch> NextFlush() {
    if (flushing || !failure.ok() || !log.has_staged()) return std::nullopt;
    unsynced += log.staged_bytes();
    flush_syncs =
        sync_to > log.durable_index() || unsynced >= unsynced_bytes_max || closed || settle;
    if (!flush_syncs && !log.has_staged_writes()) return std::nullopt;
    if (flush_syncs) unsynced = 0;
    settle = false;
    flushing = true;
    return log.TakeBatch(flush_syncs ? Log::Syncs::kAll : Log::Syncs::kNone);
  }
  void BeginFlush() {
    if (std::optional<FileBatch> batch = NextFlush()) {
      store->Execute(*std::move(batch), [this](absl::Status status) { OnFlushed(status); });
    }
  }
  absl::Status WaitForRoom(std::unique_lock<std::mutex>& hold) {
    while (log.staged_bytes() >= kUncommittedBytesMax && failure.ok()) {
      if (delivering == std::this_thread::get_id()) {
        return absl::ResourceExhaustedError(
            "too much waits for the disk; append again when some of it is acknowledged");
      }
      changed.wait(hold);
    }
    return Refusal();
  }

  // On the thread that flushed, without the mutex.
  void OnFlushed(const absl::Status& status, FileBatch spent = {}) {
    std::unique_lock<std::mutex> hold(mutex);
    flushing = false;
    ++flushes;
    if (status.ok()) {
      if (flush_syncs) {
        log.OnBatchDurable(std::move(spent));
        log.SetCommitted(log.durable_index());  // nobody else has a say
      } else {
        log.OnBatchWritten(std::move(spent));
      }
    } else {
      failure = status;
    }
    while (!waiting.empty() && (!failure.ok() || waiting.front().index <= log.durable_index())) {
      Waiting& first = waiting.front();
      answers.push_back(
          {failure.ok() ? absl::StatusOr<Offset>(first.offset) : failure, std::move(first.done)});
      waiting.pop_front();
    }
    // Few who are answered append again at once, and share the next flush if it lingers for them;
    // answering many takes longer than a flush may wait.
    lingers = answers.size() <= kLingerAnswersMax;
    if (!lingers) BeginFlush();
    changed.notify_all();
    Deliver(hold);
    BeginFlush();  // also of what answers appended while another flush came and went
  }

  // The next flush may end while answers of the last one are under way: its thread leaves its own
  // to the one that is at it.
  void Deliver(std::unique_lock<std::mutex>& hold) {
    if (delivering.has_value()) return;
    delivering = std::this_thread::get_id();
    while (!answers.empty()) {
      std::deque<Answer> now = std::exchange(answers, {});
      hold.unlock();
      for (Answer& answer : now) answer.done(std::move(answer.result));
      now.clear();
      hold.lock();
    }
    delivering.reset();
    changed.notify_all();
  }

  absl::StatusOr<Bytes> ReadFile(const FileRange& range) const;
  // One at a time; false after Close.
  absl::Status BeginMaintenance(std::unique_lock<std::mutex>& hold) {
    changed.wait(hold, [&] { return !maintaining || closed || !failure.ok(); });
    TIDEMARK_RETURN_IF_ERROR(Refusal());
    maintaining = true;
    return absl::OkStatus();
  }
  void EndMaintenance() {
    maintaining = false;
    changed.notify_all();
  }
  // Waits until everything staged now is durable, footers and removals included.
  absl::Status Settle(std::unique_lock<std::mutex>& hold);
  absl::Status RunPass(std::unique_lock<std::mutex>& hold);

  absl::Status SyncLocked(std::unique_lock<std::mutex>& hold) {
    const LogIndex last = log.last_index();
    sync_to = std::max(sync_to, last);
    BeginFlush();
    changed.wait(hold, [&] { return !failure.ok() || log.durable_index() >= last; });
    return failure;
  }
};

LocalLog::LocalLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<LocalLog>> LocalLog::Open(const std::string& directory,
                                                         const LocalLogOptions& options) {
  TIDEMARK_ASSIGN_OR_RETURN(std::unique_ptr<FileStore> store,
                            FileStore::Open(directory, options.io_threads));
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> view, store->View());
  TIDEMARK_ASSIGN_OR_RETURN(const HardStateRecord hard_state, ReadHardState(*view));
  TIDEMARK_ASSIGN_OR_RETURN(
      Log log, Log::Recover(kGroup, options.log, *view, hard_state.commit,
                            /*observer=*/nullptr, std::max(hard_state.start, LogIndex(1))));
  std::unique_ptr<LocalLog> opened(new LocalLog(std::make_unique<Impl>(
      std::move(store), std::move(log), hard_state, options.unsynced_bytes_max)));
  TIDEMARK_RETURN_IF_ERROR(opened->Sync());
  return opened;
}

LocalLog::~LocalLog() {
  // Whoever cares for the result has called Close.
  Close().IgnoreError();
  std::unique_lock<std::mutex> hold(impl_->mutex);
  impl_->changed.wait(hold, [this] { return !impl_->flushing && !impl_->delivering.has_value(); });
}

void LocalLog::Append(std::string batch, Durability durability, Done done) {
  const absl::StatusOr<BatchHeader> header = ValidateClientBatch(batch);
  if (!header.ok()) {
    done(header.status());
    return;
  }
  Impl& impl = *impl_;
  std::unique_lock<std::mutex> hold(impl.mutex);
  if (absl::Status refusal = impl.WaitForRoom(hold); !refusal.ok()) {
    hold.unlock();
    done(std::move(refusal));
    return;
  }
  const auto [index, offset] = impl.Stage(*header, std::move(batch));
  const bool at_once = durability == Durability::kMemory;
  if (!at_once) {
    impl.sync_to = index;
    impl.waiting.push_back({index, offset, std::move(done)});
  }
  // What is appended from an answer waits for the other answers, see OnFlushed.
  const bool waits = impl.lingers && impl.delivering == std::this_thread::get_id();
  if (at_once || !waits) impl.BeginFlush();
  hold.unlock();
  if (at_once) done(offset);
}

absl::StatusOr<Offset> LocalLog::AppendAndWait(std::string batch) {
  TIDEMARK_ASSIGN_OR_RETURN(const BatchHeader header, ValidateClientBatch(batch));
  Impl& impl = *impl_;
  std::unique_lock<std::mutex> hold(impl.mutex);
  TIDEMARK_RETURN_IF_ERROR(impl.WaitForRoom(hold));
  const auto [index, offset] = impl.Stage(header, std::move(batch));
  impl.sync_to = index;
  if (std::optional<FileBatch> flush = impl.NextFlush()) {
    hold.unlock();
    const absl::Status status = impl.store->ExecuteHere(*flush);
    impl.OnFlushed(status, *std::move(flush));
    hold.lock();
  }
  impl.changed.wait(hold, [&] { return !impl.failure.ok() || impl.log.durable_index() >= index; });
  if (impl.log.durable_index() < index) return impl.failure;
  return offset;
}

absl::StatusOr<Bytes> LocalLog::Impl::ReadFile(const FileRange& range) const {
  struct Waiter {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<absl::StatusOr<Bytes>> bytes;
  } waiter;
  store->Read(range.file, range.pos, range.length, [&](absl::StatusOr<Bytes> bytes) {
    const std::lock_guard<std::mutex> hold(waiter.mutex);
    waiter.bytes = std::move(bytes);
    waiter.ready.notify_one();
  });
  std::unique_lock<std::mutex> hold(waiter.mutex);
  waiter.ready.wait(hold, [&] { return waiter.bytes.has_value(); });
  return *std::move(waiter.bytes);
}

absl::StatusOr<std::vector<Bytes>> LocalLog::Read(Offset offset, uint32_t max_bytes) const {
  Impl& impl = *impl_;
  std::optional<FileRange> gone;
  for (;;) {
    std::unique_lock<std::mutex> hold(impl.mutex);
    if (const std::optional<FileRange> sidecar = impl.log.IndexOfOffset(offset)) {
      hold.unlock();
      const absl::StatusOr<Bytes> bytes = impl.ReadFile(*sidecar);
      hold.lock();
      // Without it the look-up only points further ahead.
      if (bytes.ok()) impl.log.OnIndexRead(*sidecar, bytes->view());
    }
    const LogIndex durable = impl.log.durable_index();
    TIDEMARK_ASSIGN_OR_RETURN(const FileRange range,
                              impl.log.RangeOfOffset(offset, durable, max_bytes));
    const Offset end = impl.log.EndOffsetOf(durable);
    hold.unlock();
    if (range.length == 0) return std::vector<Bytes>();
    const absl::StatusOr<Bytes> bytes = impl.ReadFile(range);
    if (bytes.ok()) return ConsumerFrames(range, *bytes, offset, end);
    // Compacted or removed since it was looked up: then it is somewhere else now.
    if (!absl::IsNotFound(bytes.status()) || gone == range) return bytes.status();
    gone = range;
  }
}

absl::Status LocalLog::Impl::Settle(std::unique_lock<std::mutex>& hold) {
  // The flush under way, the one with what is staged, and one with what that has staged: footers.
  for (int i = 0; i < 3 && failure.ok() && (flushing || log.has_staged()); ++i) {
    settle = true;
    BeginFlush();
    changed.wait(hold, [&, before = flushes] { return !failure.ok() || flushes != before; });
  }
  return failure;
}

absl::Status LocalLog::Impl::RunPass(std::unique_lock<std::mutex>& hold) {
  while (log.compacting()) {
    if (absl::Status refusal = Refusal(); !refusal.ok()) {
      log.CancelCompaction();
      return refusal;
    }
    if (const std::optional<FileRange> range = log.CompactionRead()) {
      hold.unlock();
      absl::StatusOr<Bytes> bytes = ReadFile(*range);
      hold.lock();
      // The end of a sidecar may not be written yet; the pass has means to go on without.
      if (!bytes.ok() && range->file.kind == FileKind::kSegment) {
        log.CancelCompaction();
        return bytes.status();
      }
      log.OnCompactionRead(*range, bytes.ok() ? *bytes : Bytes());
    } else if (log.has_compaction_batch()) {
      const FileBatch batch = log.TakeCompactionBatch();
      hold.unlock();
      const absl::Status status = store->ExecuteHere(batch);
      hold.lock();
      if (!status.ok()) {
        log.OnCompactionBatchFailed();
        return status;
      }
      log.OnCompactionBatchDurable();
    } else {
      TIDEMARK_RETURN_IF_ERROR(log.CompactionStep(NoContext(), WallNow(), kCompactionSliceBytes));
      // Whoever waits for the mutex comes first.
      hold.unlock();
      std::this_thread::yield();
      hold.lock();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CompactionReport> LocalLog::Compact(CompactionOptions options) {
  options.seed = {.first = SecureRandom64(), .second = SecureRandom64()};
  Impl& impl = *impl_;
  std::unique_lock<std::mutex> hold(impl.mutex);
  TIDEMARK_RETURN_IF_ERROR(impl.BeginMaintenance(hold));
  // A segment that is full may not have its footer yet.
  absl::Status status = impl.Settle(hold);
  const LogIndex limit = impl.log.durable_index();
  const CompactionTotals before = impl.log.compaction_totals();
  CompactionReport report{.bytes_before = TotalBytes(impl.log.SizesForCompaction(limit))};
  if (status.ok() && impl.log.BeginCompaction(options, limit, WallNow())) {
    status = impl.RunPass(hold);
    status.Update(impl.Settle(hold));
  }
  const CompactionTotals& after = impl.log.compaction_totals();
  report.records_removed = after.records_removed - before.records_removed;
  report.bytes_after = report.bytes_before - (after.bytes_removed - before.bytes_removed);
  report.bytes_dirty = impl.log.SizesForCompaction(limit).dirty_bytes;
  impl.EndMaintenance();
  if (!status.ok()) return status;
  return report;
}

absl::StatusOr<Offset> LocalLog::Retain(const RetentionPolicy& policy) {
  Impl& impl = *impl_;
  std::unique_lock<std::mutex> hold(impl.mutex);
  TIDEMARK_RETURN_IF_ERROR(impl.BeginMaintenance(hold));
  const LogIndex durable = impl.log.durable_index();
  const LogIndex kept = impl.log.RetentionPoint(policy, WallNow(), durable);
  absl::Status status;
  if (kept > impl.log.first_index()) {
    // First what is kept is durable, then the files go: FORMAT.md section 4.
    HardStateRecord next = impl.hard_state;
    ++next.generation;
    next.term = kTerm;
    next.commit = std::max(next.commit, durable);
    next.start = kept;
    FileBatch batch;
    AppendHardState(kGroup, next, batch);
    hold.unlock();
    status = impl.store->ExecuteHere(batch);
    hold.lock();
    if (status.ok()) {
      impl.hard_state = next;
      impl.log.TruncatePrefix(kept);
      status = impl.Settle(hold);
    } else {
      impl.failure.Update(status);
    }
  }
  impl.EndMaintenance();
  if (!status.ok()) return status;
  return impl.log.start_offset();
}

Offset LocalLog::OffsetAtTime(WallTime time) const {
  const std::lock_guard<std::mutex> hold(impl_->mutex);
  return impl_->log.OffsetAtTime(time);
}

Offset LocalLog::start_offset() const {
  const std::lock_guard<std::mutex> hold(impl_->mutex);
  return impl_->log.start_offset();
}

Offset LocalLog::next_offset() const {
  const std::lock_guard<std::mutex> hold(impl_->mutex);
  return impl_->log.next_offset();
}

Offset LocalLog::durable_end() const {
  const std::lock_guard<std::mutex> hold(impl_->mutex);
  return impl_->log.EndOffsetOf(impl_->log.durable_index());
}

absl::Status LocalLog::Sync() {
  std::unique_lock<std::mutex> hold(impl_->mutex);
  return impl_->SyncLocked(hold);
}

absl::Status LocalLog::Close() {
  Impl& impl = *impl_;
  std::unique_lock<std::mutex> hold(impl.mutex);
  impl.closed = true;
  TIDEMARK_RETURN_IF_ERROR(impl.SyncLocked(hold));
  // The next Open then has little to read.
  impl.log.StageCheckpoint();
  impl.BeginFlush();
  impl.changed.wait(
      hold, [&] { return !impl.failure.ok() || (!impl.flushing && !impl.log.has_staged()); });
  return impl.failure;
}

}  // namespace tidemark
