#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/node/node.h"
#include "proto/journal/codec.h"
#include "proto/journal/directory_image.h"
#include "proto/journal/frame.h"

namespace tidemark::sim {

// Looks on while a journal is replayed.
class ReplayWatcher {
 public:
  virtual ~ReplayWatcher() = default;
  // `files` is what the node was recovered from.
  virtual void OnBegin(const journal::Begin& begin, const journal::DirectoryImage& files) = 0;
  // Step 0 is Node::Start. `events` before the node takes what is in them.
  virtual void BeforeStep(uint64_t step, Now now, std::span<const Event> events) = 0;
  virtual void AfterStep(uint64_t step, Now now, std::span<const Effect> effects,
                         const Node& node) = 0;
};

// Where a replayed node first did something else than the recorded one.
struct Divergence {
  uint64_t step = 0;
  Now now;
  // What is different, one sentence.
  std::string what;
  // The events of the step and what was decided, a line each; of the recorded effects only kind and
  // digest are known.
  std::vector<std::string> story;
};

// Runs a node again from its journal, frame by frame, and compares what it decides with what was
// decided then: each effect, and the next deadline.
class JournalReplay {
 public:
  // `watcher` may be null, and outlives this.
  explicit JournalReplay(ReplayWatcher* watcher) : watcher_(watcher) {}

  // The next frame. Nothing more may be fed after an error or a divergence.
  //   Errors  kInvalidArgument: no recorder writes that there; says at which step.
  absl::Status Feed(const journal::Frame& frame);

  const std::optional<Divergence>& divergence() const { return divergence_; }
  // Steps begun, the start included, and what was told and compared in them.
  uint64_t steps() const { return steps_; }
  uint64_t events() const { return events_; }
  uint64_t effects() const { return effects_; }
  // The last step was begun and what came of it is not in the journal: the process ended in it, or
  // the recording.
  bool in_step() const { return in_step_; }
  // Why the recording ended; empty: it does not say, the process was killed.
  const std::string& end() const { return end_; }
  // The version that recorded; empty before the beginning.
  std::string recorder() const { return begin_.has_value() ? begin_->recorder : std::string(); }
  // Of the last step.
  Now now() const { return now_; }

 private:
  absl::Status AddEvent(const journal::Frame& frame);
  absl::Status Recover();
  absl::Status Step(const journal::StepMark& step);
  void Compare(const journal::EffectsMark& recorded);
  // Whether every answer in the step is to something that this node asked for, as the engine relies
  // on; diverges else.
  bool TakeTokens();
  void Diverge(std::string what, const journal::EffectsMark* recorded);
  absl::Status Malformed(std::string what) const;

  ReplayWatcher* const watcher_;
  std::optional<journal::Begin> begin_;
  journal::DirectoryImage image_;
  std::vector<Event> told_;
  std::optional<Node> node_;
  Effects decided_;
  std::set<IoToken> tokens_;        // asked for and not answered
  std::vector<Bytes> told_frames_;  // of the last step's events
  std::optional<Divergence> divergence_;
  uint64_t steps_ = 0;
  uint64_t events_ = 0;
  uint64_t effects_ = 0;
  bool in_step_ = false;
  std::string end_;
  Now now_;
};

// The step that a journal's replay is in, for a failed check to name; nullopt: none.
std::optional<uint64_t> JournalStepUnderWay();

}  // namespace tidemark::sim
