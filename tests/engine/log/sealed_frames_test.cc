#include "engine/log/sealed_frames.h"

#include <gtest/gtest.h>

#include "tests/engine/log/scrub_fixture.h"

namespace tidemark {
namespace {

TEST(SealedFrames, GivesTheSameFramesHoweverTheBytesCome) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const SealedSegment segment = SealedSegments(*on_disk.log)[1];
  const std::string_view file = on_disk.disk.Read(segment.file());
  for (const size_t piece : {size_t{1}, size_t{60}, size_t{61}, size_t{500}, file.size()}) {
    SealedFrames frames(segment);
    std::vector<std::string> found;
    size_t held = 0;
    while (!frames.at_end()) {
      const SealedFrames::Step step = frames.Look();
      if (step == SealedFrames::Step::kMore) {
        frames.Add(file.substr(frames.end(), std::min(piece, segment.size - frames.end())));
        held = std::max(held, frames.rest().size());
        continue;
      }
      ASSERT_EQ(step, SealedFrames::Step::kFrame) << frames.wrong();
      found.emplace_back(frames.frame());
      frames.Pass();
    }
    EXPECT_TRUE(IsAllOf(segment, frames));
    ASSERT_EQ(found.size(), segment.end_index - segment.base_index);
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i], on_disk.frames[segment.base_index.value() - 1 + i]);
    }
    if (piece > 61) continue;
    EXPECT_LT(held, 1500u) << "no more is held than a frame that came in part";
  }
}

TEST(SealedFrames, GoesOnWhereItIsTold) {
  LogOnDisk on_disk;
  FillSegments(on_disk);
  const SealedSegment segment = SealedSegments(*on_disk.log)[1];
  SealedFrames frames(segment);
  frames.Add(std::string(100, 'x'));
  EXPECT_EQ(frames.Look(), SealedFrames::Step::kWrong);
  EXPECT_FALSE(frames.wrong().empty());
  const FrameRun run = segment.runs.at(1);
  frames.SkipTo(run.pos, {.next_offset = segment.base_offset + run.first_offset, .term = Term(0)});
  EXPECT_TRUE(frames.rest().empty());
  frames.Add(on_disk.disk.Read(segment.file()).substr(run.pos));
  EXPECT_EQ(frames.Look(), SealedFrames::Step::kFrame);
  EXPECT_FALSE(IsAllOf(segment, frames));
}

}  // namespace
}  // namespace tidemark
