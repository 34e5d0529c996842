#include "tests/conformance/raft/script.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidemark::conformance {
namespace {

// The only directive of `text`.
Directive One(const std::string& text) {
  const absl::StatusOr<std::vector<Directive>> script = ReadScript(text);
  EXPECT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->size(), 1u);
  return script->front();
}

std::vector<std::string> Values(const std::string& argument) {
  const Directive directive = One("do " + argument + "\n");
  EXPECT_EQ(directive.arguments.size(), 1u);
  return directive.arguments.front().values;
}

using Strings = std::vector<std::string>;

TEST(Script, ReadsDirectiveInputAndOutput) {
  const Directive directive =
      One("# why\n\n  do a b=1\nfirst\n\n second \n----\nout\n put\n\n# rest");
  EXPECT_EQ(directive.line, 3u);
  EXPECT_EQ(directive.text, "do a b=1");
  EXPECT_EQ(directive.command, "do");
  EXPECT_EQ(directive.input, "first\n\n second");
  EXPECT_EQ(directive.expected, "out\n put\n");
  EXPECT_TRUE(directive.Find("a")->values.empty());
  EXPECT_EQ(directive.Find("b")->values, Strings{"1"});
  EXPECT_EQ(directive.Find("c"), nullptr);
}

TEST(Script, ArgumentsHaveNoneOneOrSeveralValues) {
  EXPECT_EQ(Values("a"), Strings{});
  EXPECT_EQ(Values("a="), Strings{""});
  EXPECT_EQ(Values("a=b=c"), Strings{"b=c"});
  EXPECT_EQ(Values("a=()"), Strings{""});
  EXPECT_EQ(Values("a=(1)"), Strings{"1"});
  EXPECT_EQ(Values("a=(1,2,  3)"), (Strings{"1", "2", "3"}));
  EXPECT_EQ(Values("a=(_,)"), (Strings{"_", ""}));
}

TEST(Script, ParenthesesInAValueBelongToIt) {
  EXPECT_EQ(Values("a=(x + (y, (z)), w)"), (Strings{"x + (y, (z))", "w"}));
}

TEST(Script, ArgumentsThatCannotBeParsedNameTheirLine) {
  for (const char* bad : {"a=(1", "a=(1,2", "a=((1)", "=1", "b =1"}) {
    const absl::Status status = ReadScript("\ndo " + std::string(bad) + "\n").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_NE(status.message().find("line 2"), absl::string_view::npos) << status.message();
  }
}

TEST(Script, FencedOutputMayHaveBlankLinesAndSingleFences) {
  EXPECT_EQ(One("do\n----\n----\na\n\n----\nb\n----\n----\n").expected, "a\n\n----\nb\n");
  EXPECT_EQ(One("do\n----\n----\nnever closed\n----").expected, "never closed\n----\n");
  const auto script = ReadScript("a\n----\n----\n\n----\n----\n\nb\n----\nx\n");
  ASSERT_EQ(script->size(), 2u);
  EXPECT_EQ(script->at(0).expected, "\n");
  EXPECT_EQ(script->at(1).expected, "x\n");
}

TEST(Script, ADirectiveGoesOnBehindABackslash) {
  const Directive directive = One("do a \\\n  b=2 \\\n  c\nin\n----\n");
  EXPECT_EQ(directive.line, 1u);
  EXPECT_EQ(directive.arguments.size(), 3u);
  EXPECT_EQ(directive.input, "in");
}

TEST(Script, OutputEndsAtTheEndOfTheFileOrABlankLineWithSpaces) {
  EXPECT_EQ(One("do\n----\nlast").expected, "last\n");
  EXPECT_EQ(One("do\n----\nlast\n \t\n").expected, "last\n");
  EXPECT_EQ(One("do\n----").expected, "");
  EXPECT_EQ(One("do\nno separator\n").expected, "");
}

TEST(Script, CommentsAreCommentsOnlyBetweenDirectives) {
  EXPECT_EQ(One("do\n# in\n----\n# out\n").input, "# in");
  EXPECT_EQ(One("do\n# in\n----\n# out\n").expected, "# out\n");
}

TEST(Script, CarriageReturnsEndLinesToo) {
  const Directive directive = One("do a=1\r\nin\r\n----\r\nout\r\n\r\n");
  EXPECT_EQ(directive.arguments.front().values, Strings{"1"});
  EXPECT_EQ(directive.input, "in");
  EXPECT_EQ(directive.expected, "out\n");
}

TEST(Script, SubtestsHaveNoBodyAndMustBegin) {
  EXPECT_EQ(One("subtest one\ndo\n----\nx\n\nsubtest end\n").expected, "x\n");
  EXPECT_FALSE(ReadScript("subtest end\n").ok());
}

}  // namespace
}  // namespace tidemark::conformance
