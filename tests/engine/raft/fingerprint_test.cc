#include <gtest/gtest.h>

#include <string>

#include "tests/engine/raft/member.h"

namespace tidemark::raft {
namespace {

std::string FingerprintOf(const Raft& raft, Instant now) {
  std::string out;
  raft.AppendFingerprint(now, out);
  return out;
}

TEST(Fingerprint, CloneIsEqualAndThenItsOwn) {
  Member member({});
  member.Elect();
  TestLog log = member.log();
  Raft clone = member.raft().Clone(&log);
  const std::string before = FingerprintOf(member.raft(), member.now());
  EXPECT_EQ(FingerprintOf(clone, member.now()), before);
  Effects effects;
  clone.OnMessage(member.now(),
                  Message{.from = kTwo, .to = kOne, .term = Term{9}, .body = Heartbeat{}}, effects);
  EXPECT_EQ(clone.role(), Role::kFollower);
  EXPECT_EQ(member.raft().role(), Role::kLeader);
  EXPECT_EQ(FingerprintOf(member.raft(), member.now()), before);
  EXPECT_NE(FingerprintOf(clone, member.now()), before);
}

TEST(Fingerprint, TimeCountsFromNow) {
  Member member({});
  const std::string before = FingerprintOf(member.raft(), member.now());
  member.Advance(Duration::Millis(1));
  EXPECT_NE(FingerprintOf(member.raft(), member.now()), before);
}

TEST(Fingerprint, VotesOfACampaignCountWhileItLasts) {
  Member member({.nodes = 5});
  member.Timeout();
  const std::string before = FingerprintOf(member.raft(), member.now());
  member.Receive(kTwo, member.raft().term().value() + 1,
                 VoteReply{.pre_vote = true, .granted = true});
  ASSERT_EQ(member.raft().role(), Role::kPreCandidate);
  EXPECT_NE(FingerprintOf(member.raft(), member.now()), before);
}

}  // namespace
}  // namespace tidemark::raft
