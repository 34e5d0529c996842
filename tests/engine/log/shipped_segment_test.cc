#include "engine/log/shipped_segment.h"

#include <gtest/gtest.h>

#include "tests/engine/log/scrub_fixture.h"

namespace tidemark {
namespace {

TEST(ShippedSegment, SaysAllThatTellsBytesOfTheSegmentFromOthers) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  for (const SealedSegment& segment : SealedSegments(*on_disk.log)) {
    const ShippedSegment shipped = ShippedSegment::Of(segment, Offset(0));
    EXPECT_TRUE(shipped.IsSane());
    const SealedSegment back = shipped.As(kGroup, 99);
    EXPECT_EQ(back.number, 99u);
    EXPECT_EQ(back.last_number, 99u);
    EXPECT_EQ(back.base_index, segment.base_index);
    EXPECT_EQ(back.end_index, segment.end_index);
    EXPECT_EQ(back.frames_end, segment.frames_end);
    EXPECT_EQ(back.previous_term, segment.previous_term);
    EXPECT_EQ(back.digest, segment.digest);
    ShippedSegment again = ShippedSegment::Of(back, Offset(0));
    again.number = shipped.number;
    EXPECT_EQ(again, shipped);
  }
}

TEST(ShippedSegment, NumbersThatNoSegmentHasAreNotSane) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const ShippedSegment good = ShippedSegment::Of(SealedSegments(*on_disk.log).at(1), Offset(0));
  const auto insane = [&](auto change) {
    ShippedSegment segment = good;
    change(segment);
    return !segment.IsSane();
  };
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.base_index = LogIndex(0); }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.end_index = s.base_index; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.end_index = LogIndex(UINT64_MAX); }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.end_offset = Offset(UINT64_MAX); }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.base_offset = s.end_offset + 1; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.previous_term = Term(UINT64_MAX); }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.size = 4095; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.size = UINT64_MAX; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.index_bytes = 0; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.sidecar_bytes = s.index_bytes; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.sidecar_bytes = s.index_bytes + 5000; }));
  EXPECT_TRUE(insane([](ShippedSegment& s) { s.end_digest ^= 1; }));
}

}  // namespace
}  // namespace tidemark
