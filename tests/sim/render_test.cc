#include "sim/render.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark::sim {
namespace {

TEST(Render, TimesDurationsAndSizesAreForPeople) {
  EXPECT_EQ(RenderTime(WallTime::FromMillis(1767323045678)), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(RenderTime(WallTime::FromMillis(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(RenderDuration(Duration::Micros(37)), "37 us");
  EXPECT_EQ(RenderDuration(Duration::Micros(12'345)), "12.3 ms");
  EXPECT_EQ(RenderDuration(Duration::Millis(4'560)), "4.56 s");
  EXPECT_EQ(RenderBytes(999), "999 B");
  EXPECT_EQ(RenderBytes(3'400), "3.4 KB");
  EXPECT_EQ(RenderBytes(5'600'000), "5.6 MB");
}

TEST(Render, EventsNameWhoAndWhat) {
  PeerMessage message{.group = GroupId(7), .message = {}};
  message.message.from = NodeId(1);
  message.message.to = NodeId(2);
  message.message.term = Term(3);
  message.message.body = raft::VoteReply{.pre_vote = true, .granted = true};
  EXPECT_EQ(Render(Event(PeerReceived{NodeId(1), message})),
            "PeerReceived from 1: group: 7 from: 1 to: 2 term: 3 "
            "vote_reply { pre_vote: true granted: true }");
  EXPECT_EQ(Render(Event(PeerLink{NodeId(2), false})), "PeerLink to 2 is down");
  EXPECT_EQ(Render(Event(RequestReceived{
                RequestId(4), "alice",
                ProduceRequest{.topic = "t", .partition = PartitionId(1), .batch = "12345"}})),
            "RequestReceived 4 of alice: produce 5 bytes to t/1");
  EXPECT_EQ(Render(Event(IoDone{IoToken(5), absl::UnavailableError("no")})),
            "IoDone 5: UNAVAILABLE: no");
  EXPECT_EQ(Render(Event(ShutdownRequested{})), "ShutdownRequested");
}

TEST(Render, AMessageSaysAllThatItSaysOnTheWire) {
  const PeerMessage append{.group = GroupId{4},
                           .message = {.from = NodeId{1},
                                       .to = NodeId{2},
                                       .term = Term{3},
                                       .body = raft::AppendRequest{.prev_index = LogIndex{5},
                                                                   .prev_term = Term{2},
                                                                   .commit = LogIndex{5},
                                                                   .sequence = 9}}};
  EXPECT_EQ(Render(append),
            "group: 4 from: 1 to: 2 term: 3 "
            "append_request { prev_index: 5 prev_term: 2 commit: 5 sequence: 9 }");
  EXPECT_EQ(Render(Effect(SendPeer{NodeId{2}, append})), "SendPeer to 2: " + Render(append));
}

TEST(Render, EffectsNameFilesAndBytes) {
  const FileId file{.group = GroupId(1), .kind = FileKind::kSegment, .number = 2};
  const Flush flush{.token = IoToken(3),
                    .group = GroupId(1),
                    .batch = {.ops = {CreateFile{.file = file, .zero_bytes = 4096},
                                      WriteFile{.file = file,
                                                .pos = FilePos(10),
                                                .data = {Bytes::Copy("abc"), Bytes::Copy("de")}}},
                              .sync = {file}}};
  EXPECT_EQ(Render(Effect(flush)), "Flush 3 of group 1: create " + PathOf(file) +
                                       " of 4.1 KB, write 5 bytes at 10 of " + PathOf(file) +
                                       ", sync " + PathOf(file));
  EXPECT_EQ(Render(Effect(Reply{RequestId(1), RpcError{.reason = "NOT_LEADER", .message = "no"}})),
            "Reply to 1: refused NOT_LEADER: no");
  EXPECT_EQ(Render(Effect(Note{.event = "x", .fields = {{"a", "b"}}})), "Note x a=b");
}

}  // namespace
}  // namespace tidemark::sim
