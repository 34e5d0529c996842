#include "sim/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Json, ValuesKnowTheirKindAndLine) {
  const absl::StatusOr<Json> json =
      ParseJson("{\n  \"a\": [1, -2.5e3, true, null],\n  \"b\": {\"c\": \"x\\n\\\"\\u00e9\"}\n}\n");
  ASSERT_TRUE(json.ok()) << json.status();
  const Json* a = json->Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->line, 2);
  ASSERT_EQ(a->items.size(), 4u);
  EXPECT_EQ(a->items[1].text, "-2.5e3");
  EXPECT_TRUE(a->items[2].boolean);
  EXPECT_EQ(a->items[3].kind, Json::Kind::kNull);
  EXPECT_EQ(json->Find("b")->Find("c")->text, "x\n\"\xc3\xa9");
  EXPECT_EQ(json->Find("b")->line, 3);
  EXPECT_EQ(json->Find("z"), nullptr);
}

TEST(Json, TextsThatAreNoneAreRefusedByLine) {
  const auto refusal = [](std::string_view text) {
    return std::string(ParseJson(text).status().message());
  };
  EXPECT_EQ(refusal(""), "line 1: ends in the middle");
  EXPECT_EQ(refusal("{\n\"a\": 1,\n\"a\": 2}"), "line 3: a is there twice");
  EXPECT_EQ(refusal("[1\n2]"), "line 2: ',' or ']' is expected here");
  EXPECT_EQ(refusal("{\"a\" 1}"), "line 1: ':' is expected after a");
  EXPECT_EQ(refusal("{a: 1}"), "line 1: a name in quotes is expected");
  EXPECT_EQ(refusal("\"abc"), "line 1: a string does not end");
  EXPECT_EQ(refusal("\"a\nb\""), "line 1: a line ends inside a string");
  EXPECT_EQ(refusal("\"\\x\""), "line 1: does not understand an escape");
  EXPECT_EQ(refusal("\"\\u12\""), "line 1: \\u wants four hex digits");
  EXPECT_EQ(refusal("nonsense"), "line 1: a value is expected here");
  EXPECT_EQ(refusal("1 2"), "line 1: something follows the end");
  EXPECT_EQ(refusal(std::string(100, '[')), "line 1: is nested too deeply");
}

RC_GTEST_PROP(JsonStrings, AreReadBackAsTheyWere, (const std::string& text)) {
  const absl::StatusOr<Json> json = ParseJson(JsonString(text));
  RC_ASSERT(json.ok());
  RC_ASSERT(json->text == text);
}

RC_GTEST_PROP(JsonTexts, NeverCrashTheParser, (const std::string& text)) {
  (void)ParseJson(text);
  (void)ParseJson("{\"" + text);
}

}  // namespace
}  // namespace tidemark::sim
