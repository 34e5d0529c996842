#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"
#include "tests/engine/node/trio_world.h"

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};
constexpr uint64_t kKept = 100'000;

std::string BatchOf(size_t bytes, ProducerStamp stamp = {}) {
  const Record record{.key = std::nullopt, .value = std::string(bytes, 'x'), .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), stamp);
}

// Three nodes and topic "t", three batches a segment.
class Snapshots : public testing::Test {
 protected:
  void SetUp() override {
    world.BootAll();
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup).has_value(); }));
    world.Ask(*world.LeaderOf(kCatalogGroup), CreateTopicRequest{.name = "t",
                                                                 .partitions = 1,
                                                                 .replication_factor = 3,
                                                                 .segment_bytes = kSegmentBytesMin,
                                                                 .retention_bytes = kKept});
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
  }

  void Produce(int batches) {
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
      const size_t leader = *world.LeaderOf(kTopicGroup);
      const RequestId id = world.Ask(leader, ProduceRequest{"t", PartitionId(0), BatchOf(4000)});
      ASSERT_TRUE(world.AdvanceUntil([&] { return world.at(leader).answers.contains(id); }));
      ASSERT_TRUE(std::holds_alternative<ProduceResponse>(world.at(leader).answers.at(id)));
    }
  }
  // A follower of the partition.
  size_t Follower() { return (*world.LeaderOf(kTopicGroup) + 1) % 3; }

  const Log& LogOf(size_t i) { return *world.GroupAt(i, kTopicGroup)->log; }
  uint64_t Installed(size_t i) { return world.at(i).node->counters().snapshots_installed; }
  bool CaughtUp(size_t i) {
    const std::optional<size_t> leader = world.LeaderOf(kTopicGroup);
    const std::optional<GroupView> here = world.GroupAt(i, kTopicGroup);
    return leader.has_value() && here.has_value() &&
           here->log->last_index() == LogOf(*leader).last_index() &&
           here->raft->commit() == here->log->last_index();
  }

  // The frames of the segment files of `i`, as far as its log has them.
  std::string FramesOf(size_t i, LogIndex from) {
    std::string frames;
    const Log& log = LogOf(i);
    for (LogIndex at = from; at <= log.last_index();) {
      const FileRange range = log.RangeOf(at, 1u << 20);
      const Bytes bytes = *world.at(i).disk.ReadFull(range.file, range.pos, range.length);
      const LogIndex before = at;
      const std::vector<Entry> entries = *EntriesIn(range, bytes);
      for (const Entry& entry : entries) {
        if (entry.index != at) continue;
        frames += entry.frame.view();
        ++at;
      }
      if (at == before) {
        ADD_FAILURE() << "entry " << at.value() << " is not where it should be";
        break;
      }
    }
    return frames;
  }
  void ExpectSame(size_t i) {
    const size_t leader = *world.LeaderOf(kTopicGroup);
    ASSERT_NE(leader, i);
    const LogIndex from = std::max(LogOf(i).first_index(), LogOf(leader).first_index());
    EXPECT_EQ(LogOf(i).digest(), LogOf(leader).digest());
    EXPECT_EQ(LogOf(i).next_offset(), LogOf(leader).next_offset());
    EXPECT_TRUE(FramesOf(i, from) == FramesOf(leader, from));
    EXPECT_EQ(world.GroupAt(i, kTopicGroup)->raft->membership(),
              world.GroupAt(leader, kTopicGroup)->raft->membership());
  }

  TrioWorld world;
};

TEST_F(Snapshots, AFollowerThatWasAwayForLongerThanRetentionKeepsGetsFullSegments) {
  Produce(10);
  const size_t away = Follower();
  const LogIndex had = LogOf(away).last_index();
  world.Kill(away);
  Produce(100);
  ASSERT_GT(LogOf(*world.LeaderOf(kTopicGroup)).first_index(), had + 1);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(Installed(away), 1u);
  EXPECT_GT(LogOf(away).first_index(), had + 1);
  ExpectSame(away);
  Produce(30);
  world.Advance(Duration::Seconds(20));
  ExpectSame(away);
  // And after a restart.
  world.Kill(away);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(Installed(away), 0u);
  ExpectSame(away);
  // Nothing is left of what was there before, or on the way.
  for (const auto& [file, bytes] : world.at(away).disk.files_) {
    if (file.group != kTopicGroup || file.kind != FileKind::kSegment) continue;
    const SegmentHeader header = *DecodeSegmentHeader(bytes);
    EXPECT_GE(header.base_index, LogOf(away).first_index()) << PathOf(file);
  }
}

// Their scrubbers are off. Nothing that was written long ago is read but what is sent.
TEST_F(Snapshots, R26ADamagedPieceIsRepairedWhereItComesFromAndNotSentForEver) {
  Produce(10);
  const size_t away = Follower();
  world.Kill(away);
  Produce(100);
  const size_t source = *world.LeaderOf(kTopicGroup);
  const SealedSegment segment = *LogOf(source).SealedSegmentAfter(LogIndex(0));
  world.at(source).disk.files_.at(segment.file())[kSegmentHeaderBytes + 500] ^= 1;
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_EQ(Installed(away), 1u);
  EXPECT_EQ(world.at(source).node->counters().segments_repaired, 1u);
  if (*world.LeaderOf(kTopicGroup) != away) ExpectSame(away);
}

TEST_F(Snapshots, R26WhatIsThereForLaggardsAloneAndDamagedEverywhereIsPassedOver) {
  Produce(10);
  const size_t away = Follower();
  world.Kill(away);
  Produce(100);
  std::vector<LogIndex> lost;
  for (size_t i = 0; i < 3; ++i) {
    if (i == away) continue;
    const SealedSegment segment = *LogOf(i).SealedSegmentAfter(LogIndex(0));
    world.at(i).disk.files_.at(segment.file())[kSegmentHeaderBytes + 500] ^= 1;
    lost.push_back(segment.end_index);
  }
  ASSERT_EQ(lost[0], lost[1]);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(away); }));
  EXPECT_GE(LogOf(away).first_index(), lost[0]);
  if (*world.LeaderOf(kTopicGroup) != away) ExpectSame(away);
}

// SCENARIOS R14, as far as the log goes.
TEST_F(Snapshots, ANodeThatLostItsDirectoryIsRefilled) {
  Produce(100);
  const size_t wiped = Follower();
  world.Kill(wiped);
  world.at(wiped).disk.files_.clear();
  Produce(20);
  world.Boot(wiped);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(wiped); }));
  EXPECT_EQ(Installed(wiped), 1u);
  ExpectSame(wiped);
  Produce(10);
  EXPECT_TRUE(world.AdvanceUntil([&] { return CaughtUp(wiped); }));
}

// SCENARIOS R21, L3; SIMULATION S09.
TEST_F(Snapshots, GoesOnWhereItWasAfterARestartAndWithAnotherLeader) {
  Produce(100);
  const size_t wiped = Follower();
  world.Kill(wiped);
  world.at(wiped).disk.files_.clear();
  Produce(1);
  // About ten chunks a second.
  world.at(wiped).options.snapshot_bytes_per_second = 100'000;
  world.Boot(wiped);
  const auto received = [&] { return world.at(wiped).node->counters().snapshot_bytes_received; };
  ASSERT_TRUE(world.AdvanceUntil([&] { return received() > 60'000; }));
  const uint64_t before = received();
  world.Kill(wiped);
  const size_t leader = *world.LeaderOf(kTopicGroup);
  world.Boot(wiped);
  world.Kill(leader);
  world.Advance(Duration::Millis(100));
  world.Boot(leader);
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(wiped); }));
  ExpectSame(wiped);
  // All of it but what was whole before, and of the log no more than a segment twice.
  const uint64_t all = LogOf(wiped).size_bytes();
  EXPECT_GT(all, before);
  EXPECT_LT(received(), all - before + 3 * kSegmentBytesMin);
}

TEST_F(Snapshots, S5_2_AppendsGoOnMeanwhileAndTheRateIsKept) {
  Produce(60);
  const size_t wiped = Follower();
  world.Kill(wiped);
  world.at(wiped).disk.files_.clear();
  Produce(40);
  world.at(wiped).options.snapshot_bytes_per_second = 64 << 10;
  world.Boot(wiped);
  uint64_t last = 0;
  for (int second = 0; second < 3; ++second) {
    world.Advance(Duration::Seconds(1));
    const uint64_t now = world.at(wiped).node->counters().snapshot_bytes_received;
    EXPECT_LE(now - last, 2 * (64u << 10));
    last = now;
    Produce(5);
  }
  EXPECT_EQ(Installed(wiped), 0u);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(wiped); }));
  ExpectSame(wiped);
}

// SCENARIOS R3: what would be shipped is gone before it is asked for, again and again.
TEST_F(Snapshots, R3ATopicThatKeepsNextToNothingStillHasSomethingToShip) {
  for (size_t i = 0; i < 3; ++i) world.Kill(i);
  for (size_t i = 0; i < 3; ++i) {
    world.at(i).options.retention_interval = world.at(i).options.heartbeat_interval / 2;
    world.Boot(i);
  }
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCatalogGroup).has_value(); }));
  world.Ask(*world.LeaderOf(kCatalogGroup), CreateTopicRequest{.name = "brief",
                                                               .partitions = 1,
                                                               .replication_factor = 3,
                                                               .segment_bytes = kSegmentBytesMin,
                                                               .retention_bytes = 1});
  constexpr GroupId kBrief{2};
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kBrief).has_value(); }));
  const auto produce = [&](int batches) {
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kBrief).has_value(); }));
      const size_t leader = *world.LeaderOf(kBrief);
      world.Ask(leader, ProduceRequest{"brief", PartitionId(0), BatchOf(4000)});
      world.Advance(Duration::Millis(100));
    }
  };
  produce(4);
  const size_t away = (*world.LeaderOf(kBrief) + 1) % 3;
  world.Kill(away);
  produce(30);
  world.Boot(away);
  ASSERT_TRUE(world.AdvanceUntil([&] {
    const std::optional<size_t> leader = world.LeaderOf(kBrief);
    const std::optional<GroupView> here = world.GroupAt(away, kBrief);
    return leader.has_value() && here.has_value() &&
           here->log->last_index() == world.GroupAt(*leader, kBrief)->log->last_index();
  }));
  EXPECT_GE(Installed(away), 1u);
}

// What was compacted is gone for raft also where nothing is missing before it: at the very front.
TEST_F(Snapshots, AMemberThatLacksWhatWasCompactedGetsFullSegments) {
  constexpr GroupId kCompacted{2};
  world.Ask(*world.LeaderOf(kCatalogGroup),
            CreateTopicRequest{.name = "compacted",
                               .partitions = 1,
                               .replication_factor = 3,
                               .segment_bytes = kSegmentBytesMin,
                               .cleanup = {.policy = Cleanup::kCompact}});
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCompacted).has_value(); }));
  const auto produce = [&](int batches) {
    const Record record{.key = "key", .value = std::string(4000, 'x'), .timestamp_ms = 1};
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kCompacted).has_value(); }));
      world.Ask(*world.LeaderOf(kCompacted),
                ProduceRequest{"compacted", PartitionId(0), *EncodeBatch(std::span(&record, 1))});
      world.Advance(Duration::Millis(100));
    }
  };
  produce(40);
  world.Advance(Duration::Seconds(20));
  const size_t wiped = (*world.LeaderOf(kCompacted) + 1) % 3;
  ASSERT_GT(world.GroupAt(*world.LeaderOf(kCompacted), kCompacted)->log->compacted_end(),
            LogIndex(1));
  world.Kill(wiped);
  world.at(wiped).disk.files_.clear();
  produce(1);
  world.Boot(wiped);
  EXPECT_TRUE(world.AdvanceUntil([&] {
    const std::optional<size_t> leader = world.LeaderOf(kCompacted);
    const std::optional<GroupView> here = world.GroupAt(wiped, kCompacted);
    return leader.has_value() && here.has_value() &&
           here->log->last_index() == world.GroupAt(*leader, kCompacted)->log->last_index();
  }));
  EXPECT_GE(Installed(wiped), 1u);
}

// What is known of producers comes with it: a retry is a retry at the new leader.
TEST_F(Snapshots, RetriesAreRecognisedByWhoWasRefilled) {
  const ProducerStamp stamp{.producer_id = 7, .epoch = 0, .base_sequence = 0};
  const std::string batch = BatchOf(100, stamp);
  const RequestId first =
      world.Ask(*world.LeaderOf(kTopicGroup), ProduceRequest{"t", PartitionId(0), batch});
  const size_t led = *world.LeaderOf(kTopicGroup);
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.at(led).answers.contains(first); }));
  const Offset offset = std::get<ProduceResponse>(world.at(led).answers.at(first)).base_offset;
  Produce(100);
  const size_t wiped = Follower();
  world.Kill(wiped);
  world.at(wiped).disk.files_.clear();
  Produce(1);
  world.Boot(wiped);
  ASSERT_TRUE(world.AdvanceUntil([&] { return CaughtUp(wiped); }));
  EXPECT_EQ(Installed(wiped), 1u);
  // Until it leads.
  for (int i = 0; i < 20 && world.LeaderOf(kTopicGroup) != wiped; ++i) {
    const size_t leader = *world.LeaderOf(kTopicGroup);
    world.Kill(leader);
    world.Advance(Duration::Seconds(5));
    world.Boot(leader);
    ASSERT_TRUE(world.AdvanceUntil([&] { return world.LeaderOf(kTopicGroup).has_value(); }));
    world.Advance(Duration::Seconds(1));
  }
  ASSERT_EQ(world.LeaderOf(kTopicGroup), wiped);
  const RequestId again = world.Ask(wiped, ProduceRequest{"t", PartitionId(0), batch});
  ASSERT_TRUE(world.AdvanceUntil([&] { return world.at(wiped).answers.contains(again); }));
  const Response& answer = world.at(wiped).answers.at(again);
  ASSERT_TRUE(std::holds_alternative<ProduceResponse>(answer));
  EXPECT_TRUE(std::get<ProduceResponse>(answer).duplicate);
  EXPECT_EQ(std::get<ProduceResponse>(answer).base_offset, offset);
}

}  // namespace
}  // namespace tidemark
