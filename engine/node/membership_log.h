#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/raft/conf_entry.h"
#include "engine/raft/confchange.h"

namespace tidemark {

// The voters of a group, all of them, whatever it had before: the payload of a control entry. The
// catalog's group has one before its first change of members, so that a node that joins later finds
// in the log who founded it; a leader writes one behind a change that must not be forgotten any
// more; and `tidemark cluster recover` writes one.
struct Roster {
  std::vector<NodeId> voters;  // ascending
  // Written by an operator where no quorum was left to ask: it holds at once, committed or not.
  bool forced = false;
  friend bool operator==(const Roster&, const Roster&) = default;
};

// Little-endian: u8 2 (roster)   u8 1 (version)   u8 flags (1: forced)   u16 n   n times: u64 node.
//   Checks  dies if there are more than kReplicasMax voters.
std::string EncodeRoster(const Roster& roster);

//   Errors  kInvalidArgument: what is wrong; a version or node this program does not know.
absl::StatusOr<Roster> DecodeRoster(std::string_view payload);

// What the log of one group says of its members: who they were after a prefix of it, and the
// entries behind that prefix that change it.
class MembershipLog {
 public:
  // What to start raft with: who was a member after the entries up to `applied`, all of which are
  // committed.
  struct Start {
    raft::Membership membership;
    LogIndex applied;
  };

  // Who founded the group, unless the log says it already. Ascending.
  void SetOrigin(const std::vector<NodeId>& voters);
  // Whatever it knew before: all entries up to `index`, committed, amount to `membership`.
  void StartAt(raft::Membership membership, LogIndex index);
  // Whether it is known who the members are: from before, or by a roster that comes first.
  bool known() const;
  // Whether a roster or a change of members is in the log, so far as it was not cut.
  bool changed() const { return changed_ || !pending_.empty(); }

  // The control entry at `index` is the next one of its kind; a payload that says nothing of
  // members is skipped.
  //   Errors  kInvalidArgument: of a newer version. Then it must not be stored.
  absl::Status Append(LogIndex index, std::string_view payload);
  // The same of a control frame of the log (nothing else is looked at).
  //   Errors  as above; kDataLoss: not an intact frame.
  absl::Status AppendFrame(LogIndex index, EntryKind kind, std::string_view frame);
  void TruncateSuffix(LogIndex from);
  // Everything up to `index` is committed, and applied.
  void Fold(LogIndex index);

  // For raft: the change at `index`, behind what was folded.
  std::optional<raft::ConfChange> ChangeAt(LogIndex index) const;
  // The lowest roster in (after, upto], and where it is.
  std::optional<LogIndex> NextRoster(LogIndex after, LogIndex upto) const;
  // What the members are after the entries up to `index`, which is not below what was folded.
  raft::Membership After(LogIndex index) const;
  // Who the members were from which entry on, as far back as is known, up to `index`; ascending.
  std::deque<std::pair<LogIndex, raft::Membership>> UpTo(LogIndex index) const;

  // After a restart, where `committed` is known of the log: a leader proposes a change, or a
  // roster, only once it has applied the change before, so of several in a log all but the last one
  // are committed, whether this node had heard of that or not, and the last one as well if a roster
  // is behind it. It must go on from there: with the members of further back it could win an
  // election against a quorum of the present ones.
  Start AtRestart(LogIndex committed) const;

  // For a checkpoint. Little-endian: u8 known, u8 changed (0, 1 or 2), u64 folded index, if changed
  // is 2 u64 since when, four lists (voters, outgoing voters, learners, next learners: u16 n, n
  // times u64), u8 auto leave, u16 m, m times: u64 index, u16 bytes, payload.
  void AppendTo(std::string& out) const;
  static std::optional<MembershipLog> Parse(std::string_view state);

 private:
  struct Pending {
    LogIndex index;
    std::variant<raft::ConfChange, Roster> what;
  };

  raft::Membership base_;
  LogIndex folded_;
  LogIndex since_;  // from when on `base_` is right, at the latest
  bool known_ = false;
  bool changed_ = false;
  std::deque<Pending> pending_;  // behind `folded_`, ascending
};

}  // namespace tidemark
