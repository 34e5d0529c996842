#include "engine/log/segment_scrub.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/limits.h"
#include "engine/base/prng.h"
#include "engine/log/segment.h"
#include "engine/log/verify.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/scrub_fixture.h"

namespace tidemark {
namespace {

bool Covers(const std::vector<Finding>& findings, const FileId& file, uint64_t at) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& each) {
    return each.file == file && each.begin.value() <= at && at < each.end.value();
  });
}

// The bytes of the segment's two files that mean something.
uint64_t BytesIn(const SealedSegment& segment) { return segment.size + segment.sidecar_bytes; }
std::pair<FileId, uint64_t> ByteAt(const SealedSegment& segment, uint64_t at) {
  if (at < segment.size) return {segment.file(), at};
  return {segment.sidecar(), at - segment.size};
}

// A compacted log, and records behind it.
void FillSparse(KeyedLog& keyed) {
  for (size_t i = 0; i < 90; ++i) {
    keyed.term = Term(1 + i / 40);
    keyed.Put("key" + std::to_string(i * i % 11), std::string(300 + i % 50, 'v'));
    if (i % 13 == 0) keyed.PutControl("c" + std::to_string(i));
    if (i % 3 == 0) keyed.Flush();
  }
  keyed.Flush();
  TIDEMARK_CHECK(keyed.Compact().ok());
  keyed.Flush();
}

TEST(SegmentScrub, FindsNothingInHealthySegmentsAndReadsAllOfThem) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const std::vector<SealedSegment> segments = SealedSegments(*on_disk.log);
  ASSERT_GE(segments.size(), 4u);
  EXPECT_EQ(segments.front().base_index, LogIndex(1));
  uint64_t bytes = 0;
  for (const SealedSegment& segment : segments) {
    bytes += BytesIn(segment);
    const std::vector<Finding> found = ScrubOne(segment, on_disk.disk);
    EXPECT_TRUE(found.empty()) << found.front().what;
    EXPECT_TRUE(on_disk.log->Holds(segment));
  }
  EXPECT_EQ(on_disk.log->sealed_bytes(), bytes);
  // After a restart, which trusts the footers, too.
  on_disk.Flush();
  ASSERT_TRUE(on_disk.Reopen(on_disk.log->last_index()).ok());
  on_disk.Flush();
  EXPECT_EQ(SealedSegments(*on_disk.log).size(), segments.size());
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
}

TEST(SegmentScrub, LeavesASegmentAloneUntilItsFooterIsDurable) {
  LogOnDisk on_disk;
  on_disk.Append(1, 3000, Term(1));
  on_disk.Append(1, 3000, Term(1));
  on_disk.Begin();
  on_disk.Complete();
  on_disk.log->SetCommitted(on_disk.log->last_index());
  ASSERT_TRUE(on_disk.log->has_staged()) << "the footer";
  EXPECT_TRUE(SealedSegments(*on_disk.log).empty());
  on_disk.Begin();
  EXPECT_TRUE(SealedSegments(*on_disk.log).empty());
  on_disk.Complete();
  EXPECT_EQ(SealedSegments(*on_disk.log).size(), 1u);
}

TEST(SegmentScrub, FindsEveryFlippedByteAndNamesItsPlace) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  size_t flips = 0;
  for (const SealedSegment& segment : SealedSegments(*on_disk.log)) {
    for (uint64_t i = 0; i < BytesIn(segment); ++i) {
      const auto [file, at] = ByteAt(segment, i);
      char& byte = on_disk.disk.Contents(file)[at];
      const char mask = static_cast<char>(1 << i % 8);
      byte ^= mask;
      const std::vector<Finding> found = ScrubOne(segment, on_disk.disk);
      ASSERT_TRUE(Covers(found, file, at)) << PathOf(file) << " " << at << ": " << found.size();
      for (const Finding& each : found) {
        EXPECT_EQ(each.durable, file.kind == FileKind::kSegment) << each.what;
        EXPECT_EQ(each.kind, each.durable ? FindingKind::kRot : FindingKind::kStaleSidecar);
        EXPECT_EQ(each.file, file) << "the other file is blamed: " << each.what;
        EXPECT_LE(each.end_index, segment.end_index);
        EXPECT_LE(each.end_offset, segment.end_offset);
      }
      byte ^= mask;
      ++flips;
    }
  }
  EXPECT_GT(flips, 20'000u);
}

TEST(SegmentScrub, FindsEveryFlippedByteOfACompactedLog) {
  KeyedLog keyed;
  FillSparse(keyed);
  size_t sparse = 0;
  for (const SealedSegment& segment : SealedSegments(*keyed.log)) {
    sparse += segment.sparse ? 1 : 0;
    EXPECT_TRUE(ScrubOne(segment, keyed.disk).empty());
    for (uint64_t i = 0; i < BytesIn(segment); ++i) {
      const auto [file, at] = ByteAt(segment, i);
      char& byte = keyed.disk.Contents(file)[at];
      byte ^= 4;
      ASSERT_TRUE(Covers(ScrubOne(segment, keyed.disk), file, at)) << PathOf(file) << " " << at;
      byte ^= 4;
    }
  }
  EXPECT_GE(sparse, 1u);
  ASSERT_TRUE(keyed.Reopen().ok());
  keyed.Flush();
  EXPECT_TRUE(ScrubAll(*keyed.log, keyed.disk).empty());
}

// Where the frames are damaged it says what the offline verifier says: the same bytes and entries.
TEST(SegmentScrub, AgreesWithTheOfflineVerifierAboutOneDamagedFrame) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  for (const SealedSegment& segment : SealedSegments(*on_disk.log)) {
    for (const uint64_t at : {uint64_t{5000}, uint64_t{6001}, segment.size - 1}) {
      char& byte = on_disk.disk.Contents(segment.file())[at];
      byte ^= 16;
      const std::vector<Finding> found = ScrubOne(segment, on_disk.disk);
      const auto verified = VerifyGroup(kGroup, *on_disk.disk.View());
      byte ^= 16;
      ASSERT_TRUE(verified.ok());
      const auto same =
          std::find_if(verified->findings.begin(), verified->findings.end(),
                       [&](const Finding& each) { return each.file == segment.file(); });
      ASSERT_NE(same, verified->findings.end());
      ASSERT_EQ(found.size(), 1u);
      EXPECT_EQ(found[0].what, same->what);
      EXPECT_EQ(found[0].begin, same->begin);
      EXPECT_EQ(found[0].end, same->end);
      EXPECT_EQ(found[0].first_index, same->first_index);
      EXPECT_EQ(found[0].end_offset, same->end_offset);
    }
  }
}

TEST(SegmentScrub, GoesOnBehindDamageWithAndWithoutASidecar) {
  for (const bool sidecar : {true, false}) {
    LogOnDisk on_disk;
    FillSegments(on_disk);
    const SealedSegment segment = SealedSegments(*on_disk.log)[0];
    std::string& file = on_disk.disk.Contents(segment.file());
    file[kSegmentHeaderBytes + 80] ^= 1;
    file[segment.size - 5] ^= 1;
    if (!sidecar) on_disk.disk.Contents(segment.sidecar())[20] ^= 1;
    const std::vector<Finding> found = ScrubOne(segment, on_disk.disk);
    ASSERT_EQ(found.size(), sidecar ? 2u : 3u);
    EXPECT_EQ(found[0].begin, FilePos(kSegmentHeaderBytes));
    EXPECT_LE(found[0].end, found[1].begin);
    EXPECT_EQ(found[1].end, FilePos(segment.size));
    EXPECT_EQ(found[1].end_index, segment.end_index);
    EXPECT_EQ(found[1].end_offset, segment.end_offset);
  }
}

TEST(SegmentScrub, TellsFramesOfAnotherHistoryAndASidecarOfAnotherSegment) {
  LogOnDisk one;
  LogOnDisk two;
  for (LogOnDisk* on_disk : {&one, &two}) {
    for (size_t i = 0; i < 30; ++i) {
      on_disk->Append(1, i == 4 && on_disk == &two ? 301 : 300, Term(1));
      on_disk->Flush();
    }
    on_disk->log->SetCommitted(on_disk->log->last_index());
  }
  const SealedSegment segment = SealedSegments(*one.log)[0];
  const std::string frames = one.disk.Contents(segment.file());
  one.disk.Contents(segment.file()) = two.disk.Contents(segment.file());
  std::vector<Finding> found = ScrubOne(segment, one.disk);
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(found[0].durable);
  one.disk.Contents(segment.file()) = frames;
  one.disk.Contents(segment.sidecar()) = two.disk.Contents(segment.sidecar());
  found = ScrubOne(segment, one.disk);
  ASSERT_FALSE(found.empty());
  for (const Finding& each : found) {
    EXPECT_EQ(each.kind, FindingKind::kStaleSidecar) << each.what;
  }
}

TEST(SegmentScrub, ReportsWhatTheDiskCannotReadAndFilesCutShort) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const SealedSegment segment = SealedSegments(*on_disk.log)[1];
  for (int refused = 0; refused < 4; ++refused) {
    SegmentScrub scrub(segment);
    for (int i = 0; const auto read = scrub.NextRead(); ++i) {
      if (i == refused) {
        scrub.OnUnreadable("an input/output error");
      } else {
        scrub.OnRead(BytesOf(on_disk.disk, *read));
      }
    }
    const std::vector<Finding> found = scrub.TakeFindings();
    ASSERT_EQ(found.size(), 1u) << refused;
    EXPECT_NE(found[0].what.find("an input/output error"), std::string::npos);
  }
  for (const FileId& file : {segment.file(), segment.sidecar()}) {
    std::string& contents = on_disk.disk.Contents(file);
    const std::string whole = contents;
    const uint64_t used = file == segment.file() ? segment.size : whole.size();
    for (size_t size = 0; size < used; size += 97) {
      contents.resize(size);
      ASSERT_FALSE(ScrubOne(segment, on_disk.disk).empty()) << PathOf(file) << " " << size;
      contents = whole;
    }
  }
}

TEST(SegmentScrub, KeepsItsFindingsBounded) {
  LogOnDisk on_disk({.segment_bytes = 64 << 10, .index_interval_bytes = 300});
  for (size_t i = 0; i < 600; ++i) on_disk.Append(1, 100, Term(1));
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->last_index());
  const SealedSegment segment = SealedSegments(*on_disk.log)[0];
  std::string& file = on_disk.disk.Contents(segment.file());
  const size_t frame = on_disk.frames[0].size();
  for (size_t i = 1; i < 300; i += 2) file[kSegmentHeaderBytes + i * frame + 90] ^= 1;
  const std::vector<Finding> found = ScrubOne(segment, on_disk.disk);
  EXPECT_EQ(found.size(), kScrubFindingsMax);
  for (size_t i = 1; i < 300; i += 2) {
    EXPECT_TRUE(Covers(found, segment.file(), kSegmentHeaderBytes + i * frame + 90)) << i;
  }
}

RC_GTEST_PROP(SegmentScrub, EndsOnAnyBytesAndFindsWhatIsNotAsItWas, ()) {
  static const LogOnDisk* const healthy = [] {
    auto* on_disk = new LogOnDisk;
    FillSegments(*on_disk);
    return on_disk;
  }();
  const std::vector<SealedSegment> segments = SealedSegments(*healthy->log);
  const SealedSegment& segment = segments[*rc::gen::inRange<size_t>(0, segments.size())];
  DiskImage image = healthy->disk.Image();
  const DiskImage before = image;
  const auto edits = *rc::gen::container<std::vector<std::tuple<bool, uint16_t, uint8_t, uint8_t>>>(
      rc::gen::arbitrary<std::tuple<bool, uint16_t, uint8_t, uint8_t>>());
  for (const auto& [in_sidecar, where, length, value] : edits) {
    std::string& file = image[in_sidecar ? segment.sidecar() : segment.file()];
    const uint64_t used = in_sidecar ? segment.sidecar_bytes : segment.size;
    const size_t at = where % used;
    const size_t bytes = std::min<size_t>(length, used - at);
    file.replace(at, bytes, bytes, static_cast<char>(value));
  }
  const std::vector<Finding> found = ScrubOne(segment, MemoryDisk(image));
  RC_ASSERT(found.empty() == (image == before));
}

}  // namespace
}  // namespace tidemark
