#include "engine/log/recovery.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/prng.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

bool IsPrefix(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// What must hold of a log recovered after a crash: everything that was durable is there, and what
// is there is a beginning of something the log once was.
bool IsSound(const LogOnDisk& recovered, const std::vector<std::string>& durable) {
  return IsPrefix(durable, recovered.frames) &&
         recovered.frames.size() == recovered.log->last_index().value() &&
         std::any_of(recovered.versions.begin(), recovered.versions.end(),
                     [&](const auto& version) { return IsPrefix(recovered.frames, version); });
}

// A random life: append, cut, flush, crash, recover.
void Live(uint64_t seed, MemoryDisk::Tear tear, size_t steps) {
  Prng prng(seed);
  LogOnDisk on_disk;
  LogIndex committed{0};
  uint64_t term = 1;
  for (size_t step = 0; step < steps; ++step) {
    Log& log = *on_disk.log;
    const uint64_t action = prng.Below(100);
    if (action < 50) {
      term += prng.Below(8) == 0 ? 1 : 0;
      const uint32_t records = static_cast<uint32_t>(prng.Below(4));
      on_disk.Append(records, prng.Below(prng.Chance(1, 8) ? 6000 : 400), Term(term));
    } else if (action < 60 && log.last_index() > committed) {
      on_disk.Truncate(LogIndex(prng.Between(committed.value() + 1, log.last_index().value() + 1)));
      ++term;
    } else if (action < 75 && !on_disk.outstanding && log.has_staged()) {
      on_disk.Begin();
    } else if (action < 88 && on_disk.outstanding) {
      on_disk.Complete();
    } else if (action < 92) {
      committed = LogIndex(
          prng.Between(committed.value(), std::max(committed, log.durable_index()).value() + 1));
      if (prng.Chance(1, 2)) log.SetCommitted(committed);
    } else if (action >= 94) {
      const std::vector<std::string> durable(
          on_disk.frames.begin(),
          on_disk.frames.begin() + static_cast<ptrdiff_t>(log.durable_index().value()));
      // Otherwise only the process dies, and the page cache lives on.
      on_disk.light = prng.Chance(2, 3);
      if (prng.Chance(4, 5)) on_disk.disk.Crash(tear, [&](size_t n) { return prng.Below(n); });
      const absl::Status status = on_disk.Reopen(committed);
      RC_ASSERT(std::string(status.message()) == std::string());
      RC_ASSERT(IsSound(on_disk, durable));
      term += 1;
    }
    RC_ASSERT(on_disk.frames.size() == on_disk.log->last_index().value());
  }
  // In the end everything reads back from the disk as it was appended.
  on_disk.Flush();
  RC_ASSERT(on_disk.log->durable_index() == on_disk.log->last_index());
  for (LogIndex index{1}; index <= on_disk.log->last_index(); ++index) {
    auto entries = on_disk.Read(on_disk.log->RangeOf(index, 1));
    RC_ASSERT(entries.ok());
    // A range may begin before what was asked for.
    while (entries->front().index < index) entries->erase(entries->begin());
    RC_ASSERT(entries->front().index == index);
    RC_ASSERT(entries->front().frame.view() == on_disk.frames[index.value() - 1]);
    RC_ASSERT(on_disk.log->TermAt(index) == entries->front().term);
    if (index >= on_disk.log->committed_index()) {
      RC_ASSERT(on_disk.log->EndOffsetOf(index) == entries->front().end_offset());
    }
  }
}

RC_GTEST_PROP(RecoveryModel, AnySubsetOfUnsyncedFilesLeavesADurablePrefix, (uint64_t seed)) {
  Live(seed, MemoryDisk::Tear::kWholeFiles, 120);
}

RC_GTEST_PROP(RecoveryModel, AnySubsetOfUnsyncedSectorsLeavesADurablePrefix, (uint64_t seed)) {
  Live(seed, MemoryDisk::Tear::kSectors, 120);
}

// Runs `script` with a crash after each of its disk steps, and every outcome of each crash (whole
// files and names survive or not, up to `outcomes_max`).
template <typename Script>
size_t CrashEverywhere(Script script, size_t outcomes_max) {
  size_t crashes = 0;
  for (size_t stop = 0;; ++stop) {
    bool reached_end = false;
    std::vector<size_t> choices;  // an odometer over the decisions of one crash
    for (size_t outcome = 0; outcome < outcomes_max; ++outcome) {
      LogOnDisk on_disk;
      size_t countdown = stop;
      // Returns false when the power fails.
      const auto alive = [&] { return countdown-- > 0; };
      reached_end = script(on_disk, alive);
      const std::vector<std::string> durable(
          on_disk.frames.begin(),
          on_disk.frames.begin() + static_cast<ptrdiff_t>(on_disk.log->durable_index().value()));
      size_t depth = 0;
      std::vector<size_t> bounds;
      on_disk.disk.Crash(MemoryDisk::Tear::kWholeFiles, [&](size_t n) {
        if (depth == choices.size()) choices.push_back(0);
        bounds.push_back(n);
        return choices[depth++];
      });
      choices.resize(depth);
      ++crashes;
      const absl::Status status = on_disk.Reopen(LogIndex(0));
      EXPECT_TRUE(status.ok()) << status.message() << " at step " << stop;
      if (!status.ok()) return crashes;
      EXPECT_TRUE(IsSound(on_disk, durable))
          << "step " << stop << " outcome " << outcome << ": recovered " << on_disk.frames.size()
          << " durable " << durable.size();
      while (!choices.empty() && ++choices.back() == bounds[choices.size() - 1]) choices.pop_back();
      if (choices.empty()) break;
    }
    if (reached_end) return crashes;
  }
}

TEST(RecoveryExhaustive, EveryCrashOfAShortLifeLeavesADurablePrefix) {
  const size_t crashes = CrashEverywhere(
      [](LogOnDisk& on_disk, const auto& alive) {
        for (int round = 0; round < 2; ++round) {
          for (int i = 0; i < 3; ++i) on_disk.Append(1, 1500, Term(round + 1));
          if (!alive()) return false;
          on_disk.Begin();
          if (!alive()) return false;
          on_disk.Append(0, 3000, Term(round + 1));
          if (!alive()) return false;
          on_disk.Complete();
          if (!alive()) return false;
          on_disk.Begin();
          if (!alive()) return false;
          on_disk.Complete();
          if (!alive()) return false;
        }
        return true;
      },
      4096);
  EXPECT_GT(crashes, 50u);
}

// SCENARIOS R18: crash in the middle of a suffix truncation over several segments.
TEST(RecoveryExhaustive, EveryCrashOfACutOverSeveralSegmentsLeavesNoHole) {
  const size_t crashes = CrashEverywhere(
      [](LogOnDisk& on_disk, const auto& alive) {
        for (int i = 0; i < 8; ++i) on_disk.Append(1, 1900, Term(1));  // two to a segment
        on_disk.Flush();
        on_disk.Truncate(LogIndex(2));
        if (!alive()) return false;
        on_disk.Append(1, 1900, Term(2));
        on_disk.Append(1, 1900, Term(2));
        if (!alive()) return false;
        while (on_disk.log->has_staged()) {
          on_disk.Begin();
          if (!alive()) return false;
          on_disk.Complete();
          if (!alive()) return false;
        }
        return true;
      },
      4096);
  EXPECT_GT(crashes, 50u);
}

TEST(RecoveryExhaustive, EveryCrashAfterARestartAmidACutLeavesNoHole) {
  const size_t crashes = CrashEverywhere(
      [](LogOnDisk& on_disk, const auto& alive) {
        for (int i = 0; i < 6; ++i) {
          on_disk.Append(1, 1900, Term(1));
          on_disk.Flush();
        }
        on_disk.Truncate(LogIndex(2));
        on_disk.Append(1, 1900, Term(2));
        on_disk.Begin();
        // The process dies, the page cache does not.
        EXPECT_TRUE(on_disk.Reopen(LogIndex(0)).ok());
        while (on_disk.log->has_staged()) {
          on_disk.Begin();
          if (!alive()) return false;
          on_disk.Complete();
          if (!alive()) return false;
        }
        return true;
      },
      4096);
  EXPECT_GT(crashes, 20u);
}

// A small, flushed log in two segments.
LogOnDisk SmallLog() {
  LogOnDisk on_disk;
  for (int i = 0; i < 6; ++i) {
    on_disk.Append(i % 3 == 2 ? 0 : 2, 500, Term(1 + i / 4));
    on_disk.Flush();
  }
  return on_disk;
}

// Recovers the damaged copy of `original` and reads everything in it. Returns false if damage was
// reported; dies on wrong data.
bool SurvivesUnchanged(const LogOnDisk& original, LogOnDisk& damaged, LogIndex committed) {
  const absl::Status status = damaged.Reopen(committed);
  if (!status.ok()) {
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)) << status.message();
    EXPECT_GT(status.message().size(), 60u) << "says what to do";
    return false;
  }
  EXPECT_TRUE(IsPrefix(damaged.frames, original.frames));
  EXPECT_GE(damaged.frames.size(), committed.value());
  damaged.Flush();
  for (LogIndex index{1}; index <= damaged.log->last_index(); ++index) {
    const auto entries = damaged.Read(damaged.log->RangeOf(index, 1));
    EXPECT_TRUE(entries.ok());
    if (!entries.ok()) return false;
    EXPECT_EQ(entries->front().frame.view(), original.frames[index.value() - 1]);
  }
  return true;
}

void CopyDisk(MemoryDisk& from, MemoryDisk& to) {
  FileBatch copy;
  for (const FileId& each : from.Files()) {
    copy.ops.push_back(CreateFile{each, 0});
    copy.ops.push_back(WriteFile{each, FilePos(0), {Bytes::Copy(from.Contents(each))}});
    copy.sync.push_back(each);
  }
  to.ApplyAndSync(copy);
}

TEST(RecoveryRot, NoFlippedByteBecomesWrongData) {
  LogOnDisk original = SmallLog();
  size_t refused = 0;
  for (const FileId& file : original.disk.Files()) {
    const size_t size = original.disk.Contents(file).size();
    for (size_t at = 0; at < size; ++at) {
      LogOnDisk damaged;
      CopyDisk(original.disk, damaged.disk);
      damaged.disk.Contents(file)[at] ^= at % 2 == 0 ? '\x01' : '\x80';
      if (!SurvivesUnchanged(original, damaged, LogIndex(4))) ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

FileId Segment(uint64_t number) { return {kGroup, FileKind::kSegment, number}; }
FileId Index(uint64_t number) { return {kGroup, FileKind::kIndex, number}; }

// Five frames of one segment, flushed one by one unless `together`.
LogOnDisk FiveFrames(bool together = false) {
  LogOnDisk on_disk({.segment_bytes = 1 << 16, .index_interval_bytes = 300});
  for (int i = 0; i < 5; ++i) {
    on_disk.Append(1, 1000, Term(1));
    if (!together) on_disk.Flush();
  }
  on_disk.Flush();
  return on_disk;
}

size_t PositionOf(const LogOnDisk& on_disk, uint64_t index) {
  return on_disk.log->RangeOf(LogIndex(index), 1).pos.value();
}

void RemoveIndexes(LogOnDisk& on_disk) {
  FileBatch batch;
  for (const FileId& file : on_disk.disk.Files()) {
    if (file.kind == FileKind::kIndex) batch.ops.push_back(RemoveFile{file});
  }
  on_disk.disk.ApplyAndSync(batch);
}

void ExpectRot(const absl::Status& status) {
  EXPECT_TRUE(absl::IsDataLoss(status)) << status.message();
  const std::string message(status.message());
  EXPECT_NE(message.find("g0000000000000007/"), std::string::npos) << message;
  EXPECT_NE(message.find("bytes "), std::string::npos) << message;
  EXPECT_NE(message.find("move this node's data directory away"), std::string::npos) << message;
}

TEST(Recovery, KeepsEverythingWithoutItsSidecars) {
  LogOnDisk on_disk = FiveFrames();
  const std::vector<std::string> frames = on_disk.frames;
  RemoveIndexes(on_disk);
  ASSERT_TRUE(on_disk.Reopen(LogIndex(0)).ok());
  EXPECT_EQ(on_disk.frames, frames);
  on_disk.Append(1, 10, Term(1));
  on_disk.Flush();
  ASSERT_TRUE(on_disk.Reopen(LogIndex(6)).ok());
  EXPECT_EQ(on_disk.frames.size(), 6u);
}

TEST(Recovery, DropsATornTailAndContinuesBehindIt) {
  LogOnDisk on_disk = FiveFrames();
  on_disk.disk.Contents(Segment(1))
      .replace(PositionOf(on_disk, 5) + 300, 30000, std::string(30000, '\0'));
  RemoveIndexes(on_disk);
  ASSERT_TRUE(on_disk.Reopen(LogIndex(4)).ok());
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(4));
  on_disk.Append(1, 500, Term(2));
  on_disk.Flush();
  const std::vector<std::string> frames = on_disk.frames;
  ASSERT_TRUE(on_disk.Reopen(LogIndex(5)).ok());
  EXPECT_EQ(on_disk.frames, frames);
}

TEST(Recovery, NeverWritesOverATornTail) {
  // Frame 5 was lost, frame 6 of the same flush was not: written over, it could be taken for the
  // frame behind a new frame 5.
  LogOnDisk on_disk = FiveFrames();
  const size_t fifth = PositionOf(on_disk, 5);
  const size_t index_bytes = on_disk.disk.Contents(Index(1)).size();
  on_disk.Append(1, 1000, Term(1));
  on_disk.Flush();
  on_disk.disk.Contents(Segment(1)).replace(fifth, 1024, std::string(1024, '\0'));
  on_disk.disk.Contents(Index(1)).resize(index_bytes * 4 / 5);
  ASSERT_TRUE(on_disk.Reopen(LogIndex(4)).ok());
  ASSERT_EQ(on_disk.log->last_index(), LogIndex(4));
  const std::string before = on_disk.disk.Contents(Segment(1));
  on_disk.Append(1, 1000, Term(1));
  on_disk.Flush();
  EXPECT_EQ(on_disk.disk.Contents(Segment(1)), before);
  ASSERT_TRUE(on_disk.Reopen(LogIndex(5)).ok());
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(5));
}

TEST(Recovery, RefusesATornTailBelowTheCommitIndex) {
  LogOnDisk on_disk = FiveFrames();
  on_disk.disk.Contents(Segment(1))
      .replace(PositionOf(on_disk, 5) + 300, 30000, std::string(30000, '\0'));
  RemoveIndexes(on_disk);
  ExpectRot(on_disk.Reopen(LogIndex(5)));
}

TEST(Recovery, RefusesALossThatTheSidecarVouchesFor) {
  // Frame 4 was durable when the sidecar's entry of frame 5 was written.
  LogOnDisk on_disk = FiveFrames();
  on_disk.disk.Contents(Segment(1))
      .replace(PositionOf(on_disk, 4), 30000, std::string(30000, '\0'));
  ExpectRot(on_disk.Reopen(LogIndex(0)));
  // In one flush, nothing vouches for any of them: the sidecar's entries may have survived alone.
  LogOnDisk together = FiveFrames(true);
  together.disk.Contents(Segment(1))
      .replace(PositionOf(together, 4), 30000, std::string(30000, '\0'));
  ASSERT_TRUE(together.Reopen(LogIndex(0)).ok());
  EXPECT_EQ(together.log->last_index(), LogIndex(3));
}

TEST(Recovery, RefusesAChangedFrameWithIntactOnesBehindIt) {
  LogOnDisk on_disk = FiveFrames(true);
  RemoveIndexes(on_disk);
  on_disk.disk.Contents(Segment(1))[PositionOf(on_disk, 3) + 500] ^= 1;
  ExpectRot(on_disk.Reopen(LogIndex(0)));
}

TEST(Recovery, TakesALostSectorInFrontOfIntactFramesForTorn) {
  LogOnDisk on_disk = FiveFrames(true);
  RemoveIndexes(on_disk);
  const size_t sector = (PositionOf(on_disk, 3) / 512 + 1) * 512;
  on_disk.disk.Contents(Segment(1)).replace(sector, 512, std::string(512, '\0'));
  ASSERT_TRUE(on_disk.Reopen(LogIndex(0)).ok());
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(2));
}

// SCENARIOS L13: a sealed segment cut short is accepted silently.
TEST(Recovery, RefusesASealedSegmentThatIsCutShort) {
  for (const bool with_index : {true, false}) {
    LogOnDisk on_disk;
    for (int i = 0; i < 6; ++i) {
      on_disk.Append(1, 1900, Term(1));
      on_disk.Flush();
    }
    if (!with_index) RemoveIndexes(on_disk);
    std::string& sealed = on_disk.disk.Contents(Segment(1));
    sealed.resize(sealed.size() - 1500);
    ExpectRot(on_disk.Reopen(LogIndex(0)));
  }
}

TEST(Recovery, RefusesALogWithASegmentMissing) {
  for (uint64_t missing = 1; missing <= 3; ++missing) {
    LogOnDisk on_disk;
    for (int i = 0; i < 6; ++i) {
      on_disk.Append(1, 1900, Term(1));
      on_disk.Flush();
    }
    on_disk.disk.ApplyAndSync({.ops = {RemoveFile{Segment(missing)}}, .sync = {}});
    const absl::Status status = on_disk.Reopen(LogIndex(6));
    EXPECT_TRUE(absl::IsDataLoss(status)) << status.message();
    if (missing < 3) ExpectRot(on_disk.Reopen(LogIndex(0)));
  }
}

TEST(Recovery, RefusesAnEmptyDirectoryWhoseLogWasCommitted) {
  LogOnDisk on_disk;
  const absl::Status status = on_disk.Reopen(LogIndex(1));
  EXPECT_TRUE(absl::IsDataLoss(status));
}

TEST(Recovery, RefusesFilesThatWereCopiedOrRenamed) {
  LogOnDisk on_disk = FiveFrames();
  on_disk.disk.ApplyAndSync({.ops = {RenameFile{Segment(1), Segment(4)}}, .sync = {}});
  EXPECT_TRUE(absl::IsFailedPrecondition(on_disk.Reopen(LogIndex(0))));
}

TEST(Recovery, WritesAgainWhatItCannotVouchFor) {
  LogOnDisk on_disk = FiveFrames(true);
  ASSERT_TRUE(on_disk.Reopen(LogIndex(2)).ok());
  EXPECT_EQ(on_disk.log->last_index(), LogIndex(5));
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(2));
  const size_t third = PositionOf(on_disk, 2) + on_disk.frames[1].size();
  const FileBatch batch = on_disk.log->TakeBatch();
  const auto* write = std::get_if<WriteFile>(&batch.ops.front());
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->pos.value(), third);
  EXPECT_EQ(write->data.front().view(), on_disk.frames[2] + on_disk.frames[3] + on_disk.frames[4]);
  EXPECT_EQ(batch.sync, std::vector<FileId>{Segment(1)});
  on_disk.log->OnBatchDurable();
  EXPECT_EQ(on_disk.log->durable_index(), LogIndex(5));
}

TEST(Recovery, RemovesSidecarsWithoutASegment) {
  LogOnDisk on_disk = FiveFrames();
  on_disk.disk.ApplyAndSync({.ops = {CreateFile{Index(2), 0}}, .sync = {}});
  ASSERT_TRUE(on_disk.Reopen(LogIndex(5)).ok());
  on_disk.Flush();
  EXPECT_FALSE(on_disk.disk.Exists(Index(2)));
}

TEST(Recovery, ShowsTheObserverEveryEntryInOrder) {
  LogOnDisk on_disk;
  for (uint32_t i = 0; i < 12; ++i) on_disk.Append(i % 3, 700, Term(1 + i / 5));
  on_disk.Flush();
  const auto view = on_disk.disk.View();
  Collector collector;
  ASSERT_TRUE(Log::Recover(kGroup, on_disk.options, *view, LogIndex(12), &collector).ok());
  ASSERT_EQ(collector.frames, on_disk.frames);
  Offset offset{0};
  for (uint32_t i = 0; i < 12; ++i) {
    EXPECT_EQ(collector.entries[i].index, LogIndex(i + 1));
    EXPECT_EQ(collector.entries[i].term, Term(1 + i / 5));
    EXPECT_EQ(collector.entries[i].base_offset, offset);
    offset = offset + i % 3;
  }
}

TEST(RecoveryRot, NoShortenedFileBecomesWrongData) {
  LogOnDisk original = SmallLog();
  size_t refused = 0;
  for (const FileId& file : original.disk.Files()) {
    const size_t size = original.disk.Contents(file).size();
    for (size_t length = 0; length < size; length += 7) {
      LogOnDisk damaged;
      CopyDisk(original.disk, damaged.disk);
      damaged.disk.Contents(file).resize(length);
      if (!SurvivesUnchanged(original, damaged, LogIndex(4))) ++refused;
    }
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace tidemark
