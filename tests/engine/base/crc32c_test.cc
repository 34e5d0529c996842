#include "engine/base/crc32c.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace tidemark {
namespace {

uint32_t BitByBit(std::string_view data) {
  uint32_t crc = ~0u;
  for (const char c : data) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, MatchesVectorsOfRfc3720AppendixB4) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32c, LanesAgreeWithBitByBitAtEveryLengthAroundTheirSizes) {
  std::string data;
  for (int i = 0; i < 40'000; ++i) data.push_back(static_cast<char>(i * 131 + (i >> 7)));
  for (const size_t length : {1u, 4u, 5u, 7u, 8u, 9u, 191u, 192u, 193u, 387u, 767u, 768u, 769u,
                              1536u, 12287u, 12288u, 12289u, 24577u, 39999u}) {
    EXPECT_EQ(Crc32c(data.substr(0, length)), BitByBit(data.substr(0, length))) << length;
  }
}

RC_GTEST_PROP(Crc32c, ContinuesAcrossAnySplit, (const std::string& a, const std::string& b)) {
  RC_ASSERT(Crc32c(b, Crc32c(a)) == Crc32c(a + b));
}

}  // namespace
}  // namespace tidemark
