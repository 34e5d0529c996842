#include "tests/scenario/raft/script.h"

#include <gtest/gtest.h>

namespace tidemark::scenario {
namespace {

constexpr char kText[] =
    "# A title.\n"
    "nodes 3\n"
    "\n"
    "1 times out   # a remark\n"
    "  1 candidate\n"
    "    once it is on disk: ...\n"
    "settle\n";

TEST(Script, WhatIsIndentedIsOutputOfTheStatementAbove) {
  const std::vector<Step> steps = ParseScript(kText);
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[0].statement, "");
  EXPECT_EQ(steps[1].statement, "nodes 3");
  EXPECT_EQ(steps[3].statement, "1 times out");
  EXPECT_EQ(steps[3].line, 4u);
  EXPECT_EQ(steps[3].output,
            (std::vector<std::string>{"1 candidate", "  once it is on disk: ..."}));
  EXPECT_EQ(steps[4].line, 7u);
}

TEST(Script, IsRenderedAsItWasRead) { EXPECT_EQ(RenderScript(ParseScript(kText)), kText); }

TEST(Script, LastLineMayLackItsEnd) {
  EXPECT_EQ(RenderScript(ParseScript("nodes 3\nstart")), "nodes 3\nstart\n");
}

TEST(Script, OutputWithoutAStatementIsTakenForOne) {
  EXPECT_EQ(ParseScript("  1 leader\n").front().statement, "1 leader");
}

}  // namespace
}  // namespace tidemark::scenario
