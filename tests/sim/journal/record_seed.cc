#include "tests/sim/journal/record_seed.h"

#include <gtest/gtest.h>

#include <utility>

#include "sim/decisions.h"
#include "sim/faults.h"
#include "sim/scenario.h"
#include "sim/story.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace tidemark::sim {

std::vector<NodeJournal> RecordSeed(uint64_t seed, Duration length) {
  const Scenario scenario = ScenarioOf(seed);
  Story story(nullptr);
  std::vector<NodeJournal> journals(scenario.nodes.size());
  World world(scenario, Decisions(seed), &story);
  for (size_t node = 0; node < world.nodes(); ++node) world.RecordNode(node, &journals[node]);
  Workload workload(&world);
  Faults faults(&world);
  world.Boot();
  workload.Start();
  while (world.RunNext(Instant() + Duration::Millis(300))) {
  }
  faults.Start();
  while (world.RunNext(Instant() + length)) {
  }
  EXPECT_TRUE(world.verdict().ok()) << world.verdict().what();
  return journals;
}

std::vector<journal::Frame> FramesOf(const std::string& run) {
  std::string file = run;
  uint32_t chain = 0;
  journal::Seal(file, chain);
  journal::FrameReader reader;
  EXPECT_TRUE(reader.Open(Bytes::From(journal::EncodeFileHeader({.run = 1}) + file)).ok());
  std::vector<journal::Frame> frames;
  for (;;) {
    auto frame = reader.Next();
    EXPECT_TRUE(frame.ok()) << frame.status();
    if (!frame.ok() || !frame->has_value()) return frames;
    frames.push_back(**std::move(frame));
  }
}

}  // namespace tidemark::sim
