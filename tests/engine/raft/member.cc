#include "tests/engine/raft/member.h"

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::raft {

EntryList MakeEntries(LogIndex first, const std::vector<uint64_t>& terms) {
  EntryList entries;
  LogIndex index = first;
  for (const uint64_t term : terms) {
    // Every entry has one record, so index and offset run in step.
    entries.push_back(Entry{.index = index,
                            .term = Term{term},
                            .base_offset = Offset{index.value() - 1},
                            .offset_span = 1,
                            .frame = Bytes::Copy(absl::StrCat(index.value(), "@", term))});
    ++index;
  }
  return entries;
}

Member::Member(Setup setup) {
  setup.config.self = kOne;
  for (uint64_t i = 1; i <= setup.nodes; ++i) setup.config.voters.push_back(NodeId{i});
  // The arithmetic of offsets in MakeEntries holds without a no-op only; tests that need one elect.
  const EntryList log = MakeEntries(LogIndex{1}, setup.log);
  log_.Restore({log.begin(), log.end()});
  raft_.emplace(setup.config, setup.state, setup.commit, &log_, Prng(7));
  Effects effects;
  raft_->Start(now_, effects);
  Track(effects);
}

void Member::Track(Effects& effects) {
  TIDEMARK_CHECK(effects.persist || effects.messages_after_persist.empty());
  if (effects.persist) unwritten_ = effects.persist;
  for (const Message& message : effects.messages_after_persist) held_.push_back(message);
}

Effects Member::Receive(NodeId from, uint64_t term, decltype(Message::body) body) {
  Effects effects;
  raft_->OnMessage(now_,
                   Message{.from = from, .to = kOne, .term = Term{term}, .body = std::move(body)},
                   effects);
  Track(effects);
  return effects;
}

void Member::BeginWrite() {
  log_.TakeStaged();
  writing_ = std::exchange(unwritten_, std::nullopt);
  held_writing_ = std::exchange(held_, {});
}

Effects Member::EndWrite() {
  log_.WriteDone();
  Effects effects;
  effects.messages = std::exchange(held_writing_, {});
  raft_->OnPersisted(now_, std::exchange(writing_, std::nullopt), effects);
  Track(effects);
  return effects;
}

Effects Member::Persist() {
  BeginWrite();
  return EndWrite();
}

Effects Member::Advance(Duration time) {
  now_ = now_ + time;
  Effects effects;
  if (now_ >= raft_->next_deadline()) raft_->OnTimer(now_, effects);
  Track(effects);
  return effects;
}

Effects Member::Timeout() { return Advance(raft_->next_deadline() - now_); }

Effects Member::Propose(const std::string& payload) {
  log_.AppendNew(raft_->term(), payload);
  Effects effects;
  raft_->OnAppended(now_, effects);
  Track(effects);
  return effects;
}

Effects Member::ReadDone(NodeId to, EntryList entries) {
  if (!log_.reads.empty()) log_.reads.pop_front();
  Effects effects;
  raft_->OnEntriesRead(now_, to, std::move(entries), effects);
  Track(effects);
  return effects;
}

Effects Member::PeerReset(NodeId peer) {
  Effects effects;
  raft_->OnPeerReset(now_, peer, effects);
  Track(effects);
  return effects;
}

Effects Member::PeerLost(NodeId peer) {
  Effects effects;
  raft_->OnPeerLost(now_, peer, effects);
  Track(effects);
  return effects;
}

Effects Member::Apply() {
  Effects effects;
  raft_->OnApplied(now_, raft_->commit(), effects);
  Track(effects);
  return effects;
}

Effects Member::Change(const ConfChange& change, absl::Status* status) {
  Effects effects;
  const absl::Status result = raft_->ProposeConfChange(now_, change, effects);
  if (status != nullptr) *status = result;
  Track(effects);
  return effects;
}

Effects Member::Read(uint64_t id) {
  Effects effects;
  raft_->ReadIndex(now_, ReadId{id}, effects);
  Track(effects);
  return effects;
}

Effects Member::Elect() {
  Timeout();
  const auto answer = [this](Term term, bool pre_vote) {
    Effects last;
    for (const NodeId voter : raft_->membership().voters.Voters()) {
      if (voter == kOne || raft_->role() == Role::kLeader) continue;
      if (pre_vote && raft_->role() != Role::kPreCandidate) continue;
      last = Receive(voter, term.value(), VoteReply{.pre_vote = pre_vote, .granted = true});
    }
    return last;
  };
  if (raft_->role() == Role::kPreCandidate) answer(raft_->term() + 1, true);
  TIDEMARK_CHECK(raft_->role() == Role::kCandidate);
  Persist();
  Effects won = answer(raft_->term(), false);
  TIDEMARK_CHECK(raft_->role() == Role::kLeader);
  return won;
}

}  // namespace tidemark::raft
