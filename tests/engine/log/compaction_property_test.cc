#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/log/compaction_policy.h"
#include "tests/engine/log/compaction_fixture.h"

// Random histories of a log that is appended to and compacted, against a map: key -> last value.

namespace tidemark {
namespace {

constexpr Duration kRetention = Duration::Millis(40);

// A log as some reader may have seen it, until a pass replaced it.
struct Version {
  StoredLog log;
  WallTime until;
};

struct History {
  StoredLog original;  // as if never compacted
  StoredLog log;
  std::vector<Version> versions;
  CompactionCheckpoint checkpoint;
  FakeContext context;
  StoredLogWriter writer{original};
  int32_t next_sequence = 0;

  void Append(const std::vector<Record>& records, int64_t producer, Codec codec) {
    ProducerStamp stamp;
    if (producer >= 0) {
      stamp = {.producer_id = producer, .epoch = 0, .base_sequence = next_sequence};
      next_sequence += static_cast<int32_t>(records.size());
      context.last[producer] = writer.next_offset;
    }
    writer.Append(records, stamp, codec);
    log.push_back(original.back());
  }
  CompactionRange Range() const {
    return {.begin_index = LogIndex(1),
            .begins_at_log_start = true,
            .dirty_begin = checkpoint.clean_end,
            .settled_end = SettledEnd(checkpoint, writer.now, kRetention)};
  }
  Compacted Pass(const CompactorOptions& options, int64_t step) {
    return Compact(log, options, Range(), context, writer.now, step);
  }
  void Adopt(const Compacted& result) {
    versions.push_back({std::move(log), writer.now});
    log = result.out.log;
    checkpoint = AfterPass(checkpoint, result.clean_end, writer.now, kRetention);
  }
};

std::vector<Record> RecordsFrom(uint32_t word, uint64_t serial) {
  std::vector<Record> records(word % 4 + 1);
  word /= 4;
  for (Record& record : records) {
    const uint32_t key = word % 6;
    word /= 6;
    if (key < 5) record.key = std::string(1, static_cast<char>('a' + key));
    if (word % 3 != 0) record.value = std::to_string(++serial);
    word /= 3;
  }
  return records;
}

void CheckReaders(const History& history) {
  const KeyState expected = StateOf(history.original);
  RC_ASSERT(StateOf(history.log) == expected);
  const std::vector<StoredRecord> now = RecordsOf(history.log);
  // Who reads at a version until a pass replaces it has the retention to get to the end.
  for (const Version& version : history.versions) {
    if ((history.writer.now.millis() - version.until.millis()) >= kRetention.millis()) continue;
    const std::vector<StoredRecord> then = RecordsOf(version.log);
    KeyState prefix;
    for (size_t read = 0; read <= then.size(); ++read) {
      if (read > 0) Apply(then[read - 1], prefix);
      KeyState state = prefix;
      const Offset position = read == 0 ? Offset(0) : then[read - 1].offset + 1;
      for (const StoredRecord& record : now) {
        if (record.offset >= position) Apply(record, state);
      }
      RC_ASSERT(state == expected);
    }
  }
}

void CheckIsPartOf(const StoredLog& part, const StoredLog& whole) {
  const std::vector<StoredRecord> records = RecordsOf(part);
  const std::vector<StoredRecord> all = RecordsOf(whole);
  for (size_t i = 1; i < records.size(); ++i) {
    RC_ASSERT(records[i - 1].offset < records[i].offset);
  }
  for (const StoredRecord& record : records) {
    RC_ASSERT(all.at(record.offset.value()) == record);
  }
  for (const StoredFrame& frame : part) {
    const StoredFrame& original = whole.at(frame.index.value() - 1);
    RC_ASSERT(frame.append_time == original.append_time);
    const auto header = DecodeBatchHeader(frame.bytes);
    const auto before = DecodeBatchHeader(original.bytes);
    RC_ASSERT(header->base_offset == before->base_offset);
    RC_ASSERT(header->last_offset_delta == before->last_offset_delta);
    if (header->record_count == before->record_count) RC_ASSERT(frame == original);
  }
}

void CheckProducersAndOpaqueFrames(const History& history) {
  std::map<LogIndex, const StoredFrame*> kept;
  for (const StoredFrame& frame : history.log) kept[frame.index] = &frame;
  const auto at = [](const StoredLog& log, Offset offset) {
    return std::find_if(log.begin(), log.end(), [&](const StoredFrame& frame) {
      const auto header = DecodeBatchHeader(frame.bytes);
      return header->magic == EntryKind::kData && header->base_offset == offset;
    });
  };
  for (const auto& [producer, last] : history.context.last) {
    const auto found = at(history.log, last);
    RC_ASSERT(found != history.log.end());
    const auto header = DecodeBatchHeader(found->bytes);
    const auto before = DecodeBatchHeader(at(history.original, last)->bytes);
    RC_ASSERT(header->producer_id == producer);
    RC_ASSERT(header->producer_epoch == before->producer_epoch);
    RC_ASSERT(header->base_sequence == before->base_sequence);
  }
  for (const StoredFrame& frame : history.original) {
    const auto header = DecodeBatchHeader(frame.bytes);
    const bool opaque = header->magic == EntryKind::kControl || header->codec() != Codec::kNone;
    if (opaque) RC_ASSERT(kept.contains(frame.index) && *kept[frame.index] == frame);
  }
}

// Everything that can be read, compressed or not, is a record once or a tombstone.
void CheckIsClean(const History& history) {
  std::map<std::string, size_t> seen;
  for (const StoredFrame& frame : history.log) {
    const auto header = DecodeBatchHeader(frame.bytes);
    if (header->codec() != Codec::kNone) continue;
    for (const StoredRecord& record : RecordsOf({frame})) {
      if (record.key && record.offset < history.checkpoint.clean_end) {
        RC_ASSERT(++seen[*record.key] == 1u);
      }
    }
  }
}

RC_GTEST_PROP(CompactionProperty, ReadersSeeTheLastValueOfEveryKey, ()) {
  const auto words =
      *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, 1u << 30));
  const auto step = *rc::gen::element<int64_t>(1, 200, 5000, 1 << 20);
  const CompactorOptions options{.segment_bytes = kSegmentBytesMin,
                                 .keys_max = *rc::gen::element<size_t>(4, 5, 100),
                                 .tombstone_retention = kRetention,
                                 .seed = {.first = 9, .second = 9}};
  History history;
  uint64_t serial = 0;
  for (const uint32_t word : words) {
    switch (word % 8) {
      case 0:
        history.writer.now = WallTime::FromMillis(history.writer.now.millis() + word / 8 % 50);
        break;
      case 1:
        history.writer.AppendControl("no-op");
        history.log.push_back(history.original.back());
        break;
      case 2: {
        const Compacted result = history.Pass(options, step);
        RC_ASSERT(result.status.ok());
        // Neither the size of the steps nor a second pass at once changes anything.
        RC_ASSERT(history.Pass(options, 1 << 20).out.log == result.out.log);
        RC_ASSERT(
            Compact(result.out.log, options, history.Range(), history.context, history.writer.now)
                .out.log == result.out.log);
        history.Adopt(result);
        CheckReaders(history);
        CheckIsPartOf(history.log, history.original);
        CheckProducersAndOpaqueFrames(history);
        CheckIsClean(history);
        break;
      }
      default: {
        const uint32_t rest = word / 8;
        const Codec codec = rest % 16 == 0 ? Codec::kLz4 : Codec::kNone;
        const int64_t producer = static_cast<int64_t>(rest / 16 % 3) - 1;
        history.Append(RecordsFrom(rest / 48, serial), producer, codec);
        serial += 4;
      }
    }
  }
}

}  // namespace
}  // namespace tidemark
