#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"
#include "engine/node/node.h"
#include "tests/engine/node/node_world.h"

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};

std::string BatchOf(const std::optional<std::string>& key, const std::optional<std::string>& value,
                    ProducerStamp stamp = {}) {
  const Record record{.key = key, .value = value, .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), stamp);
}

CreateTopicRequest Compacted() {
  return {.name = "t",
          .segment_bytes = kSegmentBytesMin,
          .cleanup = {.policy = Cleanup::kCompact, .tombstone_retention_ms = 1000}};
}

NodeWorld WithTopic(const CreateTopicRequest& create) {
  NodeWorld world(NodeWorld::SingleNode());
  EXPECT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world.Get<CreateTopicResponse>(create).topic.name, "t");
  world.Advance(Duration::Seconds(3));
  return world;
}

void Wait(NodeWorld& world, Duration time) {
  world.now_.wall = WallTime::FromMillis(world.now_.wall.millis() + time.millis());
  world.Advance(time);
}

ProduceResponse Put(NodeWorld& world, const std::string& key, std::optional<std::string> value,
                    ProducerStamp stamp = {}) {
  return world.Get<ProduceResponse>(
      ProduceRequest{"t", PartitionId(0), BatchOf(key, std::move(value), stamp)});
}

// Values of a size that fills a segment with a few.
std::string Value(int i) { return absl::StrCat(i, ":", std::string(3000, 'v')); }

uint64_t SegmentBytes(const NodeWorld& world) {
  uint64_t bytes = 0;
  for (const auto& [file, contents] : world.disk_.files_) {
    if (file.group == kTopicGroup && file.kind == FileKind::kSegment) bytes += contents.size();
  }
  return bytes;
}

RpcError ErrorOf(const std::optional<Response>& response) {
  if (!response.has_value()) return {.reason = "NO ANSWER"};
  const RpcError* error = std::get_if<RpcError>(&*response);
  return error == nullptr ? RpcError{.reason = "NO ERROR"} : *error;
}

// All records that a consumer gets who asks from offset to offset, as the servers' answers say.
std::vector<DecodedRecord> Consume(NodeWorld& world) {
  std::vector<DecodedRecord> all;
  FetchRequest fetch{.topic = "t", .start = FetchRequest::Start::kEarliest, .max_bytes = 5000};
  for (;;) {
    const FetchResponse found = world.Get<FetchResponse>(fetch);
    EXPECT_TRUE(found.compacted);
    fetch.start = FetchRequest::Start::kOffset;
    fetch.offset = found.from;
    if (!found.range.has_value()) {
      if (found.from >= found.limit) return all;
      ADD_FAILURE() << "nothing at " << found.from.value() << " of " << found.limit.value();
      return all;
    }
    const std::string_view file = *world.disk_.Contents(found.range->file);
    const Bytes bytes = Bytes::Copy(file.substr(found.range->pos.value(), found.range->length));
    const auto runs = ConsumerFrames(*found.range, bytes, found.from, found.limit);
    EXPECT_TRUE(runs.ok()) << runs.status();
    for (const Bytes& run : *runs) {
      for (std::string_view rest = run.view(); !rest.empty();) {
        const BatchHeader header = *DecodeBatchHeader(rest);
        const auto records = DecodeBatch(rest.substr(0, header.total_bytes()));
        EXPECT_TRUE(records.ok()) << records.status();
        for (const DecodedRecord& each : *records) all.push_back(each);
        fetch.offset = header.base_offset + header.offset_span();
        rest.remove_prefix(header.total_bytes());
      }
    }
  }
}

std::map<std::string, std::string> StateOf(const std::vector<DecodedRecord>& records) {
  std::map<std::string, std::string> state;
  for (const DecodedRecord& each : records) {
    if (each.record.value.has_value()) {
      state[*each.record.key] = *each.record.value;
    } else {
      state.erase(*each.record.key);
    }
  }
  return state;
}

TEST(ReplicaCompaction, S5_3_LeavesTheLastValueOfEachKeyAndItsPlaceThroughRestarts) {
  NodeWorld world = WithTopic(Compacted());
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 200; ++i) {
    const std::string key = absl::StrCat("key", i % 5);
    EXPECT_EQ(Put(world, key, Value(i)).base_offset, Offset(static_cast<uint64_t>(i)));
    expected[key] = Value(i);
  }
  const uint64_t before = SegmentBytes(world);
  Wait(world, Duration::Seconds(30));
  EXPECT_GT(world.node_->counters().compaction_passes, 0u);
  EXPECT_GT(world.node_->counters().compaction_records_removed, 150u);
  EXPECT_GT(world.node_->counters().compaction_bytes_removed, 400'000u);
  EXPECT_LT(SegmentBytes(world) * 5, before);
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
  EXPECT_EQ(Put(world, "key1", "last").base_offset, Offset(200));
  expected["key1"] = "last";
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
}

// Even where there is nobody else: its frames are there.
TEST(ReplicaCompaction, R26ACompactedSegmentWhoseHeaderIsLostIsRepairedFromItsOwnFrames) {
  NodeWorld world = WithTopic(Compacted());
  for (int i = 0; i < 200; ++i) Put(world, absl::StrCat("key", i % 5), Value(i));
  Wait(world, Duration::Seconds(30));
  ASSERT_GT(world.node_->counters().compaction_passes, 0u);
  const std::map<std::string, std::string> expected = StateOf(Consume(world));
  std::optional<FileId> compacted;
  for (const auto& [file, contents] : world.disk_.files_) {
    const auto header = DecodeSegmentHeader(contents);
    if (file.group == kTopicGroup && header.ok() && header->sparse.has_value()) compacted = file;
  }
  ASSERT_TRUE(compacted.has_value());
  const std::string before = world.disk_.files_.at(*compacted);
  world.disk_.files_.at(*compacted).replace(0, 512, 512, '\0');
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world.node_->counters().segments_repaired, 1u);
  const std::string& after = world.disk_.files_.at(*compacted);
  ASSERT_TRUE(DecodeSegmentHeader(after).ok());
  EXPECT_TRUE(DecodeSegmentHeader(after)->sparse.has_value());
  EXPECT_TRUE(after.substr(kSegmentHeaderBytes) == before.substr(kSegmentHeaderBytes));
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(world.node_->counters().segments_repaired, 0u);
}

TEST(ReplicaCompaction, WaitsUntilEnoughIsDirty) {
  NodeWorld world = WithTopic(Compacted());
  for (int i = 0; i < 100; ++i) Put(world, absl::StrCat("key", i), Value(i));
  Wait(world, Duration::Seconds(30));
  const uint64_t first = world.node_->counters().compaction_passes;
  EXPECT_EQ(first, 1u);
  // A tenth more, then as much again.
  for (int i = 0; i < 10; ++i) Put(world, absl::StrCat("key", i), Value(i));
  Wait(world, Duration::Seconds(30));
  EXPECT_EQ(world.node_->counters().compaction_passes, first);
  for (int i = 0; i < 120; ++i) Put(world, absl::StrCat("key", i % 100), Value(i));
  Wait(world, Duration::Seconds(30));
  EXPECT_GT(world.node_->counters().compaction_passes, first);
}

TEST(ReplicaCompaction, LeavesRecordsAloneUntilTheLagHasPassed) {
  CreateTopicRequest create = Compacted();
  create.cleanup.min_compaction_lag_ms = 60'000;
  NodeWorld world = WithTopic(create);
  for (int i = 0; i < 100; ++i) Put(world, "key", Value(i));
  Wait(world, Duration::Seconds(50));
  EXPECT_EQ(world.node_->counters().compaction_passes, 0u);
  EXPECT_EQ(Consume(world).size(), 100u);
  Wait(world, Duration::Seconds(30));
  EXPECT_EQ(world.node_->counters().compaction_passes, 1u);
  EXPECT_LT(Consume(world).size(), 10u);
}

TEST(ReplicaCompaction, ATombstoneGoesAfterItsRetention) {
  NodeWorld world = WithTopic(Compacted());
  Put(world, "deleted", Value(0));
  Put(world, "deleted", std::nullopt);
  const auto tombstones = [&] {
    const std::vector<DecodedRecord> records = Consume(world);
    return std::count_if(records.begin(), records.end(),
                         [](const DecodedRecord& each) { return !each.record.value; });
  };
  for (int i = 0; i < 30; ++i) Put(world, "kept", Value(i));
  Wait(world, Duration::Seconds(10));
  EXPECT_EQ(world.node_->counters().compaction_passes, 1u);
  EXPECT_EQ(tombstones(), 1);
  EXPECT_FALSE(StateOf(Consume(world)).contains("deleted"));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 60; ++i) Put(world, "kept", Value(i));
    Wait(world, Duration::Seconds(10));
  }
  EXPECT_EQ(tombstones(), 0);
  EXPECT_EQ(StateOf(Consume(world)).size(), 1u);
}

TEST(ReplicaCompaction, RetriesAreRecognisedWhenTheirBatchIsGone) {
  NodeWorld world = WithTopic(Compacted());
  Put(world, "key", Value(0), {.producer_id = 7, .epoch = 0, .base_sequence = 0});
  Put(world, "key", Value(1), {.producer_id = 7, .epoch = 0, .base_sequence = 1});
  for (int i = 0; i < 100; ++i) Put(world, "key", Value(i));
  Wait(world, Duration::Seconds(30));
  EXPECT_LT(Consume(world).size(), 20u);
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(world.Boot().ok());
      world.Advance(Duration::Seconds(3));
    }
    const ProduceResponse again =
        Put(world, "key", Value(1), {.producer_id = 7, .epoch = 0, .base_sequence = 1});
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.base_offset, Offset(1));
  }
}

TEST(ReplicaCompaction, RecordsWithoutKeyAndCompressedBatchesAreRefused) {
  NodeWorld world = WithTopic(Compacted());
  RpcError error = ErrorOf(
      world.Answer(world.Ask(ProduceRequest{"t", PartitionId(0), BatchOf(std::nullopt, "value")})));
  EXPECT_EQ(error.reason, "INVALID_RECORD");
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_NE(error.message.find("no key"), std::string::npos) << error.message;
  EXPECT_EQ(Put(world, "", "an empty key is one").base_offset, Offset(0));
}

TEST(ReplicaCompaction, WithRetentionThePrefixGoesToo) {
  CreateTopicRequest create = Compacted();
  create.cleanup.policy = Cleanup::kCompactAndDelete;
  create.retention_bytes = 100'000;
  NodeWorld world = WithTopic(create);
  for (int i = 0; i < 300; ++i) {
    Put(world, absl::StrCat("key", i), Value(i));
    if (i % 20 == 0) Wait(world, Duration::Seconds(10));
  }
  Wait(world, Duration::Seconds(30));
  EXPECT_GT(world.node_->counters().compaction_passes, 0u);
  const std::vector<DecodedRecord> records = Consume(world);
  EXPECT_GT(records.front().offset, Offset(200));
  EXPECT_EQ(records.back().offset, Offset(299));
  EXPECT_LT(SegmentBytes(world), 200'000u);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_EQ(Consume(world).front().offset, records.front().offset);
}

TEST(ReplicaCompaction, AFailedWriteEndsThePassAndNothingElse) {
  NodeWorld world = WithTopic(Compacted());
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 40; ++i) {
    Put(world, absl::StrCat("key", i % 3), Value(i));
    expected[absl::StrCat("key", i % 3)] = Value(i);
  }
  world.hold_flushes_ = true;
  for (int i = 0; i < 100 && world.flushes_.empty(); ++i) Wait(world, Duration::Millis(100));
  ASSERT_FALSE(world.flushes_.empty());
  const IoToken of_pass = world.flushes_.front().token;
  world.flushes_.pop_front();
  world.hold_flushes_ = false;
  world.Tell(IoDone{of_pass, absl::ResourceExhaustedError("no space left on device")});
  EXPECT_TRUE(std::any_of(world.notes_.begin(), world.notes_.end(),
                          [](const Note& note) { return note.event == "compaction_failed"; }));
  EXPECT_EQ(world.node_->counters().groups_failed, 0u);
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
  EXPECT_EQ(Put(world, "key1", "later").base_offset, Offset(40));
  Wait(world, Duration::Seconds(60));
  EXPECT_EQ(world.node_->counters().compaction_passes, 0u);
  Wait(world, Duration::Seconds(kCompactionRetrySeconds));
  EXPECT_EQ(world.node_->counters().compaction_passes, 1u);
  expected["key1"] = "later";
  EXPECT_TRUE(StateOf(Consume(world)) == expected);
}

TEST(ReplicaCompaction, ATopicThatIsDeletedDuringAPassLeavesNoFiles) {
  NodeWorld world = WithTopic(Compacted());
  for (int i = 0; i < 40; ++i) Put(world, "key", Value(i));
  world.hold_flushes_ = true;
  for (int i = 0; i < 100 && world.flushes_.empty(); ++i) Wait(world, Duration::Millis(100));
  ASSERT_FALSE(world.flushes_.empty());
  Flush of_pass = std::move(world.flushes_.front());
  world.flushes_.pop_front();
  world.hold_flushes_ = false;
  world.Ask(DeleteTopicRequest{"t"});
  Wait(world, Duration::Seconds(3));
  world.disk_.Execute(of_pass.batch);
  world.Tell(IoDone{of_pass.token, absl::OkStatus()});
  Wait(world, Duration::Seconds(3));
  EXPECT_TRUE(world.disk_.List(kTopicGroup).empty());
}

TEST(ReplicaCompaction, TheTopicTellsItsCleanupAlsoAfterARestart) {
  NodeWorld world = WithTopic(Compacted());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(world.Boot().ok());
      world.Advance(Duration::Seconds(3));
    }
    EXPECT_EQ(world.Get<DescribeTopicResponse>(DescribeTopicRequest{"t"}).topic.cleanup,
              Compacted().cleanup);
  }
}

TEST(ReplicaCompaction, SettingsThatMakeNoSenseAreRefused) {
  NodeWorld world = WithTopic(Compacted());
  CreateTopicRequest bad{.name = "u", .retention_ms = 1, .cleanup = {.policy = Cleanup::kCompact}};
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(bad))).reason, "INVALID_TOPIC");
  bad = {.name = "u", .cleanup = {.min_compaction_lag_ms = 1}};
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(bad))).reason, "INVALID_TOPIC");
}

}  // namespace
}  // namespace tidemark
