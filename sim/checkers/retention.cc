#include "sim/checkers/retention.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void Retention::Fail(GroupId group, NodeId node, std::string_view what) {
  verdict_->Fail("retention", absl::StrCat("group ", group.value(), ": node ", node.value(), " ",
                                           std::string(what)));
}

void Retention::OnAppended(GroupId group, NodeId node, const EntryFact& entry, WallTime wall) {
  if (!policies_.contains(group)) return;
  appended_[{node, group}][entry.index] = {.term = entry.term, .wall = wall};
}

void Retention::OnRecovered(GroupId group, NodeId node, const EntryFact& entry) {
  if (!policies_.contains(group)) return;
  Appended& appended = appended_[{node, group}][entry.index];
  // One that was cut and that a crash brought back: when it was appended nobody noted.
  if (appended.term != entry.term) appended = {.term = entry.term, .wall = WallTime()};
}

void Retention::OnDecision(GroupId group, std::span<const NodeId> voters,
                           const Decision& decision) {
  LogIndex& let_go = let_go_.try_emplace({decision.node, group}, LogIndex{1}).first->second;
  if (decision.from <= let_go) return;
  const LogIndex before = std::exchange(let_go, decision.from);
  const std::string lets_go =
      absl::StrCat("lets go of what is before index ", decision.from.value(), ", ");
  const auto fail = [&](std::string_view what) {
    Fail(group, decision.node, absl::StrCat(lets_go, std::string(what)));
  };
  const auto policy = policies_.find(group);
  if (policy == policies_.end()) {
    unexplained_.try_emplace(group, decision.node, lets_go);
    return;
  }
  const std::vector<StateMachine::Committed>& committed = committed_->LogOf(group);
  if (decision.from > decision.commit + 1 || decision.from.value() > committed.size() + 1) {
    return fail("which is not all committed");
  }
  const auto elsewhere = [&](const auto& each) {
    return each.first.second == group && each.first.first != decision.node &&
           each.second >= decision.from;
  };
  // With a snapshot it takes over what others have let go of.
  if (std::any_of(let_go_.begin(), let_go_.end(), elsewhere)) return;
  const auto& appended = appended_[{decision.node, group}];
  const auto last = appended.find(decision.from - 1);
  // It is as old as whatever was appended behind it: a clock that was set back tells so.
  // Of what was appended before its topic was heard of nobody noted when.
  WallTime no_later = last == appended.end() ? WallTime() : last->second.wall;
  for (auto at = last; at != appended.end(); ++at) no_later = std::min(no_later, at->second.wall);
  const auto holds = [&](const RetentionPolicy& by) {
    const bool large = by.bytes.has_value() && decision.kept_bytes >= *by.bytes;
    const bool old =
        by.age.has_value() && no_later.millis() < decision.now.millis() - by.age->millis();
    return large || old;
  };
  // Who lacks what is twice as old, or twice as much, gets a snapshot.
  RetentionPolicy twice = policy->second;
  if (twice.bytes.has_value()) twice.bytes = *twice.bytes * 2;
  if (twice.age.has_value()) twice.age = *twice.age * 2;
  const bool rotten = rotten_.contains({decision.node, group});
  for (LogIndex index = before; index < decision.from && !holds(twice) && !rotten; ++index) {
    const EntryFact& entry = committed[index.value() - 1].entry;
    for (const NodeId voter : voters) {
      // What it let go of, or took over with a snapshot as gone, it does not need.
      const auto gone = let_go_.find({voter, group});
      // Who comes back with an empty disk gets a snapshot of what went without it.
      if (durable_->Holds(group, voter, entry) || durable_->WasWiped(group, voter)) continue;
      if (gone != let_go_.end() && index < gone->second) continue;
      return fail(absl::StrCat("although index ", index.value(), " is not durable on node ",
                               voter.value()));
    }
  }
  if (!holds(policy->second)) {
    fail(absl::StrCat("neither old enough nor more than enough: ", decision.kept_bytes,
                      " bytes would be left"));
  }
}

void Retention::Finish() {
  for (const auto& [group, what] : unexplained_) {
    Fail(group, what.first, what.second + "of a topic that keeps everything");
  }
}

void Retention::OnFirstIndex(GroupId group, NodeId node, LogIndex first) {
  const auto let_go = let_go_.find({node, group});
  const LogIndex allowed = let_go == let_go_.end() ? LogIndex{1} : let_go->second;
  if (first <= allowed) return;
  Fail(group, node,
       absl::StrCat("has a log that begins at index ", first.value(),
                    ", having let go of what is "
                    "before ",
                    allowed.value()));
}

void Retention::Forget(GroupId group, NodeId node) {
  appended_.erase({node, group});
  let_go_.erase({node, group});
}

Offset Retention::LetGoBefore(GroupId group) const {
  LogIndex from{1};
  for (const auto& [key, let_go] : let_go_) {
    if (key.second == group) from = std::max(from, let_go);
  }
  const std::vector<StateMachine::Committed>& committed = committed_->LogOf(group);
  return from == LogIndex{1} ? Offset{} : committed[from.value() - 2].entry.end_offset();
}

}  // namespace tidemark::sim
