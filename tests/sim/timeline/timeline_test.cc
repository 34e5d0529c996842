#include "sim/timeline/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "sim/coverage.h"
#include "sim/run.h"

namespace tidemark::sim {
namespace {

constexpr GroupId kGroup{1};
constexpr NodeId kA{1};
constexpr NodeId kB{2};

// A timeline of two nodes and a clock that is moved by hand.
struct Planted {
  Planted() { timeline.Begin(&clock, {kA, kB}); }
  void At(Duration time) { clock.RunNext(Instant() + time); }

  Scheduler clock;
  Timeline timeline{true};
};

EntryFact Fact(uint64_t index, uint64_t term) {
  return {.index = LogIndex{index},
          .term = Term{term},
          .base_offset = Offset{index * 10},
          .offset_span = 10,
          .bytes = 100};
}

size_t Count(const Timeline& timeline, MarkKind kind) {
  return static_cast<size_t>(std::count_if(timeline.marks().begin(), timeline.marks().end(),
                                           [&](const Mark& mark) { return mark.kind == kind; }));
}

size_t Count(const Timeline& timeline, MarkKind kind, Outcome outcome) {
  return static_cast<size_t>(std::count_if(
      timeline.marks().begin(), timeline.marks().end(),
      [&](const Mark& mark) { return mark.kind == kind && mark.outcome == outcome; }));
}

PeerMessage Heartbeat() {
  return {.group = kGroup,
          .message = {.from = kA, .to = kB, .term = Term{3}, .body = raft::Heartbeat{}}};
}

TEST(Timeline, OffItKeepsNothing) {
  Scheduler clock;
  Timeline timeline;
  timeline.Begin(&clock, {kA, kB});
  timeline.AddClient(8, "producer 8");
  timeline.Ends(timeline.Sends(0, 1, Heartbeat()));
  timeline.OnNode(MarkKind::kKill, 0);
  timeline.Submits(8, {.number = 1, .group = kGroup, .records = 1, .bytes = 1});
  timeline.Acked(8, 1, Offset{0});
  timeline.Cut(kA, kGroup, LogIndex{1}, 1);
  timeline.Finish("oracle", "words");
  EXPECT_TRUE(timeline.marks().empty());
  EXPECT_TRUE(timeline.lanes().empty());
}

TEST(Timeline, AMessageLastsFromItsSendingToItsArrival) {
  Planted planted;
  planted.At(Duration::Millis(5));
  const MarkId mark = planted.timeline.Sends(0, 1, Heartbeat());
  EXPECT_EQ(planted.timeline.marks()[0].outcome, Outcome::kUnderWay);
  planted.At(Duration::Millis(7));
  planted.timeline.Ends(mark);
  planted.timeline.Finish("", "");
  ASSERT_EQ(planted.timeline.marks().size(), 1u);
  const Mark& sent = planted.timeline.marks()[0];
  EXPECT_EQ(sent.kind, MarkKind::kHeartbeat);
  EXPECT_EQ(sent.end - sent.begin, Duration::Millis(2));
  EXPECT_EQ(sent.outcome, Outcome::kDone);
  EXPECT_EQ(sent.lane, 0);
  EXPECT_EQ(sent.peer, 1);
  EXPECT_EQ(sent.term, Term{3});
}

TEST(Timeline, ASecondArrivalIsARepetitionAndALateLossIsNothing) {
  Planted planted;
  const MarkId mark = planted.timeline.Sends(0, 1, Heartbeat());
  planted.timeline.OnNode(MarkKind::kPowerLoss, 1);
  planted.At(Duration::Millis(1));
  planted.timeline.Ends(mark);
  planted.At(Duration::Millis(2));
  planted.timeline.Ends(mark);
  planted.timeline.Ends(mark, Outcome::kReceiverDown);
  planted.timeline.Finish("", "");
  ASSERT_EQ(planted.timeline.marks().size(), 3u);
  // In the order of their beginnings, not of their making.
  EXPECT_EQ(planted.timeline.marks()[2].outcome, Outcome::kRepeated);
  EXPECT_EQ(planted.timeline.marks()[2].end - Instant(), Duration::Millis(2));
}

TEST(Timeline, EntriesThatComeTogetherShareAMark) {
  Planted planted;
  for (const uint64_t index : {4u, 5u, 6u}) {
    planted.timeline.Appended(kA, kGroup, Fact(index, 1), false);
  }
  planted.timeline.Appended(kA, kGroup, Fact(7, 2), false);  // another term
  planted.timeline.Appended(kB, kGroup, Fact(8, 2), false);  // another node
  planted.At(Duration::Millis(1));
  planted.timeline.Appended(kB, kGroup, Fact(9, 2), false);  // later
  ASSERT_EQ(planted.timeline.marks().size(), 4u);
  const Mark& first = planted.timeline.marks()[0];
  EXPECT_EQ(first.index, LogIndex{4});
  EXPECT_EQ(first.entries, 3u);
  EXPECT_EQ(first.offset, Offset{40});
  EXPECT_EQ(first.offsets, 30u);
  EXPECT_EQ(first.bytes, 300u);
}

TEST(Timeline, ABatchLastsFromItsSubmissionToItsAcknowledgement) {
  Planted planted;
  planted.timeline.AddClient(8, "producer 8");
  planted.timeline.Submits(8, {.number = 3, .group = kGroup, .records = 2, .bytes = 50});
  planted.At(Duration::Millis(4));
  planted.timeline.Acked(8, 3, Offset{20});
  planted.timeline.Acked(8, 3, Offset{20});  // once is enough
  ASSERT_EQ(planted.timeline.marks().size(), 2u);
  const Mark& batch = planted.timeline.marks()[0];
  EXPECT_EQ(batch.end - batch.begin, Duration::Millis(4));
  EXPECT_EQ(batch.offset, Offset{20});
  EXPECT_EQ(batch.lane, 2);
  EXPECT_EQ(planted.timeline.marks()[1].kind, MarkKind::kAck);
  EXPECT_EQ(planted.timeline.marks()[1].begin, batch.end);
}

TEST(Timeline, ClientsOfOneNameShareALane) {
  Planted planted;
  planted.timeline.AddClient(0, "operator");
  planted.timeline.AddClient(1, "operator");
  planted.timeline.AddClient(8, "producer 8");
  ASSERT_EQ(planted.timeline.lanes().size(), 4u);
  EXPECT_EQ(planted.timeline.marks().size(), 0u);
  planted.timeline.Refused(1, kGroup, "NOT_LEADER");
  EXPECT_EQ(planted.timeline.marks()[0].lane, 2);
}

TEST(Timeline, AVerdictIsTheLastMark) {
  Planted planted;
  planted.timeline.Phase("calm");
  planted.timeline.Finish("progress", "nobody leads");
  const Mark& last = planted.timeline.marks().back();
  EXPECT_EQ(last.kind, MarkKind::kVerdict);
  EXPECT_EQ(planted.timeline.texts()[last.text], "progress: nobody leads");
}

TEST(LastWords, AreSaidOnce) {
  std::vector<std::string> said;
  SetLastWords([&](std::string_view check) {
    said.emplace_back(check);
    SayLastWords("a check of the words themselves");
  });
  SayLastWords("a < b");
  SayLastWords("c < d");
  EXPECT_EQ(said, std::vector<std::string>{"a < b"});
}

// What the timeline says happened, against what the run counted by itself.
TEST(Timeline, AgreesWithWhatTheRunCountsAndChangesNothing) {
  const auto raft = {MarkKind::kVote,        MarkKind::kAppend,         MarkKind::kHeartbeat,
                     MarkKind::kAppendReply, MarkKind::kHeartbeatReply, MarkKind::kTransfer,
                     MarkKind::kSnapshot,    MarkKind::kRead,           MarkKind::kCommand};
  Coverage all;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Timeline timeline(true);
    const RunResult result = RunSeed(seed, {.timeline = &timeline});
    const Coverage& counted = result.coverage;
    all.Add(counted);
    ASSERT_EQ(result.hash, RunSeed(seed).hash);
    EXPECT_TRUE(result.ok()) << result.Line();
    EXPECT_EQ(Count(timeline, MarkKind::kPowerLoss),
              counted[Probe::kPowerLoss] + counted[Probe::kDiskWiped])
        << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kKill), counted[Probe::kProcessKilled]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kPause), counted[Probe::kPause]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kShutdown), counted[Probe::kGracefulRestart]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kClock), counted[Probe::kWallClockSet]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kDiskFull), counted[Probe::kDiskFull]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kCut), counted[Probe::kTruncated]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kTrimmed), counted[Probe::kPrefixRemoved]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kReopened), counted[Probe::kGroupReopened]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kAck), counted[Probe::kBatchAcked]) << seed;
    EXPECT_EQ(Count(timeline, MarkKind::kFlush, Outcome::kFailed), counted[Probe::kSyncFailed]);
    EXPECT_EQ(Count(timeline, MarkKind::kFlush, Outcome::kNoSpace), counted[Probe::kWriteFailed]);
    EXPECT_EQ(Count(timeline, MarkKind::kGossip, Outcome::kLost), counted[Probe::kDatagramLost]);
    size_t lost = 0;
    size_t repeated = 0;
    for (const MarkKind kind : raft) {
      lost += Count(timeline, kind, Outcome::kLost);
      repeated += Count(timeline, kind, Outcome::kRepeated);
    }
    EXPECT_EQ(lost, counted[Probe::kMessageLost]) << seed;
    EXPECT_LE(repeated, counted[Probe::kMessageDuplicated]) << seed;
    for (const Mark& mark : timeline.marks()) {
      ASSERT_LE(mark.begin, mark.end);
      ASSERT_LE(mark.begin, timeline.end());
      ASSERT_LT(mark.text, timeline.texts().size());
      ASSERT_TRUE(mark.lane == kNoLane || mark.lane < timeline.lanes().size());
    }
  }
  // Or the comparisons above compare nothing with nothing.
  for (const Probe probe : {Probe::kPowerLoss, Probe::kTruncated, Probe::kMessageLost,
                            Probe::kMessageDuplicated, Probe::kBatchAcked, Probe::kPause}) {
    EXPECT_GT(all[probe], 0u) << NameOf(probe);
  }
}

}  // namespace
}  // namespace tidemark::sim
