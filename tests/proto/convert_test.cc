#include "proto/convert.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>

#include "engine/base/limits.h"
#include "engine/log/batch.h"

namespace tidemark {
namespace {

TEST(Convert, PlainRecordsBecomeOneBatchWithTheServersTimeWhereTheyHaveNone) {
  v1::ProduceRequest request;
  request.set_topic("t");
  request.set_partition(3);
  v1::Record* first = request.mutable_records()->add_records();
  first->set_key("k");
  first->set_value("v");
  first->set_timestamp_ms(42);
  v1::Header* header = first->add_headers();
  header->set_key("h");
  request.mutable_records()->add_records();  // neither key nor value
  OrRpcError<ProduceRequest> got = ToProduce(std::move(request), 1000);
  ASSERT_TRUE(std::holds_alternative<ProduceRequest>(got));
  const auto& produce = std::get<ProduceRequest>(got);
  EXPECT_EQ(produce.topic, "t");
  EXPECT_EQ(produce.partition, PartitionId(3));
  ASSERT_TRUE(ValidateClientBatch(produce.batch).ok());
  const auto records = DecodeBatch(produce.batch);
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].record.key, "k");
  EXPECT_EQ((*records)[0].record.value, "v");
  EXPECT_EQ((*records)[0].record.timestamp_ms, 42);
  EXPECT_EQ((*records)[0].record.headers,
            (std::vector<RecordHeader>{{.key = "h", .value = std::nullopt}}));
  EXPECT_EQ((*records)[1].record.value, std::nullopt);
  EXPECT_EQ((*records)[1].record.timestamp_ms, 1000);
}

TEST(Convert, AReadyBatchIsMovedNotCopied) {
  v1::ProduceRequest request;
  request.set_batch(std::string(1000, 'b'));
  const char* const bytes = request.batch().data();
  OrRpcError<ProduceRequest> got = ToProduce(std::move(request), 0);
  EXPECT_EQ(std::get<ProduceRequest>(got).batch.data(), bytes);
}

TEST(Convert, MissingEmptyAndOversizedPayloadsAreRefusedByReason) {
  EXPECT_EQ(std::get<RpcError>(ToProduce(v1::ProduceRequest(), 0)).reason, "INVALID_BATCH");
  v1::ProduceRequest empty;
  empty.mutable_records();
  EXPECT_EQ(std::get<RpcError>(ToProduce(std::move(empty), 0)).reason, "INVALID_BATCH");
  v1::ProduceRequest large;
  large.set_batch(std::string(kBatchBytesMax + 1, 'b'));
  const RpcError error = std::get<RpcError>(ToProduce(std::move(large), 0));
  EXPECT_EQ(error.reason, "BATCH_TOO_LARGE");
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.metadata.at("max_bytes"), std::to_string(kBatchBytesMax));
}

TEST(Convert, AFetchWithoutStartBeginsAtTheEarliestRecord) {
  EXPECT_EQ(ToFetch(v1::ConsumeRequest()).start, FetchRequest::Start::kEarliest);
  EXPECT_EQ(ToFetch(v1::ConsumeRequest()).max_bytes, 1u << 20);
  v1::ConsumeRequest latest;
  latest.set_boundary(v1::BOUNDARY_LATEST);
  latest.set_max_bytes(UINT32_MAX);
  EXPECT_EQ(ToFetch(latest).start, FetchRequest::Start::kLatest);
  EXPECT_EQ(ToFetch(latest).max_bytes, kFetchBytesMax);
  v1::ConsumeRequest zero;
  zero.set_offset(0);
  EXPECT_EQ(ToFetch(zero).start, FetchRequest::Start::kOffset);
}

TEST(Convert, AFetchAsksForAConsistency) {
  v1::ConsumeRequest request;
  EXPECT_EQ(ToFetch(request).consistency, Consistency::kCommitted);
  request.set_consistency(v1::CONSISTENCY_LINEARIZABLE);
  EXPECT_EQ(ToFetch(request).consistency, Consistency::kLinearizable);
  request.set_consistency(v1::CONSISTENCY_BOUNDED);
  request.set_max_staleness_us(1500);
  EXPECT_EQ(ToFetch(request).consistency, Consistency::kBounded);
  EXPECT_EQ(ToFetch(request).max_staleness, Duration::Micros(1500));
  request.set_max_staleness_us(UINT64_MAX);
  EXPECT_EQ(ToFetch(request).max_staleness, Duration::Seconds(24 * 3600));
  request.set_consistency(static_cast<v1::Consistency>(77));
  EXPECT_EQ(ToFetch(request).consistency, Consistency::kLinearizable)
      << "what a newer client asks for: the strongest there is";
}

TEST(Convert, AnAnswerTellsItsAgeIfItIsKnown) {
  FetchResponse fetch;
  const auto unknown = FromFetch(fetch, {}, v1::CONSUME_FORMAT_BATCHES);
  ASSERT_TRUE(unknown.ok());
  EXPECT_FALSE(unknown->has_staleness_us());
  fetch.staleness = Duration::Nanos(1001);
  const auto known = FromFetch(fetch, {}, v1::CONSUME_FORMAT_BATCHES);
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->staleness_us(), 2u) << "rounded up";
}

Bytes FrameAt(uint64_t base_offset, const std::vector<std::string>& values) {
  BatchBuilder builder;
  for (const std::string& value : values) builder.Add(std::nullopt, value, 5);
  std::string frame = builder.Finish();
  PatchBatch(frame.data(), Offset(base_offset), Term(1));
  return Bytes::From(std::move(frame));
}

TEST(Convert, AFetchGivesFramesAsTheyAreAndGoesOnAfterTheLastRecord) {
  const std::vector<Bytes> frames = {FrameAt(10, {"a", "b"}), FrameAt(12, {"c"})};
  const FetchResponse fetch{
      .range = {}, .from = Offset(11), .limit = Offset(20), .start_offset = Offset(2)};
  const auto batches = FromFetch(fetch, frames, v1::CONSUME_FORMAT_BATCHES);
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(batches->batches(), std::string(frames[0].view()) + std::string(frames[1].view()));
  EXPECT_EQ(batches->next_offset(), 13u);
  EXPECT_EQ(batches->high_watermark(), 20u);
  EXPECT_EQ(batches->start_offset(), 2u);

  const auto records = FromFetch(fetch, frames, v1::CONSUME_FORMAT_RECORDS);
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->records_size(), 2) << "none before the offset asked for";
  EXPECT_EQ(records->records(0).offset(), 11u);
  EXPECT_EQ(records->records(0).value(), "b");
  EXPECT_EQ(records->records(1).value(), "c");
  EXPECT_TRUE(records->batches().empty());
}

TEST(Convert, AFetchOfNothingStaysWhereItWas) {
  const auto got =
      FromFetch({.range = {}, .from = Offset(7), .limit = Offset(7), .start_offset = Offset(0)}, {},
                v1::CONSUME_FORMAT_BATCHES);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->next_offset(), 7u);
}

TEST(Convert, WhatACompactedTopicTellsGoesBothWays) {
  v1::CreateTopicRequest request;
  request.set_cleanup_policy(v1::CLEANUP_POLICY_COMPACT_DELETE);
  request.set_min_compaction_lag_ms(5);
  request.set_tombstone_retention_ms(6);
  const TopicCleanup cleanup = ToCreateTopic(request).cleanup;
  EXPECT_EQ(cleanup, (TopicCleanup{.policy = Cleanup::kCompactAndDelete,
                                   .min_compaction_lag_ms = 5,
                                   .tombstone_retention_ms = 6}));
  const v1::Topic topic = FromTopic({.cleanup = cleanup});
  EXPECT_EQ(topic.cleanup_policy(), v1::CLEANUP_POLICY_COMPACT_DELETE);
  EXPECT_EQ(topic.min_compaction_lag_ms(), 5u);
  EXPECT_EQ(topic.tombstone_retention_ms(), 6u);
  // Values of a newer version are nothing that the node would take for one of its own.
  for (const int unknown : {3, 256, 257, -1}) {
    request.set_cleanup_policy(static_cast<v1::CleanupPolicy>(unknown));
    EXPECT_FALSE(CheckCleanup(ToCreateTopic(request).cleanup, false).ok()) << unknown;
  }
  const auto answer = FromFetch({.from = Offset(7), .limit = Offset(9), .compacted = true}, {},
                                v1::CONSUME_FORMAT_BATCHES);
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->compacted());
  EXPECT_EQ(answer->next_offset(), 7u);
}

TEST(Convert, ADamagedFrameIsAnErrorNotData) {
  std::string damaged(FrameAt(0, {"abc"}).view());
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  const std::vector<Bytes> frames = {Bytes::From(damaged)};
  EXPECT_EQ(FromFetch({}, frames, v1::CONSUME_FORMAT_RECORDS).status().code(),
            absl::StatusCode::kDataLoss);
}

RC_GTEST_PROP(Convert, ErrorsSurviveTheTrailersAndTheStream,
              (std::string reason, std::map<std::string, std::string> metadata)) {
  // Protobuf strings are UTF-8; reasons and metadata are ASCII.
  for (char& c : reason) c = static_cast<char>('A' + (static_cast<unsigned char>(c) % 26));
  std::map<std::string, std::string> ascii;
  for (const auto& [key, value] : metadata) {
    ascii["k" + std::to_string(key.size())] = std::to_string(value.size());
  }
  const RpcError error{.code = absl::StatusCode::kFailedPrecondition,
                       .reason = reason,
                       .message = "go to the leader",
                       .metadata = ascii};
  for (const RpcError& back : {DecodeErrorDetails(9, error.message, EncodeErrorDetails(error)),
                               ToError(FromError(error))}) {
    RC_ASSERT(back.code == error.code);
    RC_ASSERT(back.reason == error.reason);
    RC_ASSERT(back.message == error.message);
    RC_ASSERT(back.metadata == error.metadata);
  }
}

TEST(Convert, ForeignErrorDetailsLeaveTheReasonEmpty) {
  const RpcError error = DecodeErrorDetails(14, "connection refused", "\xff\xff garbage");
  EXPECT_EQ(error.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(error.reason, "");
  EXPECT_EQ(error.message, "connection refused");
}

TEST(Convert, AMemberThatGossipHasNotMetIsUnknownNotAlive) {
  GetServersResponse servers;
  servers.servers.push_back({.id = NodeId(1),
                             .address = {},
                             .is_leader = false,
                             .role = "voter",
                             .state = std::nullopt,
                             .tags = {}});
  servers.servers.push_back({.id = NodeId(2),
                             .address = Endpoint{"127.0.0.1", 7600},
                             .is_leader = true,
                             .role = "voter",
                             .state = gossip::MemberState::kDead,
                             .tags = {{"zone", "a"}}});
  const v1::GetServersResponse got = FromServers(servers);
  ASSERT_EQ(got.servers_size(), 2);
  EXPECT_EQ(got.servers(0).state(), v1::MEMBER_STATE_UNKNOWN);
  EXPECT_EQ(got.servers(0).address(), "");
  EXPECT_EQ(got.servers(1).state(), v1::MEMBER_STATE_FAILED);
  EXPECT_EQ(got.servers(1).address(), "127.0.0.1:7600");
  EXPECT_EQ(got.servers(1).tags().at("zone"), "a");
}

}  // namespace
}  // namespace tidemark
