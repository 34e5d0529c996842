#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/raft/node_set.h"
#include "engine/raft/quorum.h"

// Who is a member of a group, and how that may change: pure functions from one state to the next.
// When a change takes effect, and that it is replicated like everything else, is raft's concern.
//   Source  thesis 4.1 (one voter at a time), 4.2.1 (learners), 4.3 (joint consensus). What happens
//           to members that are named twice, demoted or removed within one change is as in
//           etcd-io/raft, packages confchange and tracker, whose scripts are run against this.

namespace tidemark::raft {

// Learners get everything and decide nothing. Nobody is voter and learner at once: a voter of the
// outgoing configuration that is to become a learner waits in `learners_next` until that is left.
struct Membership {
  JointConfig voters;
  NodeSet learners;
  NodeSet learners_next;
  // Joint: raft leaves by itself once the joint configuration is committed.
  bool auto_leave = false;

  bool joint() const { return voters.joint(); }
  friend bool operator==(const Membership&, const Membership&) = default;
};

// What a change of members does to what the leader knows of one of them.
struct MemberProgress {
  NodeId id;
  LogIndex match;
  LogIndex next{1};
  bool is_learner = false;
  // A new member counts as heard from: nobody should step down because it had no time to answer.
  bool recent_active = true;

  friend bool operator==(const MemberProgress&, const MemberProgress&) = default;
};

// A membership and the progress of each of its members, in ascending order of ids.
struct Tracker {
  Membership membership;
  std::vector<MemberProgress> members;

  const MemberProgress* Find(NodeId id) const;
  friend bool operator==(const Tracker&, const Tracker&) = default;
};

// One step of a change. Naming a node that already is what it shall become changes nothing, and so
// does removing one that is not there. kNoNode stands for a step given up, and is skipped.
struct Change {
  enum class Kind : uint8_t {
    kAddVoter,    // a new voter, or a learner's promotion
    kAddLearner,  // a new learner, or a voter's demotion
    kRemove,
    kUpdate,  // nothing here: something beside raft is told about the node
  };
  Kind kind = Kind::kAddVoter;
  NodeId node;
  friend bool operator==(const Change&, const Change&) = default;
};

// Why a change is refused: the messages, to tell one kFailedPrecondition from the other.
inline constexpr char kAlreadyJoint[] =
    "the membership is joint already; leave the joint configuration first";
inline constexpr char kNotJoint[] =
    "the membership is not joint; there is no joint configuration to leave";
inline constexpr char kNoVotersToJoin[] =
    "there are no voters yet; add the first one by a simple change";
inline constexpr char kSimpleWhileJoint[] =
    "the membership is joint; leave the joint configuration before a simple change";
inline constexpr char kNoVotersLeft[] = "the change would leave no voter; keep or add at least one";
inline constexpr char kMoreThanOneVoter[] =
    "the change concerns more than one voter; make one at a time, or enter a joint configuration";

// Whether `tracker` can be what a group of correct members has; the empty one can.
//   Errors  kInvalidArgument, naming the node and the rule.
absl::Status CheckTracker(const Tracker& tracker);

// The three transitions. `last_index` is the leader's, where probing of a new member begins.
//   Errors  kFailedPrecondition: one of the above. kResourceExhausted: more than kNodesMax members.
//           kInvalidArgument: `from` fails CheckTracker. Whatever they return passes it.

// From an ordinary configuration to a joint one of what `changes` make of it (incoming) and what it
// was (outgoing).
absl::StatusOr<Tracker> EnterJoint(const Tracker& from, LogIndex last_index, bool auto_leave,
                                   std::span<const Change> changes);
// From a joint configuration to its incoming half. Who is no member of that is forgotten.
absl::StatusOr<Tracker> LeaveJoint(const Tracker& from);
// From an ordinary configuration to another one that has at most one voter more or less: any two
// majorities of the two intersect. Also makes the first voter of an empty group.
absl::StatusOr<Tracker> ChangeSimply(const Tracker& from, LogIndex last_index,
                                     std::span<const Change> changes);

}  // namespace tidemark::raft
