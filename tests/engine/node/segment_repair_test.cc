#include "engine/node/segment_repair.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/log/batch.h"

namespace tidemark {
namespace {

std::string FrameOf(char fill, uint64_t offset) {
  const Record record{.key = std::nullopt, .value = std::string(100, fill), .timestamp_ms = 1};
  std::string frame = *EncodeBatch(std::span(&record, 1), {});
  PatchBatch(frame.data(), Offset(offset), Term(1));
  return frame;
}

class Intact : public testing::Test {
 protected:
  const std::string a = FrameOf('a', 10);
  const std::string b = FrameOf('b', 11);
  const std::string c = FrameOf('c', 12);
  const FileRange range{.first_index = LogIndex(5), .first_offset = Offset(10)};

  std::string From(std::string bytes, uint64_t first, uint64_t last = 100,
                   uint64_t max_bytes = 10'000) {
    return std::string(IntactFrames(range, Bytes::From(std::move(bytes)), LogIndex(first),
                                    LogIndex(last), max_bytes)
                           .view());
  }
};

TEST_F(Intact, AreGivenFromTheEntryAskedForOn) {
  EXPECT_EQ(From(a + b + c, 5), a + b + c);
  EXPECT_EQ(From(a + b + c, 6), b + c);
  EXPECT_EQ(From(a + b + c, 7), c);
  EXPECT_EQ(From(a + b + c, 8), "");
  EXPECT_EQ(From(a + b + c.substr(0, 70), 6), b) << "whole ones";
}

TEST_F(Intact, EndWhereFramesAreDamagedOrNotCommitted) {
  std::string rotten = b;
  rotten[80] ^= 1;
  EXPECT_EQ(From(a + rotten + c, 5), a);
  EXPECT_EQ(From(a + rotten + c, 6), "");
  EXPECT_EQ(From(a + rotten + c, 7), c) << "the length of what is damaged is known";
  EXPECT_EQ(From(a + b + c, 5, 6), a + b);
  EXPECT_EQ(From(a + b + c, 6, 5), "");
}

TEST_F(Intact, AreAtMostAsManyBytesButForTheFirst) {
  EXPECT_EQ(From(a + b + c, 5, 100, 1), a);
  EXPECT_EQ(From(a + b + c, 5, 100, a.size() + b.size()), a + b);
}

TEST(SegmentRepair, KnowsOfNothingAtFirst) {
  const SegmentRepair repair;
  EXPECT_TRUE(repair.whole());
  EXPECT_FALSE(repair.hopeless());
  EXPECT_EQ(repair.progress().segment, 0u);
}

}  // namespace
}  // namespace tidemark
