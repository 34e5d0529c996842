#include "tests/scenario/raft/world.h"

#include <gtest/gtest.h>

#include "absl/strings/str_join.h"

namespace tidemark::scenario {
namespace {

using Lines = std::vector<std::string>;

class WorldTest : public testing::Test {
 protected:
  Lines Do(const char* statement) {
    absl::StatusOr<Lines> output = world_.Run(statement);
    EXPECT_TRUE(output.ok()) << statement << ": " << output.status();
    return output.ok() ? *output : Lines{};
  }
  std::string Refused(const char* statement, absl::StatusCode code) {
    const absl::StatusOr<Lines> output = world_.Run(statement);
    EXPECT_EQ(output.status().code(), code) << statement;
    return std::string(output.status().message());
  }
  void Elect() {
    for (const char* statement : {"nodes 3", "start", "1 times out", "settle"}) Do(statement);
  }
  World world_;
};

TEST_F(WorldTest, MessagesHangOnTheWriteTheyPromise) {
  Elect();
  Do("propose at 1: a");
  EXPECT_EQ(Do("deliver append 1->2"),
            (Lines{"2 follows 1  term 1 vote 1  log 1:- | 1:a  commit 1"}));
  Do("must flight ack: 0");
  EXPECT_EQ(Do("sync 2").front(), "2->1  term 1  ack up to 2");
}

TEST_F(WorldTest, ACrashTakesWhatIsNotSynced) {
  Elect();
  Do("propose at 1: a");
  EXPECT_EQ(Do("crash 1"), (Lines{"1 down  disk: term 1 vote 1  log 1:-"}));
  EXPECT_EQ(Do("restart 1"), (Lines{"1 follower  term 1 vote 1  log 1:-  commit 0"}));
}

TEST_F(WorldTest, ACrashMayLeaveEitherFileOfTheWrite) {
  Do("nodes 2");
  Do("set pre-vote off");
  Do("start");
  Do("1 times out");
  EXPECT_EQ(Do("crash 1 with vote"), (Lines{"1 down  disk: term 1 vote 1  log"}));
  Do("restart 1");
  Do("1 times out");
  Do("settle");
  Do("propose at 1: a");
  EXPECT_EQ(Do("crash 1 with log"), (Lines{"1 down  disk: term 2 vote 1  log 2:- 2:a"}));
}

TEST_F(WorldTest, OneMessageOfManyIsSelected) {
  Elect();
  Do("propose at 1: a");
  Do("propose at 1: b");
  Do("must flight append: 4");
  Do("drop last append 1->2");
  Do("must flight append 1->2: 1");
  Do("copy append to 3");
  Do("must flight append 1->3: 2");
  Do("must 3 hold: a b");
  Do("drop from 1");
  Do("must flight: 0");
}

TEST_F(WorldTest, WhatIsCutOffIsLostAndSaidSo) {
  Elect();
  Do("cut 1 | 2 3");
  EXPECT_EQ(Do("propose at 1: a").front(), "1->2  term 1  append after 1@1: 1:a, commit 1  (lost)");
  Do("heal");
  Do("cut 1->2");
  Do("propose at 1: b");
  Do("must flight append 1->3: 1");
  Do("must flight append 1->2: 0");
}

TEST_F(WorldTest, SettleLeavesADiskThatHangs) {
  Elect();
  Do("disk hangs at 2");
  Do("propose at 1: a");
  Do("settle");
  Do("must 1 have committed: a");
  EXPECT_EQ(Do("sync 2").front(), "2->1  term 1  ack up to 2");
}

TEST_F(WorldTest, WhatRaftRefusesIsOutputAndCanBeRequired) {
  Elect();
  EXPECT_EQ(Do("propose at 2: a"), (Lines{"refused: node 2 takes no proposals now"}));
  Do("must refuse");
  Refused("must refuse", absl::StatusCode::kFailedPrecondition);
}

TEST_F(WorldTest, EveryRequirementCanFail) {
  Elect();
  Do("propose at 1: a");
  Do("read at 1");
  for (const char* statement :
       {"must 2 lead", "must nobody lead", "must 1 follow 2", "must 1 be in term 2",
        "must 1 have committed: a", "must 2 hold: a", "must 1 lack: a", "must logs agree",
        "must flight: 0", "must read 1 be at 1", "must read 1 be refused", "must refuse",
        "must 1 have members: voters 1 2"}) {
    EXPECT_NE(Refused(statement, absl::StatusCode::kFailedPrecondition).find("does not hold"),
              std::string::npos)
        << statement;
  }
  Do("settle");
  Refused("must read 1 wait", absl::StatusCode::kFailedPrecondition);
}

TEST_F(WorldTest, UnknownStatementsAreRefusedWithTheNearestKnownOnes) {
  Elect();
  EXPECT_NE(Refused("setle", absl::StatusCode::kInvalidArgument).find("near it are: "),
            std::string::npos);
  EXPECT_NE(Refused("delivr 1->2", absl::StatusCode::kInvalidArgument).find("deliver [first|last]"),
            std::string::npos);
  EXPECT_NE(Refused("2 time out", absl::StatusCode::kInvalidArgument).find("N times out"),
            std::string::npos);
  EXPECT_NE(Refused("frobnicate", absl::StatusCode::kInvalidArgument).find("known are nodes, set"),
            std::string::npos);
}

TEST_F(WorldTest, HalfUnderstoodStatementsSayHowTheyGo) {
  Elect();
  for (const char* statement :
       {"deliver 1", "deliver votes", "crash 7", "crash", "sync x", "cut 1 2", "propose at 1 a",
        "propose at 1:", "advance 5", "transfer 1 3", "change at 1: 4", "install 2",
        "disk burns at 1", "must 1 leads", "must flight", "heal now", "set pre-vote perhaps",
        "set colour 3"}) {
    Refused(statement, absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(WorldTest, StatementsThatMakeNoSenseNowAreRefused) {
  Refused("settle", absl::StatusCode::kFailedPrecondition);
  Refused("start", absl::StatusCode::kFailedPrecondition);
  Elect();
  for (const char* statement : {"deliver", "drop vote", "sync", "install at 2", "restart 1",
                                "snapshot at 2 ", "start", "nodes 5"}) {
    if (std::string_view(statement) == "snapshot at 2 ") Do("snapshot at 2");
    Refused(statement, absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(WorldTest, ElectionTimeoutsAreTheSameEveryTime) {
  Elect();
  Do("crash 1");
  Do("advance 159ms");
  Do("must flight pre-vote?: 0");
  Do("advance 1ms");
  Do("must flight pre-vote? from 2: 2");
  Do("must flight pre-vote? from 3: 0");
}

}  // namespace
}  // namespace tidemark::scenario
