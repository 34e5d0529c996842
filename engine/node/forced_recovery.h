#pragma once

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/file.h"
#include "engine/node/recovered_group.h"

// The last resort where the majority of a group is gone for good: one replica becomes the only
// member, by a forced Roster at the end of its log. Whatever only the others had is lost, whether
// it was acknowledged or not, and the others must never come back with what they have.

namespace tidemark {

struct ForcedRecovery {
  // Who is a member as far as the log says.
  raft::Membership before;
  // The last entry before the roster, and what is known of it to be committed. What was
  // acknowledged behind `last` is lost; what is between may never have been, and becomes so.
  LogIndex last;
  LogIndex committed;
  Offset end_offset;
  // Makes it so; one batch, which a crash leaves done or not begun.
  FileBatch batch;
};

// Plans it for `node`, of a group with files. Pure.
//   Checks  dies if the group is being removed or has no log.
ForcedRecovery PlanForcedRecovery(GroupId group, NodeId node, RecoveredGroup recovered,
                                  WallTime now);

}  // namespace tidemark
