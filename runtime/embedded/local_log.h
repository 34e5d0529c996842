#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"

namespace tidemark {

// What the acknowledgement of an append promises.
enum class Durability : uint8_t {
  // Written and synced (fdatasync): it survives the crash of the process and a power failure.
  kDurable,
  // Accepted: in this process's memory, on its way to the file, where it is synced with the next
  // durable append, Sync, Close or after `unsynced_bytes_max`. A crash or a failed flush may lose
  // it
  // (Sync and Close tell of the latter); whatever survives is a prefix of what was appended.
  kMemory,
};

struct LocalLogOptions {
  LogOptions log;
  // Threads for writes, syncs and reads that are not in the page cache.
  int io_threads = 2;
  // Bytes written and not synced, of appends that nobody waits for.
  uint64_t unsynced_bytes_max = 32u << 20;
};

struct CompactionReport {
  // The full segments that the pass was over, before it and now.
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t records_removed = 0;
  // Of them, what no pass has seen yet, because its keys did not fit the table any more.
  uint64_t bytes_dirty = 0;
};

// One partition's log as a library, without a server and without consensus: the engine's Log
// (engine/log/log.h) on the production FileStore (runtime/io/file_store.h), in the format and with
// the recovery of FORMAT.md.
//
// Every function may be called from any thread; appends of several threads are ordered as they
// arrive. There is no thread of its own between caller and disk: the appending thread stages the
// batch under a mutex, an io thread flushes it, or the appending thread itself if it waits (the
// measurement is in DECISIONS.md).
//   Group commit  at most one flush is under way; what is appended meanwhile makes the next one, as
//                 in engine/node/replica.h. It waits for the answers of the last one if those are
//                 few (DECISIONS.md 26): an append made in an answer shares it with the others'.
//   Removal       Compact and Retain remove records beside appends and reads. A reader goes by
//                 offset: where records were compacted away, it gets the next ones there are.
//   Failure       after a failed write or sync nothing is appended any more: it is neither retried
//                 nor believed. Open the directory again to learn what is there.
class LocalLog {
 public:
  using Done = std::function<void(absl::StatusOr<Offset>)>;

  // Opens the log in `directory`, which is created if missing, and recovers it. Returns when
  // everything found is durable.
  //   Errors  as FileStore::Open and Log::Recover: kFailedPrecondition another process has it or a
  //           newer format; kDataLoss rot, the message names file and bytes.
  static absl::StatusOr<std::unique_ptr<LocalLog>> Open(const std::string& directory,
                                                        const LocalLogOptions& options);

  // As Close, without its result.
  ~LocalLog();
  LocalLog(const LocalLog&) = delete;
  LocalLog& operator=(const LocalLog&) = delete;

  // Appends `batch`, a whole record batch (BatchBuilder makes them, ValidateClientBatch says what
  // is accepted; its checksum and records are verified here). `done` gets the offset of its first
  // record, or why it was not appended.
  //   Calls   done once: kDurable on an io thread, in the order of the appends (after a failure on
  //           whichever thread met it); kMemory and refusals before Append returns. It may Append,
  //           and must not wait for the log: no AppendAndWait, Sync, Close.
  //   Blocks  while kUncommittedBytesMax wait for the flush under way; in a `done`, which would
  //           wait for itself, refuses with kResourceExhausted instead.
  //   Errors  as ValidateClientBatch; kUnavailable, kResourceExhausted and so on as the disk
  //   failed;
  //           kFailedPrecondition after Close.
  void Append(std::string batch, Durability durability, Done done);

  // Appends `batch` durably and returns its first record's offset. If the disk is idle the calling
  // thread does the flush: the shortest way to an acknowledgement for a thread that has nothing
  // else to do. If not, it waits for the next flush as everybody does.
  //   Errors  as Append.
  absl::StatusOr<Offset> AppendAndWait(std::string batch);

  // The whole batches that hold records from `offset` on, at most about `max_bytes`, at least one:
  // adjacent frames in one slice. Checksums are verified. Sees what is durable. Where Compact has
  // removed records the first one is behind `offset`; none: there are none up to durable_end().
  // Reads the sidecar of a segment first if its look-up table is not in memory.
  //   Errors  kOutOfRange: outside [start_offset(), durable_end()); kDataLoss: damaged, names the
  //           position; kUnavailable: the disk cannot read it.
  //   Blocks  while the disk reads what is not in the page cache.
  absl::StatusOr<std::vector<Bytes>> Read(Offset offset, uint32_t max_bytes) const;

  // First offset whose append time is at or after `time`; the next offset if there is none. May be
  // early by one index interval, never late (Log::OffsetAtTime).
  Offset OffsetAtTime(WallTime time) const;

  // One pass of compaction by key (engine/log/compaction.h) over all full segments: of the records
  // of a key the newest stays; a tombstone, a key without a value, goes in a pass that comes
  // `tombstone_retention` after the one that left it the key's only record. The seed is drawn here.
  // Returns when what was replaced is gone from the disk; a second caller waits for the first.
  //   Cost    reads what no pass has seen twice, the rest once, and writes what is left; on the
  //           calling thread. Appends go on meanwhile and wait at most for kCompactionSliceBytes of
  //           work.
  //   Crash   at any point leaves each segment as it was, or what replaces it.
  //   Errors  kDataLoss: damaged, names the place. That of the disk: the pass is given up, what it
  //           had not replaced is as it was, and appends go on. kFailedPrecondition after Close.
  static constexpr int64_t kCompactionSliceBytes = 64 << 10;
  absl::StatusOr<CompactionReport> Compact(CompactionOptions options = {});

  // Removes whole segments from the front, as `policy` allows, durably, and returns the first
  // offset that is left. The age is that of appends, by this machine's clock.
  //   Errors  that of the disk; then nothing is appended any more. kFailedPrecondition after Close.
  absl::StatusOr<Offset> Retain(const RetentionPolicy& policy);

  Offset start_offset() const;
  // The offset that the next record gets.
  Offset next_offset() const;
  // First offset that is not known durable.
  Offset durable_end() const;

  // Waits until what was appended before this call is durable.
  //   Errors  that of the write or sync that failed, now or earlier.
  absl::Status Sync();
  // Sync, then refuses all further appends. Reading goes on until destruction.
  absl::Status Close();

 private:
  struct Impl;
  explicit LocalLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark
