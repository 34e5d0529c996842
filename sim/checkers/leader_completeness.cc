#include "sim/checkers/leader_completeness.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void LeaderCompleteness::OnElected(GroupId group, NodeId node, Term term,
                                   std::span<const EntryFact> log) {
  const std::vector<StateMachine::Committed>& committed = committed_->LogOf(group);
  // `in_term` never falls along the log by more than observation order allows; look from the end.
  size_t count = committed.size();
  while (count > 0 && committed[count - 1].in_term >= term) --count;
  if (count == 0) return;
  if (log.size() >= count && log[count - 1].prefix == committed[count - 1].entry.prefix) return;
  verdict_->Fail("leader_completeness",
                 absl::StrCat("group ", group.value(), ": node ", node.value(), " leads term ",
                              term.value(), " without the entry at index ", count,
                              ", committed in term ", committed[count - 1].in_term.value()));
}

}  // namespace tidemark::sim
