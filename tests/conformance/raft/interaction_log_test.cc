#include "tests/conformance/raft/interaction_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidemark::conformance {
namespace {

// Behind an entry 5 of term 1.
InteractionLog Bootstrapped() {
  return InteractionLog(raft::SnapshotMeta{.index = LogIndex{5}, .term = Term{1}});
}

std::string Stored(const InteractionLog& log) { return EntriesText(ToWire(log.stored())); }

// What a Ready hands out is written, whether or not that is told.
std::vector<Entry> HandOut(InteractionLog& log) {
  std::vector<Entry> entries = log.NextUnstable();
  log.AcceptUnstable();
  return entries;
}

TEST(InteractionLog, BeginsBehindItsSnapshot) {
  const InteractionLog log = Bootstrapped();
  EXPECT_EQ(log.first_index(), LogIndex{6});
  EXPECT_EQ(log.last_index(), LogIndex{5});
  EXPECT_EQ(log.last_term(), Term{1});
  EXPECT_EQ(log.TermAt(LogIndex{4}), std::nullopt);
  EXPECT_EQ(log.TermAt(LogIndex{6}), std::nullopt);
  const InteractionLog empty{raft::SnapshotMeta{}};
  EXPECT_EQ(empty.first_index(), LogIndex{1});
  EXPECT_EQ(empty.TermAt(LogIndex{0}), Term{0});
}

TEST(InteractionLog, EntriesAreHandedOutOnce) {
  InteractionLog log = Bootstrapped();
  log.AppendNew(Term{2}, {.text = "a"});
  EXPECT_EQ(HandOut(log).size(), 1u);
  EXPECT_FALSE(log.has_next_unstable());
  EXPECT_TRUE(log.has_unstable());
  log.AppendNew(Term{2}, {.text = "b"});
  EXPECT_EQ(HandOut(log).front().index, LogIndex{7});
}

TEST(InteractionLog, WhatIsStoredStaysUntilItIsReplaced) {
  InteractionLog log = Bootstrapped();
  log.AppendNew(Term{2}, {.text = "a"});
  log.AppendNew(Term{2}, {.text = "b"});
  log.Store(HandOut(log));
  log.StableTo(LogIndex{7}, 1);
  EXPECT_FALSE(log.has_unstable());
  log.set_durable(LogIndex{7});
  log.TruncateSuffix(LogIndex{6});
  EXPECT_EQ(log.durable_index(), LogIndex{5});
  log.AppendNew(Term{3}, {.text = "c"});
  EXPECT_EQ(log.last_index(), LogIndex{6});
  EXPECT_EQ(Stored(log), "1/6 EntryNormal \"a\"\n1/7 EntryNormal \"b\"\n");
  log.Store(HandOut(log));
  EXPECT_EQ(Stored(log), "2/6 EntryNormal \"c\"\n");
}

TEST(InteractionLog, OnlyTheEntryThatIsHereBecomesStable) {
  InteractionLog log = Bootstrapped();
  log.AppendNew(Term{2}, {.text = "a"});
  const std::vector<Entry> first = HandOut(log);
  log.TruncateSuffix(LogIndex{6});
  log.AppendNew(Term{3}, {.text = "b"});
  log.Store(first);
  log.StableTo(LogIndex{6}, 1);
  EXPECT_TRUE(log.has_unstable());
  log.Store(HandOut(log));
  log.StableTo(LogIndex{6}, 2);
  EXPECT_FALSE(log.has_unstable());
  EXPECT_EQ(log.At(LogIndex{6}).term, Term{3});
}

TEST(InteractionLog, CompactionForgetsAPrefixOfTheStorage) {
  InteractionLog log = Bootstrapped();
  log.AppendNew(Term{2}, {.text = "a"});
  log.AppendNew(Term{2}, {.text = "b"});
  const std::vector<Entry> both = HandOut(log);
  log.Store(both);
  EXPECT_TRUE(log.Compact(LogIndex{6}));
  EXPECT_FALSE(log.Compact(LogIndex{6}));
  EXPECT_EQ(log.first_index(), LogIndex{7});
  EXPECT_EQ(log.TermAt(LogIndex{6}), Term{2});
  log.Store(both);
  EXPECT_EQ(Stored(log), "1/7 EntryNormal \"b\"\n");
  EXPECT_DEATH(log.Compact(LogIndex{8}), "");
}

TEST(InteractionLog, ASnapshotReplacesEverything) {
  InteractionLog log = Bootstrapped();
  log.AppendNew(Term{2}, {.text = "a"});
  const raft::SnapshotMeta meta{.index = LogIndex{9}, .term = Term{3}};
  log.Restore(meta);
  EXPECT_EQ(log.first_index(), LogIndex{10});
  EXPECT_EQ(log.last_term(), Term{3});
  EXPECT_EQ(log.NextSnapshot(), meta);
  log.AcceptUnstable();
  EXPECT_EQ(log.NextSnapshot(), std::nullopt);
  EXPECT_TRUE(log.has_snapshot());
  log.StoreSnapshot(meta);
  log.SnapshotStableTo(LogIndex{9});
  EXPECT_FALSE(log.has_snapshot());
  EXPECT_EQ(log.stored_first(), LogIndex{10});
}

TEST(InteractionLog, ChangesOfMembersAreFound) {
  InteractionLog log = Bootstrapped();
  const raft::ConfChange change{
      .changes = {{.kind = raft::Change::Kind::kRemove, .node = NodeId{2}}}};
  log.AppendNoop(Term{2});
  log.set_conf_change_kind(Payload::Kind::kConfChange);
  log.AppendConfChange(Term{2}, change);
  EXPECT_EQ(log.ConfChangeAt(LogIndex{6}), std::nullopt);
  EXPECT_EQ(log.ConfChangeAt(LogIndex{7}), change);
  EXPECT_EQ(EntriesText(ToWire(log.NextUnstable())),
            "1/6 EntryNormal \"\"\n1/7 EntryConfChange r2\n");
  EXPECT_EQ(log.own_appends(), 2u);
}

}  // namespace
}  // namespace tidemark::conformance
