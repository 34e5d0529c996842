#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/scenario/raft/statements.h"
#include "tests/scenario/raft/text.h"

// What a scenario is about: requirements, which --rewrite does not record but checks.

namespace tidemark::scenario {
namespace {

absl::Status Wrong(std::string what) { return absl::InvalidArgumentError(std::move(what)); }

template <typename... Parts>
absl::Status Holds(bool holds, const Parts&... but) {
  if (holds) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("it does not hold: ", but...));
}

std::string Payload(const Entry& entry) { return std::string(entry.frame.view()); }

}  // namespace

const std::vector<World::Requirement>& World::Requirements() {
  static const std::vector<Requirement> requirements = {
      {"lead", "must N lead", &World::MustLead},
      {"nobody lead", "must nobody lead", &World::MustNobodyLead},
      {"follow", "must N follow M", &World::MustFollow},
      {"be in term", "must N be in term T", &World::MustBeInTerm},
      {"have committed", "must N have committed: [RECORD...]", &World::MustHaveCommitted},
      {"hold", "must N hold: RECORD...", &World::MustHold},
      {"lack", "must N lack: RECORD...", &World::MustLack},
      {"logs agree", "must logs agree", &World::MustLogsAgree},
      {"flight", "must flight [KIND] [A->B | to B | from A]: COUNT", &World::MustFlight},
      {"read", "must read R be at INDEX | be refused | wait", &World::MustRead},
      {"refuse", "must refuse", &World::MustRefuse},
      {"have members", "must N have members: voters N... (as they are shown)",
       &World::MustHaveMembers},
  };
  return requirements;
}

absl::Status World::Must(Words& words) {
  // What it is about comes first, if it is about a node.
  Words name = words;
  const bool of_node = name.TakeNumber().has_value();
  for (const Requirement& known : Requirements()) {
    Words rest = name;
    if (!rest.TakeIf(known.name)) continue;
    const bool subject_first = std::string_view(known.usage).starts_with("must N ");
    if (subject_first != of_node) continue;
    if (!of_node) words = rest;
    absl::Status done = (this->*known.run)(words);
    if (absl::IsInvalidArgument(done)) {
      return Wrong(absl::StrCat(done.message(), "; it goes: ", known.usage));
    }
    return done;
  }
  std::vector<std::string> usages;
  for (const Requirement& known : Requirements()) usages.emplace_back(known.usage);
  return Wrong(absl::StrCat("no requirement is `", absl::StrJoin(words.TakeRest(), " "),
                            "`, but: ", absl::StrJoin(usages, "; ")));
}

absl::Status World::MustLead(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("lead");
  return Holds(cluster_->up(*node) && cluster_->raft(*node).role() == raft::Role::kLeader,
               NodeText(*cluster_, *node));
}

absl::Status World::MustNobodyLead(Words& /*words*/) {
  const NodeId leader = cluster_->leader();
  return Holds(leader == kNoNode, leader.value(), " leads");
}

absl::Status World::MustFollow(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("follow");
  const absl::StatusOr<NodeId> leader = Node(words);
  if (!leader.ok()) return leader.status();
  return Holds(cluster_->up(*node) && *node != *leader && cluster_->raft(*node).leader() == *leader,
               NodeText(*cluster_, *node));
}

absl::Status World::MustBeInTerm(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("be in term");
  const std::optional<uint64_t> term = words.TakeNumber();
  if (!term) return Wrong("the term is missing");
  return Holds(cluster_->up(*node) && cluster_->raft(*node).term() == Term{*term},
               NodeText(*cluster_, *node));
}

absl::Status World::MustHaveCommitted(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("have committed");
  if (!words.TakeIf(":")) return Wrong("`:` is missing");
  const std::vector<std::string> wanted = words.TakeRest();
  if (!cluster_->up(*node)) return Holds(false, "it is down");
  std::vector<std::string> got;
  for (const Entry& entry : cluster_->log(*node).entries()) {
    if (entry.index > cluster_->raft(*node).commit()) break;
    if (entry.kind == EntryKind::kData) got.push_back(Payload(entry));
  }
  return Holds(got == wanted, "it has committed ", absl::StrJoin(got, " "));
}

absl::Status World::MustHold(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  const bool lack = words.TakeIf("lack");
  words.TakeIf("hold");
  if (!words.TakeIf(":")) return Wrong("`:` is missing");
  const std::vector<std::string> records = words.TakeRest();
  if (records.empty()) return Wrong("there is no record");
  const auto& entries =
      cluster_->up(*node) ? cluster_->log(*node).entries() : cluster_->disk(*node);
  for (const std::string& record : records) {
    const bool there = std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.kind == EntryKind::kData && Payload(entry) == record;
    });
    if (there == lack) return Holds(false, record, ": ", NodeText(*cluster_, *node));
  }
  return absl::OkStatus();
}

absl::Status World::MustLack(Words& words) { return MustHold(words); }

absl::Status World::MustLogsAgree(Words& /*words*/) {
  std::optional<NodeId> first;
  for (const NodeId id : cluster_->ids()) {
    if (!cluster_->up(id)) continue;
    if (!first) first = id;
    // Whatever is gone behind a snapshot agreed when it was committed.
    const raft::TestLog& a = cluster_->log(*first);
    const raft::TestLog& b = cluster_->log(id);
    bool same = a.last_index() == b.last_index() &&
                cluster_->raft(*first).commit() == cluster_->raft(id).commit();
    for (LogIndex i = std::max(a.first_index(), b.first_index()); same && i <= a.last_index();
         ++i) {
      same = EntryText(a.At(i)) == EntryText(b.At(i));
    }
    if (!same) {
      return Holds(false, NodeText(*cluster_, *first), "; ", NodeText(*cluster_, id));
    }
  }
  return absl::OkStatus();
}

absl::Status World::MustFlight(Words& words) {
  const absl::StatusOr<Selection> selection = Select(words);
  if (!selection.ok()) return selection.status();
  if (!words.TakeIf(":")) return Wrong("`:` is missing");
  const std::optional<uint64_t> count = words.TakeNumber();
  if (!count) return Wrong("the count is missing");
  const size_t flying = Places(*selection).size();
  return Holds(flying == *count, "there are ", flying);
}

absl::Status World::MustRead(Words& words) {
  const std::optional<uint64_t> number = words.TakeNumber();
  if (!number || raft::ReadId{*number} > cluster_->last_read()) return Wrong("no such read");
  const auto answer = reads_.find(raft::ReadId{*number});
  if (words.TakeIf("wait")) return Holds(answer == reads_.end(), "it is answered");
  const bool refused = words.TakeIf("be refused");
  std::optional<uint64_t> index;
  if (!refused && words.TakeIf("be at")) index = words.TakeNumber();
  if (!refused && !index) return Wrong("the answer is missing");
  if (answer == reads_.end()) return Holds(false, "it waits");
  const std::optional<LogIndex>& got = answer->second;
  if (refused) return Holds(!got, "it is answered");
  return Holds(got == LogIndex{*index}, got ? absl::StrCat("at ", got->value()) : "it is refused");
}

absl::Status World::MustRefuse(Words& /*words*/) {
  return Holds(was_refused_, "what was asked for before is not refused");
}

absl::Status World::MustHaveMembers(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("have members");
  if (!words.TakeIf(":")) return Wrong("`:` is missing");
  const std::string wanted = absl::StrJoin(words.TakeRest(), " ");
  if (!cluster_->up(*node)) return Holds(false, "it is down");
  const std::string got = MembershipText(cluster_->raft(*node).membership());
  return Holds(absl::StrJoin(Words(got).TakeRest(), " ") == wanted, "they are: ", got);
}

}  // namespace tidemark::scenario
