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
  // Accepted: in this process's memory, on its way to the disk, which it reaches with the next
  // flush. A crash or a failed flush may lose it (Sync and Close tell of the latter); whatever
  // survives is a prefix of what was appended.
  kMemory,
};

struct LocalLogOptions {
  LogOptions log;
  // Threads for writes, syncs and reads that are not in the page cache.
  int io_threads = 2;
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
//                 in engine/node/replica.h.
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
  // adjacent frames in one slice. Checksums are verified. Sees what is durable.
  //   Errors  kOutOfRange: outside [start_offset(), durable_end()); kDataLoss: damaged, names the
  //           position; kUnavailable: the disk cannot read it.
  //   Blocks  while the disk reads what is not in the page cache.
  absl::StatusOr<std::vector<Bytes>> Read(Offset offset, uint32_t max_bytes) const;

  // First offset whose append time is at or after `time`; the next offset if there is none. May be
  // early by one index interval, never late (Log::OffsetAtTime).
  Offset OffsetAtTime(WallTime time) const;

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
