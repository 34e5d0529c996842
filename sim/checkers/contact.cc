#include "sim/checkers/contact.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void Contact::OnLeads(GroupId group, NodeId node, Term term, const raft::JointConfig& voters,
                      Instant now, Instant ran_since) {
  const auto [at, fresh] = reigns_.try_emplace({node, group});
  Reign& reign = at->second;
  if (fresh || reign.term != term || reign.voters != voters) reign = {term, voters, now};
  const Instant heard = voters.HeardAt([&](NodeId voter) {
    if (voter == node) return now;
    const auto found = heard_.find({node, voter});
    return found == heard_.end() ? Instant() : found->second;
  });
  const Instant since = std::max({heard, reign.since, ran_since});
  if (now - since <= bound_) return;
  verdict_->Fail("contact",
                 absl::StrCat("node ", node.value(), " still leads group ", group.value(),
                              " in term ", term.value(), ", though no majority was heard of for ",
                              (now - since).millis(), " ms"));
}

void Contact::OnRestart(NodeId node) {
  std::erase_if(reigns_, [&](const auto& reign) { return reign.first.first == node; });
}

}  // namespace tidemark::sim
