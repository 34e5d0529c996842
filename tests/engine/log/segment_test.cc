#include "engine/log/segment.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tidemark {
namespace {

SegmentHeader Header() {
  return {.group = GroupId(7),
          .number = 3,
          .base_index = LogIndex(10),
          .base_offset = Offset(25),
          .previous_number = 2,
          .previous_term = Term(4),
          .previous_digest = 0x0123456789abcdef,
          .created = WallTime::FromMillis(1'700'000'000'000),
          .durable = LogIndex(8)};
}

TEST(SegmentHeader, ReadsBack) {
  const auto header = DecodeSegmentHeader(EncodeSegmentHeader(Header()));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->group, GroupId(7));
  EXPECT_EQ(header->number, 3u);
  EXPECT_EQ(header->base_index, LogIndex(10));
  EXPECT_EQ(header->base_offset, Offset(25));
  EXPECT_EQ(header->previous_number, 2u);
  EXPECT_EQ(header->previous_term, Term(4));
  EXPECT_EQ(header->previous_digest, 0x0123456789abcdefu);
  EXPECT_EQ(header->created.millis(), 1'700'000'000'000);
  EXPECT_EQ(header->durable, LogIndex(8));
}

TEST(SegmentHeader, NoFlippedBitGoesUnnoticed) {
  const std::string good = EncodeSegmentHeader(Header());
  ASSERT_EQ(good.size(), kSegmentHeaderBytes);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] ^= '\x10';
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentHeader(damaged).status())) << at;
  }
  EXPECT_FALSE(DecodeSegmentHeader(good.substr(1)).ok());
}

}  // namespace
}  // namespace tidemark
