#include "tests/conformance/raft/normal_form.h"

#include <gtest/gtest.h>

namespace tidemark::conformance {
namespace {

TEST(NormalForm, LogLinesAreLeftOutAtAnyDepth) {
  EXPECT_EQ(
      WithoutLog("DEBUG x\n> 1 handling Ready\n  INFO 1 became leader at term 1\n  a\nWARN w\n"
                 "ERROR e\nFATAL f\n"),
      "> 1 handling Ready\n  a\n");
}

TEST(NormalForm, WhoIsAMemberIsKept) {
  const std::string kept = "INFO 1 switched to configuration voters=(1 2)\n";
  EXPECT_EQ(WithoutLog(kept + "INFO 1 became follower at term 0\n"), kept);
}

TEST(NormalForm, NothingButLogIsOk) {
  EXPECT_EQ(WithoutLog("INFO a\n"), "ok\n");
  EXPECT_EQ(WithoutLog(""), "ok\n");
  EXPECT_EQ(WithoutLog("ok\n"), "ok\n");
}

TEST(NormalForm, WordsThatOnlyBeginLikeALevelAreKept) {
  EXPECT_EQ(WithoutLog("INFORMATION\nDEBUGGER x\n"), "INFORMATION\nDEBUGGER x\n");
}

TEST(NormalForm, SpacesAndOrderMatter) {
  EXPECT_TRUE(CompareInNormalForm("a\nb\nINFO c\n", "INFO d\na\nb\n").same);
  EXPECT_FALSE(CompareInNormalForm("a\nb\n", "b\na\n").same);
  EXPECT_FALSE(CompareInNormalForm("a\n", " a\n").same);
  EXPECT_FALSE(CompareInNormalForm("a\nb\n", "a\n").same);
}

TEST(NormalForm, NamesTheFirstLineThatDiffers) {
  EXPECT_EQ(CompareInNormalForm("INFO x\na\nb\n", "a\nc\n").first_difference,
            "without log lines, line 2 is |c| instead of |b|");
  EXPECT_EQ(CompareInNormalForm("a\nb", "a\nb").first_difference, "");
}

}  // namespace
}  // namespace tidemark::conformance
