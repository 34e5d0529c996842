#include "sim/journal/replay.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/coding.h"
#include "tests/sim/journal/record_seed.h"

// A node's life in the simulator, with its faults and restarts, recorded and run again.

namespace tidemark::sim {
namespace {

absl::Status Feed(const std::vector<journal::Frame>& frames, JournalReplay& replay) {
  for (const journal::Frame& frame : frames) {
    const absl::Status status = replay.Feed(frame);
    if (!status.ok() || replay.divergence().has_value()) return status;
  }
  return absl::OkStatus();
}

TEST(JournalReplay, DecidesTheSameThroughFaultsRestartsAndReopenedGroups) {
  uint64_t runs = 0;
  uint64_t steps = 0;
  uint64_t reopened = 0;
  for (uint64_t seed = 1; seed <= 14 || (reopened == 0 && seed < 100); ++seed) {
    for (const NodeJournal& journal : RecordSeed(seed, Duration::Seconds(5))) {
      reopened += journal.reopened();
      for (const std::string& run : journal.runs()) {
        JournalReplay replay(nullptr);
        ASSERT_TRUE(Feed(FramesOf(run), replay).ok()) << "seed " << seed;
        ASSERT_FALSE(replay.divergence().has_value())
            << "seed " << seed << " step " << replay.divergence()->step << ": "
            << replay.divergence()->what;
        ++runs;
        steps += replay.steps();
        EXPECT_FALSE(replay.in_step());
      }
    }
  }
  // More lives than nodes: some restarted, from files of their own.
  EXPECT_GT(runs, 40u);
  EXPECT_GT(steps, 20'000u);
  EXPECT_GT(reopened, 0u);
}

// The longest life of a node of one seed.
std::string ALife() {
  std::string longest;
  for (const NodeJournal& journal : RecordSeed(3, Duration::Seconds(3))) {
    for (const std::string& run : journal.runs()) {
      if (run.size() > longest.size()) longest = run;
    }
  }
  return longest;
}

// Frames with one of them changed by `change`, which gives true once it has.
std::vector<journal::Frame> Changed(
    const std::vector<journal::Frame>& frames,
    const std::function<bool(const journal::Frame&, std::string& changed)>& change) {
  std::vector<journal::Frame> result;
  bool done = false;
  for (const journal::Frame& frame : frames) {
    std::string changed;
    if (done || !change(frame, changed)) {
      result.push_back(frame);
      continue;
    }
    done = true;
    // A frame as the codec wrote it: its body is behind the header.
    result.push_back(
        {.kind = frame.kind,
         .body = Bytes::Copy(std::string_view(changed).substr(journal::kFrameHeaderBytes))});
  }
  EXPECT_TRUE(done);
  return result;
}

TEST(JournalReplay, NamesTheFirstStepThatRandomnessOfItsOwnChanged) {
  const std::vector<journal::Frame> frames = FramesOf(ALife());
  // As if the node had drawn from anything but the generator it was given.
  const auto other_seed = Changed(frames, [](const journal::Frame& frame, std::string& changed) {
    if (frame.kind != journal::FrameKind::kBegin) return false;
    journal::Begin begin = *journal::DecodeBegin(frame.body);
    ++begin.seed;
    journal::AppendBegin(changed, begin);
    return true;
  });
  JournalReplay replay(nullptr);
  ASSERT_TRUE(Feed(other_seed, replay).ok());
  ASSERT_TRUE(replay.divergence().has_value());
  EXPECT_LT(replay.divergence()->step, 20u);
  EXPECT_FALSE(replay.divergence()->what.empty());
}

TEST(JournalReplay, NamesTheStepOfAnEffectThatWasDecidedDifferently) {
  const std::vector<journal::Frame> frames = FramesOf(ALife());
  uint64_t step = 0;
  size_t index = 0;
  const auto other_effect = Changed(frames, [&](const journal::Frame& frame, std::string& changed) {
    if (frame.kind != journal::FrameKind::kEffects) return false;
    const journal::EffectsMark mark = *journal::DecodeEffects(frame.body);
    if (step++ < 100 || mark.effects.size() < 2) return false;
    index = mark.effects.size() - 1;
    changed.assign(journal::kFrameHeaderBytes, '\0');
    changed.append(frame.body.view());
    changed.back() ^= 1;
    return true;
  });
  JournalReplay replay(nullptr);
  ASSERT_TRUE(Feed(other_effect, replay).ok());
  ASSERT_TRUE(replay.divergence().has_value());
  EXPECT_EQ(replay.divergence()->step, step - 1);
  EXPECT_TRUE(absl::StrContains(replay.divergence()->what, absl::StrCat("effect ", index)));
  // What is shown has the replayed effect in words and the recorded one beside it.
  const std::vector<std::string>& story = replay.divergence()->story;
  ASSERT_GE(story.size(), 2u);
  EXPECT_TRUE(story[story.size() - 2].starts_with(absl::StrCat("NOW  ", index)));
  EXPECT_TRUE(story.back().starts_with(absl::StrCat("THEN ", index)));
}

TEST(JournalReplay, NoticesAStepAtAnotherTime) {
  const std::vector<journal::Frame> frames = FramesOf(ALife());
  uint64_t step = 0;
  const auto later = Changed(frames, [&](const journal::Frame& frame, std::string& changed) {
    if (frame.kind != journal::FrameKind::kStep || step++ < 50) return false;
    journal::StepMark mark = *journal::DecodeStep(frame.body);
    mark.now.instant = mark.now.instant + Duration::Seconds(100);
    journal::AppendStep(changed, mark);
    return true;
  });
  JournalReplay replay(nullptr);
  ASSERT_TRUE(Feed(later, replay).ok());
  ASSERT_TRUE(replay.divergence().has_value());
  EXPECT_EQ(replay.divergence()->step, 50u);
}

TEST(JournalReplay, RefusesFramesThatNoRecorderWritesInThatOrder) {
  const std::vector<journal::Frame> frames = FramesOf(ALife());
  size_t effects = 0;
  while (frames[effects].kind != journal::FrameKind::kEffects) ++effects;
  const auto refused = [](const std::vector<journal::Frame>& some) {
    JournalReplay replay(nullptr);
    return !Feed(some, replay).ok();
  };
  auto without_begin = frames;
  without_begin.erase(without_begin.begin());
  EXPECT_TRUE(refused(without_begin));
  auto two_beginnings = frames;
  two_beginnings.insert(two_beginnings.begin(), frames.front());
  EXPECT_TRUE(refused(two_beginnings));
  auto without_effects = frames;
  without_effects.erase(without_effects.begin() + static_cast<ptrdiff_t>(effects));
  EXPECT_TRUE(refused(without_effects));
  auto effects_twice = frames;
  effects_twice.insert(effects_twice.begin() + static_cast<ptrdiff_t>(effects), frames[effects]);
  EXPECT_TRUE(refused(effects_twice));
  auto lost_event = frames;
  size_t event = 0;
  while (frames[event].kind != journal::FrameKind::kEvent) ++event;
  lost_event.erase(lost_event.begin() + static_cast<ptrdiff_t>(event));
  EXPECT_TRUE(refused(lost_event));
}

TEST(JournalReplay, AnAnswerOfTheDiskThatNobodyAskedForDivergesInsteadOfDying) {
  std::vector<journal::Frame> frames = FramesOf(ALife());
  const auto forged = Changed(frames, [](const journal::Frame& frame, std::string& changed) {
    if (frame.kind != journal::FrameKind::kEvent) return false;
    const journal::DecodedEvent decoded = *journal::DecodeEvent(frame.body);
    if (!std::holds_alternative<IoDone>(decoded.event)) return false;
    journal::AppendEvent(changed, IoDone{IoToken(123456789), absl::OkStatus()}, std::nullopt);
    return true;
  });
  JournalReplay replay(nullptr);
  ASSERT_TRUE(Feed(forged, replay).ok());
  ASSERT_TRUE(replay.divergence().has_value());
  EXPECT_TRUE(absl::StrContains(replay.divergence()->what, "123456789"));
}

TEST(JournalReplay, AStepWithoutEffectsIsTheOneTheProcessEndedIn) {
  std::vector<journal::Frame> frames = FramesOf(ALife());
  ASSERT_EQ(frames.back().kind, journal::FrameKind::kEffects);
  frames.pop_back();
  JournalReplay replay(nullptr);
  ASSERT_TRUE(Feed(frames, replay).ok());
  EXPECT_FALSE(replay.divergence().has_value());
  EXPECT_TRUE(replay.in_step());
}

}  // namespace
}  // namespace tidemark::sim
