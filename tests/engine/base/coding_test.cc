#include "engine/base/coding.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tidemark {
namespace {

TEST(Coding, BigEndianPutsTheHighByteFirst) {
  std::string out;
  AppendBig<uint32_t>(out, 0x01020304);
  EXPECT_EQ(out, std::string("\x01\x02\x03\x04"));
  EXPECT_EQ(LoadBig<uint32_t>(out.data()), 0x01020304u);
}

TEST(Coding, VarintRefusesElevenBytesAndOverflow) {
  int64_t value = 0;
  std::string_view eleven("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11);
  EXPECT_FALSE(ConsumeVarint(eleven, value));
  std::string_view overflow("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
  EXPECT_FALSE(ConsumeVarint(overflow, value));
  std::string_view cut("\x80", 1);
  EXPECT_FALSE(ConsumeVarint(cut, value));
}

RC_GTEST_PROP(Coding, VarintRoundTripsAndKnowsItsSize, (int64_t value)) {
  std::string out;
  AppendVarint(out, value);
  RC_ASSERT(out.size() == VarintBytes(value));
  std::string_view view = out;
  int64_t back = 0;
  RC_ASSERT(ConsumeVarint(view, back));
  RC_ASSERT(view.empty());
  RC_ASSERT(back == value);
}

TEST(Coding, VarintExtremesRoundTrip) {
  for (const int64_t value : {INT64_MIN, INT64_MIN + 1, int64_t{-1}, int64_t{0}, INT64_MAX}) {
    std::string out;
    AppendVarint(out, value);
    std::string_view view = out;
    int64_t back = 0;
    ASSERT_TRUE(ConsumeVarint(view, back));
    EXPECT_EQ(back, value);
  }
}

}  // namespace
}  // namespace tidemark
