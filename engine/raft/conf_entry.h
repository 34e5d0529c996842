#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/raft/confchange.h"

// A change of members as it travels through the log: the payload of a control entry, and what it
// makes of a membership once it is applied.

namespace tidemark::raft {

// One entry's worth of changes. Without any changes (and kAuto) it leaves a joint configuration.
struct ConfChange {
  enum class Transition : uint8_t {
    kAuto = 0,           // simply if that is possible, else as kJointImplicit
    kJointImplicit = 1,  // through a joint configuration that the leader leaves by itself
    kJointExplicit = 2,  // through one that stays until another ConfChange leaves it
  };
  Transition transition = Transition::kAuto;
  std::vector<Change> changes = {};

  bool leaves_joint() const { return changes.empty() && transition == Transition::kAuto; }
  // Whether it goes by way of a joint configuration.
  bool enters_joint() const { return transition != Transition::kAuto || changes.size() > 1; }
  friend bool operator==(const ConfChange&, const ConfChange&) = default;
};

// The payload of the control entry: never empty, so no leader's no-op is ever one. Little-endian:
//   u8 1 (configuration)   u8 1 (version)   u8 transition   u16 n   n times: u8 kind, u64 node
//   Checks  dies if there are more than kConfChangesMax changes.
std::string EncodeConfChange(const ConfChange& change);

// Whether a control payload is meant to be a configuration (of whatever version).
bool IsConfChange(std::string_view payload);

//   Errors  kInvalidArgument, with what is wrong: an unknown version (upgrade this node), a length
//           that does not fit, a transition or kind this version does not know, node 0.
absl::StatusOr<ConfChange> DecodeConfChange(std::string_view payload);

// What `change` makes of a group, with the progress of each member.
//   Errors  as the functions of confchange.h.
absl::StatusOr<Tracker> ApplyConfChange(const Tracker& from, LogIndex last_index,
                                        const ConfChange& change);
// The same where nobody's progress matters. Every replica must come to the same membership, so a
// change that cannot be applied changes nothing.
Membership AppliedTo(const Membership& from, const ConfChange& change);

// Every member of `membership`: voters of either half and learners, ascending.
NodeSet MembersOf(const Membership& membership);

// A tracker of `membership` in which nothing is known of any member.
Tracker TrackerOf(const Membership& membership);

}  // namespace tidemark::raft
