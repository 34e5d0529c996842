#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/raft/member.h"

// Mirrors engine/raft/quiet.cc.

namespace tidemark::raft {
namespace {

Config QuietConfig() {
  Config config = TestConfig();
  config.quiet = true;
  return config;
}

const Duration kBeat = TestConfig().heartbeat_interval;
const Duration kTimeout = TestConfig().election_timeout;

Instant Never(NodeId) { return Instant(); }

HeartbeatReply Answer(const Heartbeat& beat, bool quiet) {
  return {.context = beat.context, .sent = beat.sent, .quiet = quiet};
}

// The next heartbeats, answered by both followers.
Heartbeat BeatOnce(Member& member, bool quiet) {
  const Effects sent = member.Advance(kBeat);
  const Heartbeat* beat = Find<Heartbeat>(sent.messages, kTwo);
  EXPECT_NE(beat, nullptr);
  if (beat == nullptr) return {};
  const Heartbeat copy = *beat;
  member.Receive(kTwo, 1, Answer(copy, quiet));
  member.Receive(kThree, 1, Answer(copy, quiet));
  return copy;
}

void Lead(Member& member) {
  member.Elect();
  member.Persist();
  for (const NodeId peer : {kTwo, kThree}) {
    member.Receive(peer, 1, AppendReply{.success = true, .match = LogIndex{1}, .sequence = 1});
  }
  member.Apply();
}

// A leader that has offered quiet, not yet answered.
Heartbeat Offer(Member& member) {
  for (uint32_t i = 0; i < kQuietAfterBeats; ++i) EXPECT_FALSE(BeatOnce(member, false).quiet);
  const Effects sent = member.Advance(kBeat);
  const Heartbeat* beat = Find<Heartbeat>(sent.messages, kTwo);
  EXPECT_TRUE(beat != nullptr && beat->quiet);
  return beat == nullptr ? Heartbeat{} : *beat;
}

void FallQuiet(Member& member) {
  const Heartbeat offer = Offer(member);
  member.Receive(kTwo, 1, Answer(offer, true));
  member.Receive(kThree, 1, Answer(offer, true));
  ASSERT_TRUE(member.raft().quiet());
}

// A follower of node 2 with one committed entry, asleep.
void Follow(Member& member) {
  member.Receive(kTwo, 1,
                 AppendRequest{.prev_index = LogIndex{0},
                               .prev_term = Term{0},
                               .commit = LogIndex{1},
                               .entries = MakeEntries(LogIndex{1}, {1}),
                               .sequence = 1});
  member.Persist();
  member.Apply();
}

const Heartbeat kOffer{.commit = LogIndex{1}, .quiet = true};

TEST(Quiet, ALeaderFallsSilentWhenEverybodyHasAcceptedItsOffer) {
  Member member({.config = QuietConfig()});
  Lead(member);
  const Heartbeat offer = Offer(member);
  EXPECT_TRUE(member.raft().vouches());
  member.Receive(kTwo, 1, Answer(offer, true));
  EXPECT_FALSE(member.raft().quiet());
  member.Receive(kThree, 1, Answer(offer, true));
  EXPECT_TRUE(member.raft().quiet());
  EXPECT_EQ(member.raft().next_deadline(), Instant::Never());
  EXPECT_TRUE(member.Advance(kTimeout * 100).messages.empty());
  EXPECT_EQ(member.raft().role(), Role::kLeader);
}

TEST(Quiet, IsOffUnlessAskedFor) {
  Member member({});
  Lead(member);
  for (uint32_t i = 0; i < 3 * kQuietAfterBeats; ++i) EXPECT_FALSE(BeatOnce(member, true).quiet);
  EXPECT_FALSE(member.raft().quiet());
}

TEST(Quiet, IsNotOfferedWhileAFollowerLags) {
  Member member({.config = QuietConfig()});
  member.Elect();
  member.Persist();
  member.Receive(kTwo, 1, AppendReply{.success = true, .match = LogIndex{1}, .sequence = 1});
  ASSERT_EQ(member.raft().commit(), LogIndex{1});
  for (uint32_t i = 0; i < 3 * kQuietAfterBeats; ++i) EXPECT_FALSE(BeatOnce(member, false).quiet);
}

TEST(Quiet, IsNotOfferedWhileAFollowerIsSilent) {
  Member member({.config = QuietConfig()});
  Lead(member);
  for (uint32_t i = 0; i < 5 * kQuietAfterBeats; ++i) {
    const Effects sent = member.Advance(kBeat);
    const Heartbeat* beat = Find<Heartbeat>(sent.messages, kTwo);
    ASSERT_NE(beat, nullptr);
    EXPECT_FALSE(i > 2 * kQuietAfterBeats && beat->quiet);
    member.Receive(kTwo, 1, Answer(*beat, true));
  }
  EXPECT_FALSE(member.raft().quiet());
}

TEST(Quiet, AnAnswerToAnEarlierOfferDoesNotCount) {
  Member member({.config = QuietConfig()});
  Lead(member);
  const Heartbeat early = Offer(member);
  member.Receive(kTwo, 1, Answer(early, true));
  member.Propose("x");
  member.Persist();
  for (const NodeId peer : {kTwo, kThree}) {
    member.Receive(peer, 1, AppendReply{.success = true, .match = LogIndex{2}, .sequence = 2});
  }
  member.Apply();
  const Heartbeat late = Offer(member);
  member.Receive(kThree, 1, Answer(late, true));
  member.Receive(kTwo, 1, Answer(early, true));
  EXPECT_FALSE(member.raft().quiet());
  member.Receive(kTwo, 1, Answer(late, true));
  EXPECT_TRUE(member.raft().quiet());
}

TEST(Quiet, ALeaderIsWokenByWhateverHappens) {
  const auto wakes = [](const std::function<void(Member&)>& what) {
    Member member({.config = QuietConfig()});
    Lead(member);
    FallQuiet(member);
    what(member);
    return !member.raft().quiet() && member.raft().next_deadline() < Instant::Never();
  };
  EXPECT_TRUE(wakes([](Member& m) { m.Propose("x"); }));
  EXPECT_TRUE(wakes([](Member& m) { m.Read(1); }));
  EXPECT_TRUE(wakes([](Member& m) { m.PeerReset(kTwo); }));
  EXPECT_TRUE(wakes([](Member& m) { m.Receive(kTwo, 1, HeartbeatReply{}); }));
  EXPECT_TRUE(wakes([](Member& m) { m.Receive(kTwo, 1, ReadIndexRequest{}); }));
  EXPECT_TRUE(wakes([](Member& m) {
    m.Receive(kTwo, 2,
              VoteRequest{.pre_vote = true, .last_index = LogIndex{1}, .last_term = Term{1}});
  }));
  EXPECT_FALSE(wakes([](Member& m) { m.Receive(kTwo, 1, HeartbeatReply{.quiet = true}); }));
}

TEST(Quiet, ALeaderIsWokenByWhatItWasGivenBeforeItIsToldOfIt) {
  const std::function<void(Member&)> whats[] = {
      [](Member& m) { m.Receive(kTwo, 1, HeartbeatReply{.quiet = true}); },
      // One that is no member of this group.
      [](Member& m) { m.PeerLost(NodeId{9}); },
      [](Member& m) { m.PeerReset(NodeId{9}); },
      [](Member& m) { m.ReadDone(NodeId{9}, {}); },
      // A shutdown asks for this; here, too, there is nobody.
      [](Member& m) {
        Effects fx;
        EXPECT_FALSE(m.raft().TransferLeadership(m.now(), NodeId{9}, fx).ok());
      },
      [](Member& m) {
        Effects fx;
        EXPECT_FALSE(m.raft().Campaign(m.now(), fx).ok());
      },
      [](Member& m) {
        Effects fx;
        m.raft().SetDiskStalled(m.now(), false, fx);
      },
      [](Member& m) {
        Effects fx;
        m.raft().ReportUnreachable(m.now(), kTwo, fx);
      },
  };
  for (const auto& what : whats) {
    Member member({.config = QuietConfig()});
    Lead(member);
    FallQuiet(member);
    member.log().AppendNew(member.raft().term(), "x");
    what(member);
    EXPECT_FALSE(member.raft().quiet());
  }
}

TEST(Quiet, ALeaderWhoseFollowersNodesAreSilentStepsDownAtOnce) {
  Member member({.config = QuietConfig()});
  Lead(member);
  FallQuiet(member);
  member.Advance(kTimeout * 10);
  Effects out;
  member.raft().Wake(member.now(), Never, out);
  EXPECT_FALSE(member.raft().quiet());
  member.Advance(Duration());
  EXPECT_EQ(member.raft().role(), Role::kFollower);
  EXPECT_EQ(member.raft().counters().quorum_losses, 1u);
}

TEST(Quiet, ALeaderThatHearsAQuorumOfNodesStaysWhenWoken) {
  Member member({.config = QuietConfig()});
  Lead(member);
  FallQuiet(member);
  member.Advance(kTimeout * 10);
  Effects out;
  const Instant now = member.now();
  member.raft().Wake(now, [&](NodeId node) { return node == kTwo ? now : Instant(); }, out);
  const Effects sent = member.Advance(Duration());
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_NE(Find<Heartbeat>(sent.messages, kThree), nullptr);
  EXPECT_FALSE(member.raft().PeerActive(now, kThree));
}

TEST(Quiet, AFollowerSleepsIfItHasAllThatIsCommittedAndNothingElse) {
  Member member({.config = QuietConfig()});
  Follow(member);
  const Effects answered = member.Receive(kTwo, 1, kOffer);
  EXPECT_TRUE(Find<HeartbeatReply>(answered.messages, kTwo)->quiet);
  EXPECT_TRUE(member.raft().quiet());
  EXPECT_TRUE(member.Advance(kTimeout * 100).messages.empty());
  EXPECT_EQ(member.raft().leader(), kTwo);
}

TEST(Quiet, AFollowerThatHasNotLearnedOfACommitDoesNotSleep) {
  Member member({.config = QuietConfig()});
  member.Receive(kTwo, 1,
                 AppendRequest{.prev_index = LogIndex{0},
                               .prev_term = Term{0},
                               .commit = LogIndex{0},
                               .entries = MakeEntries(LogIndex{1}, {1}),
                               .sequence = 1});
  const Effects undurable = member.Receive(kTwo, 1, kOffer);
  EXPECT_FALSE(Find<HeartbeatReply>(undurable.messages, kTwo)->quiet);
  member.Persist();
  const Effects longer = member.Receive(kTwo, 1, Heartbeat{.commit = LogIndex{2}, .quiet = true});
  EXPECT_FALSE(Find<HeartbeatReply>(longer.messages, kTwo)->quiet);
  EXPECT_FALSE(member.raft().quiet());
  EXPECT_LT(member.raft().next_deadline(), Instant::Never());
}

TEST(Quiet, AFollowerIsWokenByItsLeadersNextWord) {
  Member member({.config = QuietConfig()});
  Follow(member);
  member.Receive(kTwo, 1, kOffer);
  const Effects answered = member.Receive(kTwo, 1, Heartbeat{.commit = LogIndex{1}});
  EXPECT_FALSE(Find<HeartbeatReply>(answered.messages, kTwo)->quiet);
  EXPECT_FALSE(member.raft().quiet());
  member.Timeout();
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
}

TEST(Quiet, ASleepingFollowerHelpsNobodyToDeposeItsLeaderAndTellsItThatItWoke) {
  Member member({.config = QuietConfig()});
  Follow(member);
  member.Receive(kTwo, 1, kOffer);
  member.Advance(kTimeout * 10);
  const Effects asked = member.Receive(
      kThree, 2, VoteRequest{.pre_vote = true, .last_index = LogIndex{1}, .last_term = Term{1}});
  EXPECT_EQ(Find<VoteReply>(asked.messages, kThree), nullptr);
  const HeartbeatReply* awake = Find<HeartbeatReply>(asked.messages, kTwo);
  ASSERT_NE(awake, nullptr);
  EXPECT_FALSE(awake->quiet);
  EXPECT_FALSE(member.raft().quiet());
}

TEST(Quiet, AFollowerWhoseLeadersNodeIsGoneCampaignsAsIfItHadHeardItLastThen) {
  Member member({.config = QuietConfig()});
  Follow(member);
  member.Receive(kTwo, 1, kOffer);
  member.Advance(kTimeout * 10);
  Effects out;
  const Instant heard = member.now() + kTimeout * -1;
  member.raft().Wake(member.now(), [&](NodeId) { return heard; }, out);
  EXPECT_NE(Find<HeartbeatReply>(out.messages, kTwo), nullptr);
  EXPECT_LE(member.raft().next_deadline(), heard + kTimeout * 2);
  member.Advance(kTimeout);
  EXPECT_EQ(member.raft().role(), Role::kPreCandidate);
}

TEST(Quiet, ALostConnectionToTheLeaderWakes) {
  Member member({.config = QuietConfig()});
  Follow(member);
  member.Receive(kTwo, 1, kOffer);
  member.PeerLost(kTwo);
  EXPECT_FALSE(member.raft().quiet());
  EXPECT_LE(member.raft().next_deadline(), member.now() + kBeat);
}

TEST(Quiet, ALeaseRunsOutInAQuietGroupAndTheNextReadAsksAQuorum) {
  Config config = QuietConfig();
  config.lease_reads = true;
  Member member({.config = config});
  Lead(member);
  FallQuiet(member);
  member.Advance(kTimeout * 2);
  EXPECT_LT(member.raft().lease_end(), member.now());
  const Effects read = member.Read(7);
  EXPECT_TRUE(read.reads.empty());
  const Heartbeat* beat = Find<Heartbeat>(read.messages, kTwo);
  ASSERT_NE(beat, nullptr);
  EXPECT_FALSE(member.raft().quiet());
  const Effects answered = member.Receive(kTwo, 1, Answer(*beat, false));
  ASSERT_EQ(answered.reads.size(), 1u);
  EXPECT_EQ(answered.reads.front().index, LogIndex{1});
}

TEST(Quiet, TheOnlyVoterOfAGroupFallsSilentToo) {
  Member member({.nodes = 1, .config = QuietConfig()});
  member.Persist();
  member.Persist();
  ASSERT_EQ(member.raft().role(), Role::kLeader);
  member.Apply();
  for (uint32_t i = 0; i <= kQuietAfterBeats + 1 && !member.raft().quiet(); ++i) {
    member.Advance(kBeat);
  }
  EXPECT_TRUE(member.raft().quiet());
}

TEST(Quiet, HeartbeatsAreDueAtMultiplesOfTheIntervalIfAligned) {
  Config config = TestConfig();
  config.aligned_heartbeats = true;
  Member member({.config = config});
  Lead(member);
  member.Advance(kBeat);
  EXPECT_EQ(member.raft().next_deadline().nanos() % kBeat.nanos(), 0);
}

}  // namespace
}  // namespace tidemark::raft
