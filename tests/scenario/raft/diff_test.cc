#include "tests/scenario/raft/diff.h"

#include <gtest/gtest.h>

namespace tidemark::scenario {
namespace {

TEST(UnifiedDiff, OfEqualTextsIsEmpty) { EXPECT_EQ(UnifiedDiff("f", "a\nb\n", "a\nb\n"), ""); }

TEST(UnifiedDiff, ShowsThreeLinesAroundAChange) {
  EXPECT_EQ(UnifiedDiff("f", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "--- f\n+++ f (as it ran)\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(UnifiedDiff, HasAHunkForEachPlace) {
  const std::string diff =
      UnifiedDiff("f", "a\n1\n2\n3\n4\n5\n6\n7\nz\n", "1\n2\n3\n4\n5\n6\n7\nz\nend\n");
  EXPECT_EQ(diff,
            "--- f\n+++ f (as it ran)\n@@ -1,4 +1,3 @@\n-a\n 1\n 2\n 3\n"
            "@@ -7,3 +6,4 @@\n 6\n 7\n z\n+end\n");
}

TEST(UnifiedDiff, ChangesNearEachOtherShareAHunk) {
  const std::string diff = UnifiedDiff("f", "a\n1\n2\nb\n", "1\n2\n");
  EXPECT_EQ(diff, "--- f\n+++ f (as it ran)\n@@ -1,4 +1,2 @@\n-a\n 1\n 2\n-b\n");
}

TEST(UnifiedDiff, FromNothingAndToNothing) {
  EXPECT_EQ(UnifiedDiff("f", "", "a\n"), "--- f\n+++ f (as it ran)\n@@ -1,0 +1,1 @@\n+a\n");
  EXPECT_EQ(UnifiedDiff("f", "a\n", ""), "--- f\n+++ f (as it ran)\n@@ -1,1 +1,0 @@\n-a\n");
}

}  // namespace
}  // namespace tidemark::scenario
