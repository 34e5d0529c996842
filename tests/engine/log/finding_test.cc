#include "engine/log/finding.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

Finding Place(uint64_t entries, uint64_t records) {
  return {.file = {GroupId(7), FileKind::kSegment, 3},
          .begin = FilePos(4096),
          .end = FilePos(5000),
          .first_index = LogIndex(10),
          .end_index = LogIndex(10 + entries),
          .first_offset = Offset(20),
          .end_offset = Offset(20 + records)};
}

TEST(Finding, SaysWhichEntriesAndRecordsCannotBeRead) {
  const Finding one = DamagedFrames(Place(1, 1), "it is bad", true);
  EXPECT_EQ(one.what,
            "it is bad: entry 10 with the record of offset 20 cannot be read, and were durable");
  EXPECT_TRUE(one.durable);
  EXPECT_EQ(one.kind, FindingKind::kRot);
  const Finding torn = DamagedFrames(Place(3, 2), "it is bad", false);
  EXPECT_EQ(torn.what,
            "it is bad: entries 10 to 12 with the records of offsets 20 to 21 did not become "
            "durable before a crash");
  EXPECT_EQ(torn.kind, FindingKind::kTornTail);
  EXPECT_FALSE(torn.durable);
  EXPECT_NE(ForeignFrames(Place(1, 0), "it is odd").what.find("no records"), std::string::npos);
}

TEST(Finding, CallsASidecarHarmless) {
  const Finding finding = StaleSidecar(Place(0, 0), "it is old");
  EXPECT_EQ(finding.kind, FindingKind::kStaleSidecar);
  EXPECT_FALSE(finding.durable);
  EXPECT_NE(finding.what.find("nothing is lost"), std::string::npos);
  EXPECT_EQ(NameOf(finding.kind), "stale sidecar");
}

}  // namespace
}  // namespace tidemark
