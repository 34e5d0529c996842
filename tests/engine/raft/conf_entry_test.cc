#include "engine/raft/conf_entry.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "tests/engine/raft/member.h"

namespace tidemark::raft {
namespace {

using Kind = Change::Kind;

TEST(ConfEntry, ReadsBackWhatItWrote) {
  for (const auto transition :
       {ConfChange::Transition::kAuto, ConfChange::Transition::kJointImplicit,
        ConfChange::Transition::kJointExplicit}) {
    for (size_t count = 0; count <= kConfChangesMax; count += 7) {
      ConfChange change{.transition = transition};
      for (size_t i = 0; i < count; ++i) {
        change.changes.push_back({.kind = static_cast<Kind>(i % 4), .node = NodeId{i * i + 1}});
      }
      const absl::StatusOr<ConfChange> back = DecodeConfChange(EncodeConfChange(change));
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(*back, change);
    }
  }
}

TEST(ConfEntry, IsNeverTakenForANoop) {
  EXPECT_FALSE(IsConfChange(""));
  EXPECT_TRUE(IsConfChange(EncodeConfChange({})));
}

TEST(ConfEntry, RefusesWhatItCannotKnow) {
  const std::string good = EncodeConfChange({.changes = {{.node = kTwo}}});
  const auto refused = [](std::string bytes) { return !DecodeConfChange(bytes).ok(); };
  const auto with = [&](size_t at, char value) {
    std::string bad = good;
    bad[at] = value;
    return bad;
  };
  EXPECT_TRUE(refused(with(0, 2)));
  EXPECT_TRUE(refused(with(1, 2)));
  EXPECT_TRUE(refused(with(2, 3)));
  EXPECT_TRUE(refused(with(3, 2)));
  EXPECT_TRUE(refused(with(4, 1)));
  EXPECT_TRUE(refused(with(5, 4)));
  EXPECT_TRUE(refused(with(6, 0)));
  EXPECT_TRUE(refused(good + "x"));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_TRUE(refused(good.substr(0, size)));
}

TEST(ConfEntry, OneStepIsSimpleAndMoreGoThroughAJointConfiguration) {
  Membership three;
  three.voters.incoming = MajorityConfig({kOne, kTwo, kThree});
  const Membership four = AppliedTo(three, {.changes = {{.node = kFour}}});
  EXPECT_FALSE(four.joint());
  EXPECT_TRUE(four.voters.Contains(kFour));
  const Membership joint =
      AppliedTo(three, {.changes = {{.node = kFour}, {.kind = Kind::kRemove, .node = kOne}}});
  EXPECT_TRUE(joint.joint());
  EXPECT_TRUE(joint.auto_leave);
  const Membership left = AppliedTo(joint, ConfChange{});
  EXPECT_EQ(left.voters.incoming, MajorityConfig({kTwo, kThree, kFour}));
  EXPECT_FALSE(left.joint());
}

TEST(ConfEntry, WhatCannotBeAppliedChangesNothing) {
  Membership one;
  one.voters.incoming = MajorityConfig({kOne});
  EXPECT_EQ(AppliedTo(one, ConfChange{}), one);
  EXPECT_EQ(AppliedTo(one, {.changes = {{.kind = Kind::kRemove, .node = kOne}}}), one);
}

}  // namespace
}  // namespace tidemark::raft
