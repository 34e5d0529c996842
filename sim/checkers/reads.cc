#include "sim/checkers/reads.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {

void Reads::OnAcked(GroupId group, Offset end, Instant now) {
  auto& acked = groups_[group].acked;
  if (acked.empty() || acked.back().second < end) acked.emplace_back(now, end);
}

Offset Reads::Floor(GroupId group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return Offset();
  const Group& known = found->second;
  return known.acked.empty() ? known.shown : std::max(known.shown, known.acked.back().second);
}

void Reads::OnLinearizable(NodeId node, GroupId group, Offset floor, Offset end) {
  if (end < floor) {
    verdict_->Fail(
        "linearizable_reads",
        absl::StrCat("node ", node.value(), " answers a linearizable read of group ", group.value(),
                     " with what is before offset ", end.value(), ", but what is before ",
                     floor.value(), " was acknowledged or shown before it began"));
  }
  Offset& shown = groups_[group].shown;
  shown = std::max(shown, end);
}

void Reads::OnBounded(NodeId node, GroupId group, Instant now, Duration age, Duration bound,
                      Offset end) {
  if (age > bound) {
    verdict_->Fail("bounded_reads", absl::StrCat("node ", node.value(), " answers a read of group ",
                                                 group.value(), " with what is ", age.micros(),
                                                 " us old, ", bound.micros(), " us are allowed"));
  }
  const auto& acked = groups_[group].acked;
  const int64_t before = now.nanos() - age.nanos();
  const auto late =
      std::lower_bound(acked.begin(), acked.end(), before,
                       [](const auto& each, int64_t nanos) { return each.first.nanos() < nanos; });
  if (late == acked.begin() || std::prev(late)->second <= end) return;
  const auto& [when, missed] = *std::prev(late);
  verdict_->Fail("bounded_reads",
                 absl::StrCat("node ", node.value(), " answers a read of group ", group.value(),
                              " with what is before offset ", end.value(), " and says that it is ",
                              age.micros(), " us old, but what is before ", missed.value(),
                              " was acknowledged ", (now - when).micros(), " us before"));
}

}  // namespace tidemark::sim
