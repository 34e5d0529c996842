#include "engine/node/membership_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"

namespace tidemark {
namespace {

// Of a checkpoint: what has changed the members is folded, and since when it is so follows (1: does
// not).
constexpr uint8_t kChangedSince = 2;
constexpr char kRoster = 2;
constexpr char kRosterVersion = 1;
constexpr size_t kRosterHeadBytes = 5;
constexpr uint8_t kForced = 1;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("roster: ", what));
}

void AppendNodes(std::string& out, const raft::NodeSet& nodes) {
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(nodes.size()));
  for (const NodeId node : nodes) AppendLittle<uint64_t>(out, node.value());
}

// Takes fields off the front of a checkpoint; remembers that something was missing or made no
// sense.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Integer() {
    if (rest_.size() < sizeof(T)) return Break<T>();
    const T value = LoadLittle<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view String(size_t bytes) {
    if (rest_.size() < bytes) return Break<std::string_view>();
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return text;
  }
  raft::NodeSet Nodes() {
    const size_t count = Integer<uint16_t>();
    if (count > kNodesMax) return Break<raft::NodeSet>();
    std::vector<NodeId> nodes;
    for (size_t i = 0; i < count && !broken_; ++i) {
      const NodeId node{Integer<uint64_t>()};
      if (node <= (nodes.empty() ? kNoNode : nodes.back())) return Break<raft::NodeSet>();
      nodes.push_back(node);
    }
    return raft::NodeSet(std::move(nodes));
  }
  bool broken() const { return broken_; }
  bool done() const { return !broken_ && rest_.empty(); }

 private:
  template <typename T>
  T Break() {
    broken_ = true;
    return {};
  }

  std::string_view rest_;
  bool broken_ = false;
};

raft::Membership VotersOnly(const std::vector<NodeId>& voters) {
  raft::Membership membership;
  membership.voters.incoming = raft::MajorityConfig(voters);
  return membership;
}

}  // namespace

std::string EncodeRoster(const Roster& roster) {
  TIDEMARK_CHECK_LE(roster.voters.size(), kReplicasMax);
  std::string out = {kRoster, kRosterVersion, static_cast<char>(roster.forced ? kForced : 0)};
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(roster.voters.size()));
  for (const NodeId voter : roster.voters) AppendLittle<uint64_t>(out, voter.value());
  return out;
}

absl::StatusOr<Roster> DecodeRoster(std::string_view payload) {
  if (payload.size() < kRosterHeadBytes || payload[0] != kRoster) return Invalid("it is none");
  if (payload[1] != kRosterVersion || (static_cast<uint8_t>(payload[2]) & ~kForced) != 0) {
    return Invalid("its version is not known here; upgrade this node");
  }
  Roster roster{.voters = {}, .forced = payload[2] != 0};
  const size_t count = LoadLittle<uint16_t>(payload.data() + 3);
  payload.remove_prefix(kRosterHeadBytes);
  if (count == 0 || count > kReplicasMax || payload.size() != count * sizeof(uint64_t)) {
    return Invalid(absl::StrCat(count, " voters in ", payload.size(), " bytes"));
  }
  for (size_t i = 0; i < count; ++i) {
    const NodeId voter{LoadLittle<uint64_t>(payload.data() + i * sizeof(uint64_t))};
    if (voter <= (roster.voters.empty() ? kNoNode : roster.voters.back())) {
      return Invalid("its voters are not ascending");
    }
    roster.voters.push_back(voter);
  }
  return roster;
}

void MembershipLog::SetOrigin(const std::vector<NodeId>& voters) {
  if (known_ || voters.empty()) return;
  base_ = VotersOnly(voters);
  known_ = true;
}

void MembershipLog::StartAt(raft::Membership membership, LogIndex index) {
  *this = MembershipLog();
  base_ = std::move(membership);
  folded_ = since_ = index;
  known_ = true;
  changed_ = true;
}

absl::Status MembershipLog::Append(LogIndex index, std::string_view payload) {
  if (raft::IsConfChange(payload)) {
    TIDEMARK_ASSIGN_OR_RETURN(raft::ConfChange change, raft::DecodeConfChange(payload));
    pending_.push_back({.index = index, .what = std::move(change)});
  } else if (!payload.empty() && payload[0] == kRoster) {
    TIDEMARK_ASSIGN_OR_RETURN(Roster roster, DecodeRoster(payload));
    pending_.push_back({.index = index, .what = std::move(roster)});
  } else if (!payload.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("control entry ", index.value(), " is not known here; upgrade this node"));
  }
  return absl::OkStatus();
}

absl::Status MembershipLog::AppendFrame(LogIndex index, EntryKind kind, std::string_view frame) {
  if (kind != EntryKind::kControl) return absl::OkStatus();
  TIDEMARK_ASSIGN_OR_RETURN(const std::string_view payload, ControlPayload(frame));
  return Append(index, payload);
}

bool MembershipLog::known() const {
  return known_ || (!pending_.empty() && std::holds_alternative<Roster>(pending_.front().what));
}

void MembershipLog::TruncateSuffix(LogIndex from) {
  while (!pending_.empty() && pending_.back().index >= from) pending_.pop_back();
}

void MembershipLog::Fold(LogIndex index) {
  while (!pending_.empty() && pending_.front().index <= index) {
    const LogIndex at = pending_.front().index;
    raft::Membership membership = After(at);
    pending_.pop_front();
    changed_ = true;
    if (membership == base_) continue;
    base_ = std::move(membership);
    known_ = known_ || base_ != raft::Membership();
    since_ = at;
  }
  folded_ = std::max(folded_, index);
}

std::optional<raft::ConfChange> MembershipLog::ChangeAt(LogIndex index) const {
  for (const Pending& each : pending_) {
    if (each.index != index) continue;
    if (const auto* change = std::get_if<raft::ConfChange>(&each.what)) return *change;
  }
  return std::nullopt;
}

std::optional<LogIndex> MembershipLog::NextRoster(LogIndex after, LogIndex upto) const {
  for (const Pending& each : pending_) {
    if (each.index > upto) break;
    if (each.index > after && std::holds_alternative<Roster>(each.what)) return each.index;
  }
  return std::nullopt;
}

raft::Membership MembershipLog::After(LogIndex index) const {
  raft::Membership membership = base_;
  for (const Pending& each : pending_) {
    if (each.index > index) break;
    if (const auto* change = std::get_if<raft::ConfChange>(&each.what)) {
      membership = raft::AppliedTo(membership, *change);
    } else if (const Roster& roster = std::get<Roster>(each.what);
               roster.forced || membership == raft::Membership()) {
      membership = VotersOnly(roster.voters);
    }
  }
  return membership;
}

std::deque<std::pair<LogIndex, raft::Membership>> MembershipLog::UpTo(LogIndex index) const {
  std::deque<std::pair<LogIndex, raft::Membership>> history;
  if (known_) history.emplace_back(changed_ ? since_ : LogIndex(0), base_);
  for (const Pending& each : pending_) {
    if (each.index <= index) history.emplace_back(each.index, After(each.index));
  }
  return history;
}

MembershipLog::Start MembershipLog::AtRestart(LogIndex committed) const {
  LogIndex known = std::max(folded_, committed);
  LogIndex last_change;
  for (const Pending& each : pending_) {
    if (const auto* roster = std::get_if<Roster>(&each.what)) {
      known = std::max(known, roster->forced ? each.index : last_change);
    } else {
      known = std::max(known, std::exchange(last_change, each.index));
    }
  }
  return {.membership = After(known), .applied = known};
}

void MembershipLog::AppendTo(std::string& out) const {
  AppendLittle<uint8_t>(out, known_ ? 1 : 0);
  AppendLittle<uint8_t>(out, changed_ ? kChangedSince : 0);
  AppendLittle<uint64_t>(out, folded_.value());
  if (changed_) AppendLittle<uint64_t>(out, since_.value());
  AppendNodes(out, base_.voters.incoming.voters());
  AppendNodes(out, base_.voters.outgoing.voters());
  AppendNodes(out, base_.learners);
  AppendNodes(out, base_.learners_next);
  AppendLittle<uint8_t>(out, base_.auto_leave ? 1 : 0);
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(pending_.size()));
  for (const Pending& each : pending_) {
    const auto* change = std::get_if<raft::ConfChange>(&each.what);
    const std::string payload = change != nullptr ? raft::EncodeConfChange(*change)
                                                  : EncodeRoster(std::get<Roster>(each.what));
    AppendLittle<uint64_t>(out, each.index.value());
    AppendLittle<uint16_t>(out, static_cast<uint16_t>(payload.size()));
    out += payload;
  }
}

std::optional<MembershipLog> MembershipLog::Parse(std::string_view state) {
  Reader reader(state);
  MembershipLog log;
  log.known_ = reader.Integer<uint8_t>() != 0;
  const uint8_t changed = reader.Integer<uint8_t>();
  log.changed_ = changed != 0;
  log.folded_ = log.since_ = LogIndex(reader.Integer<uint64_t>());
  if (changed == kChangedSince) log.since_ = LogIndex(reader.Integer<uint64_t>());
  log.base_.voters.incoming.voters() = reader.Nodes();
  log.base_.voters.outgoing.voters() = reader.Nodes();
  log.base_.learners = reader.Nodes();
  log.base_.learners_next = reader.Nodes();
  log.base_.auto_leave = reader.Integer<uint8_t>() != 0;
  if (reader.broken() || !raft::CheckTracker(raft::TrackerOf(log.base_)).ok()) return std::nullopt;
  const size_t pending = reader.Integer<uint16_t>();
  LogIndex last = log.folded_;
  for (size_t i = 0; i < pending; ++i) {
    const LogIndex index{reader.Integer<uint64_t>()};
    const std::string_view payload = reader.String(reader.Integer<uint16_t>());
    if (reader.broken() || index <= last || !log.Append(index, payload).ok()) return std::nullopt;
    last = index;
  }
  if (!reader.done()) return std::nullopt;
  return log;
}

}  // namespace tidemark
