#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"
#include "tests/engine/node/node_world.h"
#include "tests/engine/node/trio_world.h"
#include "tests/support/allocations.h"

// What a node holds in memory is bounded, whatever its peers and its disk do; and a produce costs
// it few allocations.

namespace tidemark {
namespace {

constexpr GroupId kTopicGroup{1};
// Of Node::Step for a produce and for its flush, at a node that is alone.
constexpr double kPerProduceMax = 5.5;

std::string BatchOf(size_t bytes) {
  const Record record{.key = std::nullopt, .value = std::string(bytes, 'x'), .timestamp_ms = 1};
  return *EncodeBatch(std::span(&record, 1), {});
}

// Three nodes and a topic that keeps little; one of the followers has a fault.
class NodeMemory : public testing::Test {
 protected:
  void SetUp() override {
    world_.BootAll();
    ASSERT_TRUE(world_.AdvanceUntil([&] { return world_.LeaderOf(kCatalogGroup).has_value(); }));
    world_.Ask(*world_.LeaderOf(kCatalogGroup),
               CreateTopicRequest{.name = "t",
                                  .partitions = 1,
                                  .replication_factor = 3,
                                  .segment_bytes = kSegmentBytesMin,
                                  .retention_bytes = 100'000});
    ASSERT_TRUE(world_.AdvanceUntil([&] { return world_.LeaderOf(kTopicGroup).has_value(); }));
    leader_ = *world_.LeaderOf(kTopicGroup);
    faulty_ = (leader_ + 1) % 3;
    Produce(500);
  }

  void Produce(int batches) {
    for (int i = 0; i < batches; ++i) {
      const RequestId id = world_.Ask(leader_, ProduceRequest{"t", PartitionId(0), BatchOf(4000)});
      ASSERT_TRUE(world_.AdvanceUntil([&] { return world_.at(leader_).answers.contains(id); }));
      ASSERT_TRUE(std::holds_alternative<ProduceResponse>(world_.at(leader_).answers.at(id)));
      for (size_t node = 0; node < 3; ++node) {
        world_.at(node).answers.clear();
        world_.at(node).notes.clear();
      }
    }
  }

  // All three nodes', without what is on their disks.
  int64_t InUse() {
    auto bytes = static_cast<int64_t>(BytesInUse());
    for (size_t node = 0; node < 3; ++node) {
      for (const auto& [file, contents] : world_.at(node).disk.files_) {
        bytes -= static_cast<int64_t>(contents.capacity());
      }
    }
    return bytes;
  }

  // 8 MB, of which the logs keep 0.2 MB at most.
  void ExpectBounded(const char* with) {
    Produce(500);
    const int64_t before = InUse();
    Produce(2000);
    const int64_t grown = InUse() - before;
    std::printf("%s: grew by %lld bytes in 2000 batches\n", with, static_cast<long long>(grown));
    EXPECT_LE(grown, 16 << 10);
  }

  TrioWorld world_;
  size_t leader_ = 0;
  size_t faulty_ = 0;
};

TEST_F(NodeMemory, DoesNotGrowWhileAFollowerIsDead) {
  world_.Kill(faulty_);
  ExpectBounded("a dead follower");
}

TEST_F(NodeMemory, DoesNotGrowWithoutEndWhileAFollowersDiskHangs) {
  world_.at(faulty_).disk_hangs = true;
  // Until as much is in flight to it as may be.
  Produce(2500);
  ExpectBounded("a follower whose disk hangs");
}

TEST_F(NodeMemory, DoesNotGrowWhileAFollowersDiskIsFull) {
  world_.TellSpace(faulty_, 1);
  ExpectBounded("a follower with a full disk");
}

TEST(NodeAllocations, OfAProduceAreFew) {
  NodeWorld world(NodeWorld::SingleNode());
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  ASSERT_EQ(world.Get<CreateTopicResponse>(CreateTopicRequest{.name = "t"}).topic.name, "t");
  world.Advance(Duration::Seconds(3));
  Effects effects;
  size_t allocations = 0;
  const auto produce = [&](uint64_t number) {
    std::vector<Event> events;
    events.push_back(RequestReceived{RequestId((1u << 20) + number), "tester",
                                     ProduceRequest{"t", PartitionId(0), BatchOf(100)}});
    size_t replies = 0;
    while (!events.empty()) {
      effects.clear();
      allocations += AllocationsOf([&] { world.node_->Step(world.now_, events, effects); });
      events.clear();
      for (Effect& effect : effects) {
        if (std::holds_alternative<Reply>(effect)) ++replies;
        if (auto* flush = std::get_if<Flush>(&effect)) {
          world.disk_.Execute(flush->batch);
          events.push_back(IoDone{flush->token, absl::OkStatus()});
        }
      }
    }
    EXPECT_EQ(replies, 1u);
  };
  for (uint64_t i = 0; i < 100; ++i) produce(i);
  allocations = 0;
  constexpr uint64_t kTimes = 200;
  for (uint64_t i = 0; i < kTimes; ++i) produce(100 + i);
  const double mean = static_cast<double>(allocations) / kTimes;
  std::printf("allocations: %.2f per produce of one batch, with its flush\n", mean);
  EXPECT_LE(mean, kPerProduceMax);
}

}  // namespace
}  // namespace tidemark
