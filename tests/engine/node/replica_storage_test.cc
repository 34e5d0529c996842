#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "tests/engine/node/node_world.h"

// Mirrors engine/node/replica_storage.cc: a replica whose storage fails, and how it comes back.

namespace tidemark {
namespace {

constexpr Duration kLong = Duration::Millis(2 * kReopenMillisMax);

ProduceRequest Numbered(int32_t sequence, size_t bytes = 10) {
  const Record record{.value = std::string(bytes, 'v'), .timestamp_ms = 1};
  return {"t", PartitionId(0),
          *EncodeBatch(std::span(&record, 1),
                       {.producer_id = 9, .epoch = 0, .base_sequence = sequence})};
}

RpcError ErrorOf(const std::optional<Response>& response) {
  if (!response.has_value()) return {.reason = "NO ANSWER"};
  const RpcError* error = std::get_if<RpcError>(&*response);
  return error == nullptr ? RpcError{.reason = "NO ERROR"} : *error;
}

NodeWorld Booted() {
  NodeWorld world(NodeWorld::SingleNode());
  EXPECT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  return world;
}

NodeWorld BootedWithTopic() {
  NodeWorld world = Booted();
  EXPECT_EQ(world.Get<CreateTopicResponse>(CreateTopicRequest{.name = "t"}).topic.name, "t");
  world.Advance(Duration::Seconds(3));
  return world;
}

// The next flush of group 1 fails with `status`, and nothing of it is done.
void FailNextFlush(NodeWorld& world, absl::Status status) {
  world.fault_ = [&world, status = std::move(status)](const Flush& flush) {
    if (flush.group != GroupId(1)) return absl::OkStatus();
    const absl::Status result = status;
    world.fault_ = nullptr;  // and with it this function
    return result;
  };
}

const Note* Noted(const NodeWorld& world, std::string_view event) {
  for (const Note& note : world.notes_) {
    if (note.event == event) return &note;
  }
  return nullptr;
}

// A disk without headroom: what group 1 writes behind the end of what was written of a file takes
// of `bytes`, and without enough the flush fails there. What is removed gives its bytes back.
class SmallDisk {
 public:
  explicit SmallDisk(NodeWorld* world) : world_(world) {
    world_->fault_ = [this](const Flush& flush) { return Fate(flush); };
  }
  ~SmallDisk() { world_->fault_ = nullptr; }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  uint64_t bytes = 1 << 20;

 private:
  absl::Status Fate(const Flush& flush) {
    if (flush.group != GroupId(1)) return absl::OkStatus();
    for (size_t i = 0; i < flush.batch.ops.size(); ++i) {
      const FileOp& op = flush.batch.ops[i];
      if (const auto* remove = std::get_if<RemoveFile>(&op)) {
        bytes += std::exchange(written_[remove->file], 0);
      }
      const auto* write = std::get_if<WriteFile>(&op);
      if (write != nullptr && !Take(*write)) {
        FileBatch part = flush.batch;
        part.ops.resize(i);
        world_->disk_.Execute(part);
        return absl::ResourceExhaustedError("cannot write: No space left on device");
      }
    }
    return absl::OkStatus();
  }

  bool Take(const WriteFile& write) {
    uint64_t end = write.pos.value();
    for (const Bytes& slice : write.data) end += slice.size();
    uint64_t& written = written_[write.file];
    const uint64_t more = end - std::min(end, written);
    if (more > bytes) return false;
    bytes -= more;
    written += more;
    return true;
  }

  NodeWorld* const world_;
  std::map<FileId, uint64_t> written_;
};

TopicInfo TopicOf(NodeWorld& world) {
  return world.Get<DescribeTopicResponse>(DescribeTopicRequest{"t"}).topic;
}

// A topic of small segments that keeps records for a minute, with `batches` of 3000 bytes.
void MakeTopic(NodeWorld& world, int batches) {
  world.Ask(
      CreateTopicRequest{.name = "t", .segment_bytes = kSegmentBytesMin, .retention_ms = 60'000});
  world.Advance(Duration::Seconds(3));
  for (int i = 0; i < batches; ++i) {
    EXPECT_EQ(world.Get<ProduceResponse>(Numbered(i, 3000)).base_offset,
              Offset(static_cast<uint64_t>(i)));
  }
}

TEST(ReplicaStorage, OnADiskWithoutAByteLeftNothingReadableGoesAway) {
  NodeWorld world = Booted();
  SmallDisk disk(&world);
  MakeTopic(world, 20);
  disk.bytes = 0;
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(Numbered(20, 3000)))).reason, "DISK_FULL");
  bool told = false;
  for (int i = 0; i < 100; ++i) {
    world.Advance(Duration::Millis(300));
    ASSERT_EQ(TopicOf(world).partitions.at(0).high_watermark, Offset(20)) << i;
    const auto read = world.Get<FetchResponse>(FetchRequest{.topic = "t", .offset = Offset(19)});
    ASSERT_TRUE(read.range.has_value()) << i;
    if (TopicOf(world).partitions.at(0).leader != kNoNode) continue;
    // Where the log ends is known, too: there is no other replica.
    const auto end = world.Get<FetchResponse>(FetchRequest{.topic = "t", .offset = Offset(20)});
    ASSERT_EQ(end.limit, Offset(20)) << i;
    const RpcError past =
        ErrorOf(world.Answer(world.Ask(FetchRequest{.topic = "t", .offset = Offset(1000)})));
    if (past.reason != "OFFSET_NOT_AVAILABLE") {
      ASSERT_EQ(past.reason, "OFFSET_OUT_OF_RANGE") << i;
      ASSERT_EQ(past.metadata.at("high_watermark"), "20") << i;
      told = true;
    }
  }
  EXPECT_TRUE(told);
  EXPECT_GT(world.node_->counters().groups_reopened, 3u);
  disk.bytes = 100'000;
  world.Advance(kLong);
  EXPECT_EQ(world.Get<ProduceResponse>(Numbered(20)).base_offset, Offset(20));
}

TEST(ReplicaStorage, OnADiskWithoutAByteLeftRetentionMakesRoom) {
  for (const bool failed : {false, true}) {
    SCOPED_TRACE(failed);
    NodeWorld world = Booted();
    SmallDisk disk(&world);
    MakeTopic(world, 20);
    disk.bytes = 0;
    if (failed) {
      EXPECT_EQ(ErrorOf(world.Answer(world.Ask(Numbered(20, 3000)))).reason, "DISK_FULL");
    }
    world.now_.wall = WallTime::FromMillis(world.now_.wall.millis() + 61'000);
    world.Advance(kLong);
    EXPECT_GT(disk.bytes, 30'000u);
    EXPECT_GT(TopicOf(world).partitions.at(0).start_offset, Offset(10));
    EXPECT_EQ(world.Get<ProduceResponse>(Numbered(20)).base_offset, Offset(20));
  }
}

TEST(ReplicaStorage, OnADiskWithoutAByteLeftADeletedTopicMakesRoom) {
  for (const bool failed : {false, true}) {
    SCOPED_TRACE(failed);
    NodeWorld world = Booted();
    SmallDisk disk(&world);
    MakeTopic(world, 20);
    disk.bytes = 0;
    if (failed) {
      EXPECT_EQ(ErrorOf(world.Answer(world.Ask(Numbered(20, 3000)))).reason, "DISK_FULL");
    }
    EXPECT_TRUE(std::holds_alternative<DeleteTopicResponse>(
        *world.Answer(world.Ask(DeleteTopicRequest{"t"}))));
    world.Advance(Duration::Millis(1));
    EXPECT_GT(disk.bytes, 60'000u);
    EXPECT_TRUE(world.disk_.List(GroupId(1)).empty());
  }
}

TEST(ReplicaStorage, ARemovalThatFailsIsTriedAgain) {
  for (int nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    NodeWorld world = BootedWithTopic();
    world.Get<ProduceResponse>(Numbered(0));
    int left = nth;
    world.fault_ = [&](const Flush& flush) {
      return flush.group == GroupId(1) && --left == 0 ? absl::UnavailableError("cannot sync")
                                                      : absl::OkStatus();
    };
    world.Ask(DeleteTopicRequest{"t"});
    EXPECT_FALSE(world.disk_.List(GroupId(1)).empty());
    ASSERT_NE(Noted(world, "removal_failed"), nullptr);
    world.Advance(Duration::Seconds(5));
    EXPECT_TRUE(world.disk_.List(GroupId(1)).empty());
    EXPECT_EQ(world.node_->Groups().size(), 1u);
  }
}

TEST(ReplicaStorage, R27AfterASyncThatFailedOnceTheReplicaVerifiesItsFilesAndGoesOn) {
  NodeWorld world = BootedWithTopic();
  EXPECT_EQ(world.Get<ProduceResponse>(Numbered(0)).base_offset, Offset(0));
  FailNextFlush(world, absl::UnavailableError("cannot sync: Input/output error"));
  const RpcError failed = ErrorOf(world.Answer(world.Ask(Numbered(1))));
  EXPECT_EQ(failed.reason, "STORAGE_FAILED");
  EXPECT_EQ(failed.code, absl::StatusCode::kDataLoss);
  EXPECT_NE(failed.message.find("Input/output error"), std::string::npos) << failed.message;
  EXPECT_NE(failed.message.find("by itself"), std::string::npos) << failed.message;
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(Numbered(1)))).reason, "STORAGE_FAILED");
  world.Advance(Duration::Seconds(10));
  EXPECT_EQ(world.node_->counters().groups_reopened, 1u);
  EXPECT_EQ(world.Get<ProduceResponse>(Numbered(1)).base_offset, Offset(1));
  EXPECT_TRUE(world.Get<ProduceResponse>(Numbered(0)).duplicate);
}

TEST(ReplicaStorage, R27WhatIsReadAgainCountsOnlyWhenItIsWrittenAgain) {
  NodeWorld world = BootedWithTopic();
  world.Get<ProduceResponse>(Numbered(0));
  // All of it is in the page cache, and the sync failed.
  world.fault_ = [&](const Flush& flush) {
    world.fault_ = nullptr;
    world.disk_.Execute(flush.batch);
    return absl::UnavailableError("cannot sync");
  };
  world.Ask(Numbered(1));
  world.hold_flushes_ = true;
  world.Advance(Duration::Seconds(10));
  // First what was promised, and nothing else; the replica waits for it.
  ASSERT_EQ(world.flushes_.size(), 1u);
  ASSERT_EQ(world.flushes_.front().batch.sync.size(), 1u);
  EXPECT_EQ(world.flushes_.front().batch.sync.front().kind, FileKind::kHardState);
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(Numbered(1)))).reason, "NO_LEADER");
  world.hold_flushes_ = false;
  std::set<FileKind> written;
  world.fault_ = [&](const Flush& flush) {
    for (const FileId& file : flush.batch.sync) written.insert(file.kind);
    return absl::OkStatus();
  };
  world.FinishFlushes();
  world.Advance(Duration::Seconds(10));
  EXPECT_TRUE(written.contains(FileKind::kSegment));
  const auto again = world.Get<ProduceResponse>(Numbered(1));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.base_offset, Offset(1));
}

TEST(ReplicaStorage, ARestartedVoterPromisesNothingBeforeItsHardStateIsWrittenAgain) {
  NodeOptions options = NodeWorld::SingleNode();
  options.voters = {NodeId(1), NodeId(2), NodeId(3)};
  NodeWorld world(options);
  ASSERT_TRUE(world.Boot().ok());
  world.MeetFounders();
  const auto ask = [&](NodeId candidate, uint64_t term) {
    world.sent_.clear();
    world.Tell(PeerReceived{
        candidate,
        {.group = kCatalogGroup,
         .message = {.from = candidate,
                     .to = NodeId(1),
                     .term = Term(term),
                     .body = raft::VoteRequest{.last_index = LogIndex(9), .last_term = Term(1)}}}});
    size_t granted = 0;
    for (const SendPeer& send : world.sent_) {
      const auto* vote = std::get_if<raft::VoteReply>(&send.message.message.body);
      if (vote != nullptr && vote->granted) ++granted;
    }
    return granted;
  };
  ASSERT_EQ(ask(NodeId(2), 5), 1u);
  world.hold_flushes_ = true;
  ASSERT_TRUE(world.Boot().ok());
  EXPECT_EQ(ask(NodeId(2), 5), 0u);
  world.FinishFlushes();
  EXPECT_EQ(ask(NodeId(2), 5), 1u);
  EXPECT_EQ(ask(NodeId(3), 5), 0u);
}

TEST(ReplicaStorage, WithAFullDiskReadsGoOnAndSpaceEndsTheWaitAtOnce) {
  NodeWorld world = BootedWithTopic();
  world.Get<ProduceResponse>(Numbered(0));
  FailNextFlush(world, absl::ResourceExhaustedError("cannot write: No space left on device"));
  const RpcError failed = ErrorOf(world.Answer(world.Ask(Numbered(1))));
  EXPECT_EQ(failed.reason, "DISK_FULL");
  EXPECT_EQ(failed.code, absl::StatusCode::kResourceExhausted);
  const auto read = world.Get<FetchResponse>(FetchRequest{.topic = "t", .offset = Offset(0)});
  ASSERT_TRUE(read.range.has_value());
  EXPECT_EQ(read.limit, Offset(1));
  const RequestId tail = world.Ask(FetchRequest{.topic = "t", .offset = Offset(1), .wait = true});
  EXPECT_EQ(ErrorOf(world.Answer(tail)).reason, "NO ANSWER") << "there is no other replica";
  world.Tell(DiskSpace{.free_bytes = 1, .total_bytes = uint64_t{1} << 40});
  EXPECT_EQ(world.node_->counters().groups_reopened, 0u);
  world.Tell(DiskSpace{.free_bytes = uint64_t{1} << 40, .total_bytes = uint64_t{1} << 40});
  EXPECT_EQ(world.Get<ProduceResponse>(Numbered(1)).base_offset, Offset(1));
  EXPECT_EQ(ErrorOf(world.Answer(tail)).reason, "NO ERROR");
}

TEST(ReplicaStorage, TriesAgainLaterAndLater) {
  NodeWorld world = BootedWithTopic();
  world.fault_ = [](const Flush& flush) {
    return flush.group == GroupId(1) ? absl::UnavailableError("cannot sync") : absl::OkStatus();
  };
  world.Ask(Numbered(0));
  world.Advance(Duration::Seconds(300));
  ASSERT_GT(world.reopened_at_.size(), 8u);
  ASSERT_LT(world.reopened_at_.size(), 30u);
  const auto gap = [&](size_t i) { return world.reopened_at_[i] - world.reopened_at_[i - 1]; };
  EXPECT_LT(gap(1), Duration::Millis(2 * kReopenMillisMin + 1));
  for (size_t i = 7; i < world.reopened_at_.size(); ++i) {
    EXPECT_GE(gap(i), Duration::Millis(kReopenMillisMax / 2));
    EXPECT_LE(gap(i), Duration::Millis(kReopenMillisMax + 1));
  }
  world.fault_ = nullptr;
  world.Advance(kLong);
  EXPECT_EQ(world.Get<ProduceResponse>(Numbered(0)).base_offset, Offset(0));
}

TEST(ReplicaStorage, RotEndsItForGoodAndSaysWhere) {
  NodeWorld world = BootedWithTopic();
  for (int i = 0; i < 40; ++i) world.Get<ProduceResponse>(Numbered(i, 4000));
  FailNextFlush(world, absl::UnavailableError("cannot sync"));
  world.Ask(Numbered(40));
  for (auto& [file, bytes] : world.disk_.files_) {
    if (file.group == GroupId(1) && file.kind == FileKind::kHardState) bytes.assign(8192, 'r');
  }
  world.Advance(kLong);
  ASSERT_EQ(world.reopened_at_.size(), 1u);
  const RpcError rotten = ErrorOf(world.Answer(world.Ask(Numbered(40))));
  EXPECT_EQ(rotten.reason, "STORAGE_FAILED");
  EXPECT_NE(rotten.message.find("hard state"), std::string::npos) << rotten.message;
  EXPECT_NE(rotten.message.find("no further part"), std::string::npos) << rotten.message;
  EXPECT_EQ(
      ErrorOf(world.Answer(world.Ask(FetchRequest{.topic = "t", .offset = Offset(0)}))).reason,
      "STORAGE_FAILED");
}

TEST(ReplicaStorage, FilesThatWentAwayAreNoNewGroup) {
  NodeWorld world = BootedWithTopic();
  world.Get<ProduceResponse>(Numbered(0));
  FailNextFlush(world, absl::UnavailableError("cannot sync"));
  world.Ask(Numbered(1));
  std::erase_if(world.disk_.files_,
                [](const auto& entry) { return entry.first.group == GroupId(1); });
  world.Advance(kLong);
  EXPECT_EQ(world.node_->counters().groups_reopened, 0u);
  const RpcError error = ErrorOf(world.Answer(world.Ask(Numbered(1))));
  EXPECT_NE(error.message.find("files are missing"), std::string::npos) << error.message;
}

TEST(ReplicaStorage, AnOlderHardStateIsNoPromiseToGoOnWith) {
  NodeWorld world = BootedWithTopic();
  const FileId file{GroupId(1), FileKind::kHardState, 0};
  const std::string older = world.disk_.files_.at(file);
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  ASSERT_NE(world.disk_.files_.at(file), older);
  FailNextFlush(world, absl::UnavailableError("cannot sync"));
  world.Ask(Numbered(0));
  world.disk_.files_.at(file) = older;
  world.Advance(kLong);
  EXPECT_EQ(world.node_->counters().groups_reopened, 0u);
  const RpcError error = ErrorOf(world.Answer(world.Ask(Numbered(0))));
  EXPECT_NE(error.message.find("mounted"), std::string::npos) << error.message;
}

TEST(ReplicaStorage, ATopicIsDeletedAlsoWhereItsStorageFailed) {
  for (const bool reading : {false, true}) {
    NodeWorld world = BootedWithTopic();
    world.Get<ProduceResponse>(Numbered(0));
    FailNextFlush(world, absl::ResourceExhaustedError("no space"));
    world.Ask(Numbered(1));
    world.hold_reopens_ = reading;
    if (reading) world.Advance(Duration::Seconds(2));
    EXPECT_TRUE(std::holds_alternative<DeleteTopicResponse>(
        *world.Answer(world.Ask(DeleteTopicRequest{"t"}))));
    EXPECT_EQ(world.reopens_.size(), reading ? 1u : 0u);
    world.FinishReopens();
    world.Advance(Duration::Millis(1));
    EXPECT_TRUE(world.disk_.List(GroupId(1)).empty());
    EXPECT_EQ(world.node_->Groups().size(), 1u);
  }
}

TEST(ReplicaStorage, SpaceHasToComeBackWithSomethingToSpare) {
  NodeWorld world = BootedWithTopic();
  const uint64_t headroom = world.options_.disk_headroom_bytes;
  const auto produce_with = [&](uint64_t free, int32_t sequence) {
    world.Tell(DiskSpace{.free_bytes = free, .total_bytes = 10 * headroom});
    return ErrorOf(world.Answer(world.Ask(Numbered(sequence))));
  };
  EXPECT_EQ(produce_with(headroom, 0).reason, "NO ERROR");
  const RpcError full = produce_with(headroom - 1, 1);
  EXPECT_EQ(full.reason, "DISK_FULL");
  EXPECT_EQ(full.code, absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message.find(std::to_string(headroom - 1)), std::string::npos) << full.message;
  EXPECT_EQ(ErrorOf(world.Answer(world.Ask(CreateTopicRequest{.name = "u"}))).reason, "DISK_FULL");
  EXPECT_EQ(produce_with(headroom, 1).reason, "DISK_FULL");
  EXPECT_EQ(produce_with(headroom + headroom / kHeadroomHysteresisParts, 1).reason, "NO ERROR");
  ASSERT_NE(Noted(world, "disk_space_back"), nullptr);
}

// Boots a node, makes a topic, writes `count` batches over several segments and restarts in the
// middle, each step repeated until it works; then reads everything back after a restart.
void RunWorkload(NodeWorld& world, int count) {
  const auto until_ok = [&](const auto& ask) {
    for (int i = 0; i < 20; ++i) {
      const std::optional<Response> answer = world.Answer(ask());
      if (answer.has_value() && ErrorOf(answer).reason == "NO ERROR") return answer;
      world.Advance(kLong);
    }
    ADD_FAILURE() << "given up";
    return std::optional<Response>();
  };
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  for (int i = 0; i < 20 && world.node_->Status(world.now_).groups.size() < 2; ++i) {
    world.Ask(CreateTopicRequest{.name = "t", .segment_bytes = kSegmentBytesMin});
    world.Advance(kLong);
  }
  for (int i = 0; i < count; ++i) {
    const std::optional<Response> answer = until_ok([&] { return world.Ask(Numbered(i, 3000)); });
    ASSERT_TRUE(answer.has_value());
    ASSERT_EQ(std::get<ProduceResponse>(*answer).base_offset, Offset(static_cast<uint64_t>(i)));
    if (i == count / 2) {
      ASSERT_TRUE(world.Boot().ok());
    }
  }
  world.fault_ = nullptr;
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(kLong);
  uint64_t at = 0;
  while (at < static_cast<uint64_t>(count)) {
    const auto read =
        world.Get<FetchResponse>(FetchRequest{.topic = "t", .offset = Offset(at), .max_bytes = 1});
    ASSERT_TRUE(read.range.has_value()) << at;
    const std::string& file = world.disk_.files_.at(read.range->file);
    const auto frames = ConsumerFrames(
        *read.range, Bytes::Copy(file.substr(read.range->pos.value(), read.range->length)),
        read.from, read.limit);
    ASSERT_TRUE(frames.ok()) << frames.status();
    ASSERT_FALSE(frames->empty());
    for (const Bytes& run : *frames) at += DecodeBatch(run.view())->size();
  }
  EXPECT_EQ(at, static_cast<uint64_t>(count));
}

enum class Done { kNothing, kHalf, kAll };

TEST(ReplicaStorage, WhicheverWriteFailsAndHoweverMuchOfItIsDoneNothingAcknowledgedIsLost) {
  for (const Done done : {Done::kNothing, Done::kHalf, Done::kAll}) {
    bool failed = true;
    for (int nth = 1; failed; ++nth) {
      SCOPED_TRACE(testing::Message() << "write " << nth << " fails, done " << int(done));
      failed = false;
      int left = nth;
      NodeWorld world(NodeWorld::SingleNode());
      world.fault_ = [&](const Flush& flush) {
        if (--left != 0) return absl::OkStatus();
        failed = true;
        FileBatch part = flush.batch;
        const size_t ops = part.ops.size();
        part.ops.resize(done == Done::kNothing ? 0 : done == Done::kHalf ? ops / 2 : ops);
        world.disk_.Execute(part);
        return absl::UnavailableError("cannot sync: Input/output error");
      };
      RunWorkload(world, 12);
      if (HasFatalFailure() || HasNonfatalFailure()) return;
      ASSERT_LT(nth, 200);
      EXPECT_EQ(Noted(world, "storage_failed") != nullptr, failed);
    }
  }
}

}  // namespace
}  // namespace tidemark
