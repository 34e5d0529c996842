#include "sim/checkers/log_matching.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void LogMatching::OnEntry(GroupId group, NodeId node, const EntryFact* before,
                          const EntryFact& entry) {
  const auto place = [&] {
    return absl::StrCat("group ", group.value(), " index ", entry.index.value(), " term ",
                        entry.term.value());
  };
  const LogIndex expected = before == nullptr ? LogIndex{1} : before->index + 1;
  const Offset offset = before == nullptr ? Offset{} : before->end_offset();
  const Term term = before == nullptr ? Term{1} : before->term;
  if (entry.index != expected || entry.base_offset != offset || entry.term < term) {
    verdict_->Fail(
        "log_matching",
        absl::StrCat(place(), ": node ", node.value(), " has offset ", entry.base_offset.value(),
                     " there; expected index ", expected.value(), ", offset ", offset.value(),
                     ", a term from ", term.value(), " on"));
    return;
  }
  std::vector<std::vector<Known>>& log = known_[group];
  const size_t at = entry.index.value() - 1;
  if (log.size() <= at) log.resize(at + 1);
  for (const Known& known : log[at]) {
    if (known.term != entry.term) continue;
    if (known.prefix != entry.prefix) {
      verdict_->Fail("log_matching",
                     absl::StrCat(place(), ": nodes ", known.node.value(), " and ", node.value(),
                                  " hold different entries, there or before"));
    }
    return;
  }
  log[at].push_back({.term = entry.term, .prefix = entry.prefix, .node = node});
}

}  // namespace tidemark::sim
