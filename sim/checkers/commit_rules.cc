#include "sim/checkers/commit_rules.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void CommitRules::OnState(GroupId group, NodeId node, LogIndex commit, LogIndex last) {
  LogIndex& known = commits_[{node, group}];
  if (commit < known || commit > last) {
    verdict_->Fail("commit_rules",
                   absl::StrCat("group ", group.value(), ": node ", node.value(),
                                " has commit index ", commit.value(), " after ", known.value(),
                                " with ", last.value(), " as its last index"));
  }
  known = commit;
}

void CommitRules::OnLeaderCommit(GroupId group, NodeId node, Term term, Term committed) {
  if (committed == term) return;
  verdict_->Fail("commit_rules",
                 absl::StrCat("group ", group.value(), ": node ", node.value(), ", leader of term ",
                              term.value(), ", commits an entry of term ", committed.value(),
                              " by counting who has it: another leader may still replace it"));
}

void CommitRules::OnTruncated(GroupId group, NodeId node, LogIndex from) {
  const auto known = commits_.find({node, group});
  if (known == commits_.end() || from > known->second) return;
  verdict_->Fail(
      "commit_rules",
      absl::StrCat("group ", group.value(), ": node ", node.value(), " cut its log from index ",
                   from.value(), " on although it had committed up to ", known->second.value()));
}

void CommitRules::OnRestart(NodeId node) {
  std::erase_if(commits_, [&](const auto& entry) { return entry.first.first == node; });
}

void CommitRules::OnReopened(GroupId group, NodeId node) { commits_.erase({node, group}); }

}  // namespace tidemark::sim
