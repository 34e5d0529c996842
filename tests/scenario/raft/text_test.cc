#include "tests/scenario/raft/text.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/raft/conf_entry.h"

namespace tidemark::scenario {
namespace {

raft::Message From1To2(decltype(raft::Message::body) body) {
  return {.from = NodeId{1}, .to = NodeId{2}, .term = Term{3}, .body = std::move(body)};
}

Entry Record(uint64_t index, const char* payload) {
  return {.index = LogIndex{index}, .term = Term{2}, .frame = Bytes::Copy(payload)};
}

TEST(MessageText, SaysEverythingThatDecides) {
  EXPECT_EQ(MessageText(From1To2(raft::VoteRequest{
                .pre_vote = true, .last_index = LogIndex{4}, .last_term = Term{2}})),
            "1->2  term 3  pre-vote? last 4@2");
  EXPECT_EQ(MessageText(From1To2(raft::VoteReply{.granted = true})), "1->2  term 3  vote yes");
  EXPECT_EQ(MessageText(From1To2(raft::AppendRequest{.prev_index = LogIndex{1},
                                                     .prev_term = Term{1},
                                                     .commit = LogIndex{1},
                                                     .entries = {Record(2, "a"), Record(3, "b")}})),
            "1->2  term 3  append after 1@1: 2:a 2:b, commit 1");
  EXPECT_EQ(MessageText(From1To2(
                raft::AppendReply{.success = true, .match = LogIndex{3}, .no_room = true})),
            "1->2  term 3  ack up to 3, no room");
  EXPECT_EQ(
      MessageText(From1To2(raft::AppendReply{
          .match = LogIndex{1}, .hint_term = Term{1}, .refused = LogIndex{7}, .sequence = 1})),
      "1->2  term 3  nack not after 7, perhaps 1@1");
  EXPECT_EQ(MessageText(From1To2(raft::Heartbeat{.commit = LogIndex{3}, .context = 9})),
            "1->2  term 3  heartbeat commit 3, round 9");
  EXPECT_EQ(MessageText(From1To2(raft::HeartbeatReply{.unverified = true})),
            "1->2  term 3  alive unverified");
  EXPECT_EQ(MessageText(From1To2(raft::TimeoutNow{})), "1->2  term 3  campaign!");
}

TEST(MessageText, EveryKindCanBeSelected) {
  const std::vector<raft::Message> all = {From1To2(raft::VoteRequest{.pre_vote = true}),
                                          From1To2(raft::VoteReply{.pre_vote = true}),
                                          From1To2(raft::VoteRequest{}),
                                          From1To2(raft::VoteReply{}),
                                          From1To2(raft::AppendRequest{}),
                                          From1To2(raft::AppendReply{.success = true}),
                                          From1To2(raft::AppendReply{}),
                                          From1To2(raft::Heartbeat{}),
                                          From1To2(raft::HeartbeatReply{}),
                                          From1To2(raft::InstallSnapshot{}),
                                          From1To2(raft::ReadIndexRequest{}),
                                          From1To2(raft::ReadIndexReply{}),
                                          From1To2(raft::TimeoutNow{})};
  std::vector<std::string> kinds;
  for (const raft::Message& message : all) kinds.push_back(KindOf(message));
  EXPECT_EQ(kinds, Kinds());
}

TEST(EntryText, NamesRecordsNoopsAndChangesOfMembers) {
  EXPECT_EQ(EntryText(Record(1, "a")), "2:a");
  Entry control = Record(1, "");
  control.kind = EntryKind::kControl;
  EXPECT_EQ(EntryText(control), "2:-");
  using Kind = raft::Change::Kind;
  control.frame = Bytes::From(raft::EncodeConfChange({.changes = {{Kind::kAddVoter, NodeId{4}},
                                                                  {Kind::kAddLearner, NodeId{5}},
                                                                  {Kind::kRemove, NodeId{1}}}}));
  EXPECT_EQ(EntryText(control), "2:{+4,+5learner,-1}");
  control.frame = Bytes::From(raft::EncodeConfChange({}));
  EXPECT_EQ(EntryText(control), "2:{leave}");
}

}  // namespace
}  // namespace tidemark::scenario
