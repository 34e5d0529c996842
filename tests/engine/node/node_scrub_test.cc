#include <gtest/gtest.h>

#include <utility>

#include "tests/engine/node/scrub_world.h"

namespace tidemark {
namespace {

TEST(NodeScrub, VerifiesAllGroupsInTheBackgroundAndCountsIt) {
  NodeWorld world = ScrubbedNode();
  AwaitPasses(world, 2);
  const ScrubProgress progress = world.node_->scrub_progress();
  EXPECT_EQ(progress.pass_bytes, LogOf(world).sealed_bytes());
  EXPECT_GT(progress.pass_bytes, 3 * kSegmentBytesMin / 2);
  EXPECT_EQ(progress.findings, 0u);
  EXPECT_TRUE(NotesOf(world, "scrub_finding").empty());
  ASSERT_FALSE(NotesOf(world, "scrub_pass").empty());
  EXPECT_EQ(FieldOf(NotesOf(world, "scrub_pass").back(), "damaged_segments"), "0");
}

TEST(NodeScrub, BeginsAfterARestartOnceItKnowsItsGroups) {
  NodeWorld world = ScrubbedNode();
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(5));
  const ScrubProgress progress = world.node_->scrub_progress();
  EXPECT_EQ(progress.passes, 1u) << "the pause is longer";
  EXPECT_EQ(progress.pass_bytes, LogOf(world).sealed_bytes());
  EXPECT_GT(progress.pass_bytes, 0u);
}

TEST(NodeScrub, IsOffUnlessToldHowFast) {
  NodeWorld world = ScrubbedNode(0);
  world.hold_reads_ = true;
  world.Advance(Duration::Seconds(100));
  EXPECT_EQ(world.node_->scrub_progress().passes, 0u);
  EXPECT_TRUE(world.reads_.empty());
}

TEST(NodeScrub, NamesWhatRotsAndWhatToDoInEachPass) {
  NodeWorld world = ScrubbedNode();
  const SealedSegment segment = *LogOf(world).SealedSegmentAfter(LogIndex(0));
  std::string& file = world.disk_.files_.at(segment.file());
  file[segment.size - 100] ^= 1;
  AwaitPasses(world, 2);
  const std::vector<Note> notes = NotesOf(world, "scrub_finding");
  ASSERT_GE(notes.size(), 2u);
  const Note& note = notes[0];
  EXPECT_EQ(note.level, Note::Level::kError);
  EXPECT_EQ(FieldOf(note, "group"), "1");
  EXPECT_TRUE(FieldOf(note, "what").starts_with("rot: "));
  EXPECT_TRUE(FieldOf(note, "file").starts_with(PathOf(segment.file()) + ":"));
  EXPECT_TRUE(FieldOf(note, "file").ends_with("-" + std::to_string(segment.size)));
  EXPECT_NE(FieldOf(note, "hint").find("tidemark log verify DIR --group 1"), std::string::npos);
  EXPECT_EQ(world.node_->scrub_progress().damaged_segments, 1u);
  // The rotten range is refused, and the records around it are not.
  size_t refused = 0;
  for (Offset at{0}; at < Offset(20); ++at) {
    const auto fetch = world.Get<FetchResponse>(
        FetchRequest{.topic = "t", .partition = PartitionId(0), .offset = at, .max_bytes = 1});
    ASSERT_TRUE(fetch.range.has_value());
    const auto bytes =
        world.disk_.ReadFull(fetch.range->file, fetch.range->pos, fetch.range->length);
    ASSERT_TRUE(bytes.ok());
    const auto frames = ConsumerFrames(*fetch.range, *bytes, fetch.from, fetch.limit);
    if (frames.ok()) continue;
    ++refused;
    EXPECT_TRUE(absl::IsDataLoss(frames.status()));
    EXPECT_NE(frames.status().message().find(PathOf(segment.file())), std::string::npos);
  }
  EXPECT_EQ(refused, 1u);
  file[segment.size - 100] ^= 1;
  AwaitPasses(world, 2);
  EXPECT_EQ(world.node_->scrub_progress().damaged_segments, 0u);
}

TEST(NodeScrub, HasOneReadUnderWayAndNoneInAShutdown) {
  NodeWorld world = ScrubbedNode();
  world.hold_reads_ = true;
  world.Advance(Duration::Seconds(100));
  EXPECT_EQ(world.reads_.size(), 1u);
  world.Tell(ShutdownRequested{});
  world.FinishReads();
  world.Advance(Duration::Seconds(10));
  EXPECT_TRUE(world.reads_.empty());
  EXPECT_TRUE(world.shutdown_complete_);
}

TEST(NodeScrub, TakesNoNoticeOfAGroupThatIsDeletedWhileItIsRead) {
  NodeWorld world = ScrubbedNode();
  world.hold_reads_ = true;
  world.Advance(Duration::Seconds(100));
  ASSERT_EQ(world.reads_.size(), 1u);
  ASSERT_EQ(world.reads_.front().file.group, kScrubbedGroup);
  world.Ask(DeleteTopicRequest{.name = "t"});
  world.Advance(Duration::Seconds(3));
  world.hold_reads_ = false;
  world.FinishReads();
  AwaitPasses(world, 1);
  EXPECT_TRUE(NotesOf(world, "scrub_finding").empty());
}

TEST(NodeScrub, TheRateIsThatOfTheNode) {
  NodeWorld world = ScrubbedNode(10'000);
  const uint64_t before = world.node_->scrub_progress().bytes;
  world.Advance(Duration::Seconds(5));
  const uint64_t bytes = world.node_->scrub_progress().bytes - before;
  EXPECT_LE(bytes, 50'000u + kScrubReadBytes);
  EXPECT_GT(bytes, 0u);
}

}  // namespace
}  // namespace tidemark
