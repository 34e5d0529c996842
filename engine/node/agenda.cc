#include "engine/node/agenda.h"

#include <algorithm>

namespace tidemark {

void Agenda::TouchDue(Instant now) {
  for (const auto& [deadline, group] : due_) {
    if (deadline > now) return;
    touched_.push_back(group);
  }
}

const std::vector<GroupId>& Agenda::Touched() {
  if (touched_.size() < 2) return touched_;
  std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  return touched_;
}

void Agenda::File(GroupId group, Instant deadline) {
  const auto filed = filed_.find(group);
  if (filed == filed_.end()) {
    if (deadline == Instant::Never()) return;
    filed_.emplace(group, deadline);
    due_.emplace(deadline, group);
    return;
  }
  if (filed->second == deadline) return;
  // Moved, not made anew: this happens with every message.
  auto place = due_.extract({filed->second, group});
  if (deadline == Instant::Never()) {
    filed_.erase(filed);
    return;
  }
  filed->second = deadline;
  place.value().first = deadline;
  due_.insert(std::move(place));
}

}  // namespace tidemark
