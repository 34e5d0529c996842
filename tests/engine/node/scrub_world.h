#pragma once

#include <string>
#include <vector>

#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "tests/engine/node/node_world.h"

namespace tidemark {

inline constexpr GroupId kScrubbedGroup{1};

// A node whose scrubber is on, with topic "t" and some full segments of it.
inline NodeWorld ScrubbedNode(uint64_t bytes_per_second = 1u << 20) {
  NodeOptions options = NodeWorld::SingleNode();
  options.scrub = {.bytes_per_second = bytes_per_second, .pause = Duration::Seconds(10)};
  NodeWorld world(options);
  TIDEMARK_CHECK(world.Boot().ok());
  world.Advance(Duration::Seconds(3));
  world.Ask(CreateTopicRequest{.name = "t", .segment_bytes = kSegmentBytesMin});
  world.Advance(Duration::Seconds(3));
  for (int i = 0; i < 20; ++i) {
    const Record record{.key = std::nullopt, .value = std::string(4000, 'x'), .timestamp_ms = 1};
    world.Ask(ProduceRequest{"t", PartitionId(0), *EncodeBatch(std::span(&record, 1), {})});
  }
  return world;
}

inline const Log& LogOf(const NodeWorld& world) {
  for (const GroupView& view : world.node_->Groups()) {
    if (view.group == kScrubbedGroup) return *view.log;
  }
  TIDEMARK_CHECK(false);
  return *world.node_->Groups()[0].log;
}

// Advances until so many more passes are done.
inline void AwaitPasses(NodeWorld& world, uint64_t passes) {
  const uint64_t wanted = world.node_->scrub_progress().passes + passes;
  for (int i = 0; i < 1000 && world.node_->scrub_progress().passes < wanted; ++i) {
    world.Advance(Duration::Seconds(1));
  }
  TIDEMARK_CHECK_GE(world.node_->scrub_progress().passes, wanted);
}

inline std::string FieldOf(const Note& note, std::string_view name) {
  for (const auto& [key, value] : note.fields) {
    if (key == name) return value;
  }
  return "";
}

inline std::vector<Note> NotesOf(const NodeWorld& world, std::string_view event) {
  std::vector<Note> notes;
  for (const Note& note : world.notes_) {
    if (note.event == event) notes.push_back(note);
  }
  return notes;
}

}  // namespace tidemark
