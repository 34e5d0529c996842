#include "engine/log/verify.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "absl/strings/str_cat.h"
#include "engine/base/crc32c.h"
#include "engine/base/prng.h"
#include "engine/log/hard_state.h"
#include "engine/log/index.h"
#include "engine/log/segment.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

FileId SegmentFile(uint64_t number) { return {kGroup, FileKind::kSegment, number}; }
FileId Sidecar(uint64_t number) { return {kGroup, FileKind::kIndex, number}; }
const FileId kHardState{kGroup, FileKind::kHardState, 0};

GroupVerification Verify(const LogOnDisk& on_disk) {
  absl::StatusOr<GroupVerification> result = VerifyGroup(kGroup, *on_disk.disk.View());
  TIDEMARK_CHECK(result.ok());
  return *std::move(result);
}

void WriteHardState(LogOnDisk& on_disk, LogIndex commit) {
  for (uint64_t generation = 1; generation <= 2; ++generation) {
    FileBatch batch;
    AppendHardState(kGroup,
                    {.generation = generation,
                     .term = Term(9),
                     .vote = NodeId(2),
                     .commit = commit,
                     .start = LogIndex(1)},
                    batch);
    on_disk.disk.ApplyAndSync(batch);
  }
}

// Three segments or more, with a cut in it, all durable.
void Fill(LogOnDisk& on_disk, size_t entries = 40) {
  for (size_t i = 0; i < entries; ++i) {
    on_disk.Append(static_cast<uint32_t>(i % 4), 100 + i * 7 % 400, Term(1 + i / 10));
    if (i % 3 == 0) on_disk.Flush();
    if (i == 20) on_disk.Truncate(LogIndex(18));
  }
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->last_index());
  WriteHardState(on_disk, on_disk.log->last_index());
}

// Where entry `index` is.
FileRange RangeOf(LogOnDisk& on_disk, LogIndex index) {
  const std::string& frame = on_disk.frames[index.value() - 1];
  for (const FileId& file : on_disk.disk.Files()) {
    const size_t pos = on_disk.disk.Contents(file).rfind(frame);
    if (file.kind != FileKind::kSegment || pos == std::string::npos) continue;
    return {.file = file, .pos = FilePos(pos), .length = static_cast<uint32_t>(frame.size())};
  }
  TIDEMARK_CHECK(false);
  return {};
}

bool Covers(const Finding& finding, const FileId& file, uint64_t at) {
  return finding.file == file && finding.begin.value() <= at && at < finding.end.value();
}

TEST(Verify, FindsNothingInAHealthyLogAndCountsIt) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const GroupVerification result = Verify(on_disk);
  EXPECT_TRUE(result.findings.empty()) << result.findings.front().what;
  EXPECT_FALSE(result.refuses());
  EXPECT_FALSE(result.cut.has_value());
  EXPECT_EQ(result.frames, on_disk.frames.size());
  EXPECT_EQ(result.records, on_disk.log->next_offset().value());
  EXPECT_EQ(result.end_index, on_disk.log->last_index() + 1);
  EXPECT_EQ(result.end_offset, on_disk.log->next_offset());
  EXPECT_GE(result.segments, 3u);
}

TEST(Verify, NamesBytesEntriesAndOffsetsOfRotAndGoesOnBehindIt) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const LogIndex first{6};
  const LogIndex second{30};
  const FileRange one = RangeOf(on_disk, first);
  const FileRange two = RangeOf(on_disk, second);
  on_disk.disk.Contents(one.file)[one.pos.value() + 70] ^= 1;
  on_disk.disk.Contents(two.file)[two.pos.value() + 3] ^= 1;  // its offset
  const GroupVerification result = Verify(on_disk);
  ASSERT_EQ(result.findings.size(), 2u);
  for (const auto& [finding, range, index] :
       {std::tuple(result.findings[0], one, first), {result.findings[1], two, second}}) {
    EXPECT_EQ(finding.kind, FindingKind::kRot);
    EXPECT_TRUE(finding.durable);
    EXPECT_EQ(finding.file, range.file);
    EXPECT_EQ(finding.begin, range.pos);
    EXPECT_EQ(finding.end, range.pos + range.length);
    EXPECT_EQ(finding.first_index, index);
    EXPECT_EQ(finding.end_index, index + 1);
    const Entry entry = *EntryOf(index, Bytes::Copy(on_disk.frames[index.value() - 1]));
    EXPECT_EQ(finding.first_offset, entry.base_offset);
    EXPECT_EQ(finding.end_offset, entry.end_offset());
  }
  // Everything from the first damage on would be lost by going on without it.
  ASSERT_TRUE(result.cut.has_value());
  EXPECT_EQ(result.cut->index, first);
  EXPECT_EQ(result.cut->end_index, on_disk.log->last_index() + 1);
  EXPECT_EQ(result.cut->ranges.front().begin, one.pos);
  EXPECT_EQ(result.cut->keep_end, one.pos);
  EXPECT_EQ(result.cut->end_offset, on_disk.log->next_offset());
}

TEST(Verify, TellsWhichOfTwoFramesHasTheChangedTerm) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const FileRange range = RangeOf(on_disk, LogIndex(25));
  on_disk.disk.Contents(range.file)[range.pos.value() + 12] ^= 1;  // far above the next one's
  const GroupVerification result = Verify(on_disk);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].begin, range.pos);
  EXPECT_EQ(result.findings[0].first_index, LogIndex(25));
}

TEST(Verify, CallsWhatACrashLeftATornTail) {
  LogOnDisk on_disk;
  Fill(on_disk, 12);
  on_disk.Append(2, 3000, Term(5));
  on_disk.Begin();
  const LogIndex index = on_disk.log->last_index();
  // Of the flush under way only the first sector arrived.
  const FileRange range = RangeOf(on_disk, index);
  std::string& file = on_disk.disk.Contents(range.file);
  const size_t arrived = (range.pos.value() / 512 + 1) * 512;
  file.replace(arrived, file.size() - arrived, file.size() - arrived, '\0');
  on_disk.disk.Contents(Sidecar(range.file.number)).resize(8);
  const GroupVerification result = Verify(on_disk);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].kind, FindingKind::kTornTail);
  EXPECT_EQ(result.findings[0].begin, range.pos);
  EXPECT_FALSE(result.findings[0].durable);
  EXPECT_FALSE(result.refuses());
  EXPECT_TRUE(on_disk.Reopen(LogIndex(12)).ok());
}

TEST(Verify, NamesAMissingSegmentAndItsEntries) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const FileRange range = RangeOf(on_disk, LogIndex(15));
  on_disk.disk.ApplyAndSync({.ops = {RemoveFile{range.file}}});
  const GroupVerification result = Verify(on_disk);
  ASSERT_GE(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].kind, FindingKind::kMissingFile);
  EXPECT_EQ(result.findings[0].file, range.file);
  EXPECT_LE(result.findings[0].first_index, LogIndex(15));
  EXPECT_GT(result.findings[0].end_index, LogIndex(15));
  EXPECT_TRUE(result.refuses());
}

TEST(Verify, NamesAMissingEnd) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const FileId last = on_disk.log->RangeOf(on_disk.log->last_index(), 1).file;
  on_disk.disk.ApplyAndSync({.ops = {RemoveFile{last}, RemoveFile{Sidecar(last.number)}}});
  const GroupVerification result = Verify(on_disk);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].kind, FindingKind::kMissingFile);
  EXPECT_EQ(result.findings[0].end_index, on_disk.log->last_index() + 1);
  EXPECT_TRUE(result.refuses());
}

TEST(Verify, CallsADamagedSidecarStaleAndLosesNothing) {
  LogOnDisk on_disk;
  Fill(on_disk);
  std::string& sidecar = on_disk.disk.Contents(Sidecar(1));
  sidecar[100] ^= 1;
  const GroupVerification result = Verify(on_disk);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].kind, FindingKind::kStaleSidecar);
  EXPECT_TRUE(Covers(result.findings[0], Sidecar(1), 100));
  EXPECT_FALSE(result.refuses());
  EXPECT_FALSE(result.cut.has_value());
}

TEST(Verify, GoesOnBehindADamagedHeader) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const FileRange range = RangeOf(on_disk, LogIndex(34));
  on_disk.disk.Contents(range.file)[40] ^= 1;
  on_disk.disk.Contents(range.file)[range.pos.value() + 70] ^= 1;
  const GroupVerification result = Verify(on_disk);
  ASSERT_GE(result.findings.size(), 2u);
  EXPECT_TRUE(Covers(result.findings[0], range.file, 40));
  EXPECT_TRUE(Covers(result.findings[1], range.file, range.pos.value() + 70));
}

TEST(Verify, SaysThatAPromiseIsLostOnlyWhenAllCopiesOfTheHardStateAre) {
  LogOnDisk on_disk;
  Fill(on_disk);
  for (const size_t copy : {0, 1, 3}) on_disk.disk.Contents(kHardState)[copy * 2048 + 20] ^= 1;
  GroupVerification result = Verify(on_disk);
  EXPECT_EQ(result.findings.size(), 3u);
  EXPECT_FALSE(result.refuses());
  on_disk.disk.Contents(kHardState)[2 * 2048 + 20] ^= 1;
  result = Verify(on_disk);
  ASSERT_GE(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].file, kHardState);
  EXPECT_TRUE(result.refuses());
  EXPECT_FALSE(result.cut.has_value());
}

TEST(Verify, RefusesFilesOfAnotherVersion) {
  LogOnDisk on_disk;
  Fill(on_disk);
  std::string& file = on_disk.disk.Contents(SegmentFile(1));
  file[8] = 9;
  StoreLittle(file.data() + 88, Crc32c(std::string_view(file).substr(0, 88)));
  const auto result = VerifyGroup(kGroup, *on_disk.disk.View());
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status()));
}

// A random log, all of it durable.
void Live(LogOnDisk& on_disk, Prng& prng) {
  uint64_t term = 1;
  for (size_t step = 0; step < 40; ++step) {
    term += prng.Below(8) == 0 ? 1 : 0;
    on_disk.Append(static_cast<uint32_t>(prng.Below(4)), prng.Below(prng.Chance(1, 8) ? 4000 : 300),
                   Term(term));
    if (prng.Chance(1, 3)) on_disk.Flush();
    if (prng.Chance(1, 15)) {
      const uint64_t last = on_disk.log->last_index().value();
      on_disk.Truncate(LogIndex(last - prng.Below(std::min<uint64_t>(last, 4))));
      ++term;
    }
  }
  on_disk.Append(1, 10, Term(term));
  on_disk.Flush();
  if (prng.Chance(1, 2)) on_disk.log->SetCommitted(on_disk.log->last_index());
  WriteHardState(on_disk, prng.Chance(1, 2) ? on_disk.log->last_index() : LogIndex(0));
}

RC_GTEST_PROP(VerifyProperty, AChangedByteIsCoveredByAFindingOrNeverRead, (uint64_t seed)) {
  Prng prng(seed);
  LogOnDisk on_disk;
  Live(on_disk, prng);
  const std::vector<std::string> frames = on_disk.frames;
  const uint64_t digest = on_disk.log->digest();
  const GroupVerification before = Verify(on_disk);
  RC_ASSERT(before.findings.empty());
  const std::vector<FileId> files = on_disk.disk.Files();
  for (int i = 0; i < 30; ++i) {
    const FileId file = files[prng.Below(files.size())];
    std::string& contents = on_disk.disk.Contents(file);
    if (contents.empty()) continue;
    const size_t at = prng.Below(contents.size());
    const char was = contents[at];
    contents[at] = static_cast<char>(was ^ (1 << prng.Below(8)));
    const GroupVerification result = Verify(on_disk);
    const bool covered =
        std::any_of(result.findings.begin(), result.findings.end(),
                    [&](const Finding& finding) { return Covers(finding, file, at); });
    const auto view = on_disk.disk.View();
    Collector collector;
    const absl::StatusOr<HardStateRecord> hard_state = DecodeHardState(*view->Contents(kHardState));
    RC_ASSERT(hard_state.ok());
    const absl::StatusOr<Log> log =
        Log::Recover(kGroup, on_disk.options, *view, hard_state->commit, &collector);
    // It says what a start says; only a term that was raised at the end it sees better: a start
    // has no other frame left then to hold against it.
    RC_ASSERT(result.refuses() || log.ok());
    if (result.refuses() && log.ok()) {
      RC_ASSERT(result.findings.front().what.find("term") != std::string::npos);
    }
    if (!covered) {
      RC_ASSERT(result.findings.empty());
      RC_ASSERT(log->digest() == digest);
      collector.frames.resize(std::min<size_t>(collector.frames.size(), log->last_index().value()));
      RC_ASSERT(collector.frames == frames);
    }
    contents[at] = was;
  }
}

GroupVerification Verify(const KeyedLog& keyed) {
  absl::StatusOr<GroupVerification> result = VerifyGroup(kGroup, *keyed.disk.View());
  TIDEMARK_CHECK(result.ok());
  return *std::move(result);
}

// Compacted several times and appended to between, all durable: numbers are not in the order of the
// log any more.
void LiveCompacted(KeyedLog& keyed, Prng& prng) {
  for (uint64_t pass = 1 + prng.Below(3); pass > 0; --pass) {
    for (uint64_t i = 30 + prng.Below(60); i > 0; --i) {
      const std::string key = absl::StrCat("key", prng.Below(9));
      if (prng.Chance(1, 8)) {
        keyed.PutNoise();
      } else if (prng.Chance(1, 8)) {
        keyed.Put(key, std::nullopt);
      } else {
        keyed.Put(key, std::string(prng.Below(900), 'v'));
      }
      if (prng.Chance(1, 12)) ++keyed.term;
      if (prng.Chance(1, 3)) keyed.Flush();
    }
    keyed.Flush();
    (void)keyed.Compact();
  }
  keyed.Put("last", "v");
  keyed.Flush();
}

RC_GTEST_PROP(VerifyProperty, ACompactedLogIsHealthyAndAChangedByteIsFound, (uint64_t seed)) {
  Prng prng(seed);
  KeyedLog keyed;
  keyed.read_all = true;
  LiveCompacted(keyed, prng);
  const GroupVerification before = Verify(keyed);
  RC_ASSERT(before.findings.empty());
  RC_ASSERT(before.end_index == keyed.log->last_index() + 1);
  RC_ASSERT(before.end_offset == keyed.log->next_offset());
  RC_ASSERT(!before.cut.has_value());
  const std::vector<std::string> frames = keyed.Consume();
  const std::vector<FileId> files = keyed.disk.Files();
  for (int i = 0; i < 20; ++i) {
    const FileId file = files[prng.Below(files.size())];
    std::string& contents = keyed.disk.Contents(file);
    if (contents.empty()) continue;
    const size_t at = prng.Below(contents.size());
    const char was = std::exchange(contents[at], static_cast<char>(contents[at] ^ 1));
    if (Verify(keyed).findings.empty()) {
      RC_ASSERT(keyed.Reopen().ok());
      RC_ASSERT(keyed.Consume() == frames);
    }
    contents[at] = was;
  }
}

// The first segment that compaction wrote.
FileId SparseFile(KeyedLog& keyed) {
  for (const FileId& file : keyed.disk.Files()) {
    if (file.kind != FileKind::kSegment) continue;
    const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(keyed.disk.Contents(file));
    if (header.ok() && header->sparse.has_value()) return file;
  }
  TIDEMARK_CHECK(false);
  return {};
}

TEST(Verify, TellsRotInACompactedSegmentAndGoesOnBehindIt) {
  Prng prng(7);
  KeyedLog keyed;
  LiveCompacted(keyed, prng);
  const FileId file = SparseFile(keyed);
  keyed.disk.Contents(file)[kSegmentHeaderBytes + 70] ^= 1;
  const GroupVerification result = Verify(keyed);
  ASSERT_EQ(result.findings.size(), 1u);
  EXPECT_EQ(result.findings[0].file, file);
  EXPECT_EQ(result.findings[0].begin, FilePos(kSegmentHeaderBytes));
  EXPECT_TRUE(result.refuses());
  EXPECT_EQ(result.end_index, keyed.log->last_index() + 1);
}

TEST(Verify, ACompactedSegmentWithoutItsFooterIsLostOnlyWithWhatItStandsFor) {
  Prng prng(7);
  KeyedLog keyed;
  LiveCompacted(keyed, prng);
  const FileId file = SparseFile(keyed);
  std::string& sidecar = keyed.disk.Contents({kGroup, FileKind::kIndex, file.number});
  sidecar.back() = static_cast<char>(sidecar.back() ^ 1);
  EXPECT_TRUE(Verify(keyed).refuses());

  // Not written yet: what it would stand for is there.
  KeyedLog young;
  for (int i = 0; i < 60; ++i) young.Put("key", std::string(500, 'v'));
  young.Flush();
  ASSERT_TRUE(young.BeginPass());
  ASSERT_TRUE(young.Work().ok());
  ASSERT_TRUE(young.log->has_compaction_batch());
  young.disk.ApplyAndSync(young.log->TakeCompactionBatch());
  const GroupVerification result = Verify(young);
  EXPECT_TRUE(result.findings.empty()) << result.findings[0].what;
  EXPECT_EQ(result.leftover_files, 2u);
}

// Any state that a crash leaves is no reason to refuse, for verify as for recovery.
RC_GTEST_PROP(VerifyProperty, AgreesWithRecoveryAfterCrashes, (uint64_t seed)) {
  Prng prng(seed);
  LogOnDisk on_disk;
  Live(on_disk, prng);
  for (int i = 0; i < 6; ++i) {
    on_disk.Append(static_cast<uint32_t>(prng.Below(4)), prng.Below(4000), Term(1000));
    if (!on_disk.outstanding) on_disk.Begin();
    if (prng.Chance(1, 4)) on_disk.Complete();
  }
  on_disk.disk.Crash(MemoryDisk::Tear::kSectors, [&](size_t n) { return prng.Below(n); });
  RC_ASSERT(!Verify(on_disk).refuses());
  RC_ASSERT(on_disk.Reopen(LogIndex(0)).ok());
}

}  // namespace
}  // namespace tidemark
