#include "sim/checkers/configuration.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/check.h"
#include "engine/log/batch.h"

namespace tidemark::sim {
namespace {

constexpr size_t kVotersMax = 20;

std::string TextOf(const raft::NodeSet& nodes) {
  return absl::StrJoin(nodes, ",",
                       [](std::string* out, NodeId n) { absl::StrAppend(out, n.value()); });
}

std::string TextOf(const raft::JointConfig& voters) {
  std::string text = absl::StrCat("voters ", TextOf(voters.incoming.voters()));
  if (voters.joint()) absl::StrAppend(&text, " and ", TextOf(voters.outgoing.voters()));
  return text;
}

std::string TextOf(const raft::Membership& membership) {
  std::string text =
      absl::StrCat(TextOf(membership.voters), ", learners ", TextOf(membership.learners));
  if (!membership.learners_next.empty()) {
    absl::StrAppend(&text, ", learners to be ", TextOf(membership.learners_next));
  }
  return text;
}

// Whether `agree(NodeId)` is a majority of `half`; nobody has no say.
template <typename Agree>
bool MajorityOf(const raft::MajorityConfig& half, const Agree& agree) {
  size_t count = 0;
  for (const NodeId voter : half.voters()) count += agree(voter) ? 1 : 0;
  return half.voters().empty() || count * 2 > half.voters().size();
}

template <typename Agree>
bool QuorumOf(const raft::JointConfig& voters, const Agree& agree) {
  return MajorityOf(voters.incoming, agree) && MajorityOf(voters.outgoing, agree);
}

// How many nodes are in one of the two only.
size_t Difference(const raft::NodeSet& a, const raft::NodeSet& b) {
  size_t different = 0;
  for (const NodeId node : a) different += b.Contains(node) ? 0 : 1;
  for (const NodeId node : b) different += a.Contains(node) ? 0 : 1;
  return different;
}

void MakeStep(const raft::Change& step, raft::Membership& to) {
  raft::NodeSet& voters = to.voters.incoming.voters();
  using Kind = raft::Change::Kind;
  if (step.node == kNoNode || step.kind == Kind::kUpdate) return;
  if (step.kind == Kind::kAddLearner && to.learners.Contains(step.node)) return;
  voters.Erase(step.node);
  to.learners.Erase(step.node);
  const bool leaving = to.voters.outgoing.Contains(step.node);
  to.learners_next.Erase(step.node);
  if (step.kind == Kind::kAddVoter) voters.Insert(step.node);
  if (step.kind == Kind::kAddLearner) (leaving ? to.learners_next : to.learners).Insert(step.node);
}

}  // namespace

bool QuorumsMeet(const raft::JointConfig& a, const raft::JointConfig& b) {
  raft::NodeSet all = a.Voters();
  for (const NodeId voter : b.Voters()) all.Insert(voter);
  TIDEMARK_CHECK_LE(all.size(), kVotersMax);
  // If a quorum of `a` and one of `b` are apart, then so are the first one and all the others.
  for (uint64_t side = 0; side < uint64_t{1} << all.size(); ++side) {
    const auto in = [&](NodeId node) {
      const auto at = std::lower_bound(all.begin(), all.end(), node);
      return (side >> (at - all.begin()) & 1) != 0;
    };
    if (QuorumOf(a, in) && QuorumOf(b, [&](NodeId node) { return !in(node); })) return false;
  }
  return true;
}

std::optional<raft::Membership> Changed(const raft::Membership& from,
                                        const raft::ConfChange& change) {
  raft::Membership to = from;
  if (change.leaves_joint()) {
    if (!from.joint()) return std::nullopt;
    for (const NodeId node : from.learners_next) to.learners.Insert(node);
    to.learners_next.Clear();
    to.voters.outgoing = raft::MajorityConfig();
    to.auto_leave = false;
    return to;
  }
  if (from.joint()) return std::nullopt;
  if (change.enters_joint()) {
    to.voters.outgoing = from.voters.incoming;
    to.auto_leave = change.transition != raft::ConfChange::Transition::kJointExplicit;
  }
  for (const raft::Change& step : change.changes) MakeStep(step, to);
  const raft::NodeSet& voters = to.voters.incoming.voters();
  if (voters.empty()) return std::nullopt;
  if (change.enters_joint() && to.voters.outgoing.voters().empty()) return std::nullopt;
  if (!change.enters_joint() && Difference(from.voters.incoming.voters(), voters) > 1) {
    return std::nullopt;
  }
  return to;
}

void Configuration::Fail(GroupId group, const std::string& what) {
  verdict_->Fail("configuration", absl::StrCat("group ", group.value(), ": ", what));
}

const raft::Membership& Configuration::At(const Group& group, LogIndex index) {
  const auto after = group.members.upper_bound(index);
  TIDEMARK_CHECK(after != group.members.begin());
  return std::prev(after)->second;
}

void Configuration::OnFound(GroupId group, const raft::Membership& membership) {
  Group& known = groups_[group];
  // A newcomer to the cluster knows nobody yet.
  if (!known.members.empty() || membership == raft::Membership()) return;
  known.members.emplace(LogIndex(), membership);
}

void Configuration::OnEntry(GroupId group, NodeId node, const EntryFact& entry,
                            std::string_view frame) {
  if (entry.kind != EntryKind::kControl) return;
  Group& known = groups_[group];
  if (known.changes.contains(entry.prefix)) return;
  const absl::StatusOr<std::string_view> payload = ControlPayload(frame);
  TIDEMARK_CHECK(payload.ok());
  if (payload->empty()) return;
  Change change{.index = entry.index, .change = {}, .roster = {}};
  if (raft::IsConfChange(*payload)) {
    absl::StatusOr<raft::ConfChange> decoded = raft::DecodeConfChange(*payload);
    if (decoded.ok()) change.change = *std::move(decoded);
  } else {
    absl::StatusOr<Roster> decoded = DecodeRoster(*payload);
    if (decoded.ok()) change.roster = *std::move(decoded);
  }
  if (!change.change.has_value() && !change.roster.has_value()) {
    return Fail(group, absl::StrCat("node ", node.value(), " has a control entry at index ",
                                    entry.index.value(), " that nobody can read"));
  }
  known.changes.emplace(entry.prefix, std::move(change));
  known.begun.push_back(entry);
}

void Configuration::OnCommitted(GroupId group, const EntryFact& entry) {
  if (entry.kind != EntryKind::kControl) return;
  Group& known = groups_[group];
  const auto found = known.changes.find(entry.prefix);
  if (found == known.changes.end() || known.members.empty()) return;
  const Change& change = found->second;
  const raft::Membership before = At(known, entry.index);
  raft::Membership after = before;
  if (change.change.has_value()) {
    after = Changed(before, *change.change).value_or(before);
  } else {
    if (!known.roster.has_value()) known.roster = entry.index;
    raft::JointConfig said;
    said.incoming = raft::MajorityConfig(change.roster->voters);
    if (change.roster->forced) {
      after = raft::Membership();
      after.voters = said;
    } else if (said != before.voters) {
      return Fail(group, absl::StrCat("the roster at index ", entry.index.value(), " has ",
                                      TextOf(said), ", but there were ", TextOf(before)));
    }
  }
  if (after == before) return;
  if (!QuorumsMeet(before.voters, after.voters)) {
    return Fail(group, absl::StrCat("the change at index ", entry.index.value(), " leads from ",
                                    TextOf(before), " to ", TextOf(after),
                                    ", of which quorums need not meet"));
  }
  known.members.emplace(entry.index, std::move(after));
}

void Configuration::JudgeBegun(GroupId id, const Group& group, const State& state,
                               const EntryFact& entry) {
  // Of others it cannot be told what they knew when they began it.
  if (state.role != raft::Role::kLeader || state.term != entry.term) return;
  const Change& change = group.changes.at(entry.prefix);
  const std::string what = absl::StrCat("node ", state.node.value(), " begins a change at index ",
                                        entry.index.value(), " in term ", entry.term.value());
  const LogIndex commit = std::min(state.commit, LogIndex{state.log.size()});
  const Term committed = commit == LogIndex() ? Term() : state.log[commit.value() - 1].term;
  // The outgoing half may be left before: it agrees to whatever the incoming one does.
  const bool begins = change.change.has_value() && !change.change->leaves_joint();
  if (committed != entry.term && begins) {
    return Fail(id, absl::StrCat(what, ", of which nothing is committed: it has committed up to ",
                                 commit.value()));
  }
  for (LogIndex index = entry.index - 1; index > commit; index = index - 1) {
    const auto earlier = group.changes.find(state.log[index.value() - 1].prefix);
    if (earlier == group.changes.end() || !earlier->second.change.has_value()) continue;
    return Fail(id, absl::StrCat(what, " before that at index ", index.value(), " is committed"));
  }
}

void Configuration::OnState(GroupId group, const State& state, const raft::Membership& membership) {
  Group& known = groups_[group];
  for (const EntryFact& entry : std::exchange(known.begun, {})) {
    JudgeBegun(group, known, state, entry);
  }
  if (known.members.empty() || !verdict_->ok()) return;
  const bool newcomer = !known.roster.has_value() || state.applied < *known.roster;
  if (newcomer && group == kCatalogGroup && membership == raft::Membership()) return;
  if (state.applied.value() > committed_->LogOf(group).size()) {
    // What cannot be read yet is looked at later.
    if (state.applied.value() > state.log.size()) return;
    return Fail(group, absl::StrCat("node ", state.node.value(), " has applied index ",
                                    state.applied.value(), ", which nobody has committed"));
  }
  const raft::Membership& expected = At(known, state.applied);
  if (membership == expected) return;
  Fail(group, absl::StrCat("node ", state.node.value(), " has ", TextOf(membership), " at index ",
                           state.applied.value(), ", where the log says ", TextOf(expected)));
}

void Configuration::OnSent(GroupId group, const raft::Message& message) {
  const auto* reply = std::get_if<raft::VoteReply>(&message.body);
  if (reply == nullptr || !reply->granted || reply->pre_vote) return;
  granted_[{group, message.term, message.to}].insert(message.from);
}

void Configuration::OnLeader(GroupId group, NodeId node, Term term, const raft::JointConfig& before,
                             const raft::JointConfig& now) {
  const auto found = granted_.find({group, term, node});
  const auto agrees = [&](NodeId voter) {
    return voter == node || (found != granted_.end() && found->second.contains(voter));
  };
  const auto elected = [&](const raft::JointConfig& voters) {
    return voters.Contains(node) && QuorumOf(voters, agrees);
  };
  if (!elected(before) && !elected(now)) {
    Fail(group, absl::StrCat("node ", node.value(), " leads term ", term.value(),
                             " without the votes of a quorum of ", TextOf(now)));
  }
}

void Configuration::OnLeaderCommits(GroupId group, NodeId node, LogIndex commit,
                                    const raft::JointConfig& voters,
                                    const std::function<LogIndex(NodeId)>& holds) {
  if (QuorumOf(voters, [&](NodeId voter) { return holds(voter) >= commit; })) return;
  Fail(group, absl::StrCat("node ", node.value(), " commits up to index ", commit.value(),
                           ", which by what it knows no quorum of ", TextOf(voters), " holds"));
}

bool Configuration::FromTheBeginning(GroupId group, NodeId node) const {
  const auto known = groups_.find(group);
  return known != groups_.end() &&
         std::all_of(known->second.members.begin(), known->second.members.end(),
                     [&](const auto& each) { return each.second.voters.Contains(node); });
}

void Configuration::OnDropped(GroupId group, NodeId node) {
  const auto known = groups_.find(group);
  if (known == groups_.end() || known->second.members.empty()) return;
  const raft::Membership& latest = known->second.members.rbegin()->second;
  if (!latest.voters.Contains(node)) return;
  Fail(group, absl::StrCat("node ", node.value(), " removes its files, though the members are ",
                           TextOf(latest)));
}

}  // namespace tidemark::sim
