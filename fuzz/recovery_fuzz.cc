#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"
#include "engine/log/compaction.h"
#include "engine/log/log.h"
#include "engine/log/recovery.h"
#include "engine/log/segment.h"
#include "fuzz/plain_disk.h"

// A log of a few segments, damaged as the input says, then recovered: it is refused, or it can be
// appended to and cut, and recovers again to what it was.

namespace tidemark {
namespace {

constexpr GroupId kGroup{1};

void Append(Log& log, size_t bytes) {
  std::string frame = EncodeControlFrame(std::string(bytes, 'c'));
  if (bytes % 2 == 1) {
    BatchBuilder builder;
    // A few keys, for compaction.
    builder.Add(bytes % 4 == 1 ? "one" : "other", std::string(bytes, 'd'), 1);
    frame = builder.Finish();
  }
  const Term term = std::max(log.last_term(), Term(1));
  PatchBatch(frame.data(), log.next_offset(), term);
  log.Append(*EntryOf(log.last_index() + 1, Bytes::From(frame)), WallTime::FromMillis(1));
}

void Flush(Log& log, PlainDisk& disk) {
  while (log.has_staged()) {
    disk.Execute(log.TakeBatch());
    log.OnBatchDurable();
  }
}

PlainDisk Healthy(const LogOptions& options) {
  PlainDisk disk;
  Log log = *Log::Recover(kGroup, options, disk, LogIndex(0));
  for (size_t i = 0; i < 9; ++i) {
    Append(log, 100 + i * 300);
    if (i % 2 == 0) Flush(log, disk);
    if (i == 5) log.TruncateSuffix(LogIndex(4));
  }
  Flush(log, disk);
  return disk;
}

// Nothing but keys decides what stays.
class NothingKnown : public CompactionContext {
 public:
  std::optional<Offset> LastBatchOf(int64_t) const override { return std::nullopt; }
  bool IsSuperseded(const CompactionFrame&) const override { return true; }
};

// Runs a pass, of which the disk executes `batches_max` batches.
void Compact(Log& log, PlainDisk& disk, size_t batches_max) {
  log.SetCommitted(log.durable_index());
  if (!log.BeginCompaction({}, log.committed_index(), WallTime::FromMillis(5))) return;
  while (log.compacting()) {
    if (const auto range = log.CompactionRead()) {
      log.OnCompactionRead(
          *range, Bytes::Copy(disk.files[range->file].substr(
                      std::min<uint64_t>(range->pos.value(), disk.files[range->file].size()),
                      range->length)));
    }
    const absl::Status status =
        log.CompactionStep(NothingKnown(), WallTime::FromMillis(5), 1 << 20);
    TIDEMARK_CHECK(status.ok() || absl::IsDataLoss(status));
    if (!log.has_compaction_batch()) continue;
    if (batches_max-- == 0) return;
    disk.Execute(log.TakeCompactionBatch());
    log.OnCompactionBatchDurable();
  }
}

// A sparse segment, the files it replaced where `leave_files`, and one that is half made.
PlainDisk Compacted(const LogOptions& options, bool leave_files) {
  PlainDisk disk = Healthy(options);
  Log log = *Log::Recover(kGroup, options, disk, LogIndex(0));
  Flush(log, disk);
  for (size_t i = 0; i < 8; ++i) Append(log, 1001 + i * 2);
  Flush(log, disk);
  Compact(log, disk, SIZE_MAX);
  if (leave_files) return disk;
  Flush(log, disk);
  for (size_t i = 0; i < 8; ++i) Append(log, 1201 + i * 2);
  Flush(log, disk);
  Compact(log, disk, 1);
  return disk;
}

// Makes recovery read what a footer vouches for, too.
class Everything : public RecoveryObserver {
 public:
  bool needs_all_entries() const override { return true; }
  void OnFrame(const Entry&, const BatchHeader&, std::string_view, WallTime) override {}
};

void Run(const uint8_t* data, size_t size) {
  const LogOptions options{.segment_bytes = 8192, .index_interval_bytes = 200, .cache_bytes = 500};
  // An odd length chooses a log that was compacted.
  PlainDisk disk = size % 2 == 0 ? Healthy(options) : Compacted(options, data[size - 1] % 2 == 0);
  // Edits of 6 bytes: file, two of position, what to do, two of value.
  for (; size >= 6; data += 6, size -= 6) {
    auto file = disk.files.begin();
    std::advance(file, data[0] % disk.files.size());
    std::string& content = file->second;
    const size_t at = content.empty() ? 0 : (data[1] | data[2] << 8) % content.size();
    const uint16_t value = static_cast<uint16_t>(data[4] | data[5] << 8);
    switch (data[3] % 6) {
      case 0:
        content.resize(at);
        break;
      case 1:
        if (!content.empty()) content[at] = static_cast<char>(data[4]);
        break;
      case 2:
        content.replace(at, value % 2000, std::string(value % 2000, '\0'));
        break;
      case 3:
        content.insert(at, std::string(value % 2000, static_cast<char>(data[5])));
        break;
      case 4:  // a header that is wrong with a right checksum
        if (content.size() >= kSegmentHeaderBytes) {
          content[at % 88] = static_cast<char>(data[4]);
          StoreLittle(content.data() + 88, Crc32c(std::string_view(content).substr(0, 88)));
        }
        break;
      default:
        if (disk.files.size() > 1) disk.files.erase(file);
    }
  }
  const absl::StatusOr<Log> quick = Log::Recover(kGroup, options, disk, LogIndex(0));
  Everything everything;
  absl::StatusOr<Log> log = Log::Recover(kGroup, options, disk, LogIndex(0), &everything);
  TIDEMARK_CHECK(quick.ok() || !log.ok());
  if (!log.ok()) {
    TIDEMARK_CHECK(absl::IsDataLoss(log.status()) || absl::IsFailedPrecondition(log.status()));
    return;
  }
  // Repairs read from the view and are written to the same disk.
  Flush(*log, disk);
  Append(*log, 501);
  Flush(*log, disk);
  if (log->last_index() > LogIndex(2)) {
    log->TruncateSuffix(std::max(log->last_index() - 1, log->committed_index() + 1));
  }
  Append(*log, 900);
  Flush(*log, disk);
  Compact(*log, disk, SIZE_MAX);
  Flush(*log, disk);
  const absl::StatusOr<Log> again =
      Log::Recover(kGroup, options, disk, log->last_index(), &everything);
  TIDEMARK_CHECK(again.ok());
  TIDEMARK_CHECK_EQ(again->last_index(), log->last_index());
  TIDEMARK_CHECK_EQ(again->next_offset(), log->next_offset());
  for (LogIndex index = log->first_index(); index <= log->last_index(); ++index) {
    const FileRange range = log->RangeOf(index, 1);
    const Bytes bytes = Bytes::Copy(disk.files[range.file].substr(range.pos.value(), range.length));
    TIDEMARK_CHECK(EntriesIn(range, bytes).ok());
  }
}

}  // namespace
}  // namespace tidemark

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::Run(data, size);
  return 0;
}
