#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"

namespace tidemark {

// Which groups a step has to look at: those that something happened to, and those whose deadline
// has come. A node with thousands of groups pays for the busy ones alone.
class Agenda {
 public:
  // Something happened to `group`, or may have: it is among those of this step.
  void Touch(GroupId group) { touched_.push_back(group); }
  // So are all whose deadline is not after `now`.
  void TouchDue(Instant now);

  // Those of this step so far, ascending, each once.
  //   Lives   until the next non-const call.
  const std::vector<GroupId>& Touched();
  // The step is over; `again` (ascending) are looked at in the next one, whatever happens in it.
  void EndStep(const std::vector<GroupId>& again) { touched_.assign(again.begin(), again.end()); }

  // When to look at `group` at the latest, as of now; Never: not before something happens to it.
  void File(GroupId group, Instant deadline);
  // The group is gone.
  void Forget(GroupId group) { File(group, Instant::Never()); }
  // Of all groups the earliest.
  Instant next_deadline() const { return due_.empty() ? Instant::Never() : due_.begin()->first; }

 private:
  std::vector<GroupId> touched_;
  std::map<GroupId, Instant> filed_;  // no entry: Never
  std::set<std::pair<Instant, GroupId>> due_;
};

}  // namespace tidemark
