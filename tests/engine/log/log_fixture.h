#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/log/batch.h"
#include "engine/log/log.h"
#include "engine/log/recovery.h"
#include "tests/engine/log/memory_disk.h"

namespace tidemark {

inline constexpr GroupId kGroup{7};

// Collects the frames that recovery shows.
class Collector : public RecoveryObserver {
 public:
  bool needs_all_entries() const override { return true; }
  void OnFrame(const Entry& entry, const BatchHeader&, std::string_view frame, WallTime) override {
    entries.push_back(entry);
    frames.emplace_back(frame);
  }
  std::vector<Entry> entries;
  std::vector<std::string> frames;
};

// Derives the number of entries, as a replica would derive more: from a checkpoint and what
// follows.
class Counter : public RecoveryObserver {
 public:
  bool OnCheckpoint(std::string_view state) override {
    TIDEMARK_CHECK_EQ(state.size(), 8u);
    count = LoadLittle<uint64_t>(state.data());
    checkpoint = count;
    return true;
  }
  void OnFrame(const Entry& entry, const BatchHeader&, std::string_view, WallTime) override {
    if (first == 0) first = entry.index.value();
    TIDEMARK_CHECK_EQ(entry.index.value(), first + seen);
    ++seen;
    ++count;
  }
  uint64_t checkpoint = 0;
  uint64_t count = 0;
  uint64_t first = 0;
  uint64_t seen = 0;
};

// A log on a MemoryDisk, and beside it the trivial model: the list of its frames.
class LogOnDisk : private CheckpointSource {
 public:
  explicit LogOnDisk(LogOptions log_options = {.segment_bytes = 8192,
                                               .index_interval_bytes = 300,
                                               .cache_bytes = 1000,
                                               .checkpoint_bytes = 2000,
                                               .index_memory_bytes = 300})
      : options(log_options) {
    TIDEMARK_CHECK(Reopen(LogIndex(0)).ok());
  }

  // Recovers from the disk as it is.
  absl::Status Reopen(LogIndex committed) {
    disk.SyncNames();
    const auto view = disk.View();
    Collector collector;
    absl::StatusOr<Log> recovered = Log::Recover(kGroup, options, *view, committed, &collector);
    if (!recovered.ok()) return recovered.status();
    log.emplace(*std::move(recovered));
    collector.frames.resize(std::min<size_t>(collector.frames.size(), log->last_index().value()));
    frames = collector.frames;
    outstanding.reset();
    log->SetCheckpointSource(this);
    return absl::OkStatus();
  }

  // `records` 0: a control frame.
  void Append(uint32_t records, size_t value_bytes, Term term) {
    std::string frame;
    if (records == 0) {
      frame = EncodeControlFrame(std::string(value_bytes, 'c'));
    } else {
      BatchBuilder builder;
      for (uint32_t i = 0; i < records; ++i) {
        builder.Add(std::nullopt,
                    std::string(value_bytes, static_cast<char>('a' + frames.size() % 26)), 1000);
      }
      frame = builder.Finish();
    }
    PatchBatch(frame.data(), log->next_offset(), term);
    frames.push_back(frame);
    versions.push_back(frames);
    wall += 10;
    log->Append(*EntryOf(log->last_index() + 1, Bytes::From(std::move(frame))),
                WallTime::FromMillis(wall));
  }

  void Truncate(LogIndex from) {
    log->TruncateSuffix(from);
    frames.resize(std::min<size_t>(frames.size(), from.value() - 1));
    versions.push_back(frames);
  }

  // Hands what is staged to the disk, which has not synced it yet.
  void Begin() {
    outstanding = log->TakeBatch();
    disk.Apply(*outstanding);
  }
  void Complete() {
    disk.Sync(*std::exchange(outstanding, std::nullopt));
    log->OnBatchDurable();
  }
  void Flush() {
    if (outstanding) Complete();
    while (log->has_staged()) {
      Begin();
      Complete();
    }
  }

  // Reads entry `index` the way the driver does.
  absl::StatusOr<std::vector<Entry>> Read(const FileRange& range) {
    const std::string& file = disk.Contents(range.file);
    return EntriesIn(range,
                     Bytes::Copy(std::string_view(file).substr(range.pos.value(), range.length)));
  }

  LogOptions options;
  MemoryDisk disk;
  std::optional<Log> log;
  std::vector<std::string> frames;
  // Every state of the log so far.
  std::vector<std::vector<std::string>> versions{{}};
  std::optional<FileBatch> outstanding;
  int64_t wall = 1'000'000;

 private:
  void AppendState(std::string& out) const override {
    AppendLittle<uint64_t>(out, log->last_index().value());
  }
};

}  // namespace tidemark
