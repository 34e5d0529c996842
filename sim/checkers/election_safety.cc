#include "sim/checkers/election_safety.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void ElectionSafety::OnLeader(GroupId group, Term term, NodeId node) {
  const auto [at, fresh] = leaders_.try_emplace({group, term}, node);
  if (fresh || at->second == node) return;
  verdict_->Fail("election_safety",
                 absl::StrCat("group ", group.value(), " has two leaders in term ", term.value(),
                              ": nodes ", at->second.value(), " and ", node.value()));
}

}  // namespace tidemark::sim
