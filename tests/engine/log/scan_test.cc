#include "engine/log/scan.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

// What recovery believes of a sidecar before it has read a frame. (Reading frames:
// recovery_test.cc, log_seal_test.cc.)

namespace tidemark {
namespace {

// Two runs with a checkpoint before, between and behind them.
FoundSegment Sound() {
  FoundSegment found;
  found.header = {.group = GroupId(1),
                  .number = 4,
                  .base_index = LogIndex(11),
                  .base_offset = Offset(100),
                  .previous_number = 3,
                  .previous_term = Term(2),
                  .previous_digest = 77,
                  .durable = LogIndex(9)};
  found.file_bytes = 8192;
  found.has_index = true;
  const auto add = [&](IndexEntry entry) { found.index.push_back({.entry = entry}); };
  add({.pos = 4096, .term = 2, .append_time_ms = 5, .digest = 77});
  add({.pos = 4096,
       .length = 200,
       .count = 3,
       .term = 2,
       .append_time_ms = 5,
       .durable = 1,
       .digest = 78});
  add({.pos = 4296, .first = 3, .first_offset = 6, .term = 2, .append_time_ms = 6, .digest = 78});
  add({.pos = 4296,
       .length = 300,
       .first = 3,
       .count = 2,
       .first_offset = 6,
       .term = 4,
       .append_time_ms = 6,
       .durable = 3,
       .committed = 2,
       .digest = 79});
  add({.pos = 4596,
       .first = 5,
       .first_offset = 9,
       .term = 4,
       .append_time_ms = 8,
       .durable = 3,
       .committed = 1,
       .digest = 79});
  return found;
}

TEST(FoundSegment, BelievesEntriesThatAgreeWithEachOther) {
  EXPECT_EQ(Sound().ConsistentEntries(), 5u);
}

TEST(FoundSegment, BelievesNothingFromTheFirstContradictionOn) {
  const auto believed = [](size_t i, auto change) {
    FoundSegment found = Sound();
    change(found.index[i].entry);
    return found.ConsistentEntries();
  };
  EXPECT_EQ(believed(0, [](IndexEntry& e) { e.pos = 4097; }), 0u);
  EXPECT_EQ(believed(0, [](IndexEntry& e) { e.digest = 1; }), 0u);
  EXPECT_EQ(believed(0, [](IndexEntry& e) { e.term = 3; }), 0u);
  EXPECT_EQ(believed(1, [](IndexEntry& e) { e.term = 1; }), 1u);
  EXPECT_EQ(believed(1, [](IndexEntry& e) { e.length = 3 * 61 - 1; }), 1u) << "no room for frames";
  EXPECT_EQ(believed(1, [](IndexEntry& e) { e.first = 1; }), 1u);
  EXPECT_EQ(believed(2, [](IndexEntry& e) { e.digest = 0; }), 2u);
  EXPECT_EQ(believed(3, [](IndexEntry& e) { e.first_offset = 5; }), 3u);
  EXPECT_EQ(believed(3, [](IndexEntry& e) { e.append_time_ms = 4; }), 3u);
  EXPECT_EQ(believed(3, [](IndexEntry& e) { e.length = 4000; }), 3u) << "past the file's end";
  EXPECT_EQ(believed(4, [](IndexEntry& e) { e.pos = 4597; }), 4u);
}

TEST(FoundSegment, VouchesForWhatItsFilesSayButNotForWhatIsReplaced) {
  FoundSegment found = Sound();
  EXPECT_EQ(found.durable(), LogIndex(13));
  EXPECT_EQ(found.committed(), LogIndex(12));
  found.end = LogIndex(13);
  EXPECT_EQ(found.durable(), LogIndex(12));
  EXPECT_EQ(found.committed(), LogIndex(12));
  // A segment that a later one cuts behind index 12 holds two frames.
  EXPECT_EQ(found.ConsistentEntries(), 1u);
  found.end = LogIndex(UINT64_MAX);
  found.footer = SegmentFooter{.count = 5, .committed = 4};
  EXPECT_EQ(found.durable(), LogIndex(15));
  EXPECT_EQ(found.committed(), LogIndex(14));
  found.footer.reset();
  found.index.clear();
  EXPECT_EQ(found.durable(), LogIndex(9));
  EXPECT_EQ(found.committed(), LogIndex(0));
}

TEST(RotError, NamesTheFileTheBytesAndWhatCanBeDone) {
  const absl::Status status = RotError({GroupId(1), FileKind::kSegment, 4}, 10, 20, "it is torn");
  EXPECT_TRUE(absl::IsDataLoss(status));
  for (const char* part : {"g0000000000000001/00000000000000000004.log", "bytes 10 to 20",
                           "it is torn", "tidemark log verify"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), part)) << status.message();
  }
}

}  // namespace
}  // namespace tidemark
