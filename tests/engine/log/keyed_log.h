#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/log/compaction.h"
#include "engine/log/log.h"
#include "tests/engine/log/log_fixture.h"
#include "tests/engine/log/memory_disk.h"

namespace tidemark {

// A log of records with keys on a MemoryDisk, that is compacted, and beside it the list of all that
// was ever appended.
class KeyedLog final : public CompactionContext {
 public:
  using State = std::map<std::string, std::string>;
  struct Change {
    std::string key;
    std::optional<std::string> value;
  };

  KeyedLog() { TIDEMARK_CHECK(Reopen().ok()); }

  // One record; without a value a tombstone.
  void Put(const std::string& key, std::optional<std::string> value) {
    BatchBuilder builder;
    builder.Add(key, value ? std::optional<std::string_view>(*value) : std::nullopt, 1000);
    history.push_back({key, std::move(value)});
    Append(builder.Finish());
  }
  // A control frame that compaction must keep.
  void PutControl(const std::string& payload) {
    kept_controls.insert(log->last_index() + 1);
    Append(EncodeControlFrame(payload));
  }
  // One that it may drop.
  void PutNoise() { Append(EncodeControlFrame("noise")); }

  void Begin() {
    outstanding = log->TakeBatch();
    disk.Apply(*outstanding);
  }
  void Complete() {
    disk.Sync(*std::exchange(outstanding, std::nullopt));
    log->OnBatchDurable();
    log->SetCommitted(log->durable_index());
  }
  void Flush() {
    if (outstanding) Complete();
    while (log->has_staged()) {
      Begin();
      Complete();
    }
  }

  bool BeginPass() {
    return log->BeginCompaction(compaction, log->committed_index(), WallTime::FromMillis(wall));
  }
  // Reads and works until there is a batch to write or the pass is over.
  absl::Status Work() {
    while (log->compacting() && !log->has_compaction_batch()) {
      if (const auto range = log->CompactionRead()) {
        log->OnCompactionRead(*range, BytesAt(*range));
        ++reads;
      }
      const absl::Status status =
          log->CompactionStep(*this, WallTime::FromMillis(wall), step_bytes);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  // A whole pass, and what it leaves to flush.
  absl::Status Compact() {
    if (!BeginPass()) return absl::FailedPreconditionError("nothing to compact");
    while (log->compacting()) {
      const absl::Status status = Work();
      if (!status.ok()) return status;
      if (!log->has_compaction_batch()) break;
      disk.ApplyAndSync(log->TakeCompactionBatch());
      log->OnCompactionBatchDurable();
    }
    Flush();
    return absl::OkStatus();
  }
  // Removes segments from the front while the rest has `bytes`.
  void Retain(uint64_t bytes) {
    const LogIndex first_kept = log->RetentionPoint(
        {.bytes = bytes, .age = {}}, WallTime::FromMillis(wall), log->committed_index());
    start = std::max(start, first_kept);
    log->TruncatePrefix(first_kept);
  }

  // Recovers from the disk as it is, once reading all and once as little as possible.
  absl::Status Reopen() {
    outstanding.reset();
    disk.SyncNames();
    const auto view = disk.View();
    Collector collector;
    auto full = Log::Recover(kGroup, options, *view, LogIndex(0), &collector, start);
    if (!full.ok()) return full.status();
    auto quick = Log::Recover(kGroup, options, *view, LogIndex(0), nullptr, start);
    if (!quick.ok()) return quick.status();
    TIDEMARK_CHECK_EQ(quick->first_index(), full->first_index());
    TIDEMARK_CHECK_EQ(quick->last_index(), full->last_index());
    TIDEMARK_CHECK_EQ(quick->next_offset(), full->next_offset());
    TIDEMARK_CHECK_EQ(quick->digest(), full->digest());
    TIDEMARK_CHECK_EQ(quick->size_bytes(), full->size_bytes());
    TIDEMARK_CHECK_EQ(quick->committed_index(), full->committed_index());
    TIDEMARK_CHECK(quick->compaction_checkpoint() == full->compaction_checkpoint());
    for (LogIndex index = full->first_index(); index <= full->last_index(); ++index) {
      TIDEMARK_CHECK(quick->TermAt(index) == full->TermAt(index));
    }
    log.emplace(read_all ? *std::move(full) : *std::move(quick));
    history.resize(std::min<size_t>(history.size(), log->next_offset().value()));
    return absl::OkStatus();
  }

  // All frames that a consumer gets who reads on from offset to offset.
  std::vector<std::string> Consume(uint64_t max_bytes = 700) {
    std::vector<std::string> frames;
    Offset at = log->start_offset();
    const LogIndex limit = log->written_index();
    const Offset end = log->EndOffsetOf(limit);
    while (at < end) {
      if (const auto sidecar = log->IndexOfOffset(at); sidecar && frames.size() % 3 == 0) {
        log->OnIndexRead(*sidecar, BytesAt(*sidecar).view());
      }
      const auto range = log->RangeOfOffset(at, limit, max_bytes);
      TIDEMARK_CHECK(range.ok());
      const auto runs = ConsumerFrames(*range, BytesAt(*range), at, end);
      TIDEMARK_CHECK(runs.ok());
      if (range->length == 0) break;
      const Offset before = at;
      for (const Bytes& run : *runs) {
        for (std::string_view rest = run.view(); !rest.empty();) {
          const auto header = DecodeBatchHeader(rest);
          TIDEMARK_CHECK(header.ok());
          TIDEMARK_CHECK_GE(header->base_offset, at);
          frames.emplace_back(rest.substr(0, header->total_bytes()));
          at = header->base_offset + header->offset_span();
          rest.remove_prefix(header->total_bytes());
        }
      }
      // Whoever reads on gets somewhere.
      TIDEMARK_CHECK_GT(at, before);
    }
    return frames;
  }
  // What a consumer knows who has read everything.
  State Read(uint64_t max_bytes = 700) {
    State state;
    for (const std::string& frame : Consume(max_bytes)) {
      const auto records = DecodeBatch(frame);
      TIDEMARK_CHECK(records.ok());
      for (const DecodedRecord& record : *records) {
        const Change& original = history.at(record.offset.value());
        TIDEMARK_CHECK(record.record.key == original.key);
        TIDEMARK_CHECK(record.record.value == original.value);
        Apply(original, state);
      }
    }
    return state;
  }
  // What it must be: a removed prefix takes the keys along that were not written since.
  State Expected() const {
    State state;
    for (size_t i = log->start_offset().value(); i < history.size(); ++i) Apply(history[i], state);
    return state;
  }

  size_t SegmentFiles() const {
    const std::vector<FileId> files = disk.Files();
    return static_cast<size_t>(std::count_if(files.begin(), files.end(), [](const FileId& file) {
      return file.kind == FileKind::kSegment;
    }));
  }

  std::optional<Offset> LastBatchOf(int64_t) const override { return std::nullopt; }
  bool IsSuperseded(const CompactionFrame& control) const override {
    return !kept_controls.contains(control.index);
  }

  LogOptions options{.segment_bytes = 8192,
                     .index_interval_bytes = 300,
                     .cache_bytes = 1000,
                     .checkpoint_bytes = 2000,
                     .index_memory_bytes = 300};
  CompactionOptions compaction;
  MemoryDisk disk;
  std::optional<Log> log;
  std::vector<Change> history;
  std::set<LogIndex> kept_controls;
  std::optional<FileBatch> outstanding;
  Term term{1};
  LogIndex start{1};
  int64_t wall = 1'000'000;
  int64_t step_bytes = 5000;
  size_t reads = 0;
  bool read_all = false;

 private:
  Bytes BytesAt(const FileRange& range) {
    // A sidecar may be staged and not created yet.
    if (range.file.kind == FileKind::kIndex && !disk.Exists(range.file)) return Bytes();
    const std::string_view file = disk.Contents(range.file);
    return Bytes::Copy(file.substr(std::min<size_t>(range.pos.value(), file.size()), range.length));
  }
  void Append(std::string frame) {
    PatchBatch(frame.data(), log->next_offset(), term);
    wall += 10;
    log->Append(*EntryOf(log->last_index() + 1, Bytes::From(std::move(frame))),
                WallTime::FromMillis(wall));
  }
  static void Apply(const Change& put, State& state) {
    if (put.value) {
      state[put.key] = *put.value;
    } else {
      state.erase(put.key);
    }
  }
};

}  // namespace tidemark
