#include "sim/checkers/state_machine.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

bool StateMachine::OnCommitted(GroupId group, NodeId node, Term term, const EntryFact& entry) {
  std::vector<Committed>& log = logs_[group];
  const size_t at = entry.index.value() - 1;
  if (at == log.size()) {
    if (at > 0 && log.back().entry.end_offset() != entry.base_offset) {
      verdict_->Fail("state_machine",
                     absl::StrCat("group ", group.value(), " index ", entry.index.value(),
                                  ": node ", node.value(),
                                  " committed an entry that does not continue the committed log"));
    }
    log.push_back({.entry = entry, .in_term = term});
    return true;
  }
  if (at > log.size()) {
    verdict_->Fail("state_machine", absl::StrCat("group ", group.value(), ": node ", node.value(),
                                                 " committed index ", entry.index.value(),
                                                 " before ", log.size() + 1));
    return false;
  }
  if (log[at].entry.prefix != entry.prefix) {
    verdict_->Fail("state_machine",
                   absl::StrCat("group ", group.value(), " index ", entry.index.value(), ": node ",
                                node.value(), " committed an entry of term ", entry.term.value(),
                                ", another node one of term ", log[at].entry.term.value(),
                                " (or they differ before)"));
  }
  return false;
}

const std::vector<StateMachine::Committed>& StateMachine::LogOf(GroupId group) const {
  static const std::vector<Committed> kNone;
  const auto found = logs_.find(group);
  return found == logs_.end() ? kNone : found->second;
}

const EntryFact* StateMachine::At(GroupId group, Offset offset) const {
  const std::vector<Committed>& log = LogOf(group);
  auto at = std::upper_bound(log.begin(), log.end(), offset,
                             [](Offset o, const Committed& c) { return o < c.entry.base_offset; });
  while (at != log.begin()) {
    at = std::prev(at);
    if (at->entry.end_offset() > offset) return &at->entry;
    if (at->entry.offset_span > 0) break;
  }
  return nullptr;
}

Offset StateMachine::EndOffset(GroupId group) const {
  const std::vector<Committed>& log = LogOf(group);
  return log.empty() ? Offset{} : log.back().entry.end_offset();
}

}  // namespace tidemark::sim
