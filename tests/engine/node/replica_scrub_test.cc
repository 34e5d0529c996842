#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/node/scrub_world.h"

namespace tidemark {
namespace {

TEST(ReplicaScrub, MakesADamagedSidecarAnewFromItsFrames) {
  NodeWorld world = ScrubbedNode();
  const SealedSegment segment = *LogOf(world).SealedSegmentAfter(LogIndex(0));
  const std::string frames = world.disk_.files_.at(segment.file());
  for (const size_t at : {size_t{3}, size_t{30}, size_t{1000}}) {
    world.notes_.clear();
    std::string& sidecar = world.disk_.files_.at(segment.sidecar());
    sidecar[std::min(at, sidecar.size() - 1)] ^= 1;
    AwaitPasses(world, 1);
    if (NotesOf(world, "scrub_finding").empty()) AwaitPasses(world, 1);
    const std::vector<Note> notes = NotesOf(world, "scrub_finding");
    ASSERT_EQ(notes.size(), 1u) << at;
    EXPECT_EQ(notes[0].level, Note::Level::kWarning);
    EXPECT_TRUE(FieldOf(notes[0], "what").starts_with("stale sidecar: "));
    world.notes_.clear();
    AwaitPasses(world, 2);
    EXPECT_TRUE(NotesOf(world, "scrub_finding").empty()) << "it is whole again";
    EXPECT_EQ(world.disk_.files_.at(segment.file()), frames);
    for (const auto& [file, bytes] : world.disk_.files_) {
      EXPECT_NE(file.kind, FileKind::kTemporary);
    }
  }
  // What was made is what a restart wants, and it can be read.
  ASSERT_TRUE(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  EXPECT_TRUE(LogOf(world).SealedSegmentAfter(LogIndex(0)).has_value());
  EXPECT_EQ(LogOf(world).next_offset(), Offset(20));
}

TEST(ReplicaScrub, LeavesTheSidecarOfRottenFramesAlone) {
  NodeWorld world = ScrubbedNode();
  const SealedSegment segment = *LogOf(world).SealedSegmentAfter(LogIndex(0));
  world.disk_.files_.at(segment.sidecar())[30] ^= 1;
  world.disk_.files_.at(segment.file())[6000] ^= 1;
  const auto before = world.disk_.files_;
  AwaitPasses(world, 2);
  EXPECT_GE(NotesOf(world, "scrub_finding").size(), 2u);
  EXPECT_EQ(world.disk_.files_.at(segment.sidecar()), before.at(segment.sidecar()));
}

TEST(ReplicaScrub, GoesOnReplicatingWhileASidecarIsMadeAnew) {
  NodeWorld world = ScrubbedNode();
  const SealedSegment segment = *LogOf(world).SealedSegmentAfter(LogIndex(0));
  world.disk_.files_.at(segment.sidecar())[30] ^= 1;
  world.hold_flushes_ = true;
  world.Advance(Duration::Seconds(30));
  ASSERT_EQ(world.flushes_.size(), 1u) << "of the new sidecar";
  const Record record{.key = std::nullopt, .value = "y", .timestamp_ms = 1};
  const RequestId id =
      world.Ask(ProduceRequest{"t", PartitionId(0), *EncodeBatch(std::span(&record, 1), {})});
  EXPECT_FALSE(world.Answer(id).has_value());
  world.hold_flushes_ = false;
  world.FinishFlushes();
  ASSERT_TRUE(world.Answer(id).has_value());
  EXPECT_TRUE(std::holds_alternative<ProduceResponse>(*world.Answer(id)));
  world.notes_.clear();
  AwaitPasses(world, 2);
  EXPECT_TRUE(NotesOf(world, "scrub_finding").empty());
}

}  // namespace
}  // namespace tidemark
