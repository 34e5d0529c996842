#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/snapshot.cc.

namespace tidemark::raft {
namespace {

Membership Three() {
  return {.voters = {.incoming = MajorityConfig({kOne, kTwo, kThree}), .outgoing = {}}};
}

SnapshotMeta Meta(uint64_t index, uint64_t term) {
  return {.index = LogIndex{index}, .term = Term{term}, .membership = Three()};
}

AppendReply Ack(uint64_t match, uint64_t sequence) {
  return AppendReply{.success = true, .match = LogIndex{match}, .sequence = sequence};
}

// A leader of term 2 whose log begins behind index 3, and the snapshot it sent to node 2, which has
// nothing.
struct Shipped {
  Member member{{.state = {.term = Term{1}}, .log = {1, 1, 1, 1}, .commit = LogIndex{4}}};
  InstallSnapshot sent;

  Shipped() {
    member.log().RemovePrefix(LogIndex{4});
    member.log().snapshot = Meta(3, 1);
    const Effects won = member.Elect();
    const Effects refused =
        member.Receive(kTwo, 2,
                       AppendReply{.refused = LogIndex{4},
                                   .sequence = Find<AppendRequest>(won.messages, kTwo)->sequence});
    const auto* snapshot = Find<InstallSnapshot>(refused.messages, kTwo);
    TIDEMARK_CHECK(snapshot != nullptr);
    sent = *snapshot;
  }
  PeerStatus Peer() { return member.raft().Peers(member.now())[1]; }
};

TEST(Snapshot, GoesToWhoeverNeedsWhatTheLogDoesNotHave) {
  Shipped shipped;
  EXPECT_EQ(shipped.sent.meta, Meta(3, 1));
  EXPECT_EQ(shipped.Peer().state, PeerStatus::State::kSnapshot);
  EXPECT_EQ(shipped.Peer().pending_snapshot, LogIndex{3});
  // Meanwhile heartbeats alone.
  EXPECT_EQ(Find<AppendRequest>(shipped.member.Propose("x").messages, kTwo), nullptr);
}

TEST(Snapshot, WhenItIsInstalledTheLogGoesOnFromThere) {
  Shipped shipped;
  const Effects installed = shipped.member.Receive(kTwo, 2, Ack(3, shipped.sent.sequence));
  const auto* append = Find<AppendRequest>(installed.messages, kTwo);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->prev_index, LogIndex{3});
  EXPECT_EQ(append->entries.size(), 2u);
  EXPECT_EQ(shipped.Peer().state, PeerStatus::State::kReplicate);
}

// SCENARIOS R21: what was told or answered may be lost; then it is told again.
TEST(Snapshot, R21_IsBegunAgainIfThePeerInstallsNothing) {
  Shipped shipped;
  shipped.member.Receive(kTwo, 2, HeartbeatReply{.installing = LogIndex{3}});
  EXPECT_EQ(shipped.Peer().state, PeerStatus::State::kSnapshot);
  shipped.member.Advance(Duration::Millis(60));
  shipped.member.Receive(kThree, 2, HeartbeatReply{});
  shipped.member.Receive(kTwo, 2, HeartbeatReply{.installing = LogIndex{3}});
  shipped.member.Advance(Duration::Millis(60));
  ASSERT_EQ(shipped.member.raft().role(), Role::kLeader);
  const Effects lost = shipped.member.Receive(kTwo, 2, HeartbeatReply{});
  EXPECT_NE(Find<AppendRequest>(lost.messages, kTwo), nullptr) << "a probe behind the snapshot";
}

TEST(Snapshot, AFailureThatIsReportedIsTriedAgainAfterAHeartbeat) {
  Shipped shipped;
  Effects effects;
  shipped.member.raft().ReportSnapshot(shipped.member.now(), kTwo, false, effects);
  EXPECT_EQ(shipped.Peer().state, PeerStatus::State::kProbe);
  EXPECT_TRUE(effects.messages.empty());
  const Effects answered = shipped.member.Receive(kTwo, 2, HeartbeatReply{});
  EXPECT_NE(Find<InstallSnapshot>(answered.messages, kTwo), nullptr);
}

// SCENARIOS R1: the follower's log conflicts with the snapshot.
TEST(Snapshot, R1_AConflictingLogIsDiscardedWhole) {
  Member member({.state = {.term = Term{4}}, .log = {1, 2, 2, 2, 2}, .commit = LogIndex{1}});
  const Effects told = member.Receive(kTwo, 4, InstallSnapshot{.meta = Meta(3, 3), .sequence = 9});
  ASSERT_EQ(told.install, Meta(3, 3));
  EXPECT_TRUE(told.messages.empty());
  EXPECT_FALSE(member.raft().promotable());
  // Told again: it is under way.
  EXPECT_FALSE(member.Receive(kTwo, 4, InstallSnapshot{.meta = Meta(3, 3), .sequence = 10})
                   .install.has_value());
  const Effects alive = member.Receive(kTwo, 4, Heartbeat{});
  EXPECT_EQ(Find<HeartbeatReply>(alive.messages, kTwo)->installing, LogIndex{3});
  // The log does not change meanwhile.
  const Effects append = member.Receive(kTwo, 4,
                                        AppendRequest{.prev_index = LogIndex{1},
                                                      .prev_term = Term{1},
                                                      .entries = MakeEntries(LogIndex{2}, {3, 3}),
                                                      .sequence = 11});
  EXPECT_FALSE(append.log_staged);

  member.log().Restore({}, {.index = LogIndex{3}, .term = Term{3}});
  Effects installed;
  member.raft().OnSnapshotInstalled(member.now(), Meta(3, 3), installed);
  EXPECT_EQ(installed.commit, LogIndex{3});
  EXPECT_EQ(member.raft().applied(), LogIndex{3});
  const auto* reply = Find<AppendReply>(installed.messages, kTwo);
  ASSERT_NE(reply, nullptr);
  EXPECT_TRUE(reply->success);
  EXPECT_EQ(reply->match, LogIndex{3});
  EXPECT_EQ(member.log().last_index(), LogIndex{3});
}

TEST(Snapshot, OfWhatIsCommittedHereIsAnsweredWithTheCommitIndex) {
  Member member({.state = {.term = Term{4}}, .log = {1, 2, 2}, .commit = LogIndex{3}});
  const Effects told = member.Receive(kTwo, 4, InstallSnapshot{.meta = Meta(2, 2), .sequence = 1});
  EXPECT_FALSE(told.install.has_value());
  ASSERT_NE(Find<AppendReply>(told.messages, kTwo), nullptr);
  EXPECT_EQ(Find<AppendReply>(told.messages, kTwo)->match, LogIndex{3});
}

TEST(Snapshot, OfWhatIsInTheLogOnlyRaisesTheCommitIndex) {
  Member member({.state = {.term = Term{4}}, .log = {1, 2, 2}, .commit = LogIndex{1}});
  const Effects told = member.Receive(kTwo, 4, InstallSnapshot{.meta = Meta(2, 2), .sequence = 1});
  EXPECT_FALSE(told.install.has_value());
  EXPECT_EQ(told.commit, LogIndex{2});
  EXPECT_EQ(member.log().last_index(), LogIndex{3});
}

TEST(Snapshot, MalformedOnesAreIgnored) {
  Member member({.state = {.term = Term{4}}});
  SnapshotMeta no_voters = Meta(2, 2);
  no_voters.membership.voters.incoming = MajorityConfig();
  for (const InstallSnapshot& bad : {InstallSnapshot{.meta = Meta(0, 2), .sequence = 1},
                                     InstallSnapshot{.meta = Meta(2, 0), .sequence = 1},
                                     InstallSnapshot{.meta = Meta(2, 9), .sequence = 1},
                                     InstallSnapshot{.meta = Meta(2, 2), .sequence = 0},
                                     InstallSnapshot{.meta = no_voters, .sequence = 1}}) {
    EXPECT_FALSE(member.Receive(kTwo, 4, bad).install.has_value());
  }
  EXPECT_EQ(member.raft().counters().messages_ignored, 5u);
}

}  // namespace
}  // namespace tidemark::raft
