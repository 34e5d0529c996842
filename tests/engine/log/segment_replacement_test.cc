#include "engine/log/segment_replacement.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "engine/log/segment.h"
#include "engine/log/verify.h"
#include "tests/engine/log/scrub_fixture.h"

// What a replacement refuses, and how much it holds; that it keeps a log whole: log_sealed_test.cc.

namespace tidemark {
namespace {

void FeedAll(Log& log, std::string_view frames, absl::Status& status) {
  while (status.ok() && log.replacement_room() > 0) {
    const size_t at = log.replacement_pos().value() - kSegmentHeaderBytes;
    if (at >= frames.size()) return;
    status = log.FeedReplacement(frames.substr(at, std::min<size_t>(log.replacement_room(), 100)));
  }
}

TEST(SegmentReplacement, RefusesWhateverIsNotThoseFrames) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const std::vector<SealedSegment> segments = SealedSegments(*on_disk.log);
  const SealedSegment& segment = segments[1];
  const std::string good(on_disk.disk.Read(segment.file())
                             .substr(kSegmentHeaderBytes, segment.size - kSegmentHeaderBytes));
  const DiskImage before = on_disk.disk.Image();
  const auto try_frames = [&](const std::string& frames) {
    absl::Status status =
        on_disk.log->BeginReplacement(segment.base_index - 1, {.segment = true, .sidecar = true});
    TIDEMARK_CHECK(status.ok());
    FeedAll(*on_disk.log, frames, status);
    if (status.ok()) {
      EXPECT_TRUE(on_disk.log->replacing());
      on_disk.log->CancelReplacement();
    }
    EXPECT_FALSE(on_disk.log->replacing());
    return status;
  };
  EXPECT_TRUE(try_frames(good).ok());
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= 1;
    ASSERT_TRUE(absl::IsDataLoss(try_frames(bad))) << at;
  }
  // Those of a neighbour, whole and intact.
  const SealedSegment& other = segments[2];
  EXPECT_TRUE(absl::IsDataLoss(
      try_frames(std::string(on_disk.disk.Read(other.file()).substr(kSegmentHeaderBytes)))));
  // Frames of a history that differs in one payload of equal length, its checksum right.
  const auto first = DecodeBatchHeader(good);
  ASSERT_TRUE(first.ok());
  std::string frame =
      EncodeControlFrame(std::string(first->total_bytes() - EncodeControlFrame("").size(), 'z'));
  PatchBatch(frame.data(), first->base_offset, first->leader_epoch);
  if (first->magic == EntryKind::kControl) {
    EXPECT_TRUE(absl::IsDataLoss(try_frames(frame + good.substr(frame.size()))));
  }
  on_disk.Flush();
  EXPECT_EQ(on_disk.disk.Image(), before) << "nothing was changed";
}

TEST(SegmentReplacement, HoldsNoMoreThanAFewPiecesOfALargeSegment) {
  LogOnDisk on_disk({.segment_bytes = 8u << 20, .cache_bytes = 1000});
  while (SealedSegments(*on_disk.log).empty()) {
    on_disk.Append(1, 60'000, Term(1));
    on_disk.Flush();
    on_disk.log->SetCommitted(on_disk.log->last_index());
  }
  const SealedSegment segment = SealedSegments(*on_disk.log)[0];
  const std::string good(on_disk.disk.Read(segment.file()).substr(kSegmentHeaderBytes));
  ASSERT_TRUE(on_disk.log->BeginReplacement(LogIndex(0), {}).ok());
  absl::Status status;
  FeedAll(*on_disk.log, good, status);
  ASSERT_TRUE(status.ok());
  const uint64_t held = on_disk.log->replacement_pos().value();
  EXPECT_LE(held, kSegmentHeaderBytes + 3 * kReplacementPieceBytes);
  EXPECT_TRUE(on_disk.log->FeedReplacement("").ok());
  size_t batches = 0;
  while (on_disk.log->replacing()) {
    FeedAll(*on_disk.log, good, status);
    ASSERT_TRUE(status.ok());
    ASSERT_TRUE(on_disk.log->has_replacement_batch());
    const FileBatch batch = on_disk.log->TakeReplacementBatch();
    uint64_t bytes = 0;
    for (const FileOp& op : batch.ops) {
      if (const auto* write = std::get_if<WriteFile>(&op)) {
        for (const Bytes& slice : write->data) bytes += slice.size();
      }
    }
    EXPECT_LE(bytes, kReplacementPieceBytes * 2 + 70'000);
    on_disk.disk.ApplyAndSync(batch);
    on_disk.log->OnReplacementBatchDurable();
    ++batches;
  }
  EXPECT_GE(batches, 8u + 3u);
  EXPECT_TRUE(ScrubAll(*on_disk.log, on_disk.disk).empty());
  EXPECT_EQ(on_disk.disk.Read(segment.file()),
            std::string_view(on_disk.disk.Read(segment.file())).substr(0, segment.size));
}

TEST(SegmentReplacement, TakesOneAtATimeAndOnlyFullSegments) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const LogIndex last = SealedSegments(*on_disk.log).back().end_index - 1;
  EXPECT_TRUE(absl::IsNotFound(on_disk.log->BeginReplacement(last, {})));
  ASSERT_TRUE(on_disk.log->BeginReplacement(LogIndex(0), {}).ok());
  EXPECT_TRUE(absl::IsUnavailable(on_disk.log->BeginReplacement(LogIndex(0), {})));
}

}  // namespace
}  // namespace tidemark
