#include "sim/explore/witness.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::sim::explore {
namespace {

const raft::JointConfig& VotersOf(const Local& local) {
  return local.member->raft().membership().voters;
}

}  // namespace

Witness::Witness(const StepCache* cache, const Options& options)
    : cache_(cache), members_change_(options.of(Budget::kChange) > 0) {
  Intern({});
}

uint32_t Witness::After(uint32_t number, uint32_t before, std::span<const uint32_t> locals,
                        size_t at, bool crashed, Verdict& verdict) {
  const Local& was = cache_->local(before);
  const Local& is = cache_->local(locals[at]);
  const uint32_t node = static_cast<uint32_t>(at + 1);
  const size_t known = history_[number].committed.size();
  History history = history_[number];
  if (is.leads) NoteLeader(is, node, history, verdict);
  if (!crashed && (is.log.size() < was.commit ||
                   !std::equal(was.log.begin(), was.log.begin() + was.commit, is.log.begin()))) {
    verdict.Fail("commit_rules",
                 absl::StrCat("node ", node, " cut what it had committed, up to ", was.commit));
  }
  NoteCommit(is, node, history, verdict);
  CheckCompleteness(locals, history, verdict);
  if (is.log != was.log) CheckMatching(locals, at, verdict);
  // Where members change, what counted is who voted when it was committed: before the step, or
  // after it, if the step also applied a change.
  CheckDurable(locals, history, members_change_ ? known : 0, {&VotersOf(was), &VotersOf(is)},
               verdict);
  return Intern(history);
}

void Witness::NoteLeader(const Local& local, uint32_t node, History& history,
                         Verdict& verdict) const {
  if (history.leaders.size() < local.term) history.leaders.resize(local.term);
  uint32_t& leader = history.leaders[local.term - 1];
  if (leader != 0 && leader != node) {
    verdict.Fail("election_safety", absl::StrCat("term ", local.term, " has two leaders: nodes ",
                                                 leader, " and ", node));
  }
  leader = node;
}

void Witness::NoteCommit(const Local& local, uint32_t node, History& history,
                         Verdict& verdict) const {
  for (uint32_t i = 0; i < local.commit; ++i) {
    if (i == history.committed.size()) {
      history.committed.push_back({.code = local.log[i], .in_term = local.term});
      continue;
    }
    CommittedEntry& entry = history.committed[i];
    if (entry.code != local.log[i]) {
      verdict.Fail(
          "state_machine",
          absl::StrCat("node ", node, " has committed another entry at index ", i + 1, ", of term ",
                       TermOfCode(local.log[i]), " and not ", TermOfCode(entry.code)));
      return;
    }
    entry.in_term = std::min(entry.in_term, local.term);
  }
}

void Witness::CheckCompleteness(std::span<const uint32_t> locals, const History& history,
                                Verdict& verdict) const {
  for (size_t node = 0; node < locals.size(); ++node) {
    const Local& local = cache_->local(locals[node]);
    if (!local.leads) continue;
    for (size_t i = 0; i < history.committed.size(); ++i) {
      const CommittedEntry& entry = history.committed[i];
      if (entry.in_term >= local.term) continue;
      if (i < local.log.size() && local.log[i] == entry.code) continue;
      verdict.Fail("leader_completeness",
                   absl::StrCat("node ", node + 1, ", leader of term ", local.term,
                                ", lacks the entry at index ", i + 1, ", committed in term ",
                                entry.in_term));
      return;
    }
  }
}

void Witness::CheckMatching(std::span<const uint32_t> locals, size_t at, Verdict& verdict) const {
  const std::vector<uint64_t>& log = cache_->local(locals[at]).log;
  for (size_t node = 0; node < locals.size(); ++node) {
    if (node == at) continue;
    const std::vector<uint64_t>& other = cache_->local(locals[node]).log;
    size_t common = std::min(log.size(), other.size());
    while (common > 0 && TermOfCode(log[common - 1]) != TermOfCode(other[common - 1])) --common;
    const auto end = log.begin() + static_cast<ptrdiff_t>(common);
    if (std::equal(log.begin(), end, other.begin())) continue;
    verdict.Fail("log_matching", absl::StrCat("nodes ", at + 1, " and ", node + 1,
                                              " share the term of the entry at index ", common,
                                              " and differ up to there"));
  }
}

void Witness::CheckDurable(std::span<const uint32_t> locals, const History& history, size_t from,
                           std::initializer_list<const raft::JointConfig*> groups,
                           Verdict& verdict) const {
  for (size_t i = from; i < history.committed.size(); ++i) {
    const uint64_t code = history.committed[i].code;
    // Not by the quorums of the product: they are judged here.
    const auto durable = [&](const raft::MajorityConfig& half) {
      size_t count = 0;
      for (const NodeId voter : half.voters()) {
        const std::vector<uint64_t>& disk = cache_->local(locals[voter.value() - 1]).disk;
        count += i < disk.size() && disk[i] == code ? 1 : 0;
      }
      return half.voters().empty() || count * 2 > half.voters().size();
    };
    const bool ok = std::any_of(groups.begin(), groups.end(), [&](const raft::JointConfig* group) {
      return durable(group->incoming) && durable(group->outgoing);
    });
    if (ok) continue;
    verdict.Fail("durable_quorum",
                 absl::StrCat("the entry at index ", i + 1,
                              " is committed and not on the disks of a majority"));
    return;
  }
}

uint32_t Witness::Intern(const History& history) {
  scratch_.clear();
  scratch_.push_back(static_cast<uint32_t>(history.leaders.size()));
  for (const uint32_t leader : history.leaders) scratch_.push_back(leader);
  for (const CommittedEntry& entry : history.committed) {
    scratch_.push_back(static_cast<uint32_t>(entry.code >> 32));
    scratch_.push_back(static_cast<uint32_t>(entry.code));
    scratch_.push_back(entry.in_term);
  }
  const uint32_t number = numbers_.Intern(scratch_);
  if (number == history_.size()) history_.push_back(history);
  return number;
}

}  // namespace tidemark::sim::explore
