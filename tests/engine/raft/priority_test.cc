#include <gtest/gtest.h>

#include "tests/engine/raft/member.h"

// Mirrors engine/raft/priority.cc.

namespace tidemark::raft {
namespace {

TEST(Priority, WhoIsBelowTheHighestThatIsThereWaitsAnElectionTimeoutLonger) {
  const Config config = TestConfig();
  for (uint64_t seed = 0; seed < 50; ++seed) {
    for (const uint32_t highest : {0u, 5u}) {
      TestLog log;
      Config of_node = config;
      of_node.self = kOne;
      of_node.voters = {kOne, kTwo, kThree};
      of_node.priority = 1;
      Raft raft(of_node, HardState{.term = Term{1}}, {}, &log, Prng(seed));
      Effects effects;
      Instant now = Instant::FromNanos(1);
      raft.Start(now, effects);
      const auto heartbeat = [&](Instant at) {
        raft.OnMessage(
            at,
            Message{
                .from = kTwo, .to = kOne, .term = Term{1}, .body = Heartbeat{.priority = highest}},
            effects);
      };
      heartbeat(now);
      // The wait in force was drawn before; the next one knows.
      now = raft.next_deadline();
      raft.OnTimer(now, effects);
      const Duration wait = raft.next_deadline() - now;
      const Duration least = highest > 1 ? config.election_timeout * 2 : config.election_timeout;
      EXPECT_GE(wait, least);
      EXPECT_LT(wait, least + config.election_timeout);
    }
  }
}

TEST(Priority, ALeaderHandsOverToAVoterOfHigherPriorityThatHasCaughtUp) {
  Member member({});
  member.Elect();
  member.Persist();
  Effects step =
      member.Receive(kTwo, 1, AppendReply{.success = true, .match = LogIndex{1}, .sequence = 1});
  const Instant begun = member.now();
  while (Find<TimeoutNow>(step.messages, kTwo) == nullptr) {
    ASSERT_LT(member.now() - begun, Duration::Millis(300));
    member.Receive(kTwo, 1, HeartbeatReply{.priority = 3});
    member.Receive(kThree, 1, HeartbeatReply{.priority = 7});  // has not caught up
    if (Find<TimeoutNow>(step.messages, kThree) != nullptr) FAIL() << "it has not caught up";
    if (member.now() - begun > Duration::Millis(100)) {
      member.Receive(kThree, 1, HeartbeatReply{.priority = 0});
    }
    step = member.Timeout();
  }
  EXPECT_GE(member.now() - begun, TestConfig().election_timeout);
  EXPECT_EQ(member.raft().counters().priority_transfers, 1u);
}

TEST(Priority, EqualOnesChangeNothing) {
  Config config = TestConfig();
  config.priority = 4;
  Member member({.config = config});
  member.Elect();
  member.Persist();
  for (int i = 0; i < 50; ++i) {
    member.Timeout();
    member.Receive(kTwo, 1, HeartbeatReply{.priority = 4});
  }
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_EQ(member.raft().counters().priority_transfers, 0u);
}

TEST(Priority, HeartbeatsTellTheHighestOfTheOthersThatAreThere) {
  Member member({});
  member.Elect();
  member.Persist();
  EXPECT_EQ(Find<Heartbeat>(member.Advance(Duration::Millis(15)).messages, kTwo)->priority, 0u);
  member.Receive(kThree, 1, HeartbeatReply{.priority = 9});
  EXPECT_EQ(Find<Heartbeat>(member.Advance(Duration::Millis(15)).messages, kTwo)->priority, 9u);
}

}  // namespace
}  // namespace tidemark::raft
