#include "engine/node/liveness.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

constexpr Duration kBeat = Duration::Millis(150);
constexpr Duration kTimeout = Duration::Millis(1000);
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};
constexpr GroupId kGroup{7};

Instant At(int64_t millis) { return Instant::FromNanos(millis * 1'000'000); }

Liveness Make(uint64_t session = 100) {
  return Liveness({.session = session, .heartbeat_interval = kBeat, .election_timeout = kTimeout});
}

Liveness::Tie Leads(uint64_t term, std::vector<NodeId> nodes) {
  return {.term = Term{term}, .leads = true, .nodes = std::move(nodes)};
}

Liveness::Tie Sleeps(uint64_t term, NodeId leader) {
  return {.term = Term{term}, .leads = false, .nodes = {leader}};
}

TEST(Liveness, SaysNothingWithoutTies) {
  Liveness liveness = Make();
  EXPECT_EQ(liveness.next_deadline(), Instant::Never());
  liveness.OnMessage(At(10), kTwo, {.session = 5});
  EXPECT_TRUE(liveness.Due(At(5000)).empty());
  EXPECT_TRUE(liveness.TakeSilent(At(5000)).empty());
}

TEST(Liveness, AMessageIsDueAtEveryMultipleOfTheInterval) {
  Liveness liveness = Make();
  liveness.Set(At(10), kGroup, Leads(1, {kTwo, kThree}));
  EXPECT_EQ(liveness.next_deadline(), At(150));
  EXPECT_TRUE(liveness.Due(At(149)).empty());
  EXPECT_EQ(liveness.Due(At(150)), (std::vector<NodeId>{kTwo, kThree}));
  EXPECT_EQ(liveness.next_deadline(), At(300));
  EXPECT_EQ(liveness.Begin(kTwo).session, 100u);
}

TEST(Liveness, ASilentNodeIsToldOfOnceUntilItIsHeardAgain) {
  Liveness liveness = Make();
  liveness.OnMessage(At(10), kTwo, {.session = 5});
  liveness.Set(At(10), kGroup, Sleeps(1, kTwo));
  EXPECT_TRUE(liveness.TakeSilent(At(1009)).empty());
  EXPECT_EQ(liveness.TakeSilent(At(1010)), std::vector<NodeId>{kTwo});
  EXPECT_TRUE(liveness.TakeSilent(At(1200)).empty());
  liveness.OnMessage(At(1300), kTwo, {.session = 5});
  EXPECT_EQ(liveness.TakeSilent(At(2300)), std::vector<NodeId>{kTwo});
}

TEST(Liveness, AnotherSessionIsNews) {
  Liveness liveness = Make();
  EXPECT_FALSE(liveness.OnMessage(At(10), kTwo, {.session = 5}).new_session);
  EXPECT_FALSE(liveness.OnMessage(At(20), kTwo, {.session = 5}).new_session);
  EXPECT_TRUE(liveness.OnMessage(At(30), kTwo, {.session = 6}).new_session);
  EXPECT_TRUE(liveness.OnMessage(At(40), kTwo, {.session = 5}).new_session);
}

TEST(Liveness, WhatIsNotLedAnyMoreIsReleasedUntilThatIsAcknowledged) {
  Liveness liveness = Make();
  liveness.OnMessage(At(1), kTwo, {.session = 5});
  liveness.Set(At(10), kGroup, Leads(3, {kTwo}));
  liveness.Set(At(20), kGroup, std::nullopt);
  ASSERT_EQ(liveness.Due(At(150)), std::vector<NodeId>{kTwo});
  const BeatMessage message = liveness.Begin(kTwo);
  ASSERT_EQ(message.released.size(), 1u);
  EXPECT_EQ(message.released.front().group, kGroup);
  EXPECT_EQ(message.released.front().term, Term{3});
  ASSERT_EQ(liveness.Due(At(300)), std::vector<NodeId>{kTwo});
  // Of another process of this node: means nothing.
  liveness.OnMessage(At(310), kTwo, {.session = 5, .ack_session = 99, .ack = 1});
  EXPECT_EQ(liveness.Begin(kTwo).released.size(), 1u);
  liveness.OnMessage(At(320), kTwo, {.session = 5, .ack_session = 100, .ack = message.released_to});
  EXPECT_TRUE(liveness.Begin(kTwo).released.empty());
  EXPECT_TRUE(liveness.Due(At(450)).empty());
}

TEST(Liveness, AReleaseIsAcknowledgedAtOnce) {
  Liveness liveness = Make();
  const BeatMessage release{.session = 5, .released = {{kGroup, Term{3}}}, .released_to = 8};
  EXPECT_EQ(liveness.OnMessage(At(10), kTwo, release).released.size(), 1u);
  EXPECT_EQ(liveness.Due(At(10)), std::vector<NodeId>{kTwo});
  const BeatMessage answer = liveness.Begin(kTwo);
  EXPECT_EQ(answer.ack_session, 5u);
  EXPECT_EQ(answer.ack, 8u);
  EXPECT_TRUE(liveness.Due(At(11)).empty());
}

TEST(Liveness, ANewTermReleasesTheOneBeforeAndAMemberLessIsReleasedAlone) {
  Liveness liveness = Make();
  liveness.OnMessage(At(1), kTwo, {.session = 5});
  liveness.OnMessage(At(1), kThree, {.session = 6});
  liveness.Set(At(10), kGroup, Leads(3, {kTwo, kThree}));
  liveness.Set(At(20), kGroup, Leads(3, {kTwo}));
  EXPECT_TRUE(liveness.Begin(kTwo).released.empty());
  EXPECT_EQ(liveness.Begin(kThree).released.size(), 1u);
  liveness.Set(At(30), kGroup, Leads(4, {kTwo}));
  ASSERT_EQ(liveness.Begin(kTwo).released.size(), 1u);
  EXPECT_EQ(liveness.Begin(kTwo).released.front().term, Term{3});
}

TEST(Liveness, AFollowersTieIsReleasedToNobody) {
  Liveness liveness = Make();
  liveness.Set(At(10), kGroup, Sleeps(3, kTwo));
  liveness.Set(At(20), kGroup, std::nullopt);
  EXPECT_TRUE(liveness.Begin(kTwo).released.empty());
  EXPECT_EQ(liveness.ties(), 0u);
}

TEST(Liveness, ManyReleasesGoInSeveralMessagesOldestFirst) {
  Liveness liveness = Make();
  liveness.OnMessage(At(1), kTwo, {.session = 5});
  for (uint64_t i = 1; i <= kReleasesMax + 10; ++i) {
    liveness.Set(At(10), GroupId(i), Leads(1, {kTwo}));
    liveness.Set(At(10), GroupId(i), std::nullopt);
  }
  const BeatMessage first = liveness.Begin(kTwo);
  EXPECT_EQ(first.released.size(), kReleasesMax);
  liveness.OnMessage(At(20), kTwo, {.session = 5, .ack_session = 100, .ack = first.released_to});
  EXPECT_EQ(liveness.Begin(kTwo).released.size(), 10u);
}

TEST(Liveness, ANodeThatIsGoneIsSentReleasesOnlyWithWhatIsSentAnyway) {
  Liveness liveness = Make();
  liveness.OnMessage(At(1), kTwo, {.session = 5});
  liveness.Set(At(10), kGroup, Leads(1, {kTwo}));
  liveness.Set(At(10), kGroup, std::nullopt);
  // By then it has not heard of this node for an election timeout either.
  EXPECT_TRUE(liveness.Due(At(1050)).empty());
  EXPECT_EQ(liveness.next_deadline(), Instant::Never());
  EXPECT_EQ(liveness.Begin(kTwo).released.size(), 1u);
}

}  // namespace
}  // namespace tidemark
