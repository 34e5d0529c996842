#include "tests/conformance/raft/wire.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidemark::conformance {
namespace {

using raft::Change;
using raft::ConfChange;

Payload Changes(Payload::Kind kind, std::vector<Change> changes) {
  return Payload{.kind = kind, .change = ConfChange{.changes = std::move(changes)}};
}

raft::Message FromTwo(uint64_t term, decltype(raft::Message::body) body) {
  return raft::Message{
      .from = NodeId{2}, .to = NodeId{17}, .term = Term{term}, .body = std::move(body)};
}

TEST(Wire, EntriesShowTheirPayloadTheWayEtcdDoes) {
  EXPECT_EQ(EntryText({.term = 1, .index = 3}), "1/3 EntryNormal \"\"");
  EXPECT_EQ(EntryText({.term = 1, .index = 3, .payload = {.text = "a\"b"}}),
            "1/3 EntryNormal \"a\\\"b\"");
  const std::vector<Change> changes = {{.kind = Change::Kind::kAddVoter, .node = NodeId{1}},
                                       {.kind = Change::Kind::kAddLearner, .node = NodeId{2}},
                                       {.kind = Change::Kind::kRemove, .node = NodeId{3}},
                                       {.kind = Change::Kind::kUpdate, .node = NodeId{4}}};
  EXPECT_EQ(EntryText({.payload = Changes(Payload::Kind::kConfChangeV2, changes)}),
            "0/0 EntryConfChangeV2 v1 l2 r3 u4");
  EXPECT_EQ(EntryText({.payload = Changes(Payload::Kind::kConfChange, {changes[2]})}),
            "0/0 EntryConfChange r3");
  EXPECT_EQ(EntryText({.payload = {.kind = Payload::Kind::kConfChangeV2}}),
            "0/0 EntryConfChangeV2");
}

TEST(Wire, PayloadsSurviveTheFrame) {
  Payload change =
      Changes(Payload::Kind::kConfChange, {{.kind = Change::Kind::kRemove, .node = NodeId{9}}});
  EXPECT_EQ(DecodePayload(EncodePayload(change)).kind, change.kind);
  EXPECT_EQ(DecodePayload(EncodePayload(change)).change, change.change);
  EXPECT_EQ(DecodePayload(EncodePayload(Payload{.text = "x"})).text, "x");
}

TEST(Wire, SizesAreThoseOfEtcdsEncoding) {
  // Type, term and index, two bytes each; the text with its tag and length.
  EXPECT_EQ(EncodedSize({WireEntry{.term = 1, .index = 2}}), 6u);
  EXPECT_EQ(EncodedSize({WireEntry{.term = 1, .index = 300, .payload = {.text = "abc"}}}), 12u);
}

TEST(Wire, TermsAreOneLessThanTheEnginesButForTheBootstrapEntrys) {
  EXPECT_EQ(ShownTerm(Term{1}), 0u);
  EXPECT_EQ(ShownTerm(Term{2}), 1u);
  EXPECT_EQ(ShownLogTerm(Term{0}), 0u);
  EXPECT_EQ(ShownLogTerm(Term{1}), 1u);
  EXPECT_EQ(ShownLogTerm(Term{2}), 1u);
  EXPECT_EQ(ShownLogTerm(Term{3}), 2u);
}

TEST(Wire, MessagesOfTheEngineHaveEtcdsNames) {
  const auto text = [](decltype(raft::Message::body) body) {
    return MessageText(ToWire(FromTwo(3, std::move(body))));
  };
  EXPECT_EQ(text(raft::VoteRequest{.last_index = LogIndex{5}, .last_term = Term{2}}),
            "2->11 MsgVote Term:2 Log:1/5");
  EXPECT_EQ(text(raft::VoteRequest{.pre_vote = true}), "2->11 MsgPreVote Term:2 Log:0/0");
  EXPECT_EQ(text(raft::VoteReply{.granted = false}),
            "2->11 MsgVoteResp Term:2 Log:0/0 Rejected (Hint: 0)");
  EXPECT_EQ(text(raft::VoteReply{.pre_vote = true, .granted = true}),
            "2->11 MsgPreVoteResp Term:2 Log:0/0");
  EXPECT_EQ(text(raft::Heartbeat{.commit = LogIndex{4}}),
            "2->11 MsgHeartbeat Term:2 Log:0/0 Commit:4");
  EXPECT_EQ(text(raft::HeartbeatReply{}), "2->11 MsgHeartbeatResp Term:2 Log:0/0");
  EXPECT_EQ(text(raft::TimeoutNow{}), "2->11 MsgTimeoutNow Term:2 Log:0/0");
  EXPECT_EQ(text(raft::AppendReply{.success = true, .match = LogIndex{7}, .sequence = 1}),
            "2->11 MsgAppResp Term:2 Log:0/7");
  EXPECT_EQ(text(raft::AppendReply{
                .match = LogIndex{7}, .hint_term = Term{2}, .refused = LogIndex{9}, .sequence = 1}),
            "2->11 MsgAppResp Term:2 Log:1/9 Rejected (Hint: 7)");
  EXPECT_EQ(text(raft::AppendReply{}), "2->11 MsgAppResp Term:2 Log:0/0");
}

TEST(Wire, AppendsShowOneEntryInTheLineAndSeveralBelowIt) {
  const auto entry = [](uint64_t index) {
    return Entry{.index = LogIndex{index}, .term = Term{2}, .frame = EncodePayload({.text = "x"})};
  };
  raft::AppendRequest append{.prev_index = LogIndex{4},
                             .prev_term = Term{1},
                             .commit = LogIndex{3},
                             .entries = {entry(5)}};
  EXPECT_EQ(MessageText(ToWire(FromTwo(2, append))),
            "2->11 MsgApp Term:1 Log:1/4 Commit:3 Entries:[1/5 EntryNormal \"x\"]");
  append.entries.push_back(entry(6));
  EXPECT_EQ(MessageText(ToWire(FromTwo(2, append))),
            "2->11 MsgApp Term:1 Log:1/4 Commit:3 Entries:[\n"
            "  1/5 EntryNormal \"x\"\n  1/6 EntryNormal \"x\"\n]");
}

TEST(Wire, SnapshotsNameEveryKindOfMember) {
  raft::SnapshotMeta meta{.index = LogIndex{4}, .term = Term{2}};
  meta.membership.voters.incoming = raft::MajorityConfig(std::vector<NodeId>{NodeId{1}, NodeId{2}});
  meta.membership.learners = raft::NodeSet(std::vector<NodeId>{NodeId{3}});
  meta.membership.auto_leave = true;
  EXPECT_EQ(MessageText(ToWire(FromTwo(2, raft::InstallSnapshot{.meta = meta}))),
            "2->11 MsgSnap Term:1 Log:0/0\n"
            "  Snapshot: Index:4 Term:1 ConfState:Voters:[1 2] VotersOutgoing:[] Learners:[3] "
            "LearnersNext:[] AutoLeave:true");
}

TEST(Wire, ResponsesAreBelowTheirMessage) {
  const WireMessage reply{.type = WireType::kVoteResp, .from = 1, .to = 1, .term = 1};
  const WireMessage append{.type = WireType::kStorageAppend,
                           .from = 1,
                           .to = kAppendThread,
                           .term = 1,
                           .commit = 2,
                           .vote = 1,
                           .responses = {reply}};
  EXPECT_EQ(MessageText(append),
            "1->AppendThread MsgStorageAppend Term:1 Log:0/0 Commit:2 Vote:1 Responses:[\n"
            "  1->1 MsgVoteResp Term:1 Log:0/0\n]");
  EXPECT_TRUE(append.local());
  EXPECT_TRUE(reply.local());
  EXPECT_FALSE((WireMessage{.from = 1, .to = 2}).local());
}

TEST(Wire, TypesAreKnownByName) {
  EXPECT_EQ(TypeText(WireType::kStorageApplyResp), "MsgStorageApplyResp");
  EXPECT_TRUE(IsTypeText("MsgApp"));
  EXPECT_TRUE(IsTypeText("MsgHup"));
  EXPECT_FALSE(IsTypeText("MsgAppend"));
}

}  // namespace
}  // namespace tidemark::conformance
