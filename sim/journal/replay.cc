#include "sim/journal/replay.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/status_macros.h"
#include "engine/node/recovered_group.h"
#include "sim/render.h"

namespace tidemark::sim {
namespace {

// Effects and events that a divergence shows.
constexpr size_t kShownMax = 40;

std::optional<uint64_t> step_under_way;

std::string NameOf(const journal::EffectMark& mark) {
  return absl::StrFormat("%s %08x", journal::kEffectNames[mark.kind], mark.digest);
}

}  // namespace

std::optional<uint64_t> JournalStepUnderWay() { return step_under_way; }

absl::Status JournalReplay::Malformed(std::string what) const {
  return absl::InvalidArgumentError(
      absl::StrCat("after step ", steps_ == 0 ? "none" : absl::StrCat(steps_ - 1), ": ", what));
}

absl::Status JournalReplay::Feed(const journal::Frame& frame) {
  using journal::FrameKind;
  if (!end_.empty()) return Malformed("the recording goes on behind its end");
  if (begin_.has_value() == (frame.kind == FrameKind::kBegin)) {
    return Malformed("the journal does not begin with a beginning, or has two");
  }
  switch (frame.kind) {
    case FrameKind::kBegin: {
      TIDEMARK_ASSIGN_OR_RETURN(begin_, journal::DecodeBegin(frame.body));
      return absl::OkStatus();
    }
    case FrameKind::kFile:
    case FrameKind::kBytes:
      return image_.Add(frame);
    case FrameKind::kEvent:
      return AddEvent(frame);
    case FrameKind::kStep: {
      TIDEMARK_ASSIGN_OR_RETURN(const journal::StepMark step, journal::DecodeStep(frame.body));
      return Step(step);
    }
    case FrameKind::kEffects: {
      if (!in_step_) return Malformed("effects without a step");
      TIDEMARK_ASSIGN_OR_RETURN(const journal::EffectsMark recorded,
                                journal::DecodeEffects(frame.body));
      Compare(recorded);
      return absl::OkStatus();
    }
    case FrameKind::kEnd: {
      TIDEMARK_ASSIGN_OR_RETURN(end_, journal::DecodeEnd(frame.body));
      return absl::OkStatus();
    }
  }
  return Malformed("a frame of no known kind");
}

absl::Status JournalReplay::AddEvent(const journal::Frame& frame) {
  if (!node_.has_value()) return Malformed("an event before the node's start");
  TIDEMARK_ASSIGN_OR_RETURN(journal::DecodedEvent decoded, journal::DecodeEvent(frame.body));
  if (decoded.reopening.has_value()) {
    std::get<GroupReopened>(decoded.event).recovered = RecoverGroupAgain(
        decoded.reopening->group, node_->options().log, image_, decoded.reopening->committed);
    image_ = {};
  }
  if (told_.empty()) told_frames_.clear();
  told_frames_.push_back(frame.body);
  told_.push_back(std::move(decoded.event));
  return absl::OkStatus();
}

absl::Status JournalReplay::Recover() {
  if (watcher_ != nullptr) watcher_->OnBegin(*begin_, image_);
  absl::StatusOr<Node> node =
      Node::Recover(begin_->options, image_, begin_->now, Prng(begin_->seed));
  image_ = {};
  if (!node.ok()) {
    return Malformed(absl::StrCat("the node does not start from these files: ",
                                  std::string(node.status().message())));
  }
  node_.emplace(*std::move(node));
  return absl::OkStatus();
}

absl::Status JournalReplay::Step(const journal::StepMark& step) {
  if (in_step_) return Malformed("a step whose effects are missing");
  if (step.events != told_.size()) {
    return Malformed(absl::StrCat("a step with ", step.events, " events has ", told_.size()));
  }
  if (told_.empty()) told_frames_.clear();
  const bool first = !node_.has_value();
  if (first) TIDEMARK_RETURN_IF_ERROR(Recover());
  now_ = step.now;
  step_under_way = steps_++;
  if (!TakeTokens()) return absl::OkStatus();
  if (watcher_ != nullptr) watcher_->BeforeStep(*step_under_way, step.now, told_);
  decided_.clear();
  if (first) {
    node_->Start(step.now, decided_);
  } else {
    node_->Step(step.now, told_, decided_);
  }
  if (watcher_ != nullptr) watcher_->AfterStep(*step_under_way, step.now, decided_, *node_);
  step_under_way.reset();
  events_ += told_.size();
  told_.clear();
  in_step_ = true;
  for (const Effect& effect : decided_) {
    std::visit(
        [&](const auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, Flush> || std::is_same_v<E, ReadRange> ||
                        std::is_same_v<E, ReopenGroup>) {
            tokens_.insert(e.token);
          }
        },
        effect);
  }
  return absl::OkStatus();
}

bool JournalReplay::TakeTokens() {
  for (const Event& event : told_) {
    std::optional<IoToken> token;
    std::visit(
        [&](const auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, IoDone> || std::is_same_v<E, ReadDone> ||
                        std::is_same_v<E, GroupReopened>) {
            token = e.token;
          }
        },
        event);
    if (token.has_value() && tokens_.erase(*token) == 0) {
      Diverge(absl::StrCat("the disk answers request ", token->value(),
                           ", which the replayed node has not made"),
              nullptr);
      return false;
    }
  }
  return true;
}

void JournalReplay::Compare(const journal::EffectsMark& recorded) {
  in_step_ = false;
  const size_t both = std::min(recorded.effects.size(), decided_.size());
  for (size_t i = 0; i < both; ++i) {
    const journal::EffectMark mark = journal::MarkOf(decided_[i]);
    if (mark == recorded.effects[i]) continue;
    const bool same_kind = mark.kind == recorded.effects[i].kind;
    return Diverge(
        absl::StrCat("effect ", i, " was ", NameOf(recorded.effects[i]),
                     same_kind ? " with other contents" : "", ", now it is ", NameOf(mark)),
        &recorded);
  }
  if (recorded.effects.size() != decided_.size()) {
    return Diverge(absl::StrCat(recorded.effects.size(), " effects were decided then, ",
                                decided_.size(), " now"),
                   &recorded);
  }
  if (recorded.next_deadline != node_->next_deadline()) {
    const auto from_now = [&](Instant deadline) {
      return deadline == Instant::Never()
                 ? std::string("never")
                 : absl::StrCat("in ", (deadline - now_.instant).micros(), " us");
    };
    return Diverge(absl::StrCat("the next deadline was ", from_now(recorded.next_deadline),
                                ", now it is ", from_now(node_->next_deadline())),
                   &recorded);
  }
  effects_ += both;
}

void JournalReplay::Diverge(std::string what, const journal::EffectsMark* recorded) {
  divergence_ = {.step = steps_ - 1, .now = now_, .what = std::move(what), .story = {}};
  std::vector<std::string>& story = divergence_->story;
  for (size_t i = 0; i < told_frames_.size() && i < kShownMax; ++i) {
    // It was decoded before the step took it apart.
    story.push_back(absl::StrCat("told: ", Render(journal::DecodeEvent(told_frames_[i])->event)));
  }
  if (told_frames_.size() > kShownMax) {
    story.push_back(absl::StrCat("told: ", told_frames_.size() - kShownMax, " more"));
  }
  if (recorded == nullptr) return;
  const size_t both = std::max(recorded->effects.size(), decided_.size());
  for (size_t i = 0; i < both && i < kShownMax; ++i) {
    const bool has_then = i < recorded->effects.size();
    const bool has_now = i < decided_.size();
    const bool same = has_then && has_now && journal::MarkOf(decided_[i]) == recorded->effects[i];
    if (has_now) {
      story.push_back(absl::StrCat(same ? "same " : "NOW  ", i, ": ", Render(decided_[i])));
    }
    if (has_then && !same) {
      story.push_back(absl::StrCat("THEN ", i, ": ", NameOf(recorded->effects[i])));
    }
  }
  if (both > kShownMax) story.push_back(absl::StrCat(both - kShownMax, " more effects"));
}

}  // namespace tidemark::sim
