#include "tests/engine/log/known_gaps.h"

#include <gtest/gtest.h>

#include "engine/log/segment.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

TEST(KnownGaps, OffsetAtTimeIsNotLateAfterARestart) {
  if (!kTimesSurviveRestarts) GTEST_SKIP() << "known: kTimesSurviveRestarts";
  LogOnDisk on_disk;
  on_disk.Append(1, 10, Term(1));  // at 1,000,010
  on_disk.Append(1, 10, Term(1));  // at 1,000,020, in the same run
  on_disk.Flush();
  EXPECT_LE(on_disk.log->OffsetAtTime(WallTime::FromMillis(1'000'015)), Offset(1));
  ASSERT_TRUE(on_disk.Reopen(LogIndex(2)).ok());
  EXPECT_LE(on_disk.log->OffsetAtTime(WallTime::FromMillis(1'000'015)), Offset(1));
}

TEST(KnownGaps, ALostHeaderDoesNotBringBackWhatWasReplaced) {
  if (!kLostHeadersAreNoticed) GTEST_SKIP() << "known: kLostHeadersAreNoticed";
  LogOnDisk on_disk;
  for (int i = 0; i < 4; ++i) on_disk.Append(1, 100, Term(1));
  on_disk.Flush();
  on_disk.Truncate(LogIndex(3));
  on_disk.Append(1, 100, Term(2));
  on_disk.Begin();
  on_disk.Complete();  // entry 3 of term 2 is durable, and is then committed
  const std::vector<std::string> durable = on_disk.frames;
  on_disk.disk.Contents({kGroup, FileKind::kSegment, 2}).replace(0, 512, 512, '\0');
  const absl::Status status = on_disk.Reopen(LogIndex(3));
  EXPECT_TRUE(absl::IsDataLoss(status) || on_disk.frames == durable);
}

TEST(KnownGaps, ARaisedTermIsNotServed) {
  if (kRaisedTermsUnnoticedMax > 0) GTEST_SKIP() << "known: kRaisedTermsUnnoticedMax";
  LogOnDisk on_disk;
  on_disk.Append(1, 100, Term(1));
  on_disk.Append(1, 100, Term(1));
  on_disk.Flush();
  // The most significant bit but one of the first frame's leader_epoch.
  on_disk.disk.Contents({kGroup, FileKind::kSegment, 1})[kSegmentHeaderBytes + 12] ^= 0x40;
  const absl::Status status = on_disk.Reopen(LogIndex(0));
  EXPECT_TRUE(absl::IsDataLoss(status) || on_disk.log->TermAt(LogIndex(1)) == std::nullopt ||
              on_disk.log->TermAt(LogIndex(1)) == Term(1));
}

}  // namespace
}  // namespace tidemark
