#include "proto/snapshot_convert.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "proto/peer_convert.h"

namespace tidemark {
namespace {

PeerMessage With(SnapshotMessage part) {
  PeerMessage message;
  message.group = GroupId(5);
  message.message.from = NodeId(1);
  message.message.to = NodeId(2);
  message.snapshot = std::make_shared<const SnapshotMessage>(std::move(part));
  return message;
}

Bytes FrameOf(const PeerMessage& message) {
  std::string joined;
  for (const Bytes& part : EncodePeer(message)) joined += part.view();
  return Bytes::From(std::move(joined));
}

ShippedSegment Segment() {
  return {.number = 3,
          .base_index = LogIndex(10),
          .end_index = LogIndex(20),
          .base_offset = Offset(100),
          .end_offset = Offset(140),
          .frames_end = Offset(140),
          .previous_term = Term(4),
          .base_digest = 0xfedcba9876543210,
          .digest = 77,
          .end_digest = 77,
          .size = 9000,
          .index_bytes = 500,
          .sidecar_bytes = 700,
          .clean_end = Offset(120)};
}

TEST(SnapshotConvert, RequestsAndChunksComeBackAsTheyWere) {
  const SnapshotRequest request{.id = 9,
                                .index = LogIndex(17),
                                .part = SegmentPart::kSidecar,
                                .pos = FilePos(123),
                                .length = 456,
                                .refused = true,
                                .end_segment = true};
  const absl::StatusOr<PeerMessage> asked = DecodePeer(FrameOf(With(request)));
  ASSERT_TRUE(asked.ok()) << asked.status();
  ASSERT_NE(asked->snapshot, nullptr);
  EXPECT_EQ(asked->group, GroupId(5));
  EXPECT_EQ(asked->message.from, NodeId(1));
  const SnapshotRequest& got = std::get<SnapshotRequest>(*asked->snapshot);
  EXPECT_EQ(got.id, 9u);
  EXPECT_EQ(got.index, LogIndex(17));
  EXPECT_EQ(got.part, SegmentPart::kSidecar);
  EXPECT_EQ(got.pos, FilePos(123));
  EXPECT_EQ(got.length, 456u);
  EXPECT_TRUE(got.refused);
  EXPECT_TRUE(got.end_segment);

  const absl::StatusOr<PeerMessage> sent =
      DecodePeer(FrameOf(With(SnapshotChunk{.id = 9,
                                            .segment = Segment(),
                                            .part = SegmentPart::kFrames,
                                            .pos = FilePos(4096),
                                            .bytes = Bytes::Copy("some bytes")})));
  ASSERT_TRUE(sent.ok()) << sent.status();
  const SnapshotChunk& chunk = std::get<SnapshotChunk>(*sent->snapshot);
  EXPECT_EQ(chunk.segment, Segment());
  EXPECT_EQ(chunk.bytes.view(), "some bytes");
  EXPECT_EQ(chunk.pos, FilePos(4096));

  const absl::StatusOr<PeerMessage> none = DecodePeer(FrameOf(With(SnapshotChunk{.id = 1})));
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(std::get<SnapshotChunk>(*none->snapshot).segment, std::nullopt);
}

TEST(SnapshotConvert, WhatNoPeerSaysIsRefused) {
  const auto refused = [](SnapshotMessage part) {
    return absl::IsInvalidArgument(DecodePeer(FrameOf(With(std::move(part)))).status());
  };
  EXPECT_TRUE(refused(FramesRequest{.id = 1, .first = LogIndex(0)}));
  EXPECT_TRUE(
      refused(FramesRequest{.first = LogIndex(1), .max_bytes = uint32_t{kSnapshotChunkBytes} + 1}));
  EXPECT_TRUE(
      refused(FramesReply{.bytes = Bytes::From(std::string(kFramesReplyBytesMax + 1, 'x'))}));
  EXPECT_TRUE(refused(SnapshotRequest{.length = kSnapshotChunkBytes + 1}));
  EXPECT_TRUE(refused(SnapshotRequest{.index = LogIndex(UINT64_MAX)}));
  EXPECT_TRUE(refused(SnapshotRequest{.part = static_cast<SegmentPart>(2)}));
  EXPECT_TRUE(refused(SnapshotChunk{.bytes = Bytes::Copy("x")}));
  EXPECT_TRUE(refused(SnapshotChunk{
      .segment = Segment(), .bytes = Bytes::From(std::string(kSnapshotChunkBytes + 1, 'x'))}));
  ShippedSegment insane = Segment();
  insane.size = UINT64_MAX;
  EXPECT_TRUE(refused(SnapshotChunk{.segment = insane}));
}

TEST(SnapshotConvert, FramesAreAskedForAndGiven) {
  const absl::StatusOr<PeerMessage> asked =
      DecodePeer(FrameOf(With(FramesRequest{.id = 7, .first = LogIndex(30), .max_bytes = 1000})));
  ASSERT_TRUE(asked.ok());
  const auto& request = std::get<FramesRequest>(*asked->snapshot);
  EXPECT_EQ(request.id, 7u);
  EXPECT_EQ(request.first, LogIndex(30));
  EXPECT_EQ(request.max_bytes, 1000u);
  const absl::StatusOr<PeerMessage> given = DecodePeer(
      FrameOf(With(FramesReply{.id = 7, .first = LogIndex(30), .bytes = Bytes::Copy("frames")})));
  ASSERT_TRUE(given.ok());
  const auto& reply = std::get<FramesReply>(*given->snapshot);
  EXPECT_EQ(reply.id, 7u);
  EXPECT_EQ(reply.first, LogIndex(30));
  EXPECT_EQ(reply.bytes.view(), "frames");
}

TEST(SnapshotConvert, DigestsComeBackAsTheyWere) {
  const DigestReport report{.index = LogIndex(32), .digest = 0xfedcba9876543210};
  const absl::StatusOr<PeerMessage> sent = DecodePeer(FrameOf(With(report)));
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(std::get<DigestReport>(*sent->snapshot), report);
}

}  // namespace
}  // namespace tidemark
