#include "engine/log/record_walk.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/log/batch.h"

namespace tidemark {
namespace {

std::string RecordsOf(const std::vector<Record>& records) {
  return EncodeBatch(records)->substr(kBatchHeaderBytes);
}

Record Plain(std::optional<std::string> key, std::optional<std::string> value) {
  return {.key = std::move(key), .value = std::move(value), .timestamp_ms = 5};
}

TEST(RecordWalk, PassesUsualRecordsOneByOne) {
  const std::string bytes = RecordsOf({Plain("key", "value"), Plain(std::nullopt, std::nullopt),
                                       Plain("", std::string(5000, 'v'))});
  RecordWalk walk(bytes);
  EXPECT_FALSE(walk.PassUsual(1)) << "its offset delta is 0";
  EXPECT_TRUE(walk.PassUsual(0));
  EXPECT_TRUE(walk.PassUsual(1));
  EXPECT_TRUE(walk.PassUsual(2));
  EXPECT_TRUE(walk.at_end());
  EXPECT_FALSE(walk.PassUsual(3));
}

TEST(RecordWalk, LeavesHeadersAndLongValuesToNext) {
  Record with_header = Plain("key", "value");
  with_header.headers.push_back({.key = "h", .value = "v"});
  for (const Record& record : {with_header, Plain("key", std::string(10'000, 'v'))}) {
    const std::string bytes = RecordsOf({record});
    RecordWalk walk(bytes);
    EXPECT_FALSE(walk.PassUsual(0));
    EXPECT_EQ(walk.rest(), bytes.size());
    RecordView view;
    EXPECT_EQ(walk.Next(view), nullptr);
    EXPECT_TRUE(walk.at_end());
  }
}

// Whatever the quick way passes, the thorough one passes too, to the same place.
RC_GTEST_PROP(RecordWalkProperty, PassesNothingThatNextRefuses, ()) {
  std::vector<Record> records;
  const auto sizes = *rc::gen::nonEmpty(rc::gen::container<std::vector<uint8_t>>(
      rc::gen::weightedElement<uint8_t>({{3, 0}, {3, 5}, {2, 63}, {2, 64}, {1, 200}})));
  for (const uint8_t size : sizes) records.push_back(Plain(std::nullopt, std::string(size, '\0')));
  std::string bytes = RecordsOf(records);
  const size_t changes = *rc::gen::inRange<size_t>(0, 3);
  for (size_t i = 0; i < changes; ++i) {
    // Mostly by little: a length that is off by one is the likeliest to be taken for a good one.
    char& byte = bytes[*rc::gen::inRange<size_t>(0, std::min<size_t>(bytes.size(), 40))];
    byte = static_cast<char>(byte + *rc::gen::weightedOneOf<int>(
                                        {{4, rc::gen::elementOf(std::vector<int>{-2, -1, 1, 2})},
                                         {1, rc::gen::inRange(0, 256)}}));
  }
  if (*rc::gen::inRange(0, 4) == 0) bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RecordWalk quick(bytes);
  RecordWalk thorough(bytes);
  for (uint32_t ordinal = 0; quick.PassUsual(ordinal); ++ordinal) {
    RecordView view;
    RC_ASSERT(thorough.Next(view) == nullptr);
    RC_ASSERT(view.offset_delta == ordinal);
    RC_ASSERT(thorough.rest() == quick.rest());
  }
}

}  // namespace
}  // namespace tidemark
