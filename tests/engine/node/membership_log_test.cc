#include "engine/node/membership_log.h"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

using raft::Change;
using raft::ConfChange;

const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};
const NodeId kFour{4};

std::string Adds(NodeId node) {
  return raft::EncodeConfChange({.changes = {{Change::Kind::kAddVoter, node}}});
}
std::string Removes(NodeId node) {
  return raft::EncodeConfChange({.changes = {{Change::Kind::kRemove, node}}});
}
std::vector<NodeId> Voters(const raft::Membership& membership) {
  const raft::NodeSet& voters = membership.voters.incoming.voters();
  return {voters.begin(), voters.end()};
}
MembershipLog FoundedByThree() {
  MembershipLog log;
  log.SetOrigin({kOne, kTwo, kThree});
  return log;
}
using Nodes = std::vector<NodeId>;

TEST(MembershipLog, AllChangesButTheLastAreCommitted) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Adds(kFour)).ok());
  EXPECT_EQ(Voters(log.AtRestart(LogIndex(0)).membership), (Nodes{kOne, kTwo, kThree}));
  ASSERT_TRUE(log.Append(LogIndex(9), Removes(kOne)).ok());
  EXPECT_EQ(Voters(log.AtRestart(LogIndex(0)).membership), (Nodes{kOne, kTwo, kThree, kFour}));
  EXPECT_EQ(log.AtRestart(LogIndex(0)).applied, LogIndex(5));
  EXPECT_EQ(Voters(log.AtRestart(LogIndex(9)).membership), (Nodes{kTwo, kThree, kFour}));
}

TEST(MembershipLog, ARosterBehindAChangeSaysThatTheChangeIsCommitted) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Removes(kOne)).ok());
  EXPECT_EQ(log.AtRestart(LogIndex(0)).applied, LogIndex(0));
  ASSERT_TRUE(log.Append(LogIndex(9), EncodeRoster({.voters = {kTwo, kThree}})).ok());
  EXPECT_EQ(Voters(log.AtRestart(LogIndex(0)).membership), (Nodes{kTwo, kThree}));
  EXPECT_EQ(log.AtRestart(LogIndex(0)).applied, LogIndex(5));
}

TEST(MembershipLog, KnowsWhoWasAMemberAsFarBackAsItsCheckpoint) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Adds(kFour)).ok());
  ASSERT_TRUE(log.Append(LogIndex(9), Removes(kOne)).ok());
  const auto history = log.UpTo(LogIndex(8));
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0].first, LogIndex(0));
  EXPECT_EQ(Voters(history[0].second), (Nodes{kOne, kTwo, kThree}));
  EXPECT_EQ(history[1].first, LogIndex(5));
  EXPECT_EQ(Voters(history[1].second), (Nodes{kOne, kTwo, kThree, kFour}));
  log.Fold(LogIndex(7));
  EXPECT_EQ(log.UpTo(LogIndex(9)).front().first, LogIndex(5)) << "of before nothing is known";
  EXPECT_EQ(log.UpTo(LogIndex(9)).size(), 2u);
}

// A leader may have to ship what it made no checkpoint behind.
TEST(MembershipLog, WhoFoundedItIsKnownFromTheBeginningAsLongAsNothingChanged) {
  MembershipLog log = FoundedByThree();
  log.Fold(LogIndex(100));
  EXPECT_EQ(log.UpTo(LogIndex(100)).front().first, LogIndex(0));
  ASSERT_TRUE(log.Append(LogIndex(101), EncodeRoster({.voters = {kOne, kTwo, kThree}})).ok());
  log.Fold(LogIndex(120));
  EXPECT_EQ(log.UpTo(LogIndex(120)).front().first, LogIndex(0));
}

TEST(MembershipLog, WhatIsCutNeverHappened) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Adds(kFour)).ok());
  EXPECT_TRUE(log.ChangeAt(LogIndex(5)).has_value());
  log.TruncateSuffix(LogIndex(5));
  EXPECT_FALSE(log.ChangeAt(LogIndex(5)).has_value());
  EXPECT_FALSE(log.changed());
  EXPECT_EQ(Voters(log.After(LogIndex(9))), (Nodes{kOne, kTwo, kThree}));
}

TEST(MembershipLog, RosterTellsAJoiningNodeWhoWasThere) {
  MembershipLog log;
  ASSERT_TRUE(log.Append(LogIndex(3), EncodeRoster({.voters = {kOne, kTwo}})).ok());
  ASSERT_TRUE(log.Append(LogIndex(4), Adds(kThree)).ok());
  EXPECT_EQ(log.NextRoster(LogIndex(0), LogIndex(9)), LogIndex(3));
  log.Fold(LogIndex(4));
  EXPECT_EQ(Voters(log.After(LogIndex(4))), (Nodes{kOne, kTwo, kThree}));
}

// Seed 100717 of profile membership: a state of the catalog that was written before any of it was
// applied has all of the history and stands behind nothing, and who installed it took the members
// of an earlier entry, which a former leader had told.
TEST(MembershipLog, AHistoryThatBeginsWithARosterIsKnown) {
  MembershipLog log;
  EXPECT_FALSE(log.known());
  ASSERT_TRUE(log.Append(LogIndex(4), EncodeRoster({.voters = {NodeId(1)}})).ok());
  EXPECT_TRUE(log.known());
  std::string state;
  log.AppendTo(state);
  EXPECT_TRUE(MembershipLog::Parse(state)->known());
  log.TruncateSuffix(LogIndex(4));
  EXPECT_FALSE(log.known());
}

TEST(MembershipLog, ForcedRosterHoldsWithoutBeingCommitted) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(7), EncodeRoster({.voters = {kTwo}, .forced = true})).ok());
  const MembershipLog::Start start = log.AtRestart(LogIndex(0));
  EXPECT_EQ(Voters(start.membership), Nodes{kTwo});
  EXPECT_EQ(start.applied, LogIndex(7));
  MembershipLog unforced = FoundedByThree();
  ASSERT_TRUE(unforced.Append(LogIndex(7), EncodeRoster({.voters = {kTwo}})).ok());
  unforced.Fold(LogIndex(7));
  EXPECT_EQ(Voters(unforced.After(LogIndex(7))), (Nodes{kOne, kTwo, kThree}));
}

TEST(MembershipLog, CheckpointHoldsEverything) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Adds(kFour)).ok());
  log.Fold(LogIndex(7));
  ASSERT_TRUE(log.Append(LogIndex(9), Removes(kOne)).ok());
  std::string bytes;
  log.AppendTo(bytes);
  const std::optional<MembershipLog> read = MembershipLog::Parse(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(Voters(read->After(LogIndex(5))), (Nodes{kOne, kTwo, kThree, kFour}));
  EXPECT_EQ(Voters(read->After(LogIndex(9))), (Nodes{kTwo, kThree, kFour}));
  EXPECT_EQ(read->UpTo(LogIndex(9)).front().first, LogIndex(5));
  EXPECT_EQ(read->AtRestart(LogIndex(0)).applied, LogIndex(7));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(MembershipLog::Parse(std::string_view(bytes).substr(0, cut)).has_value()) << cut;
  }
}

TEST(MembershipLog, SnapshotStandsForAllBefore) {
  MembershipLog log = FoundedByThree();
  ASSERT_TRUE(log.Append(LogIndex(5), Adds(kFour)).ok());
  MembershipLog other;
  other.SetOrigin({kTwo});
  log.StartAt(other.After(LogIndex(0)), LogIndex(9));
  EXPECT_FALSE(log.ChangeAt(LogIndex(5)).has_value());
  EXPECT_EQ(Voters(log.After(LogIndex(9))), Nodes{kTwo});
  EXPECT_TRUE(log.known());
}

TEST(MembershipLog, UnknownControlEntriesAreRefused) {
  MembershipLog log;
  EXPECT_TRUE(log.Append(LogIndex(1), "").ok()) << "a leader's no-op";
  EXPECT_FALSE(log.Append(LogIndex(2), "\x09 of the future").ok());
  std::string newer = EncodeRoster({.voters = {kOne}});
  newer[1] = 2;
  EXPECT_FALSE(log.Append(LogIndex(2), newer).ok());
  EXPECT_FALSE(DecodeRoster(EncodeRoster({.voters = {kOne}}) + "x").ok());
}

}  // namespace
}  // namespace tidemark
