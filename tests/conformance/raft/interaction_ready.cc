#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "tests/conformance/raft/interaction_node.h"

// What etcd's RawNode does around its raft: Ready, Advance, and the two threads of asynchronous
// storage writes.

namespace tidemark::conformance {
namespace {

bool IsConfChange(const Entry& entry) {
  return DecodePayload(entry.frame).kind != Payload::Kind::kNormal;
}

}  // namespace

std::string InteractionNode::Ready::Text() const {
  std::string text;
  if (soft_state) {
    absl::StrAppend(&text, "Lead:", soft_state->leader,
                    " State:", std::string(RoleText(soft_state->role)), "\n");
  }
  if (hard_state) {
    absl::StrAppend(&text, "HardState Term:", hard_state->term);
    if (hard_state->vote != 0) absl::StrAppend(&text, " Vote:", hard_state->vote);
    absl::StrAppend(&text, " Commit:", hard_state->commit, "\n");
  }
  if (!entries.empty()) absl::StrAppend(&text, "Entries:\n", EntriesText(ToWire(entries)));
  if (snapshot) absl::StrAppend(&text, "Snapshot ", SnapshotText(*snapshot), "\n");
  if (!committed.empty()) {
    absl::StrAppend(&text, "CommittedEntries:\n", EntriesText(ToWire(committed)));
  }
  if (!messages.empty()) text += "Messages:\n";
  for (const WireMessage& message : messages) absl::StrAppend(&text, MessageText(message), "\n");
  if (text.empty()) return "<empty Ready>";
  return absl::StrCat("Ready MustSync=", must_sync ? "true" : "false", ":\n", text);
}

bool InteractionNode::HasReady() const {
  return soft_state() != last_soft_state_ || shown_hard_state() != last_hard_state_ ||
         log_.NextSnapshot().has_value() || !messages_.empty() || !after_append_.empty() ||
         log_.has_next_unstable() || !NextCommitted().empty();
}

LogIndex InteractionNode::MaxAppliable() const {
  if (!setup_.async_storage_writes) return raft_.commit();
  return std::min(raft_.commit(), log_.unstable_offset() - 1);
}

std::vector<Entry> InteractionNode::NextCommitted() const {
  std::vector<Entry> entries;
  if (applying_paused_ || log_.has_snapshot()) return entries;
  const uint64_t bytes_max = setup_.applied_bytes_max - applying_bytes_;
  uint64_t bytes = 0;
  for (LogIndex i = applying_ + 1; i <= MaxAppliable(); ++i) {
    bytes += EncodedSize({ToWire(log_.At(i))});
    if (bytes > bytes_max && !entries.empty()) break;
    entries.push_back(log_.At(i));
  }
  return entries;
}

InteractionNode::Ready InteractionNode::MakeReady() {
  Ready ready;
  ready.entries = log_.NextUnstable();
  ready.committed = NextCommitted();
  ready.messages = std::exchange(messages_, {});
  if (soft_state() != last_soft_state_) ready.soft_state = soft_state();
  const ShownHardState state = shown_hard_state();
  if (state != last_hard_state_) ready.hard_state = state;
  ready.snapshot = log_.NextSnapshot();
  ready.must_sync = !ready.entries.empty() || state.vote != last_hard_state_.vote ||
                    state.term != last_hard_state_.term;
  if (log_.has_unstable() || ready.snapshot) ready.stable = StableMessage(ready.snapshot);
  if (setup_.async_storage_writes) {
    AddStorageMessages(ready);
  } else {
    for (WireMessage& message : std::exchange(after_append_, {})) {
      (message.to == id() ? ready.to_self : ready.messages).push_back(std::move(message));
    }
  }
  return ready;
}

void InteractionNode::AddStorageMessages(Ready& ready) {
  std::vector<WireMessage> responses = std::exchange(after_append_, {});
  const bool write = !ready.entries.empty() || ready.hard_state || ready.snapshot;
  if (write || !responses.empty()) {
    WireMessage append{.type = WireType::kStorageAppend,
                       .from = id(),
                       .to = kAppendThread,
                       .entries = ToWire(ready.entries),
                       .snapshot = ready.snapshot,
                       .responses = std::move(responses)};
    const ShownHardState state = ready.hard_state.value_or(ShownHardState{});
    append.term = state.term;
    append.vote = state.vote;
    append.commit = state.commit;
    if (ready.stable) append.responses.push_back(*ready.stable);
    ready.messages.push_back(std::move(append));
  }
  if (ready.committed.empty()) return;
  const std::vector<WireEntry> entries = ToWire(ready.committed);
  ready.messages.push_back(
      WireMessage{.type = WireType::kStorageApply,
                  .from = id(),
                  .to = kApplyThread,
                  .entries = entries,
                  .responses = {WireMessage{.type = WireType::kStorageApplyResp,
                                            .from = kApplyThread,
                                            .to = id(),
                                            .entries = entries}}});
}

WireMessage InteractionNode::StableMessage(
    const std::optional<raft::SnapshotMeta>& snapshot) const {
  WireMessage message{.type = WireType::kStorageAppendResp,
                      .from = kAppendThread,
                      .to = id(),
                      .term = shown_term(),
                      .snapshot = snapshot};
  if (log_.has_unstable()) {
    message.log_term = ShownLogTerm(log_.last_term());
    message.index = log_.last_index().value();
  }
  return message;
}

void InteractionNode::Accept(const Ready& ready) {
  if (ready.soft_state) last_soft_state_ = *ready.soft_state;
  if (ready.hard_state) last_hard_state_ = *ready.hard_state;
  log_.AcceptUnstable();
  if (ready.committed.empty()) return;
  applying_ = ready.committed.back().index;
  applying_bytes_ += EncodedSize(ToWire(ready.committed));
  applying_paused_ = applying_bytes_ >= setup_.applied_bytes_max || applying_ < MaxAppliable();
}

void InteractionNode::ProcessReady(std::vector<WireMessage>& network) {
  Ready ready = MakeReady();
  const raft::HardState state = raft_.hard_state();
  output_->Write(ready.Text());
  Accept(ready);
  if (!setup_.async_storage_writes) {
    Write(state, ready.entries, ready.snapshot);
    if (!waits_for_itself()) TellPersisted();
    Apply(ready.committed);
  }
  for (WireMessage& message : ready.messages) {
    if (message.to == kAppendThread) {
      append_work_.push_back(
          AppendWork{.message = std::move(message), .hard_state = state, .entries = ready.entries});
    } else if (message.to == kApplyThread) {
      apply_work_.push_back(ApplyWork{.message = std::move(message), .entries = ready.committed});
    } else {
      network.push_back(std::move(message));
    }
  }
  if (!setup_.async_storage_writes) Advance(ready);
}

void InteractionNode::Advance(const Ready& ready) {
  for (const WireMessage& message : ready.to_self) StepToSelf(message);
  if (ready.stable) OnStable(*ready.stable);
  if (!ready.committed.empty()) {
    AppliedTo(ready.committed.back().index, EncodedSize(ToWire(ready.committed)));
  }
  TellPersisted();
}

void InteractionNode::Write(const raft::HardState& state, const std::vector<Entry>& entries,
                            const std::optional<raft::SnapshotMeta>& snapshot) {
  written_state_ = state;
  if (snapshot) log_.StoreSnapshot(*snapshot);
  log_.Store(entries);
}

LogIndex InteractionNode::Durable() const {
  LogIndex durable = log_.stored_last();
  for (const AppendWork& work : append_work_) {
    if (!work.entries.empty()) durable = std::min(durable, work.entries.front().index - 1);
  }
  if (log_.has_next_unstable()) durable = std::min(durable, log_.next_unstable() - 1);
  return std::max(durable, log_.first_index() - 1);
}

void InteractionNode::TellPersisted() {
  log_.set_durable(Durable());
  raft::Effects effects;
  raft_.OnPersisted(now_, written_state_, effects);
  Absorb(effects);
}

void InteractionNode::OnStable(const WireMessage& message) {
  if (message.index != 0 && message.term == shown_term()) {
    log_.StableTo(LogIndex{message.index}, message.log_term);
  }
  if (!message.snapshot) return;
  log_.SnapshotStableTo(message.snapshot->index);
  AppliedTo(message.snapshot->index, 0);
}

void InteractionNode::Apply(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (IsConfChange(entry)) {
      raft::Effects effects;
      raft_.ApplyConfChanges(now_, entry.index, effects);
      LogMembership();
      Absorb(effects);
    }
    log_.set_applied_state(raft::SnapshotMeta{
        .index = entry.index, .term = entry.term, .membership = raft_.membership()});
  }
}

void InteractionNode::AppliedTo(LogIndex index, uint64_t bytes) {
  applied_ = std::max(applied_, index);
  applying_ = std::max(applying_, applied_);
  applying_bytes_ -= std::min(applying_bytes_, bytes);
  applying_paused_ = applying_bytes_ >= setup_.applied_bytes_max;
  raft::Effects effects;
  raft_.OnApplied(now_, index, effects);
  Absorb(effects);
}

void InteractionNode::PrintWork(const WireMessage& message) {
  WireMessage work = message;
  const std::vector<WireMessage> responses = std::exchange(work.responses, {});
  output_->Write(absl::StrCat("Processing:\n", MessageText(work), "\nResponses:\n"));
  for (const WireMessage& response : responses) {
    output_->Write(absl::StrCat(MessageText(response), "\n"));
  }
}

void InteractionNode::ProcessAppendThread(std::vector<WireMessage>& network) {
  if (append_work_.empty()) return output_->Write("no append work to perform");
  AppendWork work = std::move(append_work_.front());
  append_work_.pop_front();
  Write(work.hard_state, work.entries, work.message.snapshot);
  PrintWork(work.message);
  if (!waits_for_itself()) TellPersisted();
  for (WireMessage& response : work.message.responses) network.push_back(std::move(response));
}

void InteractionNode::ProcessApplyThread(std::vector<WireMessage>& network) {
  if (apply_work_.empty()) return output_->Write("no apply work to perform");
  ApplyWork work = std::move(apply_work_.front());
  apply_work_.pop_front();
  const std::vector<WireMessage> responses = std::exchange(work.message.responses, {});
  output_->Write(absl::StrCat("Processing:\n", MessageText(work.message), "\n"));
  Apply(work.entries);
  output_->Write("Responses:\n");
  for (const WireMessage& response : responses) {
    output_->Write(absl::StrCat(MessageText(response), "\n"));
    network.push_back(response);
  }
}

}  // namespace tidemark::conformance
