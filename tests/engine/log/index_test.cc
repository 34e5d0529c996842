#include "engine/log/index.h"

#include <gtest/gtest.h>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

const std::string kState = "what is derived";

std::vector<IndexEntry> Entries(uint32_t count) {
  std::vector<IndexEntry> entries;
  for (uint32_t i = 0; i < count; ++i) {
    entries.push_back({.pos = 4096 + i * 100,
                       .length = 100,
                       .first = i * 2,
                       .count = 2,
                       .first_offset = i * 7,
                       .term = 3 + i,
                       .append_time_ms = 1000 + i,
                       .durable = i,
                       .committed = i / 2,
                       .digest = i * 77});
  }
  return entries;
}

// With a checkpoint behind the second one.
std::string Encode(const std::vector<IndexEntry>& entries) {
  std::string file(IndexFileHeader());
  uint32_t chain = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    AppendIndexEntry(entries[i], {}, chain, file);
    if (i != 1) continue;
    IndexEntry checkpoint = entries[i + 1];
    checkpoint.count = 0;
    checkpoint.length = static_cast<uint32_t>(kState.size());
    AppendIndexEntry(checkpoint, kState, chain, file);
  }
  return file;
}

TEST(Index, ReadsBackAndContinues) {
  std::string file = Encode(Entries(5));
  EXPECT_EQ(file.size(), kIndexHeaderBytes + 6 * kIndexEntryBytes + kState.size());
  const auto entries = DecodeIndex(file);
  ASSERT_EQ(entries.size(), 6u);
  EXPECT_EQ(entries[1].entry, Entries(5)[1]);
  EXPECT_TRUE(entries[2].entry.is_checkpoint());
  EXPECT_EQ(entries[2].state, kState);
  EXPECT_EQ(entries[2].end, kIndexHeaderBytes + 3 * kIndexEntryBytes + kState.size());
  EXPECT_EQ(entries[5].entry, Entries(5)[4]);
  EXPECT_EQ(entries[5].end, file.size());
  uint32_t chain = entries[5].chain;
  AppendIndexEntry({.pos = 1, .length = 1, .first = 1, .count = 1}, {}, chain, file);
  EXPECT_EQ(DecodeIndex(file).size(), 7u);
}

TEST(Index, EndsBeforeTheFirstEntryThatIsNotRight) {
  const std::string good = Encode(Entries(4));
  const auto all = DecodeIndex(good);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] ^= 1;
    size_t before = 0;
    while (at >= kIndexHeaderBytes && before < all.size() && all[before].end <= at) ++before;
    EXPECT_EQ(DecodeIndex(damaged).size(), before) << at;
    EXPECT_EQ(DecodeIndex(good.substr(0, at)).size(), before) << at;
  }
  // An entry that was lost hides the later ones, however right they are.
  std::string hole = good;
  hole.replace(kIndexHeaderBytes + kIndexEntryBytes, kIndexEntryBytes,
               std::string(kIndexEntryBytes, '\0'));
  EXPECT_EQ(DecodeIndex(hole).size(), 1u);
  EXPECT_TRUE(DecodeIndex(std::string(1000, '\0')).empty());
  EXPECT_TRUE(DecodeIndex(std::string(IndexFileHeader()) + std::string(1000, '\0')).empty());
}

SegmentFooter Footer() {
  return {.count = 10,
          .size = 9000,
          .end_offset = 20,
          .committed = 9,
          .index_bytes = 400,
          .append_time_ms = 1500,
          .digest = 99,
          .terms = {{.first = 0, .term = 2}, {.first = 4, .term = 5}},
          .runs = {{.pos = 4096, .first = 0, .first_offset = 0, .append_time_ms = 1000},
                   {.pos = 5000, .first = 3, .first_offset = 6, .append_time_ms = 1000},
                   {.pos = 6000, .first = 4, .first_offset = 6, .append_time_ms = 1400}}};
}

TEST(Footer, ReadsBackFromTheEndOfASidecar) {
  const std::string file = Encode(Entries(3)) + EncodeFooter(Footer());
  EXPECT_EQ(DecodeFooter(file), Footer());
  EXPECT_EQ(DecodeFooter(file.substr(200)), Footer());
  EXPECT_FALSE(DecodeFooter(Encode(Entries(3))).has_value());
  EXPECT_EQ(DecodeIndex(file).size(), 4u);
}

TEST(Footer, NoFlippedBitAndNoLostByteGoesUnnoticed) {
  const std::string good = EncodeFooter(Footer());
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] ^= '\x04';
    EXPECT_FALSE(DecodeFooter(damaged).has_value()) << at;
    EXPECT_FALSE(DecodeFooter(good.substr(0, at)).has_value()) << at;
    EXPECT_FALSE(DecodeFooter(good.substr(good.size() - at)).has_value()) << at;
  }
}

TEST(Footer, TheLargestFitsOneRead) {
  SegmentFooter footer = Footer();
  footer.count = 100'000;
  footer.size = 1u << 30;
  footer.terms.clear();
  footer.runs.clear();
  for (uint32_t i = 0; i < kSegmentTermsMax; ++i) footer.terms.push_back({.first = i, .term = i});
  for (uint32_t i = 0; i < kFooterRunsMax; ++i) {
    footer.runs.push_back({.pos = 4096 + i, .first = i, .first_offset = 0, .append_time_ms = 1});
  }
  const std::string bytes = EncodeFooter(footer);
  EXPECT_LE(bytes.size(), kFooterBytesMax);
  EXPECT_EQ(DecodeFooter(bytes), footer);
}

TEST(Footer, NonsenseWithARightChecksumIsRefused) {
  const auto refused = [](auto change) {
    SegmentFooter footer = Footer();
    change(footer);
    return !DecodeFooter(EncodeFooter(footer)).has_value();
  };
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.stride = {.bytes = 490, .records = 0}; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.stride = {.bytes = 490, .records = 2}; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) {
    f.stride = {.bytes = 490, .records = 1};
    f.size = kSegmentHeaderBytes + 4900;
  }));
  EXPECT_FALSE(refused([](SegmentFooter& f) {
    f.stride = {.bytes = 490, .records = 2};
    f.size = kSegmentHeaderBytes + 4900;
  }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.terms[1].first = 0; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.terms[1].term = 2; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.terms[1].first = 10; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[0].pos = 4097; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[1].pos = 4096; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[2].first = 3; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[2].first_offset = 5; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[2].append_time_ms = 999; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs[2].append_time_ms = 1501; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.runs.clear(); }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.committed = 11; }));
  EXPECT_TRUE(refused([](SegmentFooter& f) { f.size = 4095; }));
}

}  // namespace
}  // namespace tidemark
