#include "engine/node/node.h"

#include <gtest/gtest.h>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "tests/engine/node/node_world.h"

namespace tidemark {
namespace {

std::string BatchOf(std::vector<std::string> values, ProducerStamp stamp = {}) {
  std::vector<Record> records;
  for (std::string& value : values) {
    records.push_back({.value = std::move(value), .timestamp_ms = 1});
  }
  return *EncodeBatch(records, stamp);
}

NodeWorld BootedWithTopic(NodeOptions options = NodeWorld::SingleNode()) {
  NodeWorld world(std::move(options));
  EXPECT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world.Get<CreateTopicResponse>(CreateTopicRequest{.name = "t"}).topic.name, "t");
  world.Advance(Duration::Seconds(3));
  return world;
}

RpcError ErrorOf(const std::optional<Response>& response) {
  if (!response.has_value()) return {.reason = "NO ANSWER"};
  const RpcError* error = std::get_if<RpcError>(&*response);
  return error == nullptr ? RpcError{.reason = "NO ERROR"} : *error;
}

TEST(Node, AcknowledgesOnlyWhatIsDurable) {
  NodeWorld world = BootedWithTopic();
  world.hold_flushes_ = true;
  const RequestId id = world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"a", "b"})});
  ASSERT_EQ(world.flushes_.size(), 1u);
  EXPECT_FALSE(world.Answer(id).has_value());
  world.FinishFlushes();
  ASSERT_TRUE(world.Answer(id).has_value());
  const auto response = std::get<ProduceResponse>(*world.Answer(id));
  EXPECT_EQ(response.base_offset, Offset(0));
  EXPECT_EQ(response.record_count, 2u);
}

TEST(Node, OneFlushAtATimeAndTheNextOneTakesAllThatCameMeanwhile) {
  NodeWorld world = BootedWithTopic();
  world.hold_flushes_ = true;
  std::vector<RequestId> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"x"})}));
    EXPECT_EQ(world.flushes_.size(), 1u);
  }
  Flush first = std::move(world.flushes_.front());
  world.flushes_.clear();
  world.disk_.Execute(first.batch);
  world.Tell(IoDone{first.token, absl::OkStatus()});
  EXPECT_TRUE(world.Answer(ids[0]).has_value());
  EXPECT_FALSE(world.Answer(ids[1]).has_value());
  ASSERT_EQ(world.flushes_.size(), 1u);
  world.FinishFlushes();
  EXPECT_EQ(std::get<ProduceResponse>(*world.Answer(ids[4])).base_offset, Offset(4));
}

TEST(Node, RetryOfAnIdempotentBatchGetsItsFirstOffset) {
  NodeWorld world = BootedWithTopic();
  const ProducerStamp stamp{.producer_id = 9, .epoch = 0, .base_sequence = 0};
  const ProduceRequest request{"t", PartitionId(0), BatchOf({"a"}, stamp)};
  EXPECT_FALSE(world.Get<ProduceResponse>(request).duplicate);
  const auto again = world.Get<ProduceResponse>(request);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.base_offset, Offset(0));
  const auto gap = ProducerStamp{.producer_id = 9, .epoch = 0, .base_sequence = 5};
  EXPECT_EQ(
      ErrorOf(world.Answer(world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"b"}, gap)})))
          .reason,
      "OUT_OF_ORDER_SEQUENCE");
}

TEST(Node, RestartKeepsTopicsRecordsAndProducers) {
  NodeWorld world = BootedWithTopic();
  const ProducerStamp stamp{.producer_id = 9, .epoch = 0, .base_sequence = 0};
  const ProduceRequest request{"t", PartitionId(0), BatchOf({"a", "b", "c"}, stamp)};
  world.Get<ProduceResponse>(request);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_TRUE(world.Get<ProduceResponse>(request).duplicate);
  const auto next = world.Get<ProduceResponse>(ProduceRequest{"t", PartitionId(0), BatchOf({"d"})});
  EXPECT_EQ(next.base_offset, Offset(3));
}

// Sizes of the segments of group 1, the first topic's only partition, oldest first.
std::vector<uint64_t> SegmentSizes(const NodeWorld& world) {
  std::vector<uint64_t> sizes;
  for (const auto& [file, bytes] : world.disk_.files_) {
    if (file.group == GroupId(1) && file.kind == FileKind::kSegment) sizes.push_back(bytes.size());
  }
  return sizes;
}

TEST(Node, TopicKeepsItsOwnSegmentSizeThroughARestart) {
  NodeWorld world(NodeWorld::SingleNode());
  ASSERT_NE(world.options_.log.segment_bytes, kSegmentBytesMin);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  world.Get<CreateTopicResponse>(
      CreateTopicRequest{.name = "t", .segment_bytes = kSegmentBytesMin});
  world.Advance(Duration::Seconds(3));
  ASSERT_EQ(SegmentSizes(world), std::vector{kSegmentBytesMin});
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  const std::string half(kSegmentBytesMin / 2, 'x');
  for (int i = 0; i < 4; ++i) {
    world.Get<ProduceResponse>(ProduceRequest{"t", PartitionId(0), BatchOf({half})});
  }
  EXPECT_EQ(SegmentSizes(world), std::vector(4, kSegmentBytesMin));
}

TEST(Node, WaitingFetchIsAnsweredWhenRecordsBecomeReadableAndNotBefore) {
  NodeWorld world = BootedWithTopic();
  const RequestId fetch = world.Ask(FetchRequest{.topic = "t", .offset = Offset(0), .wait = true});
  EXPECT_FALSE(world.Answer(fetch).has_value());
  world.hold_flushes_ = true;
  world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"a"})});
  EXPECT_FALSE(world.Answer(fetch).has_value());
  world.FinishFlushes();
  ASSERT_TRUE(world.Answer(fetch).has_value());
  const auto response = std::get<FetchResponse>(*world.Answer(fetch));
  ASSERT_TRUE(response.range.has_value());
  EXPECT_EQ(response.limit, Offset(1));
  const std::string& file = world.disk_.files_.at(response.range->file);
  const auto frames = ConsumerFrames(*response.range,
                                     Bytes::Copy(std::string_view(file).substr(
                                         response.range->pos.value(), response.range->length)),
                                     response.from, response.limit);
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 1u);
  EXPECT_EQ(DecodeBatch((*frames)[0].view())->front().record.value, "a");
}

TEST(Node, FailedSyncAnswersDataLossAndTheReplicaTakesNoMore) {
  NodeWorld world = BootedWithTopic();
  world.hold_flushes_ = true;
  const RequestId id = world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"a"})});
  world.FinishFlushes(absl::UnavailableError("cannot sync: Input/output error"));
  EXPECT_EQ(ErrorOf(world.Answer(id)).reason, "STORAGE_FAILED");
  EXPECT_EQ(
      ErrorOf(world.Answer(world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf({"b"})}))).reason,
      "STORAGE_FAILED");
  EXPECT_TRUE(world.flushes_.empty());
}

TEST(Node, BadRequestsGetTheirReasons) {
  NodeWorld world = BootedWithTopic();
  const auto reason = [&](Request request) {
    return ErrorOf(world.Answer(world.Ask(std::move(request)))).reason;
  };
  EXPECT_EQ(reason(ProduceRequest{"none", PartitionId(0), BatchOf({"a"})}), "TOPIC_NOT_FOUND");
  EXPECT_EQ(reason(ProduceRequest{"t", PartitionId(7), BatchOf({"a"})}), "PARTITION_NOT_FOUND");
  EXPECT_EQ(reason(ProduceRequest{"t", PartitionId(0), "garbage"}), "INVALID_BATCH");
  std::string flipped = BatchOf({"a"});
  flipped.back() ^= 1;
  EXPECT_EQ(reason(ProduceRequest{"t", PartitionId(0), flipped}), "INVALID_BATCH");
  EXPECT_EQ(reason(FetchRequest{.topic = "t", .offset = Offset(99)}), "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(reason(CreateTopicRequest{.name = "t"}), "TOPIC_ALREADY_EXISTS");
  EXPECT_EQ(reason(CreateTopicRequest{.name = "a/b"}), "INVALID_TOPIC");
  EXPECT_EQ(reason(CreateTopicRequest{.name = "x", .replication_factor = 3}), "INVALID_TOPIC");
  EXPECT_EQ(reason(DeleteTopicRequest{"none"}), "TOPIC_NOT_FOUND");
}

TEST(Node, PolicyDecidesWhoMayDoWhatAndDefaultIsNo) {
  NodeOptions options = NodeWorld::SingleNode();
  options.acl_allow_all = false;
  options.acl_policy = "p, writer, topic:t, produce\np, admin, topic:*, *\n";
  NodeWorld world(options);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(CreateTopicRequest{.name = "t"}, "writer"))).reason,
            "PERMISSION_DENIED");
  EXPECT_EQ(world.Get<CreateTopicResponse>(CreateTopicRequest{.name = "t"}, "admin").topic.name,
            "t");
  world.Advance(Duration::Seconds(3));
  const ProduceRequest produce{"t", PartitionId(0), BatchOf({"a"})};
  EXPECT_EQ(world.Get<ProduceResponse>(produce, "writer").record_count, 1u);
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(produce, ""))).reason, "PERMISSION_DENIED");
  const RpcError denied = ErrorOf(world.Answer(world.Ask(FetchRequest{.topic = "t"}, "writer")));
  EXPECT_EQ(denied.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(denied.metadata.at("action"), "consume");
  EXPECT_TRUE(world.Get<ListTopicsResponse>(ListTopicsRequest{}, "writer").topics.empty());
  EXPECT_EQ(world.Get<ListTopicsResponse>(ListTopicsRequest{}, "admin").topics.size(), 1u);
}

TEST(Node, DataDirectoryOfAnotherNodeOrClusterIsRefused) {
  NodeWorld world = BootedWithTopic();
  world.options_.cluster_id = "other";
  EXPECT_TRUE(absl::IsFailedPrecondition(world.Boot()));
  world.options_ = NodeWorld::SingleNode();
  world.options_.id = NodeId(2);
  world.options_.voters = {NodeId(2)};
  EXPECT_TRUE(absl::IsFailedPrecondition(world.Boot()));
}

TEST(Node, OptionsThatNoClusterCanRunWithAreRefused) {
  const auto refused = [](auto change) {
    NodeOptions options = NodeWorld::SingleNode();
    change(options);
    return absl::IsInvalidArgument(NodeWorld(options).Boot());
  };
  EXPECT_TRUE(refused([](NodeOptions& o) { o.voters = {kNoNode, NodeId(1)}; }));
  EXPECT_TRUE(refused([](NodeOptions& o) { o.voters = {NodeId(1), NodeId(1)}; }));
  EXPECT_TRUE(refused([](NodeOptions& o) { o.voters = {NodeId(2)}; }));
  EXPECT_TRUE(refused([](NodeOptions& o) { o.election_timeout = o.heartbeat_interval; }));
  EXPECT_TRUE(refused([](NodeOptions& o) { o.heartbeat_interval = Duration(); }));
  EXPECT_FALSE(refused([](NodeOptions&) {}));
}

TEST(Node, DeletedTopicLeavesNoFilesAndItsNameCanBeUsedAgain) {
  NodeWorld world = BootedWithTopic();
  world.Get<ProduceResponse>(ProduceRequest{"t", PartitionId(0), BatchOf({"old"})});
  const RequestId tail = world.Ask(FetchRequest{.topic = "t", .offset = Offset(1), .wait = true});
  world.Ask(DeleteTopicRequest{"t"});
  EXPECT_EQ(ErrorOf(world.Answer(tail)).reason, "TOPIC_NOT_FOUND");
  EXPECT_EQ(world.disk_.Groups(), std::vector<GroupId>{kCatalogGroup});
  EXPECT_EQ(world.Get<CreateTopicResponse>(CreateTopicRequest{.name = "t"}).topic.name, "t");
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(
      world.Get<ProduceResponse>(ProduceRequest{"t", PartitionId(0), BatchOf({"new"})}).base_offset,
      Offset(0));
}

TEST(Node, ShutdownAnswersWaitersAndCompletes) {
  NodeWorld world = BootedWithTopic();
  const RequestId tail = world.Ask(FetchRequest{.topic = "t", .offset = Offset(0), .wait = true});
  world.Tell(ShutdownRequested{});
  EXPECT_TRUE(world.shutdown_complete_);
  EXPECT_EQ(ErrorOf(world.Answer(tail)).reason, "SHUTTING_DOWN");
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(GetServersRequest{}))).reason, "SHUTTING_DOWN");
}

TEST(Node, FullDiskRefusesWritesServesReadsAndRecoversByItself) {
  NodeWorld world = BootedWithTopic();
  const ProduceRequest produce{"t", PartitionId(0), BatchOf({"a"})};
  EXPECT_EQ(world.Get<ProduceResponse>(produce).record_count, 1u);
  world.Tell(DiskSpace{.free_bytes = 1, .total_bytes = 100});
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(produce))).reason, "DISK_FULL");
  EXPECT_TRUE(world.Get<FetchResponse>(FetchRequest{.topic = "t"}).range.has_value());
  world.Tell(DiskSpace{.free_bytes = 1ull << 40, .total_bytes = 1ull << 41});
  EXPECT_EQ(world.Get<ProduceResponse>(produce).record_count, 1u);
}

// Measured once a second or ten times: a fast producer could take all of the headroom in between.
TEST(Node, WhatWasWrittenSinceCountsAgainstTheSpaceThatWasMeasured) {
  NodeWorld world = BootedWithTopic();
  const uint64_t headroom = world.options_.disk_headroom_bytes;
  const ProduceRequest produce{"t", PartitionId(0), BatchOf({std::string(1000, 'a')})};
  world.Tell(DiskSpace{.free_bytes = headroom + 3000, .total_bytes = 10 * headroom});
  int taken = 0;
  while (taken < 10 && ErrorOf(world.Answer(world.Ask(produce))).reason != "DISK_FULL") ++taken;
  EXPECT_GE(taken, 2);
  EXPECT_LE(taken, 3);
  world.Tell(DiskSpace{.free_bytes = 2 * headroom, .total_bytes = 10 * headroom});
  EXPECT_EQ(world.Get<ProduceResponse>(produce).record_count, 1u);
}

// The roles a lone voter of three notes for the catalog's group, without immediate repetitions.
std::vector<std::string> NotedRolesOfLoneVoter(bool pre_vote) {
  NodeOptions options = NodeWorld::SingleNode();
  options.voters = {NodeId(1), NodeId(2), NodeId(3)};
  options.pre_vote = pre_vote;
  NodeWorld world(std::move(options));
  EXPECT_TRUE(world.Boot().ok());
  world.MeetFounders();
  world.Advance(Duration::Seconds(5));
  std::vector<std::string> roles;
  for (const Note& note : world.notes_) {
    if (note.event != "leadership") continue;
    for (const auto& [key, value] : note.fields) {
      if (key == "role" && (roles.empty() || roles.back() != value)) roles.push_back(value);
    }
  }
  return roles;
}

TEST(Node, LeadershipNotesTellTheRoleTheNodeReallyHas) {
  EXPECT_EQ(NotedRolesOfLoneVoter(/*pre_vote=*/false),
            (std::vector<std::string>{"follower", "candidate"}));
  EXPECT_EQ(NotedRolesOfLoneVoter(/*pre_vote=*/true),
            (std::vector<std::string>{"follower", "pre-candidate"}));
}

TEST(Node, StatusShowsEveryGroupAndHealthNeedsALeader) {
  NodeOptions options = NodeWorld::SingleNode();
  options.voters = {NodeId(1), NodeId(2), NodeId(3)};
  NodeWorld alone(options);
  ASSERT_TRUE(alone.Boot().ok());
  alone.Advance(Duration::Seconds(10));
  EXPECT_FALSE(alone.node_->healthy());
  NodeWorld world = BootedWithTopic();
  EXPECT_TRUE(world.node_->healthy());
  const GetStatusResponse status = world.Get<GetStatusResponse>(GetStatusRequest{});
  ASSERT_EQ(status.groups.size(), 2u);
  EXPECT_EQ(status.groups[1].topic, "t");
  EXPECT_EQ(status.groups[1].role, raft::Role::kLeader);
}

}  // namespace
}  // namespace tidemark
