#include "sim/checkers/verdict.h"

#include <gtest/gtest.h>

namespace tidemark::sim {
namespace {

TEST(Verdict, TheFirstViolationDecides) {
  Verdict verdict;
  EXPECT_TRUE(verdict.ok());
  verdict.Fail("retention", "one");
  verdict.Fail("scrub", "two");
  EXPECT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.oracle(), "retention");
  EXPECT_EQ(verdict.what(), "one");
}

TEST(Verdict, WhoIsMutedIsNotListenedTo) {
  Verdict verdict;
  verdict.Mute("retention");
  verdict.Fail("retention", "one");
  EXPECT_TRUE(verdict.ok());
  verdict.Fail("scrub", "two");
  EXPECT_EQ(verdict.oracle(), "scrub");
}

TEST(Verdict, OnlyOraclesSpeak) {
  EXPECT_TRUE(IsOracle("vote_once"));
  EXPECT_FALSE(IsOracle("nobody"));
  EXPECT_TRUE(OracleNames().starts_with("access, acked_durability, "));
  Verdict verdict;
  EXPECT_DEATH(verdict.Fail("nobody", "one"), "IsOracle");
}

}  // namespace
}  // namespace tidemark::sim
