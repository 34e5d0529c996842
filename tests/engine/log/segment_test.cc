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

std::vector<IndexEntry> Entries(uint32_t count) {
  std::vector<IndexEntry> entries;
  for (uint32_t i = 0; i < count; ++i) {
    entries.push_back({.pos = 4096 + i * 100,
                       .length = 100,
                       .first = i * 2,
                       .count = 2,
                       .durable = i,
                       .append_time_ms = 1000 + i,
                       .digest = i * 77});
  }
  return entries;
}

std::string Encode(const std::vector<IndexEntry>& entries) {
  std::string file;
  uint32_t chain = 0;
  for (const IndexEntry& entry : entries) file += EncodeIndexEntry(entry, chain);
  return file;
}

TEST(Index, ReadsBackAndContinues) {
  std::string file = Encode(Entries(5));
  EXPECT_EQ(file.size(), 5 * kIndexEntryBytes);
  uint32_t chain = 1;
  const auto entries = DecodeIndex(file, chain);
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[4].pos, 4496u);
  EXPECT_EQ(entries[4].append_time_ms, 1004);
  EXPECT_EQ(entries[4].digest, 308u);
  file += EncodeIndexEntry({.pos = 1, .length = 1, .first = 1, .count = 1}, chain);
  EXPECT_EQ(DecodeIndex(file, chain).size(), 6u);
}

TEST(Index, EndsBeforeTheFirstEntryThatIsNotRight) {
  const std::string good = Encode(Entries(4));
  uint32_t chain = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] ^= 1;
    EXPECT_EQ(DecodeIndex(damaged, chain).size(), at / kIndexEntryBytes);
    EXPECT_EQ(DecodeIndex(good.substr(0, at), chain).size(), at / kIndexEntryBytes);
  }
  // An entry that was lost hides the later ones, however right they are.
  std::string hole = good;
  hole.replace(kIndexEntryBytes, kIndexEntryBytes, std::string(kIndexEntryBytes, '\0'));
  EXPECT_EQ(DecodeIndex(hole, chain).size(), 1u);
  EXPECT_TRUE(DecodeIndex(std::string(1000, '\0'), chain).empty());
}

}  // namespace
}  // namespace tidemark
