#include "tests/scenario/raft/text.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/raft/conf_entry.h"

namespace tidemark::scenario {
namespace {

// Each message body: what it is called, and what it says.
struct Described {
  std::string kind;
  std::string rest;
};

std::string Place(LogIndex index, Term term) {
  return absl::StrCat(index.value(), "@", term.value());
}

std::string Names(const raft::NodeSet& nodes) {
  return absl::StrJoin(nodes, " ",
                       [](std::string* out, NodeId id) { absl::StrAppend(out, id.value()); });
}

std::string EntriesText(std::span<const Entry> entries) {
  return absl::StrJoin(entries, " ", [](std::string* out, const Entry& entry) {
    absl::StrAppend(out, EntryText(entry));
  });
}

struct Describe {
  Described operator()(const raft::VoteRequest& m) const {
    return {m.pre_vote ? "pre-vote?" : "vote?",
            absl::StrCat("last ", Place(m.last_index, m.last_term),
                         m.leadership_transfer ? ", by transfer" : "")};
  }
  Described operator()(const raft::VoteReply& m) const {
    return {m.pre_vote ? "pre-vote" : "vote", m.granted ? "yes" : "no"};
  }
  Described operator()(const raft::AppendRequest& m) const {
    return {"append", absl::StrCat("after ", Place(m.prev_index, m.prev_term), ": ",
                                   m.entries.empty() ? "nothing" : EntriesText(m.entries),
                                   ", commit ", m.commit.value())};
  }
  Described operator()(const raft::AppendReply& m) const {
    const char* room = m.no_room ? ", no room" : "";
    if (m.success) return {"ack", absl::StrCat("up to ", m.match.value(), room)};
    if (m.sequence == 0) return {"nack", "a later term"};
    return {"nack", absl::StrCat("not after ", m.refused.value(), ", perhaps ",
                                 Place(m.match, m.hint_term), room)};
  }
  Described operator()(const raft::TimeoutNow&) const { return {"campaign!", ""}; }
  Described operator()(const raft::Heartbeat& m) const {
    return {"heartbeat", absl::StrCat("commit ", m.commit.value(),
                                      m.context != 0 ? absl::StrCat(", round ", m.context) : "")};
  }
  Described operator()(const raft::HeartbeatReply& m) const {
    std::vector<std::string> said;
    if (m.context != 0) said.push_back(absl::StrCat("round ", m.context));
    if (m.unverified) said.emplace_back("unverified");
    if (m.no_room) said.emplace_back("no room");
    if (m.installing != LogIndex{0})
      said.push_back(absl::StrCat("installing ", m.installing.value()));
    return {"alive", absl::StrJoin(said, ", ")};
  }
  Described operator()(const raft::InstallSnapshot& m) const {
    return {"snapshot", absl::StrCat("up to ", Place(m.meta.index, m.meta.term), ", ",
                                     MembershipText(m.meta.membership))};
  }
  Described operator()(const raft::ReadIndexRequest&) const { return {"read?", ""}; }
  Described operator()(const raft::ReadIndexReply& m) const {
    return {"read", m.index ? absl::StrCat("at ", m.index->value()) : "refused"};
  }
};

std::string DiskText(const raft::Cluster& cluster, NodeId id) {
  const raft::HardState& state = cluster.disk_state(id);
  std::string text = absl::StrCat(id.value(), " down  disk: term ", state.term.value());
  if (state.vote != kNoNode) absl::StrAppend(&text, " vote ", state.vote.value());
  absl::StrAppend(&text, "  log");
  if (const LogIndex gone = cluster.disk_snapshot(id).index; gone != LogIndex{0}) {
    absl::StrAppend(&text, " ..", gone.value());
  }
  const std::vector<Entry>& entries = cluster.disk(id);
  return absl::StrCat(text, entries.empty() ? "" : " ", EntriesText(entries));
}

std::string LogText(const raft::TestLog& log) {
  std::string text = "log";
  if (log.first_index() > LogIndex{1}) {
    absl::StrAppend(&text, " ..", log.first_index().value() - 1);
  }
  for (const Entry& entry : log.entries()) {
    if (entry.index == log.durable_index() + 1) absl::StrAppend(&text, " |");
    absl::StrAppend(&text, " ", EntryText(entry));
  }
  return text;
}

std::string RoleText(const raft::Raft& raft) {
  if (raft.role() != raft::Role::kFollower) return NameOf(raft.role());
  if (raft.leader() == kNoNode) return "follower";
  return absl::StrCat("follows ", raft.leader().value());
}

}  // namespace

std::string KindOf(const raft::Message& message) {
  return std::visit(Describe{}, message.body).kind;
}

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {
      "pre-vote?", "pre-vote", "vote?",    "vote",  "append", "ack",      "nack",
      "heartbeat", "alive",    "snapshot", "read?", "read",   "campaign!"};
  return kinds;
}

std::string MessageText(const raft::Message& message) {
  const Described what = std::visit(Describe{}, message.body);
  return absl::StrCat(message.from.value(), "->", message.to.value(), "  term ",
                      message.term.value(), "  ", what.kind, what.rest.empty() ? "" : " ",
                      what.rest);
}

std::string EntryText(const Entry& entry) {
  const std::string term = absl::StrCat(entry.term.value(), ":");
  const std::string_view payload = entry.frame.view();
  if (entry.kind == EntryKind::kData) return absl::StrCat(term, std::string(payload));
  if (!raft::IsConfChange(payload)) return absl::StrCat(term, "-");
  const absl::StatusOr<raft::ConfChange> change = raft::DecodeConfChange(payload);
  if (!change.ok()) return absl::StrCat(term, "{unreadable}");
  if (change->leaves_joint()) return absl::StrCat(term, "{leave}");
  const auto append = [](std::string* out, const raft::Change& step) {
    const bool learner = step.kind == raft::Change::Kind::kAddLearner;
    absl::StrAppend(out, step.kind == raft::Change::Kind::kRemove ? "-" : "+", step.node.value(),
                    learner ? "learner" : "");
  };
  return absl::StrCat(term, "{", absl::StrJoin(change->changes, ",", append), "}");
}

std::string MembershipText(const raft::Membership& membership) {
  std::string text = absl::StrCat("voters ", Names(membership.voters.incoming.voters()));
  if (membership.joint()) {
    absl::StrAppend(&text, " and jointly ", Names(membership.voters.outgoing.voters()));
  }
  if (!membership.learners.empty()) {
    absl::StrAppend(&text, ", learners ", Names(membership.learners));
  }
  if (!membership.learners_next.empty()) {
    absl::StrAppend(&text, ", learners next ", Names(membership.learners_next));
  }
  return text;
}

std::string NodeText(raft::Cluster& cluster, NodeId id) {
  if (!cluster.up(id)) return DiskText(cluster, id);
  const raft::Raft& raft = cluster.raft(id);
  const raft::HardState state = raft.hard_state();
  std::string text = absl::StrCat(id.value(), " ", RoleText(raft), "  term ", state.term.value());
  if (state.vote != kNoNode) absl::StrAppend(&text, " vote ", state.vote.value());
  if (cluster.disk_state(id) != state) absl::StrAppend(&text, " (not on disk)");
  absl::StrAppend(&text, "  ", LogText(cluster.log(id)), "  commit ", raft.commit().value());
  if (!cluster.log(id).has_room()) absl::StrAppend(&text, "  disk full");
  if (cluster.disk_stalled(id)) absl::StrAppend(&text, "  disk hangs");
  if (cluster.installing(id)) absl::StrAppend(&text, "  installing");
  return text;
}

}  // namespace tidemark::scenario
