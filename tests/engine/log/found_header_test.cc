#include "engine/log/found_header.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/log/segment.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

FileId Segment(uint64_t number) { return {kGroup, FileKind::kSegment, number}; }

std::vector<SealedSegment> SealedOf(const Log& log) {
  std::vector<SealedSegment> segments;
  LogIndex after;
  while (const auto segment = log.SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    segments.push_back(*segment);
  }
  return segments;
}

struct Found {
  absl::Status status;
  std::optional<Log> log;
  RecoveredDamage damage;
};

Found Recover(const MemoryDisk& disk, const LogOptions& options, LogIndex start = LogIndex(1)) {
  Found found;
  const auto view = disk.View();
  absl::StatusOr<Log> log =
      RecoverUpToDamage(kGroup, options, *view, LogIndex(1), nullptr, start, {}, found.damage);
  found.status = log.status();
  if (log.ok()) found.log.emplace(*std::move(log));
  return found;
}

// The header in `file` is lost; but for that nothing is as it was not.
void ExpectRestored(MemoryDisk& disk, const LogOptions& options, const SealedSegment& segment,
                    std::string damaged_head, LogIndex start = LogIndex(1)) {
  const Found before = Recover(disk, options, start);
  ASSERT_TRUE(before.status.ok()) << before.status;
  std::string& file = disk.Contents(segment.file());
  const std::string whole = file;
  file.replace(0, damaged_head.size(), damaged_head);
  const Found found = Recover(disk, options, start);
  file = whole;
  ASSERT_TRUE(found.status.ok()) << found.status;
  EXPECT_FALSE(found.damage.given_up.has_value());
  ASSERT_EQ(found.damage.segments.size(), 1u);
  EXPECT_EQ(found.damage.segments[0].file, segment.file());
  EXPECT_EQ(found.log->last_index(), before.log->last_index());
  EXPECT_EQ(found.log->digest(), before.log->digest());
  EXPECT_EQ(found.log->start_offset(), before.log->start_offset());
  EXPECT_EQ(found.log->committed_index(), before.log->committed_index());
  const std::vector<SealedSegment> now = SealedOf(*found.log);
  const std::vector<SealedSegment> then = SealedOf(*before.log);
  ASSERT_EQ(now.size(), then.size());
  for (size_t i = 0; i < now.size(); ++i) {
    EXPECT_EQ(now[i].number, then[i].number);
    EXPECT_EQ(now[i].base_index, then[i].base_index);
    EXPECT_EQ(now[i].base_offset, then[i].base_offset);
    EXPECT_EQ(now[i].end_index, then[i].end_index);
    EXPECT_EQ(now[i].end_offset, then[i].end_offset);
    EXPECT_EQ(now[i].previous_term, then[i].previous_term);
    EXPECT_EQ(now[i].previous_number, then[i].previous_number);
    EXPECT_EQ(now[i].base_digest, then[i].base_digest);
    EXPECT_EQ(now[i].digest, then[i].digest);
    EXPECT_EQ(now[i].end_digest, then[i].end_digest);
    EXPECT_EQ(now[i].last_number, then[i].last_number);
  }
}

LogOnDisk SeveralSegments() {
  LogOnDisk on_disk;
  for (uint32_t i = 0; i < 40; ++i) {
    on_disk.Append(i % 3, 800, Term(1 + i / 7));
    on_disk.Flush();
    on_disk.log->SetCommitted(on_disk.log->durable_index());
  }
  on_disk.Flush();
  return on_disk;
}

TEST(FoundHeader, R26AFullSegmentWhoseHeaderIsLostIsKnownFromThoseAroundIt) {
  LogOnDisk on_disk = SeveralSegments();
  const std::vector<SealedSegment> segments = SealedOf(*on_disk.log);
  ASSERT_GT(segments.size(), 3u);
  for (const SealedSegment& segment : segments) {
    const std::string head = on_disk.disk.Contents(segment.file()).substr(0, kSegmentHeaderBytes);
    for (const size_t at : {size_t{0}, size_t{33}, size_t{85}, size_t{3000}}) {
      std::string damaged = head;
      damaged[at] = static_cast<char>(damaged[at] ^ 4);
      ExpectRestored(on_disk.disk, on_disk.options, segment, damaged);
    }
    ExpectRestored(on_disk.disk, on_disk.options, segment, std::string(kSegmentHeaderBytes, '\0'));
  }
}

TEST(FoundHeader, R26SeveralOfThemAreKnownFromEachOther) {
  LogOnDisk on_disk = SeveralSegments();
  const std::vector<SealedSegment> segments = SealedOf(*on_disk.log);
  for (const SealedSegment& segment : segments) on_disk.disk.Contents(segment.file())[40] ^= 1;
  const Found found = Recover(on_disk.disk, on_disk.options);
  ASSERT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(found.damage.segments.size(), segments.size());
  EXPECT_EQ(found.log->digest(), on_disk.log->digest());
  EXPECT_EQ(SealedOf(*found.log).size(), segments.size());
}

TEST(FoundHeader, R26WhatWasBeforeTheFirstOneItsCheckpointTells) {
  LogOnDisk on_disk = SeveralSegments();
  const LogIndex start = SealedOf(*on_disk.log)[1].base_index;
  on_disk.log->TruncatePrefix(start);
  on_disk.Flush();
  const SealedSegment first = SealedOf(*on_disk.log).front();
  ASSERT_EQ(first.base_index, start);
  ExpectRestored(on_disk.disk, on_disk.options, first, std::string(kSegmentHeaderBytes, 'x'),
                 start);
}

TEST(FoundHeader, WithoutItsFooterTheSegmentIsRefusedByName) {
  LogOnDisk on_disk = SeveralSegments();
  const SealedSegment segment = SealedOf(*on_disk.log)[1];
  on_disk.disk.Contents(segment.file())[40] ^= 1;
  on_disk.disk.Contents(segment.sidecar()).back() ^= 1;
  const Found found = Recover(on_disk.disk, on_disk.options);
  EXPECT_TRUE(absl::IsDataLoss(found.status)) << found.status;
  EXPECT_NE(found.status.message().find(PathOf(segment.file())), std::string::npos);
}

TEST(FoundHeader, WhoeverHasNobodyToAskRefusesByName) {
  LogOnDisk on_disk = SeveralSegments();
  const SealedSegment segment = SealedOf(*on_disk.log)[1];
  on_disk.disk.Contents(segment.file())[40] ^= 1;
  const absl::Status status = on_disk.Reopen(LogIndex(1));
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find(PathOf(segment.file())), std::string::npos);
}

TEST(FoundHeader, R26AFileThatIsCutShortIsDamageLikeAnyOther) {
  LogOnDisk on_disk = SeveralSegments();
  const SealedSegment segment = SealedOf(*on_disk.log)[1];
  for (const uint64_t size : {uint64_t{0}, uint64_t{1000}, segment.size - 1}) {
    on_disk.disk.Contents(segment.file()).resize(size);
    const Found found = Recover(on_disk.disk, on_disk.options);
    ASSERT_TRUE(found.status.ok()) << size << ": " << found.status;
    ASSERT_EQ(found.damage.segments.size(), 1u);
    EXPECT_EQ(found.damage.segments[0].file, segment.file());
    EXPECT_EQ(found.log->digest(), on_disk.log->digest());
  }
}

TEST(FoundHeader, R26OneThatCompactionWroteIsWhatIsMissingBetweenTwoOthers) {
  KeyedLog keyed;
  for (int i = 0; i < 60; ++i) {
    keyed.Put("k" + std::to_string(i % 40), std::string(700, 'v'));
    keyed.Flush();
  }
  ASSERT_TRUE(keyed.Compact().ok());
  size_t sparse = 0;
  for (const SealedSegment& segment : SealedOf(*keyed.log)) {
    if (!segment.sparse) continue;
    ++sparse;
    ExpectRestored(keyed.disk, keyed.options, segment, std::string(kSegmentHeaderBytes, '\0'));
    ExpectRestored(keyed.disk, keyed.options, segment, std::string(100, 'x'));
  }
  EXPECT_GT(sparse, 1u);
}

TEST(FoundHeader, ASegmentThatNeverBecameWholeIsNone) {
  LogOnDisk on_disk = SeveralSegments();
  const uint64_t next = on_disk.log->next_number();
  FileBatch batch;
  batch.ops.push_back(CreateFile{Segment(next), 8192});
  on_disk.disk.ApplyAndSync(batch);
  const Found found = Recover(on_disk.disk, on_disk.options);
  ASSERT_TRUE(found.status.ok()) << found.status;
  EXPECT_TRUE(found.damage.segments.empty());
  EXPECT_EQ(found.log->digest(), on_disk.log->digest());
}

}  // namespace
}  // namespace tidemark
