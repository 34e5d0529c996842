#include "engine/log/sparse_writer.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

struct Frame {
  uint64_t index;
  uint64_t offset;
  bool control = false;
};

// A sparse segment that stands for entries 10 to 29 with offsets 100 to 149, and its runs.
struct Written {
  Segment segment;
  std::vector<IndexEntry> entries;
};
Written Write(const std::vector<Frame>& frames, uint64_t interval) {
  Segment first;
  first.number = 3;
  first.base_index = LogIndex(10);
  first.base_offset = Offset(100);
  first.base_digest = 5;
  Segment last;
  last.number = 4;
  last.base_index = LogIndex(20);
  last.base_offset = Offset(120);
  last.count = 10;
  last.end_offset = 30;
  last.digest = 77;
  SparseWriter writer(9, first, interval);
  for (const Frame& frame : frames) {
    BatchBuilder builder;
    builder.Add("key", "value", 1);
    std::string bytes = frame.control ? EncodeControlFrame("c") : builder.Finish();
    PatchBatch(bytes.data(), Offset(frame.offset), Term(2));
    writer.Add({.index = LogIndex(frame.index), .append_time = {}, .bytes = bytes},
               *DecodeBatchHeader(bytes));
  }
  writer.Finish(last);
  Written written{.segment = writer.segment(), .entries = {}};
  for (const DecodedIndexEntry& each : DecodeIndex(writer.TakeIndex())) {
    written.entries.push_back(each.entry);
  }
  return written;
}

TEST(SparseWriter, StandsForAllThatItReplaces) {
  const Written written = Write({{12, 105}, {25, 130}}, 4096);
  EXPECT_EQ(written.segment.end_index(), LogIndex(30));
  EXPECT_EQ(written.segment.end(), Offset(150));
  EXPECT_EQ(written.segment.frames_end(), Offset(131));
  EXPECT_EQ(written.segment.chain_number(), 4u);
  EXPECT_EQ(written.segment.digest, 77u);
  ASSERT_EQ(written.entries.size(), 1u);
  EXPECT_EQ(written.entries[0].first, 2u);
  EXPECT_EQ(written.entries[0].count, 2u);
  EXPECT_EQ(written.entries[0].first_offset, 5u);
  EXPECT_EQ(written.entries[0].durable, 0u) << "it vouches for nothing";
}

TEST(SparseWriter, NamesTheIndexOfEachControlFrameAndTheNextRecordBehindIt) {
  const Written written =
      Write({{11, 103, true}, {13, 104, true}, {20, 121}, {26, 140, true}}, 4096);
  ASSERT_EQ(written.entries.size(), 3u);
  EXPECT_EQ(written.entries[0].first, 1u);
  EXPECT_EQ(written.entries[0].first_offset, 21u);
  EXPECT_EQ(written.entries[1].first, 3u);
  EXPECT_EQ(written.entries[1].first_offset, 21u);
  EXPECT_EQ(written.entries[2].first, 16u);
  EXPECT_EQ(written.entries[2].first_offset, 22u);
  EXPECT_EQ(written.segment.frames_end(), Offset(122)) << "behind the last record";
}

TEST(SparseWriter, EndsRunsAtTheInterval) {
  EXPECT_EQ(Write({{11, 103}, {13, 104}, {20, 121}}, 1).entries.size(), 3u);
  EXPECT_EQ(Write({{11, 103}, {13, 104}, {20, 121}}, 100).entries.size(), 2u);
  EXPECT_TRUE(Write({}, 100).entries.empty());
  EXPECT_EQ(Write({}, 100).segment.frames_end(), Offset(100));
}

}  // namespace
}  // namespace tidemark
