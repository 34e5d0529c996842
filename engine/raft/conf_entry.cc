#include "engine/raft/conf_entry.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"

namespace tidemark::raft {
namespace {

constexpr char kConfiguration = 1;
constexpr char kVersion = 1;
constexpr size_t kHeadBytes = 5;
constexpr size_t kChangeBytes = 9;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("change of members: ", what));
}

}  // namespace

std::string EncodeConfChange(const ConfChange& change) {
  TIDEMARK_CHECK_LE(change.changes.size(), kConfChangesMax);
  std::string out(kHeadBytes + change.changes.size() * kChangeBytes, '\0');
  out[0] = kConfiguration;
  out[1] = kVersion;
  out[2] = static_cast<char>(change.transition);
  StoreLittle(out.data() + 3, static_cast<uint16_t>(change.changes.size()));
  char* at = out.data() + kHeadBytes;
  for (const Change& each : change.changes) {
    at[0] = static_cast<char>(each.kind);
    StoreLittle(at + 1, each.node.value());
    at += kChangeBytes;
  }
  return out;
}

bool IsConfChange(std::string_view payload) {
  return !payload.empty() && payload[0] == kConfiguration;
}

absl::StatusOr<ConfChange> DecodeConfChange(std::string_view payload) {
  if (payload.size() < kHeadBytes || !IsConfChange(payload)) return Invalid("it is none");
  if (payload[1] != kVersion) {
    return Invalid(absl::StrCat("version ", static_cast<int>(payload[1]),
                                " is not known here; upgrade this node"));
  }
  const auto transition = static_cast<uint8_t>(payload[2]);
  if (transition > static_cast<uint8_t>(ConfChange::Transition::kJointExplicit)) {
    return Invalid(absl::StrCat("transition ", transition, " is not known"));
  }
  const size_t count = LoadLittle<uint16_t>(payload.data() + 3);
  if (count > kConfChangesMax || payload.size() != kHeadBytes + count * kChangeBytes) {
    return Invalid(absl::StrCat(count, " steps in ", payload.size(), " bytes"));
  }
  ConfChange change{.transition = static_cast<ConfChange::Transition>(transition)};
  change.changes.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const char* at = payload.data() + kHeadBytes + i * kChangeBytes;
    const auto kind = static_cast<uint8_t>(at[0]);
    if (kind > static_cast<uint8_t>(Change::Kind::kUpdate)) {
      return Invalid(absl::StrCat("step ", i, " is of kind ", kind, ", which is not known"));
    }
    const NodeId node{LoadLittle<uint64_t>(at + 1)};
    if (node == kNoNode) return Invalid(absl::StrCat("step ", i, " names node 0"));
    change.changes.push_back({.kind = static_cast<Change::Kind>(kind), .node = node});
  }
  return change;
}

absl::StatusOr<Tracker> ApplyConfChange(const Tracker& from, LogIndex last_index,
                                        const ConfChange& change) {
  if (change.leaves_joint()) return LeaveJoint(from);
  if (!change.enters_joint()) return ChangeSimply(from, last_index, change.changes);
  const bool auto_leave = change.transition != ConfChange::Transition::kJointExplicit;
  return EnterJoint(from, last_index, auto_leave, change.changes);
}

Membership AppliedTo(const Membership& from, const ConfChange& change) {
  absl::StatusOr<Tracker> to = ApplyConfChange(TrackerOf(from), LogIndex{0}, change);
  if (!to.ok()) return from;
  return std::move(to->membership);
}

NodeSet MembersOf(const Membership& membership) {
  NodeSet members = membership.voters.Voters();
  for (const NodeId learner : membership.learners) members.Insert(learner);
  return members;
}

Tracker TrackerOf(const Membership& membership) {
  Tracker tracker{.membership = membership, .members = {}};
  for (const NodeId member : MembersOf(membership)) {
    tracker.members.push_back({.id = member, .is_learner = membership.learners.Contains(member)});
  }
  return tracker;
}

}  // namespace tidemark::raft
