#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"
#include "engine/log/compaction.h"
#include "engine/log/record_walk.h"

// Logs in memory, and a pass of compaction over them.

namespace tidemark {

struct StoredFrame {
  LogIndex index;
  WallTime append_time;
  std::string bytes;
  friend bool operator==(const StoredFrame&, const StoredFrame&) = default;
};
using StoredLog = std::vector<StoredFrame>;

// Appends to a log as a leader does.
class StoredLogWriter {
 public:
  explicit StoredLogWriter(StoredLog& log) : log_(log) {}

  // Returns the batch's first offset. `codec` marks the batch as compressed, and leaves it as it is
  // for tests that look inside.
  Offset Append(std::span<const Record> records, ProducerStamp stamp = {},
                Codec codec = Codec::kNone) {
    std::string frame = *EncodeBatch(records, stamp);
    StoreBig(frame.data() + 21, static_cast<uint16_t>(codec));
    StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
    const Offset first = next_offset;
    Store(std::move(frame));
    next_offset = next_offset + records.size();
    return first;
  }
  // One record with a key; without a value it is a tombstone.
  Offset Put(const std::string& key, std::optional<std::string> value, ProducerStamp stamp = {}) {
    const Record record{.key = key, .value = std::move(value)};
    return Append({&record, 1}, stamp);
  }
  LogIndex AppendControl(std::string_view payload) {
    Store(EncodeControlFrame(payload));
    return log_.back().index;
  }

  LogIndex next_index{1};
  Offset next_offset;
  WallTime now;

 private:
  void Store(std::string frame) {
    PatchBatch(frame.data(), next_offset, Term(1));
    log_.push_back({.index = next_index, .append_time = now, .bytes = std::move(frame)});
    ++next_index;
  }

  StoredLog& log_;
};

class FakeContext final : public CompactionContext {
 public:
  std::optional<Offset> LastBatchOf(int64_t producer_id) const override {
    const auto found = last.find(producer_id);
    return found == last.end() ? std::nullopt : std::optional(found->second);
  }
  bool IsSuperseded(const CompactionFrame& control) const override {
    return superseded.contains(control.index);
  }

  std::map<int64_t, Offset> last;
  std::set<LogIndex> superseded;
};

class CollectingSink final : public CompactionSink {
 public:
  void OnSegment(LogIndex begin_index, Offset begin_offset) override {
    segments.emplace_back(begin_index, begin_offset);
    frames_in_segment.push_back(0);
  }
  void OnFrame(const CompactionFrame& frame, const BatchHeader& header, bool rewritten) override {
    TIDEMARK_CHECK(!segments.empty());
    TIDEMARK_CHECK(BatchChecksumMatches(frame.bytes));
    const absl::StatusOr<BatchHeader> again = DecodeBatchHeader(frame.bytes);
    TIDEMARK_CHECK(again.ok());
    TIDEMARK_CHECK_EQ(again->crc, header.crc);
    TIDEMARK_CHECK_EQ(again->record_count, header.record_count);
    TIDEMARK_CHECK_EQ(again->total_bytes(), frame.bytes.size());
    log.push_back({.index = frame.index,
                   .append_time = frame.append_time,
                   .bytes = std::string(frame.bytes)});
    rewritten_frames += rewritten ? 1 : 0;
    ++frames_in_segment.back();
  }

  StoredLog log;
  std::vector<std::pair<LogIndex, Offset>> segments;
  std::vector<size_t> frames_in_segment;
  size_t rewritten_frames = 0;
};

struct Compacted {
  absl::Status status;
  CollectingSink out;
  CompactionStats stats;
  Offset clean_end;
};

// A whole pass over `log`, at most about `step` bytes of work at a time.
inline Compacted Compact(const StoredLog& log, const CompactorOptions& options,
                         const CompactionRange& range, const CompactionContext& context,
                         WallTime now, int64_t step = 1 << 20) {
  using Progress = Compactor::Progress;
  Compacted result;
  Compactor compactor(options, range);
  int64_t budget = step;
  const auto again = [&](Progress progress) {
    if (progress != Progress::kMore) return false;
    TIDEMARK_CHECK_LE(budget, 0);
    budget = step;
    return true;
  };
  bool full = false;
  for (const StoredFrame& frame : log) {
    if (LoadBig<uint64_t>(frame.bytes.data()) < range.dirty_begin.value()) continue;
    absl::StatusOr<Progress> progress = Progress::kMore;
    do {
      progress = compactor.FeedDirty({frame.index, frame.append_time, frame.bytes}, budget);
      if (!progress.ok()) {
        result.status = progress.status();
        return result;
      }
    } while (again(*progress));
    full = *progress == Progress::kFull;
    if (full) break;
  }
  compactor.BeginRewrite(now);
  for (const StoredFrame& frame : log) {
    absl::StatusOr<Progress> progress = Progress::kMore;
    do {
      progress = compactor.Rewrite({frame.index, frame.append_time, frame.bytes}, context,
                                   result.out, budget);
      if (!progress.ok()) {
        result.status = progress.status();
        return result;
      }
    } while (again(*progress));
    TIDEMARK_CHECK(*progress == Progress::kDone);
  }
  result.stats = compactor.stats();
  result.clean_end = compactor.clean_end();
  return result;
}

struct StoredRecord {
  Offset offset;
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t timestamp_ms = 0;
  friend bool operator==(const StoredRecord&, const StoredRecord&) = default;
};

// All records of a log, those in "compressed" batches too.
inline std::vector<StoredRecord> RecordsOf(const StoredLog& log) {
  std::vector<StoredRecord> records;
  for (const StoredFrame& frame : log) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame.bytes);
    TIDEMARK_CHECK(header.ok());
    RecordWalk walk(std::string_view(frame.bytes).substr(kBatchHeaderBytes));
    for (uint32_t i = 0; i < header->record_count; ++i) {
      RecordView view;
      TIDEMARK_CHECK(walk.Next(view) == nullptr);
      StoredRecord& record = records.emplace_back();
      record.offset = header->base_offset + static_cast<uint64_t>(view.offset_delta);
      // A producer's times are anything; what they overflow to is the same before and after.
      record.timestamp_ms = static_cast<int64_t>(static_cast<uint64_t>(header->base_timestamp_ms) +
                                                 static_cast<uint64_t>(view.timestamp_delta_ms));
      if (view.key) record.key = std::string(*view.key);
      if (view.value) record.value = std::string(*view.value);
    }
    TIDEMARK_CHECK(header->magic == EntryKind::kControl || walk.at_end());
  }
  return records;
}

// What a reader of these records ends up with.
using KeyState = std::map<std::string, std::string>;
inline void Apply(const StoredRecord& record, KeyState& state) {
  if (!record.key) return;
  if (record.value) {
    state[*record.key] = *record.value;
  } else {
    state.erase(*record.key);
  }
}
inline KeyState StateOf(const StoredLog& log) {
  KeyState state;
  for (const StoredRecord& record : RecordsOf(log)) Apply(record, state);
  return state;
}

inline std::vector<uint64_t> OffsetsOf(const StoredLog& log) {
  std::vector<uint64_t> offsets;
  for (const StoredRecord& record : RecordsOf(log)) offsets.push_back(record.offset.value());
  return offsets;
}

}  // namespace tidemark
