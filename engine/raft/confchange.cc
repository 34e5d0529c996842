#include "engine/raft/confchange.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::raft {
namespace {

auto Position(auto& members, NodeId id) {
  return std::lower_bound(members.begin(), members.end(), id,
                          [](const MemberProgress& member, NodeId to) { return member.id < to; });
}

// Applies changes to a copy of a tracker. They concern the incoming voters: the outgoing ones stay
// what they were until the joint configuration is left.
class Changer {
 public:
  Changer(Tracker tracker, LogIndex last_index)
      : tracker_(std::move(tracker)), last_index_(last_index) {}

  absl::Status Apply(std::span<const Change> changes) {
    for (const Change& change : changes) {
      if (change.node == kNoNode) continue;
      switch (change.kind) {
        case Change::Kind::kAddVoter:
          TIDEMARK_RETURN_IF_ERROR(MakeVoter(change.node));
          break;
        case Change::Kind::kAddLearner:
          TIDEMARK_RETURN_IF_ERROR(MakeLearner(change.node));
          break;
        case Change::Kind::kRemove:
          Remove(change.node);
          break;
        case Change::Kind::kUpdate:
          break;
      }
    }
    if (incoming().empty()) return absl::FailedPreconditionError(kNoVotersLeft);
    return absl::OkStatus();
  }

  Tracker Take() && {
    const absl::Status status = CheckTracker(tracker_);
    TIDEMARK_CHECK_EQ(status.message(), "");
    return std::move(tracker_);
  }

 private:
  NodeSet& incoming() { return tracker_.membership.voters.incoming.voters(); }
  bool IsOutgoing(NodeId id) const { return tracker_.membership.voters.outgoing.Contains(id); }

  MemberProgress* Find(NodeId id) {
    const auto at = Position(tracker_.members, id);
    return at != tracker_.members.end() && at->id == id ? &*at : nullptr;
  }

  absl::Status AddMember(NodeId id, bool is_learner) {
    if (tracker_.members.size() >= kNodesMax) {
      return absl::ResourceExhaustedError(
          absl::StrCat("no room for member ", id.value(), ": ", kNodesMax, " is the most"));
    }
    // Not at index 1: a group that has been running does not expect newcomers to have nothing, and
    // the first answer tells.
    tracker_.members.insert(
        Position(tracker_.members, id),
        MemberProgress{
            .id = id, .next = std::max(last_index_, LogIndex{1}), .is_learner = is_learner});
    return absl::OkStatus();
  }

  absl::Status MakeVoter(NodeId id) {
    if (MemberProgress* member = Find(id)) {
      member->is_learner = false;
    } else {
      TIDEMARK_RETURN_IF_ERROR(AddMember(id, /*is_learner=*/false));
    }
    tracker_.membership.learners.Erase(id);
    tracker_.membership.learners_next.Erase(id);
    incoming().Insert(id);
    return absl::OkStatus();
  }

  absl::Status MakeLearner(NodeId id) {
    MemberProgress* member = Find(id);
    if (member == nullptr) {
      TIDEMARK_RETURN_IF_ERROR(AddMember(id, /*is_learner=*/true));
      tracker_.membership.learners.Insert(id);
      return absl::OkStatus();
    }
    if (member->is_learner) return absl::OkStatus();
    incoming().Erase(id);
    if (IsOutgoing(id)) {
      tracker_.membership.learners_next.Insert(id);
    } else {
      member->is_learner = true;
      tracker_.membership.learners.Insert(id);
    }
    return absl::OkStatus();
  }

  void Remove(NodeId id) {
    incoming().Erase(id);
    tracker_.membership.learners.Erase(id);
    tracker_.membership.learners_next.Erase(id);
    // Its vote counts on in the outgoing half, so what is known of it is still needed.
    if (IsOutgoing(id)) return;
    std::erase_if(tracker_.members, [id](const MemberProgress& m) { return m.id == id; });
  }

  Tracker tracker_;
  LogIndex last_index_;
};

absl::Status Broken(NodeId id, const char* rule) {
  return absl::InvalidArgumentError(absl::StrCat("member ", id.value(), " ", rule));
}

absl::Status CheckMembers(const Tracker& tracker) {
  const Membership& who = tracker.membership;
  if (tracker.members.size() > kNodesMax) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kNodesMax, " members"));
  }
  NodeId before = kNoNode;
  for (const MemberProgress& member : tracker.members) {
    if (member.id <= before) return Broken(member.id, "is out of order, repeated or 0");
    before = member.id;
    if (member.match >= member.next) return Broken(member.id, "has a match not below its next");
    // Who waits to become a learner is an outgoing voter.
    if (!who.voters.Contains(member.id) && !who.learners.Contains(member.id)) {
      return Broken(member.id, "has progress, but is neither voter nor learner");
    }
    if (member.is_learner != who.learners.Contains(member.id)) {
      return Broken(member.id, "is marked as a learner and is none, or the reverse");
    }
  }
  return absl::OkStatus();
}

}  // namespace

const MemberProgress* Tracker::Find(NodeId id) const {
  const auto at = Position(members, id);
  return at != members.end() && at->id == id ? &*at : nullptr;
}

absl::Status CheckTracker(const Tracker& tracker) {
  const Membership& who = tracker.membership;
  for (const NodeSet* nodes : {&who.voters.incoming.voters(), &who.voters.outgoing.voters(),
                               &who.learners, &who.learners_next}) {
    for (const NodeId id : *nodes) {
      if (tracker.Find(id) == nullptr) return Broken(id, "has no progress");
    }
  }
  for (const NodeId id : who.learners) {
    if (who.voters.Contains(id)) return Broken(id, "is a learner and a voter");
  }
  for (const NodeId id : who.learners_next) {
    if (!who.voters.outgoing.Contains(id)) {
      return Broken(id, "waits to become a learner, but is no outgoing voter");
    }
    if (who.voters.incoming.Contains(id)) {
      return Broken(id, "waits to become a learner, but is an incoming voter");
    }
  }
  if (who.auto_leave && !who.joint()) {
    return absl::InvalidArgumentError("there is no joint configuration to leave automatically");
  }
  if (who.voters.incoming.voters().empty() && !tracker.members.empty()) {
    return absl::InvalidArgumentError("there are members, but no incoming voters");
  }
  return CheckMembers(tracker);
}

absl::StatusOr<Tracker> EnterJoint(const Tracker& from, LogIndex last_index, bool auto_leave,
                                   std::span<const Change> changes) {
  TIDEMARK_RETURN_IF_ERROR(CheckTracker(from));
  if (from.membership.joint()) return absl::FailedPreconditionError(kAlreadyJoint);
  if (from.membership.voters.incoming.voters().empty()) {
    return absl::FailedPreconditionError(kNoVotersToJoin);
  }
  Tracker to = from;
  to.membership.voters.outgoing = from.membership.voters.incoming;
  to.membership.auto_leave = auto_leave;
  Changer changer(std::move(to), last_index);
  TIDEMARK_RETURN_IF_ERROR(changer.Apply(changes));
  return std::move(changer).Take();
}

absl::StatusOr<Tracker> LeaveJoint(const Tracker& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckTracker(from));
  if (!from.membership.joint()) return absl::FailedPreconditionError(kNotJoint);
  Tracker to = from;
  Membership& who = to.membership;
  for (const NodeId id : who.learners_next) who.learners.Insert(id);
  who.learners_next.Clear();
  who.voters.outgoing = MajorityConfig();
  who.auto_leave = false;
  std::erase_if(to.members, [&who](const MemberProgress& member) {
    return !who.voters.Contains(member.id) && !who.learners.Contains(member.id);
  });
  for (MemberProgress& member : to.members) member.is_learner = who.learners.Contains(member.id);
  return Changer(std::move(to), LogIndex{0}).Take();
}

absl::StatusOr<Tracker> ChangeSimply(const Tracker& from, LogIndex last_index,
                                     std::span<const Change> changes) {
  TIDEMARK_RETURN_IF_ERROR(CheckTracker(from));
  if (from.membership.joint()) return absl::FailedPreconditionError(kSimpleWhileJoint);
  Changer changer(from, last_index);
  TIDEMARK_RETURN_IF_ERROR(changer.Apply(changes));
  Tracker to = std::move(changer).Take();
  const NodeSet& before = from.membership.voters.incoming.voters();
  const NodeSet& after = to.membership.voters.incoming.voters();
  std::vector<NodeId> changed;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(changed));
  if (changed.size() > 1) return absl::FailedPreconditionError(kMoreThanOneVoter);
  return to;
}

}  // namespace tidemark::raft
