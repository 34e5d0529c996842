#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <functional>

#include "engine/log/segment.h"
#include "engine/log/verify.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/scrub_fixture.h"

// Replacing the files of full segments while the log is in use.

namespace tidemark {
namespace {

std::string FramesOf(const MemoryDisk& disk, const SealedSegment& segment) {
  return std::string(
      disk.Read(segment.file()).substr(kSegmentHeaderBytes, segment.size - kSegmentHeaderBytes));
}

// Hands `frames` in and executes the batches; `each` is called after every single operation and
// sync.
absl::Status Replace(
    Log& log, MemoryDisk& disk, LogIndex after, const ReplacementFiles& files,
    std::string_view frames, const std::function<void()>& each = [] {}) {
  absl::Status status = log.BeginReplacement(after, files);
  while (status.ok() && log.replacing()) {
    if (const size_t room = std::min<size_t>(log.replacement_room(), 333); room > 0) {
      status = log.FeedReplacement(
          frames.substr(log.replacement_pos().value() - kSegmentHeaderBytes, room));
    }
    if (!log.has_replacement_batch()) continue;
    const FileBatch batch = log.TakeReplacementBatch();
    for (const FileOp& op : batch.ops) {
      disk.ApplyOne(op);
      each();
    }
    for (const FileId& file : batch.sync) {
      disk.SyncFile(file);
      each();
    }
    if (MemoryDisk::ChangesNames(batch)) disk.SyncNames();
    each();
    log.OnReplacementBatchDurable();
    each();
  }
  return status;
}

// Everything a consumer can read is right or refused.
void ExpectReadsRightOrRefused(LogOnDisk& on_disk, bool all) {
  for (LogIndex index{1}; index <= on_disk.log->durable_index(); ++index) {
    const FileRange range = on_disk.log->RangeOf(index, 300);
    const auto entries = on_disk.Read(range);
    if (!entries.ok()) {
      EXPECT_FALSE(all) << entries.status().message();
      EXPECT_TRUE(absl::IsDataLoss(entries.status()));
      continue;
    }
    for (const Entry& entry : *entries) {
      ASSERT_EQ(entry.frame.view(), on_disk.frames[entry.index.value() - 1]);
    }
  }
}

TEST(LogReplacement, MakesADamagedSegmentWholeAndIsSeenByNobody) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  for (const SealedSegment& segment : SealedSegments(*on_disk.log)) {
    const std::string frames = FramesOf(on_disk.disk, segment);
    std::string& file = on_disk.disk.Contents(segment.file());
    file[10] ^= 1;
    file[kSegmentHeaderBytes + 99] ^= 1;
    file.resize(segment.size - 30);
    on_disk.disk.Contents(segment.sidecar())[100] ^= 1;
    EXPECT_FALSE(ScrubOne(segment, on_disk.disk).empty());
    ASSERT_TRUE(Replace(*on_disk.log, on_disk.disk, segment.base_index - 1, {}, frames, [&] {
                  ExpectReadsRightOrRefused(on_disk, false);
                }).ok());
    EXPECT_EQ(FramesOf(on_disk.disk, segment), frames);
  }
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
  ExpectReadsRightOrRefused(on_disk, true);
  // The log goes on, and a restart finds nothing to complain about.
  on_disk.Append(2, 100, on_disk.log->last_term());
  on_disk.Flush();
  for (const FileId& file : on_disk.disk.Files()) EXPECT_NE(file.kind, FileKind::kTemporary);
  const auto verified = VerifyGroup(kGroup, *on_disk.disk.View());
  ASSERT_TRUE(verified.ok());
  EXPECT_TRUE(verified->findings.empty()) << verified->findings.front().what;
  const std::vector<std::string> frames = on_disk.frames;
  ASSERT_TRUE(on_disk.Reopen(on_disk.log->last_index()).ok());
  EXPECT_EQ(on_disk.frames, frames);
  on_disk.Flush();
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
}

TEST(LogReplacement, MakesASidecarAnewFromTheFramesThatAreThere) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  for (const SealedSegment& segment : SealedSegments(*on_disk.log)) {
    const std::string file = on_disk.disk.Contents(segment.file());
    on_disk.disk.Contents(segment.sidecar()) = "rubbish";
    ASSERT_TRUE(Replace(*on_disk.log, on_disk.disk, segment.base_index - 1,
                        {.segment = false, .sidecar = true}, FramesOf(on_disk.disk, segment))
                    .ok());
    EXPECT_EQ(on_disk.disk.Contents(segment.file()), file);
  }
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
  ExpectReadsRightOrRefused(on_disk, true);
  EXPECT_TRUE(VerifyGroup(kGroup, *on_disk.disk.View())->findings.empty());
  // Look-ups by time are as early as before at most.
  const Offset early = on_disk.log->OffsetAtTime(WallTime::FromMillis(1'000'300));
  ASSERT_TRUE(on_disk.Reopen(on_disk.log->last_index()).ok());
  EXPECT_EQ(on_disk.log->OffsetAtTime(WallTime::FromMillis(1'000'300)), early);
}

TEST(LogReplacement, ReplacesACompactedSegmentByTheSameBytesOnly) {
  KeyedLog keyed;
  for (size_t i = 0; i < 90; ++i) {
    keyed.Put("key" + std::to_string(i % 7), std::string(400, 'v'));
    if (i % 3 == 0) keyed.Flush();
  }
  keyed.Flush();
  ASSERT_TRUE(keyed.Compact().ok());
  const SealedSegment segment = SealedSegments(*keyed.log)[0];
  ASSERT_TRUE(segment.sparse);
  const std::string frames = FramesOf(keyed.disk, segment);
  EXPECT_TRUE(absl::IsUnimplemented(keyed.log->BeginReplacement(LogIndex(0), {})));
  const ReplacementFiles only_segment{.segment = true, .sidecar = false};
  keyed.disk.Contents(segment.file())[4200] ^= 1;
  std::string other = frames;
  other[70] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(Replace(*keyed.log, keyed.disk, LogIndex(0), only_segment, other)));
  ASSERT_TRUE(Replace(*keyed.log, keyed.disk, LogIndex(0), only_segment, frames).ok());
  EXPECT_TRUE(ScrubAll(*keyed.log, keyed.disk).empty());
  keyed.Flush();
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_EQ(keyed.Read(), keyed.Expected());
}

struct CrashCounts {
  uint64_t points = 0;
  uint64_t old_files = 0;
  uint64_t new_files = 0;
};

// Replaces both files of segment `number_of`, which are damaged; the power fails after every single
// operation and sync, with every outcome.
void CrashReplacementOf(size_t number_of, CrashCounts& counts) {
  LogOnDisk on_disk;
  FillSegments(on_disk, 40);
  const SealedSegment segment = SealedSegments(*on_disk.log)[number_of];
  const std::string frames = FramesOf(on_disk.disk, segment);
  on_disk.disk.Contents(segment.file())[kSegmentHeaderBytes + 70] ^= 1;
  on_disk.disk.Contents(segment.sidecar())[70] ^= 1;
  // As after a restart: all of it is durable.
  on_disk.disk = MemoryDisk(on_disk.disk.Image());
  const std::string rotten = on_disk.disk.Contents(segment.file());
  const std::string old_sidecar = on_disk.disk.Contents(segment.sidecar());
  const auto judge = [&](const DiskImage& image) {
    const std::string& file = image.at(segment.file());
    // Its header is made anew, too; the verifier has the last word on that.
    const bool is_new = file.substr(kSegmentHeaderBytes) == frames;
    ASSERT_TRUE(is_new || file == rotten);
    ++(is_new ? counts.new_files : counts.old_files);
    const bool is_old_sidecar = image.at(segment.sidecar()) == old_sidecar;
    const auto verified = VerifyGroup(kGroup, ImageView(image));
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(verified->refuses(), !is_new);
    EXPECT_EQ(verified->findings.empty(), is_new && !is_old_sidecar);
    // Whoever starts with it reads right, or refuses.
    MemoryDisk disk(image);
    Collector collector;
    auto log =
        Log::Recover(kGroup, on_disk.options, *disk.View(), on_disk.log->last_index(), &collector);
    EXPECT_EQ(log.ok(), is_new);
    if (!log.ok()) {
      log = Log::Recover(kGroup, on_disk.options, *disk.View(), on_disk.log->last_index());
      ASSERT_TRUE(log.ok()) << "a start that trusts footers goes on as before";
    } else {
      EXPECT_EQ(collector.frames, on_disk.frames);
    }
    while (log->has_staged()) {
      disk.ApplyAndSync(log->TakeBatch());
      log->OnBatchDurable();
    }
    for (const FileId& left : disk.Files()) EXPECT_NE(left.kind, FileKind::kTemporary);
  };
  const auto fail = [&] {
    ++counts.points;
    const CrashSpace space(on_disk.disk);
    ASSERT_LE(space.outcomes(), 1u << 16);
    std::set<uint64_t> seen;
    std::vector<uint32_t> choice(space.alternatives().size(), 0);
    for (;;) {
      if (seen.insert(space.HashOf(choice)).second) judge(space.ImageOf(choice));
      size_t digit = 0;
      while (digit < choice.size() && ++choice[digit] == space.alternatives()[digit]) {
        choice[digit++] = 0;
      }
      if (digit == choice.size()) return;
    }
  };
  ASSERT_TRUE(Replace(*on_disk.log, on_disk.disk, segment.base_index - 1, {}, frames, fail).ok());
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
}

TEST(LogReplacement, ACrashAtAnyStepLeavesTheOldFileOrTheNewOne) {
  LogOnDisk probe;
  FillSegments(probe, 40);
  CrashCounts counts;
  const size_t segments = SealedSegments(*probe.log).size();
  for (size_t i = 0; i < segments; ++i) CrashReplacementOf(i, counts);
  std::printf("%lu failures: %lu disks with the old file, %lu with the new one\n", counts.points,
              counts.old_files, counts.new_files);
  EXPECT_EQ(counts.points, segments * 20);
  EXPECT_GT(counts.old_files, counts.points);
  EXPECT_GT(counts.new_files, counts.points / 2);
}

// At each step of a replacement: its segment goes, or it is cancelled, or another flush runs.
TEST(LogReplacement, EndsWithItsSegmentAndLeavesNothingBehind) {
  for (const bool remove : {true, false}) {
    for (int step = 0;; ++step) {
      LogOnDisk on_disk;
      FillSegments(on_disk);
      const SealedSegment segment = SealedSegments(*on_disk.log)[0];
      const std::string frames = FramesOf(on_disk.disk, segment);
      int steps = 0;
      const auto interfere = [&] {
        if (steps++ != step) return;
        if (remove) {
          on_disk.log->TruncatePrefix(segment.end_index);
        } else {
          on_disk.log->CancelReplacement();
        }
      };
      ASSERT_TRUE(Replace(*on_disk.log, on_disk.disk, LogIndex(0), {}, frames, interfere).ok());
      EXPECT_FALSE(on_disk.log->replacing());
      on_disk.Append(1, 10, on_disk.log->last_term());
      on_disk.Flush();
      const std::vector<FileId> known = on_disk.log->Files();
      for (const FileId& file : on_disk.disk.Files()) {
        EXPECT_TRUE(std::find(known.begin(), known.end(), file) != known.end())
            << PathOf(file) << " is left at step " << step;
      }
      EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
      if (steps <= step) break;
    }
  }
}

}  // namespace
}  // namespace tidemark
