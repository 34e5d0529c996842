#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/hard_state.h"
#include "engine/node/node.h"
#include "tests/engine/node/node_world.h"

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};
constexpr uint64_t kBatchBytes = 4000;

std::string BatchOf(size_t bytes, ProducerStamp stamp = {}) {
  const Record record{.key = std::nullopt, .value = std::string(bytes, 'x'), .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), stamp);
}

// A node with topic "t" of one partition and small segments (three batches each).
NodeWorld WithTopic(uint64_t retention_bytes, uint64_t retention_ms) {
  NodeWorld world(NodeWorld::SingleNode());
  EXPECT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world
                .Get<CreateTopicResponse>(CreateTopicRequest{.name = "t",
                                                             .segment_bytes = kSegmentBytesMin,
                                                             .retention_bytes = retention_bytes,
                                                             .retention_ms = retention_ms})
                .topic.name,
            "t");
  world.Advance(Duration::Seconds(3));
  return world;
}

void Produce(NodeWorld& world, int batches) {
  for (int i = 0; i < batches; ++i) {
    world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf(kBatchBytes)});
  }
}

size_t Segments(const NodeWorld& world) {
  size_t count = 0;
  for (const auto& [file, bytes] : world.disk_.files_) {
    count += file.group == kTopicGroup && file.kind == FileKind::kSegment ? 1 : 0;
  }
  return count;
}

PartitionInfo Partition(NodeWorld& world) {
  return world.Get<DescribeTopicResponse>(DescribeTopicRequest{"t"}).topic.partitions.at(0);
}

RpcError ErrorOf(const std::optional<Response>& response) {
  if (!response.has_value()) return {.reason = "NO ANSWER"};
  const RpcError* error = std::get_if<RpcError>(&*response);
  return error == nullptr ? RpcError{.reason = "NO ERROR"} : *error;
}

TEST(Retention, KeepsEverythingForEverUnlessTold) {
  NodeWorld world = WithTopic(0, 0);
  Produce(world, 60);
  world.Advance(Duration::Seconds(60));
  EXPECT_EQ(Segments(world), 20u);
  EXPECT_EQ(Partition(world).start_offset, Offset(0));
}

TEST(Retention, KeepsAtLeastTheBytesAndNotMuchMore) {
  constexpr uint64_t kKept = 100'000;
  NodeWorld world = WithTopic(kKept, 0);
  for (int i = 0; i < 200; ++i) {
    Produce(world, 1);
    const Offset start = Partition(world).start_offset;
    // 3 batches and a header fill a segment; one is being filled, one is let go a flush late.
    EXPECT_LE(Segments(world), kKept / kSegmentBytesMin + 3);
    if (start > Offset(0)) {
      EXPECT_GE(Segments(world) * kSegmentBytesMin, kKept);
    }
  }
  EXPECT_GT(Partition(world).start_offset, Offset(150));
  EXPECT_EQ(Partition(world).high_watermark, Offset(200));
}

TEST(Retention, RemovesWhatIsOldOnceItsTimeHasCome) {
  NodeWorld world = WithTopic(0, 60'000);
  Produce(world, 7);
  EXPECT_EQ(Segments(world), 3u);
  world.now_.wall = WallTime::FromMillis(world.now_.wall.millis() + 60'000);
  world.Advance(Duration::Seconds(11));
  EXPECT_EQ(Segments(world), 3u);
  world.now_.wall = WallTime::FromMillis(world.now_.wall.millis() + 1);
  world.Advance(Duration::Seconds(11));
  // The one that is being filled stays, however old it is.
  EXPECT_EQ(Segments(world), 1u);
  EXPECT_EQ(Partition(world).start_offset, Offset(6));
}

TEST(Retention, IsWhatTheTopicTells) {
  NodeWorld world = WithTopic(1234, 5678);
  const TopicInfo topic = world.Get<DescribeTopicResponse>(DescribeTopicRequest{"t"}).topic;
  EXPECT_EQ(topic.retention_bytes, 1234u);
  EXPECT_EQ(topic.retention_ms, 5678u);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world.Get<ListTopicsResponse>(ListTopicsRequest{}).topics.at(0).retention_ms, 5678u);
}

TEST(Retention, OfMoreThanAHundredYearsIsRefused) {
  NodeWorld world = WithTopic(0, 0);
  const RpcError error = ErrorOf(world.Answer(
      world.Ask(CreateTopicRequest{.name = "u", .retention_ms = kRetentionMillisMax + 1})));
  EXPECT_EQ(error.reason, "INVALID_TOPIC");
  EXPECT_NE(error.message.find("retention_ms must be"), std::string::npos) << error.message;
}

TEST(Retention, FetchOfWhatWasRemovedSaysWhereTheLogBegins) {
  NodeWorld world = WithTopic(20'000, 0);
  Produce(world, 30);
  const Offset start = Partition(world).start_offset;
  ASSERT_GT(start, Offset(0));
  const RpcError error = ErrorOf(
      world.Answer(world.Ask(FetchRequest{.topic = "t", .offset = start - 1, .wait = true})));
  EXPECT_EQ(error.reason, "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(error.metadata.at("start_offset"), std::to_string(start.value()));
  EXPECT_NE(error.message.find("removed by the topic's retention"), std::string::npos);
  const auto earliest =
      world.Get<FetchResponse>(FetchRequest{.topic = "t", .start = FetchRequest::Start::kEarliest});
  EXPECT_EQ(earliest.from, start);
  EXPECT_TRUE(earliest.range.has_value());
}

TEST(Retention, RetryOfABatchThatWasRemovedIsStillRecognised) {
  NodeWorld world = WithTopic(20'000, 0);
  const ProduceRequest first{
      "t", PartitionId(0),
      BatchOf(10, ProducerStamp{.producer_id = 9, .epoch = 0, .base_sequence = 0})};
  EXPECT_EQ(world.Get<ProduceResponse>(first).record_count, 1u);
  Produce(world, 30);
  ASSERT_GT(Partition(world).start_offset, Offset(0));
  EXPECT_TRUE(world.Get<ProduceResponse>(first).duplicate);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_TRUE(world.Get<ProduceResponse>(first).duplicate);
}

TEST(Retention, RemovesFilesOnlyWhenItsDecisionIsDurable) {
  NodeWorld world = WithTopic(20'000, 0);
  world.hold_flushes_ = true;
  HardStateRecord durable;
  int removals = 0;
  for (int i = 0; i < 60; ++i) {
    world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf(kBatchBytes)});
    while (!world.flushes_.empty()) {
      const Flush flush = std::move(world.flushes_.front());
      world.flushes_.pop_front();
      for (const FileOp& op : flush.batch.ops) {
        const auto* remove = std::get_if<RemoveFile>(&op);
        if (remove == nullptr || remove->file.kind != FileKind::kSegment) continue;
        ++removals;
        EXPECT_GT(durable.start, LogIndex(1));
      }
      world.disk_.Execute(flush.batch);
      durable = *DecodeHardState(
          *world.disk_.Contents({.group = kTopicGroup, .kind = FileKind::kHardState, .number = 0}));
      world.Tell(IoDone{flush.token, absl::OkStatus()});
    }
  }
  EXPECT_GT(removals, 10);
}

// The machine stops at each flush in turn, with each part of it done.
TEST(Retention, SurvivesACrashAnywhere) {
  int crashes = 0;
  for (int stop = 0;; ++stop) {
    NodeWorld world = WithTopic(20'000, 0);
    world.hold_flushes_ = true;
    int flushes = 0;
    std::optional<Flush> cut;
    for (int i = 0; i < 24 && !cut.has_value(); ++i) {
      world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf(kBatchBytes)});
      while (!world.flushes_.empty() && !cut.has_value()) {
        Flush flush = std::move(world.flushes_.front());
        world.flushes_.pop_front();
        if (flushes++ == stop) {
          cut = std::move(flush);
          break;
        }
        world.disk_.Execute(flush.batch);
        world.Tell(IoDone{flush.token, absl::OkStatus()});
      }
    }
    if (!cut.has_value()) break;
    const PartitionInfo before = Partition(world);
    const MapDisk disk = world.disk_;
    world.hold_flushes_ = false;
    for (size_t done = 0; done <= cut->batch.ops.size(); ++done) {
      world.disk_ = disk;
      FileBatch part = cut->batch;
      part.ops.resize(done);
      world.disk_.Execute(part);
      const absl::Status booted = world.Boot();
      ASSERT_TRUE(booted.ok()) << "flush " << stop << " op " << done << ": " << booted;
      world.Advance(Duration::Seconds(3));
      const PartitionInfo after = Partition(world);
      ASSERT_GE(after.start_offset, before.start_offset);
      ASSERT_GE(after.high_watermark, before.high_watermark);
      ASSERT_EQ(
          world.Get<ProduceResponse>(ProduceRequest{"t", PartitionId(0), BatchOf(1)}).base_offset,
          after.high_watermark);
      ++crashes;
    }
  }
  EXPECT_GT(crashes, 50);
}

}  // namespace
}  // namespace tidemark
