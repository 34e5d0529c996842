#include "sim/explore/step_cache.h"

#include <utility>
#include <variant>

#include "engine/base/check.h"
#include "sim/explore/message_text.h"

namespace tidemark::sim::explore {
namespace {

std::vector<uint64_t> CodesOf(const std::vector<Entry>& entries) {
  std::vector<uint64_t> codes;
  codes.reserve(entries.size());
  for (const Entry& entry : entries) codes.push_back(CodeOf(entry));
  return codes;
}

// Votes tell of commits whatever their term.
bool Expires(const raft::Message& message) {
  return !std::holds_alternative<raft::VoteRequest>(message.body) &&
         !std::holds_alternative<raft::VoteReply>(message.body);
}

}  // namespace

StepCache::StepCache(const Options& options) : options_(options) {
  for (uint32_t node = 1; node <= options_.nodes; ++node) {
    initial_.push_back(Intern(std::make_unique<Member>(&options_, NodeId{node})));
  }
}

uint64_t StepCache::KeyOf(uint32_t local, const Event& event) {
  // Whether the message goes on being under way is not the member's affair.
  const Event::Kind kind =
      event.kind == Event::Kind::kDuplicate ? Event::Kind::kDeliver : event.kind;
  return uint64_t{local} << 32 | uint64_t{event.arg} << 4 | static_cast<uint64_t>(kind);
}

const Transition& StepCache::Step(uint32_t local, const Event& event) {
  const uint64_t key = KeyOf(local, event);
  const uint64_t hash = Mix64(key);
  const auto is_it = [&](uint32_t number) { return keys_[number] == key; };
  const uint32_t known = index_.Find(hash, is_it);
  if (known != HashIndex::kNone) return transitions_[known];
  const Transition made = Make(local, event);
  const uint32_t number = static_cast<uint32_t>(transitions_.size());
  keys_.push_back(key);
  transitions_.push_back(made);
  index_.Add(hash, number, [this](uint32_t each) { return Mix64(keys_[each]); });
  return transitions_.back();
}

const Verdict& StepCache::VerdictOf(const Transition& transition) const {
  const auto found = verdicts_.find(static_cast<uint32_t>(&transition - transitions_.data()));
  TIDEMARK_CHECK(found != verdicts_.end());
  return found->second;
}

Transition StepCache::Make(uint32_t local, const Event& event) {
  auto member = std::make_unique<Member>(*locals_[local].member);
  const bool message = event.kind == Event::Kind::kDeliver ||
                       event.kind == Event::Kind::kDuplicate || event.kind == Event::Kind::kDrop;
  Member::Outcome outcome;
  Transition made;
  if (!member->Step(event, message ? &messages_[event.arg] : nullptr, outcome)) {
    made.flags = Transition::kImpossible;
    return made;
  }
  made.next = Intern(std::move(member));
  made.sent_begin = sent_.size();
  made.sent_count = static_cast<uint16_t>(outcome.sent.size());
  for (raft::Message& sent : outcome.sent) sent_.push_back(Intern(std::move(sent)));
  const Local& before = locals_[local];
  const Local& after = locals_[made.next];
  if (made.next == local && made.sent_count == 0) made.flags |= Transition::kNothing;
  if (after.term > options_.terms) made.flags |= Transition::kBeyond;
  if (before.log != after.log || before.disk != after.disk || before.commit != after.commit ||
      (after.leads && (!before.leads || before.term != after.term))) {
    made.flags |= Transition::kVisible;
  }
  if (!outcome.oracle.empty()) {
    made.flags |= Transition::kViolates;
    verdicts_[static_cast<uint32_t>(transitions_.size())].Fail(outcome.oracle,
                                                               std::move(outcome.what));
  }
  return made;
}

uint32_t StepCache::Intern(std::unique_ptr<Member> member) {
  bool fresh = false;
  const uint32_t number = local_digests_.Intern(member->Fingerprint(), fresh);
  if (!fresh) return number;
  const raft::Raft& raft = member->raft();
  Local local{.member = nullptr,
              .log = CodesOf(member->log().entries()),
              .disk = CodesOf(member->disk()),
              .commit = static_cast<uint32_t>(raft.commit().value()),
              .term = static_cast<uint32_t>(raft.term().value()),
              .leads = raft.role() == raft::Role::kLeader,
              .durable_term = static_cast<uint32_t>(member->disk_state().term.value()),
              .events = member->Enabled()};
  local.member = std::move(member);
  locals_.push_back(std::move(local));
  return number;
}

uint32_t StepCache::Intern(raft::Message message) {
  scratch_.clear();
  AppendFingerprint(message, scratch_);
  bool fresh = false;
  const uint32_t number = message_digests_.Intern(scratch_, fresh);
  if (!fresh) return number;
  addresses_.push_back({.from = static_cast<uint32_t>(message.from.value()),
                        .to = static_cast<uint32_t>(message.to.value()),
                        .term = static_cast<uint32_t>(message.term.value()),
                        .expires = Expires(message)});
  messages_.push_back(std::move(message));
  return number;
}

}  // namespace tidemark::sim::explore
