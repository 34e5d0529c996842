#include "sim/timeline/columns.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "engine/base/coding.h"

namespace tidemark::sim {
namespace {

// As the header says it is to be read.
std::vector<int64_t> Decode(const std::string& text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  std::vector<int64_t> numbers;
  int64_t before = 0;
  for (std::string_view rest = bytes; !rest.empty();) {
    int64_t difference = 0;
    EXPECT_TRUE(ConsumeVarint(rest, difference));
    before += difference;
    numbers.push_back(before);
    if (difference != 0) continue;
    int64_t same = 0;
    EXPECT_TRUE(ConsumeVarint(rest, same));
    numbers.insert(numbers.end(), static_cast<size_t>(same), before);
  }
  return numbers;
}

TEST(Columns, AreTheBytesThatTheHeaderPromises) {
  // 0, then two more of it; 5; -1, then one more of it.
  EXPECT_EQ(EncodeColumn(std::vector<int64_t>{0, 0, 0, 5, -1, -1}),
            absl::Base64Escape(std::string("\x00\x04\x0a\x0b\x00\x00", 6)));
  EXPECT_EQ(EncodeColumn({}), "");
}

TEST(Columns, OfWhatDoesNotChangeTakeNextToNothing) {
  EXPECT_LE(EncodeColumn(std::vector<int64_t>(100'000, 7)).size(), 8u);
}

RC_GTEST_PROP(Columns, ReadBackAsTheyWere, ()) {
  std::vector<int64_t> numbers;
  for (const int32_t number : *rc::gen::arbitrary<std::vector<int32_t>>()) {
    numbers.insert(numbers.end(), 1 + static_cast<size_t>(number & 3), number);
  }
  RC_ASSERT(Decode(EncodeColumn(numbers)) == numbers);
}

}  // namespace
}  // namespace tidemark::sim
