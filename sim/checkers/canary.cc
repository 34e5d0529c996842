#include "sim/checkers/canary.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void Canary::OnLeader(GroupId group, NodeId node) {
  if (!enabled_) return;
  if (first_leader_.try_emplace(group, node).first->second != node) changed_.insert(group);
}

void Canary::OnAcked(GroupId group) {
  if (!changed_.contains(group)) return;
  verdict_->Fail("canary", absl::StrCat("group ", group.value(),
                                        " has acknowledged a batch after its leader changed "
                                        "(planted: this is allowed)"));
}

}  // namespace tidemark::sim
