#include "tests/conformance/raft/run.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark::conformance {
namespace {

// What the tool says to the last directive of `script`, whose expectation is left out.
std::string Got(const std::string& script) {
  const Report report = RunScript("script.txt", script);
  EXPECT_FALSE(report.differences.empty());
  return report.differences.empty() ? "" : report.differences.back().got;
}

TEST(QuorumScript, DrawsBarsByHowManyAreLower) {
  EXPECT_EQ(Got("committed cfg=(30,4,11,2) idx=(8,8,123456,_)\n----\n"),
            "        idx\n"
            "?         0    (id=2)\n"
            "x>        8    (id=4)\n"
            "xxx>  123456    (id=11)\n"
            "x>        8    (id=30)\n"
            "8\n");
}

TEST(QuorumScript, ValuesBelongToVotersInTheOrderTheyAreNamedIn) {
  EXPECT_EQ(Got("committed cfg=(3,1) cfgj=(1,2) idx=(30,10,20)\n----\n"),
            "       idx\n"
            ">       10    (id=1)\n"
            "x>      20    (id=2)\n"
            "xx>     30    (id=3)\n"
            "10\n");
}

TEST(QuorumScript, RepeatedVotersCountOnceAndZeroIsAnId) {
  EXPECT_EQ(Got("vote cfg=(0,0,1) votes=(y,y)\n----\n"), "VoteWon\n");
  EXPECT_EQ(Got("vote cfg=(18446744073709551615,5) cfgj=zero votes=(y,n)\n----\n"), "VoteLost\n");
}

TEST(QuorumScript, NobodyCommitsEverything) {
  EXPECT_EQ(Got("committed cfgj=zero\n----\n"), "<empty majority quorum>∞\n");
  EXPECT_EQ(Got("vote cfgj=zero\n----\n"), "VoteWon\n");
}

TEST(QuorumScript, AsManyValuesAsVotersAreNeeded) {
  EXPECT_EQ(Got("vote cfg=(2,1) cfgj=(2,3) votes=(y,_)\n----\n"),
            "error: mismatched input (explicit or _) for voters map[1:{} 2:{} 3:{}]: [2 0]\n");
  EXPECT_EQ(Got("committed idx=(5)\n----\n"),
            "error: mismatched input (explicit or _) for voters map[]: [5]\n");
}

TEST(QuorumScript, StopsAtWhatItsHarnessWouldStopAt) {
  for (const char* bad :
       {"committed cfg=(1) idx=(0)", "committed cfg=(x) idx=(1)", "committed cfgs=(1)",
        "vote cfg=(1) votes=(maybe)", "vote cfg=(1) cfgj=(1,zero) votes=(y)"}) {
    const Report report =
        RunScript("script.txt", std::string(bad) + "\n----\nVoteWon\n\nvote\n----\nVoteWon\n");
    EXPECT_EQ(report.verdict, Verdict::kDiffer) << bad;
    ASSERT_EQ(report.differences.size(), 1u) << bad;
    EXPECT_TRUE(report.differences.front().got.starts_with("FATAL: ")) << bad;
  }
}

TEST(QuorumScript, MoreVotersThanAGroupCanHaveAreRefused) {
  std::string cfg;
  std::string votes;
  for (int id = 1; id <= 129; ++id) {
    cfg += (id == 1 ? "" : ",") + std::to_string(id);
    votes += id == 1 ? "y" : ",y";
  }
  EXPECT_EQ(Got("vote cfg=(" + cfg + ") votes=(" + votes + ")\n----\n"),
            "FATAL: more than 128 voters\n");
}

TEST(ConfChangeScript, PrintsMembershipAndMembers) {
  EXPECT_EQ(Got("simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n\n"
                "enter-joint autoleave=T\nl1 v2 l5\n----\n"),
            "voters=(2)&&(1) learners=(5) learners_next=(1) autoleave\n"
            "1: StateProbe match=0 next=1\n"
            "2: StateProbe match=0 next=1\n"
            "5: StateProbe match=0 next=1 learner\n");
}

TEST(ConfChangeScript, RefusedDirectivesCountAsTimePassed) {
  EXPECT_EQ(Got("simple\nx1\n----\nunknown input: x1\n\nsimple\nr1\n----\nremoved all voters\n\n"
                "leave-joint\n----\ncan't leave a non-joint config\n\nsimple\nv1\n----\n"),
            "voters=(1)\n1: StateProbe match=0 next=3\n");
}

TEST(ConfChangeScript, SaysWhatItCannotReadInGoesWords) {
  EXPECT_EQ(Got("simple\nv\n----\n"), "unknown token v\n");
  EXPECT_EQ(Got("simple\nv1  v2\n----\n"), "unknown token \n");
  EXPECT_EQ(Got("simple\nv-1\n----\n"), "strconv.ParseUint: parsing \"-1\": invalid syntax\n");
  EXPECT_EQ(Got("simple\nv1\nv2\n----\n"),
            "strconv.ParseUint: parsing \"1\\nv2\": invalid syntax\n");
  EXPECT_EQ(Got("simple\nv18446744073709551616\n----\n"),
            "strconv.ParseUint: parsing \"18446744073709551616\": value out of range\n");
  EXPECT_EQ(Got("leave-joint\nv1\n----\n"), "this command takes no input\n");
  EXPECT_EQ(Got("simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n\nleave\n----\n"),
            "unknown command\n");
  EXPECT_TRUE(Got("enter-joint later=true\n----\n").starts_with("FATAL: "));
}

TEST(RunScript, TheFolderTellsTheFamilyWhereTheFirstDirectiveDoesNot) {
  EXPECT_EQ(RunScript("a/confchange/b.txt", "what\n----\nunknown command\n").verdict,
            Verdict::kPass);
  EXPECT_EQ(RunScript("a/quorum/b.txt", "what\n----\nx\n").verdict, Verdict::kDiffer);
  EXPECT_EQ(RunScript("a/interaction/b.txt", "what\n----\nunknown command\n").verdict,
            Verdict::kPass);
  EXPECT_EQ(RunScript("a/b.txt", "what\n----\nx\n").verdict, Verdict::kUnsupported);
}

TEST(RunScript, NothingToRunAndNothingReadableAreNoPass) {
  EXPECT_EQ(RunScript("quorum/b.txt", "# nothing\n").verdict, Verdict::kUnsupported);
  EXPECT_EQ(RunScript("quorum/b.txt", "vote cfg=(1\n----\nx\n").verdict, Verdict::kUnsupported);
}

TEST(RunScript, ReportsEveryDifferenceWithItsLine) {
  const std::string script =
      "vote\n----\nVoteLost\n\nvote\n----\nVoteWon\n\nvote\n----\nVoteWon \n";
  const Report report = RunScript("a.txt", script);
  EXPECT_EQ(ReportText("a.txt", report),
            "differ a.txt:1 (2 of 3 directives)\n"
            "  a.txt:1: vote\n  expected:\n    |VoteLost|\n  got:\n    |VoteWon|\n"
            "  a.txt:9: vote\n  expected:\n    |VoteWon |\n  got:\n    |VoteWon|\n");
  EXPECT_EQ(ReportText("a.txt", RunScript("a.txt", "vote\n----\nVoteWon\n")),
            "pass a.txt (1 directives)\n");
}

}  // namespace
}  // namespace tidemark::conformance
