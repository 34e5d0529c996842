#include <gtest/gtest.h>

#include <string>

#include "tests/conformance/raft/run.h"

namespace tidemark::conformance {
namespace {

// What the last directive of `script` gives; all others must be right.
std::string Got(const std::string& script) {
  const Report report = RunScript("interaction/script.txt", script + "\n----\nno such output\n");
  EXPECT_EQ(report.verdict, Verdict::kDiffer);
  EXPECT_EQ(report.differences.size(), 1u);
  if (report.differences.empty()) return "";
  EXPECT_EQ(report.differences.front().expected, "no such output\n") << report.differences[0].got;
  return report.differences.front().got;
}

constexpr char kQuiet[] = "log-level none\n----\nok\n\n";
constexpr char kThree[] =
    "log-level none\n----\nok\n\nadd-nodes 3 voters=(1,2,3) index=10\n----\nok\n\n";
constexpr char kLed[] =
    "log-level none\n----\nok\n\nadd-nodes 3 voters=(1,2,3) index=10\n----\nok\n\n"
    "campaign 1\n----\nok\n\nstabilize\n----\nok\n\nlog-level warn\n----\nok\n\n";

TEST(InteractionScript, NamesWhatItCannotDo) {
  EXPECT_EQ(Got("add-nodes 1 voters=(1)"), "index must be specified as > 1 due to bootstrap\n");
  EXPECT_EQ(Got("add-nodes 1 index=2 read-only=eventually"),
            "invalid read-only option \"eventually\"\n");
  EXPECT_EQ(Got("add-nodes 1 voters=(1) index=2 read-only=lease-based"),
            "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased\n");
  EXPECT_EQ(Got("add-nodes 1 voters=(1) index=2 inflight=0"),
            "max number of inflight messages must be greater than 0\n");
  EXPECT_EQ(Got("what"), "unknown command\n");
  EXPECT_EQ(Got("log-level loud"),
            "log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]\n");
}

TEST(InteractionScript, EndsAtWhatMakesNoSense) {
  for (const char* bad :
       {"campaign 1", "campaign", "add-nodes", "add-nodes x", "add-nodes 1 prevote=maybe",
        "add-nodes 1 index=2\n----\nok\n\ndeliver-msgs type=MsgApple",
        "add-nodes 1 index=2\n----\nok\n\ndeliver-msgs 1 drop=1",
        "add-nodes 1 index=2\n----\nok\n\ntransfer-leadership from=1",
        "add-nodes 1 index=2\n----\nok\n\nset-randomized-election-timeout 1",
        "add-nodes 1 index=2\n----\nok\n\ncompact 1 9"}) {
    EXPECT_TRUE(Got(std::string(kQuiet) + bad).starts_with("FATAL: ")) << bad;
  }
}

TEST(InteractionScript, ErrorsAreNotSilenced) {
  EXPECT_EQ(Got(std::string(kThree) + "propose 1 x"), "raft proposal dropped\n");
  EXPECT_EQ(Got(std::string(kThree) + "stabilize log-level=loud"),
            "log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]\n");
}

TEST(InteractionScript, LinesOfInputAreDirectivesToo) {
  EXPECT_EQ(Got(std::string(kLed) + "propose 1 x\npropose 1 y\nprocess-ready 1"),
            "Ready MustSync=true:\nEntries:\n1/12 EntryNormal \"x\"\n1/13 EntryNormal \"y\"\n"
            "Messages:\n"
            "1->2 MsgApp Term:1 Log:1/11 Commit:11 Entries:[1/12 EntryNormal \"x\"]\n"
            "1->3 MsgApp Term:1 Log:1/11 Commit:11 Entries:[1/12 EntryNormal \"x\"]\n"
            "1->2 MsgApp Term:1 Log:1/12 Commit:11 Entries:[1/13 EntryNormal \"y\"]\n"
            "1->3 MsgApp Term:1 Log:1/12 Commit:11 Entries:[1/13 EntryNormal \"y\"]\n");
}

TEST(InteractionScript, MessagesOfOneTypeAreDeliveredOrDropped) {
  const std::string proposed = std::string(kLed) +
                               "propose 1 x\n----\nok\n\ntick-heartbeat 1\n"
                               "----\nok\n\nstabilize 1 log-level=none\n----\nok\n\n";
  EXPECT_EQ(Got(proposed + "deliver-msgs type=MsgHeartbeat 2 drop=3"),
            "1->2 MsgHeartbeat Term:1 Log:0/0 Commit:11\n"
            "dropped: 1->3 MsgHeartbeat Term:1 Log:0/0 Commit:11\n");
  EXPECT_EQ(Got(proposed + "deliver-msgs type=MsgVote 2 3"), "no messages\n");
}

TEST(InteractionScript, FollowersForwardProposalsAndRefusedChangesBecomeEmptyEntries) {
  EXPECT_EQ(Got(std::string(kLed) + "propose-conf-change 2\n----\nok\n\nprocess-ready 2"),
            "Ready MustSync=false:\nMessages:\n"
            "2->1 MsgProp Term:0 Log:0/0 Entries:[0/0 EntryConfChangeV2]\n");
  EXPECT_EQ(Got(std::string(kLed) +
                "propose-conf-change 1\n----\nok\n\nstabilize log-level=none\n----\nok\n\n"
                "raft-log 1"),
            "1/11 EntryNormal \"\"\n1/12 EntryNormal \"\"\n");
}

TEST(InteractionScript, AnsweringAsAStrangerIsRefused) {
  const std::string removed =
      std::string(kLed) +
      "propose-conf-change 1\nr3\n----\nok\n\nstabilize 1 2 "
      "log-level=none\n----\nok\n\nstabilize 3 log-level=none\n----\nok\n\n";
  const std::string got = Got(removed + "deliver-msgs 1");
  EXPECT_TRUE(got.ends_with("raft: cannot step as peer not found\n")) << got;
}

TEST(InteractionScript, ElectionsComeWithTheTicksThatAreSet) {
  const std::string ticked = std::string(kLed) +
                             "set-randomized-election-timeout 2 timeout=4\n----\nok\n\n"
                             "tick-election 2\n----\nok\n\n";
  EXPECT_EQ(Got(ticked + "process-ready 2"), "<empty Ready>\n");
  EXPECT_TRUE(Got(ticked + "tick-heartbeat 2\n----\nok\n\nprocess-ready 2")
                  .starts_with("Ready MustSync=true:\nLead:0 State:StateCandidate\n"));
}

TEST(InteractionScript, AnAbsentQuorumIsNoticedAfterTwoElectionTimeouts) {
  const std::string led =
      "log-level none\n----\nok\n\nadd-nodes 3 voters=(1,2,3) index=10 checkquorum=true\n----\nok\n"
      "\ncampaign 1\n----\nok\n\nstabilize\n----\nok\n\nlog-level warn\n----\nok\n\n"
      "tick-election 1\n----\nok\n\n";
  EXPECT_TRUE(Got(led + "raft-state").starts_with("1: StateLeader (Voter) Term:1 Lead:1\n"));
  EXPECT_TRUE(Got(led + "tick-election 1\n----\nok\n\nraft-state")
                  .starts_with("1: StateFollower (Voter) Term:1 Lead:0\n"));
}

TEST(InteractionScript, VoteRequestsThatLeaveEarlyAreNamed) {
  const Report report = RunScript(
      "interaction/a.txt",
      std::string(kQuiet) +
          "add-nodes 2 voters=(1,2) index=10 async-storage-writes=true\n----\nok\n\n"
          "campaign 1\n----\nok\n\nlog-level warn\n----\nok\n\nprocess-ready 1\n----\n"
          "Ready MustSync=true:\nLead:0 State:StateCandidate\nHardState Term:1 Vote:1 Commit:10\n"
          "Messages:\n1->2 MsgVote Term:1 Log:1/10\n"
          "1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:10 Vote:1 Responses:[\n"
          "  1->1 MsgVoteResp Term:1 Log:0/0\n]\n");
  EXPECT_EQ(ReportText("a.txt", report),
            "pass a.txt (5 directives; differs: early vote requests)\n");
}

}  // namespace
}  // namespace tidemark::conformance
