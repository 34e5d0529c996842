#include "engine/node/membership_state.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/log/batch.h"

namespace tidemark {
namespace {

raft::Membership Joint() {
  raft::Membership who;
  who.voters.incoming = raft::MajorityConfig({NodeId(1), NodeId(2), NodeId(4)});
  who.voters.outgoing = raft::MajorityConfig({NodeId(1), NodeId(2), NodeId(3)});
  who.learners = raft::NodeSet({NodeId(7)});
  who.learners_next = raft::NodeSet({NodeId(3)});
  who.auto_leave = true;
  return who;
}

TEST(MembershipState, ReadsBackWhatItWroteAndLeavesTheRest) {
  std::string bytes;
  AppendMembership(Joint(), bytes);
  const size_t size = bytes.size();
  bytes += "rest";
  std::string_view state = bytes;
  EXPECT_EQ(TakeMembership(state), Joint());
  EXPECT_EQ(state, "rest");
  for (size_t cut = 0; cut < size; ++cut) {
    std::string_view torn(bytes.data(), cut);
    EXPECT_EQ(TakeMembership(torn), std::nullopt) << cut;
  }
}

TEST(MembershipState, RefusesMembersThatCannotBe) {
  raft::Membership who = Joint();
  who.learners = raft::NodeSet({NodeId(1)});  // voter and learner
  std::string bytes;
  AppendMembership(who, bytes);
  std::string_view state = bytes;
  EXPECT_EQ(TakeMembership(state), std::nullopt);
}

TEST(MembershipState, AControlFrameIsAChangeOnlyIfItSaysSo) {
  const raft::ConfChange change{.changes = {{.node = NodeId(5)}}};
  EXPECT_EQ(ChangeInFrame(EncodeControlFrame(raft::EncodeConfChange(change))), change);
  EXPECT_EQ(ChangeInFrame(EncodeControlFrame("")), std::nullopt);
  EXPECT_EQ(ChangeInFrame(EncodeControlFrame("\x01\x09 of a later version")), std::nullopt);
}

TEST(MembershipState, ChangesAddUpInTheirOrder) {
  raft::Membership one;
  one.voters.incoming = raft::MajorityConfig({NodeId(1)});
  const LoggedChanges changes = {
      {LogIndex(3), {.changes = {{.node = NodeId(2)}}}},
      {LogIndex(9), {.changes = {{.kind = raft::Change::Kind::kRemove, .node = NodeId(1)}}}}};
  EXPECT_EQ(After(one, changes).voters.incoming, raft::MajorityConfig({NodeId(2)}));
}

}  // namespace
}  // namespace tidemark
