#include <gtest/gtest.h>

#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

// 1: control, 2: offsets 0-2, 3: offsets 3-5, 4: control, 5: offsets 6-7; one segment.
LogOnDisk Mixed() {
  LogOnDisk on_disk({.segment_bytes = 1 << 20});
  for (const uint32_t records : {0u, 3u, 3u, 0u, 2u}) on_disk.Append(records, 50, Term(1));
  on_disk.Flush();
  return on_disk;
}

Bytes Read(LogOnDisk& on_disk, const FileRange& range) {
  return Bytes::Copy(
      std::string_view(on_disk.disk.Contents(range.file)).substr(range.pos.value(), range.length));
}

TEST(Ranges, HoldWholeFramesUpToTheLimit) {
  LogOnDisk on_disk = Mixed();
  const Log& log = *on_disk.log;
  for (uint64_t bytes : {uint64_t{1}, uint64_t{300}, uint64_t{1} << 40}) {
    for (LogIndex first{1}; first <= LogIndex(5); ++first) {
      const FileRange range = log.RangeOf(first, bytes);
      const auto entries = EntriesIn(range, Read(on_disk, range));
      ASSERT_TRUE(entries.ok()) << entries.status().message();
      EXPECT_EQ(entries->front().index, first);
      if (bytes > 1000) {
        EXPECT_EQ(entries->back().index, LogIndex(5));
      }
      if (bytes == 1) {
        EXPECT_EQ(entries->size(), 1u);
      }
    }
  }
  const auto limited = log.RangeOfOffset(Offset(0), LogIndex(2), 1 << 20);
  ASSERT_TRUE(limited.ok());
  EXPECT_EQ(EntriesIn(*limited, Read(on_disk, *limited))->back().index, LogIndex(2));
}

TEST(Ranges, NeverReachPastWhatIsDurable) {
  LogOnDisk on_disk = Mixed();
  on_disk.Append(1, 50, Term(1));
  const Log& log = *on_disk.log;
  EXPECT_EQ(log.RangeOfOffset(Offset(8), LogIndex(6), 100).status().code(),
            absl::StatusCode::kOutOfRange);
  const auto range = log.RangeOfOffset(Offset(0), LogIndex(6), 1 << 20);
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(EntriesIn(*range, Read(on_disk, *range))->back().index, LogIndex(5));
}

TEST(Consumers, SeeDataFramesOnlyAsRunsWithoutCopies) {
  LogOnDisk on_disk = Mixed();
  const FileRange range = on_disk.log->RangeOf(LogIndex(1), 1 << 20);
  const Bytes bytes = Read(on_disk, range);
  const auto runs = ConsumerFrames(range, bytes, Offset(0), Offset(8));
  ASSERT_TRUE(runs.ok());
  ASSERT_EQ(runs->size(), 2u);
  EXPECT_EQ(runs->front().view(), on_disk.frames[1] + on_disk.frames[2]);
  EXPECT_EQ(runs->back().view(), on_disk.frames[4]);
  EXPECT_GE(runs->front().data(), bytes.data());
  EXPECT_LT(runs->front().data(), bytes.data() + bytes.size());
}

TEST(Consumers, GetTheBatchThatStraddlesTheirOffsetWhole) {
  LogOnDisk on_disk = Mixed();
  const FileRange range = on_disk.log->RangeOf(LogIndex(1), 1 << 20);
  const auto runs = ConsumerFrames(range, Read(on_disk, range), Offset(2), Offset(6));
  ASSERT_TRUE(runs.ok());
  ASSERT_EQ(runs->size(), 1u);
  EXPECT_EQ(runs->front().view(), on_disk.frames[1] + on_disk.frames[2]);
  EXPECT_TRUE(ConsumerFrames(range, Read(on_disk, range), Offset(8), Offset(8))->empty());
}

// SCENARIOS L8: rot is never served.
TEST(Reading, NoDamagedByteIsHandedOut) {
  LogOnDisk on_disk = Mixed();
  const FileRange range = on_disk.log->RangeOf(LogIndex(1), 1 << 20);
  const std::string good(Read(on_disk, range).view());
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] ^= 1;
    const auto entries = EntriesIn(range, Bytes::From(damaged));
    EXPECT_TRUE(absl::IsDataLoss(entries.status())) << at;
    EXPECT_NE(std::string(entries.status().message()).find(".log"), std::string::npos);
    EXPECT_TRUE(
        absl::IsDataLoss(EntriesIn(range, Bytes::Copy(good.substr(0, good.size() - 1))).status()));
  }
}

// Seeds 21646 and 22457 of profile disk: no checksum covers terms, nor, where compaction has left
// gaps, offsets.
TEST(Reading, NoFrameOfALaterTermOrBehindItsRangeIsHandedOut) {
  LogOnDisk on_disk = Mixed();
  on_disk.Append(1, 50, Term(3));
  on_disk.Flush();
  const FileRange both = on_disk.log->RangeOf(LogIndex(1), 1 << 20);
  EXPECT_EQ(both.min_term, Term(1));
  EXPECT_EQ(both.max_term, Term(3));
  std::string frames(Read(on_disk, both).view());
  frames[15] = 4;
  EXPECT_TRUE(absl::IsDataLoss(EntriesIn(both, Bytes::From(frames)).status()));

  KeyedLog keyed;
  for (int i = 0; i < 100; ++i) keyed.Put(std::to_string(i % 9), std::string(500, 'v'));
  keyed.Flush();
  ASSERT_TRUE(keyed.Compact().ok());
  const auto range = keyed.log->RangeOfOffset(Offset(0), keyed.log->last_index(), 1);
  ASSERT_TRUE(range.ok() && range->sparse);
  const Offset end = keyed.log->next_offset();
  std::string compacted =
      keyed.disk.Contents(range->file).substr(range->pos.value(), range->length);
  EXPECT_TRUE(ConsumerFrames(*range, Bytes::Copy(compacted), Offset(0), end).ok());
  for (size_t byte = 0; byte < 7; ++byte) {
    std::string damaged = compacted;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 1);
    EXPECT_TRUE(
        absl::IsDataLoss(ConsumerFrames(*range, Bytes::From(damaged), Offset(0), end).status()))
        << byte;
  }
}

}  // namespace
}  // namespace tidemark
