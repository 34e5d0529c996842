#include "engine/raft/progress.h"

#include <gtest/gtest.h>

#include "engine/raft/inflights.h"

namespace tidemark::raft {
namespace {

TEST(Inflights, IsFullAtItsLimitOfMessages) {
  Inflights inflights(2, 1000);
  inflights.Add(LogIndex{1}, 10);
  EXPECT_FALSE(inflights.full());
  inflights.Add(LogIndex{3}, 10);
  EXPECT_TRUE(inflights.full());
  inflights.FreeTo(LogIndex{2});
  EXPECT_FALSE(inflights.full());
  EXPECT_EQ(inflights.bytes(), 10u);
}

TEST(Inflights, IsFullAtItsLimitOfBytesButLetsOneMessageOfAnySizePass) {
  Inflights inflights(10, 100);
  EXPECT_FALSE(inflights.full());
  inflights.Add(LogIndex{1}, 5000);
  EXPECT_TRUE(inflights.full());
  EXPECT_EQ(inflights.bytes_left(), 0u);
  inflights.FreeTo(LogIndex{1});
  EXPECT_TRUE(inflights.empty());
  EXPECT_EQ(inflights.bytes_left(), 100u);
}

TEST(Inflights, FreesOnlyMessagesThatAreWhollyAcknowledged) {
  Inflights inflights(10, 1000);
  inflights.Add(LogIndex{5}, 1);
  inflights.FreeTo(LogIndex{4});
  EXPECT_EQ(inflights.messages(), 1u);
}

TEST(Inflights, RunsRoundItsRingForEver) {
  Inflights inflights(3, 1000);
  for (uint64_t i = 1; i <= 100; ++i) {
    inflights.Add(LogIndex{i}, i);
    if (i > 2) inflights.FreeTo(LogIndex{i - 2});
    EXPECT_EQ(inflights.messages(), std::min<uint64_t>(i, 2));
  }
  EXPECT_EQ(inflights.bytes(), 99u + 100u);
}

TEST(Inflights, LetsOneMessagePassAfterARefusalAndOneMoreWithEachThatIsAcknowledged) {
  Inflights inflights(4, 1000);
  inflights.StartSlowly();
  uint64_t last = 0;
  for (const size_t window : {1u, 2u, 4u, 4u}) {
    EXPECT_EQ(inflights.window(), window);
    while (!inflights.full()) inflights.Add(LogIndex{++last}, 1);
    EXPECT_EQ(inflights.messages(), window);
    inflights.FreeTo(LogIndex{last});
  }
  inflights.StartSlowly();
  inflights.OpenWindow();
  EXPECT_EQ(inflights.window(), 4u);
}

TEST(Progress, AnAcknowledgementNeverLowersMatchOrNext) {
  Progress peer(NodeId{2}, 4, 100);
  peer.ResetForTerm(LogIndex{10}, Instant());
  peer.Acknowledge(LogIndex{7});
  EXPECT_EQ(peer.match, LogIndex{7});
  EXPECT_EQ(peer.next, LogIndex{11});
  peer.Acknowledge(LogIndex{3});
  EXPECT_EQ(peer.match, LogIndex{7});
  EXPECT_EQ(peer.next, LogIndex{11});
}

TEST(Progress, ANewSessionForgetsWhatWasInFlightAndOutdatesEarlierSequences) {
  Progress peer(NodeId{2}, 4, 100);
  peer.ResetForTerm(LogIndex{10}, Instant());
  peer.Acknowledge(LogIndex{10});
  peer.EnterReplicate();
  peer.inflights.Add(LogIndex{11}, 5);
  peer.sequence = 42;
  peer.EnterProbe();
  EXPECT_TRUE(peer.inflights.empty());
  EXPECT_EQ(peer.session, 43u);
  EXPECT_EQ(peer.next, LogIndex{11});
  EXPECT_FALSE(peer.paused);
}

TEST(Progress, SequencesRunOnWhenAnotherLeadershipBegins) {
  Progress peer(NodeId{2}, 4, 100);
  peer.sequence = 42;
  peer.ResetForTerm(LogIndex{10}, Instant());
  EXPECT_EQ(peer.sequence, 42u);
  EXPECT_EQ(peer.session, 43u);
}

TEST(Progress, ARefusedProbeGoesBackToTheGuessAndBeforeTheMatchOnlyIfThatIsRefused) {
  Progress peer(NodeId{2}, 4, 100);
  peer.ResetForTerm(LogIndex{10}, Instant());
  EXPECT_FALSE(peer.Refused(LogIndex{9}, LogIndex{2})) << "of an earlier probe";
  EXPECT_TRUE(peer.Refused(LogIndex{10}, LogIndex{6}));
  EXPECT_EQ(peer.next, LogIndex{7});
  peer.Acknowledge(LogIndex{5});
  EXPECT_TRUE(peer.Refused(LogIndex{6}, LogIndex{1}));
  EXPECT_EQ(peer.next, LogIndex{6});
  EXPECT_TRUE(peer.Refused(LogIndex{5}, LogIndex{1})) << "it came back without its disk";
  EXPECT_EQ(peer.match, LogIndex{0});
  EXPECT_EQ(peer.next, LogIndex{2});
}

TEST(Progress, ARefusalWhileStreamingGoesBackToTheMatch) {
  Progress peer(NodeId{2}, 4, 100);
  peer.ResetForTerm(LogIndex{10}, Instant());
  peer.Acknowledge(LogIndex{8});
  peer.EnterReplicate();
  peer.next = LogIndex{15};
  EXPECT_FALSE(peer.Refused(LogIndex{8}, LogIndex{2}));
  EXPECT_TRUE(peer.Refused(LogIndex{12}, LogIndex{2}));
  EXPECT_EQ(peer.state, Progress::State::kProbe);
  EXPECT_EQ(peer.next, LogIndex{9});
  EXPECT_EQ(peer.inflights.window(), 1u);
  peer.ResetForTerm(LogIndex{10}, Instant());
  EXPECT_EQ(peer.inflights.window(), 4u);
}

TEST(Progress, AfterASnapshotThePeerIsProbedBehindIt) {
  Progress peer(NodeId{2}, 4, 100);
  peer.ResetForTerm(LogIndex{30}, Instant());
  peer.EnterSnapshot(LogIndex{20}, Instant());
  EXPECT_EQ(peer.next, LogIndex{21});
  EXPECT_FALSE(peer.Refused(LogIndex{20}, LogIndex{0}));
  peer.EnterProbe();
  EXPECT_EQ(peer.next, LogIndex{21});
  EXPECT_EQ(peer.pending_snapshot, LogIndex{0});
}

}  // namespace
}  // namespace tidemark::raft
