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
#include "runtime/base/clock.h"
#include "runtime/io/file_store.h"

namespace tidemark {
namespace {

// One log in a directory; a server's directory has group 0, the catalog, too.
constexpr GroupId kGroup{1};
// Without elections there is one term.
constexpr Term kTerm{1};

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

  Impl(std::unique_ptr<FileStore> store_in, Log log_in, uint64_t unsynced_bytes_max_in)
      : log(std::move(log_in)),
        unsynced_bytes_max(unsynced_bytes_max_in),
        store(std::move(store_in)) {}

  mutable std::mutex mutex;
  // Any of: a flush is done, the log failed, answers are delivered.
  std::condition_variable changed;
  Log log;
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
    flush_syncs = sync_to > log.durable_index() || unsynced >= unsynced_bytes_max || closed;
    if (!flush_syncs && !log.has_staged_writes()) return std::nullopt;
    if (flush_syncs) unsynced = 0;
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
    if (status.ok()) {
      if (flush_syncs) {
        log.OnBatchDurable(std::move(spent));
        log.SetCommitted(log.durable_index());  // nobody else has a say
      } else {
        log.OnBatchWritten(std::move(spent));
      }
      BeginFlush();
    } else {
      failure = status;
    }
    while (!waiting.empty() && (!failure.ok() || waiting.front().index <= log.durable_index())) {
      Waiting& first = waiting.front();
      answers.push_back(
          {failure.ok() ? absl::StatusOr<Offset>(first.offset) : failure, std::move(first.done)});
      waiting.pop_front();
    }
    changed.notify_all();
    Deliver(hold);
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
  TIDEMARK_ASSIGN_OR_RETURN(Log log, Log::Recover(kGroup, options.log, *view, LogIndex(0)));
  std::unique_ptr<LocalLog> opened(new LocalLog(
      std::make_unique<Impl>(std::move(store), std::move(log), options.unsynced_bytes_max)));
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
  impl.BeginFlush();
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
  TIDEMARK_ASSIGN_OR_RETURN(const Bytes bytes, impl.ReadFile(range));
  return ConsumerFrames(range, bytes, offset, end);
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
