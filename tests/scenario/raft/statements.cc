#include "tests/scenario/raft/statements.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/raft/conf_entry.h"
#include "tests/scenario/raft/text.h"

// What scenarios can do; LANGUAGE.md explains it to who writes them.

namespace tidemark::scenario {
namespace {

// However a scenario goes on, it comes to rest long before.
constexpr size_t kSettleRounds = 2000;
constexpr size_t kNodesOfAScenario = 9;

absl::Status Wrong(std::string what) { return absl::InvalidArgumentError(std::move(what)); }
absl::Status Senseless(std::string what) { return absl::FailedPreconditionError(std::move(what)); }

struct Switch {
  const char* name;
  bool raft::Config::* member;
};

constexpr std::array<Switch, 7> kSwitches = {{
    {"pre-vote", &raft::Config::pre_vote},
    {"check-quorum", &raft::Config::check_quorum},
    {"no-op", &raft::Config::noop_at_election},
    {"lease-reads", &raft::Config::lease_reads},
    {"eager-commit", &raft::Config::eager_commit},
    {"cumulative-acks", &raft::Config::cumulative_acks},
    {"votes-tell-commit", &raft::Config::votes_tell_commit},
}};

struct Number {
  const char* name;
  size_t raft::Config::* member;
};

constexpr std::array<Number, 2> kNumbers = {{
    {"append-entries", &raft::Config::append_entries_max},
    {"inflight", &raft::Config::inflight_messages_max},
}};

}  // namespace

const std::vector<World::Statement>& World::Statements() {
  static const std::vector<Statement> statements = {
      {"nodes", "nodes COUNT [voters COUNT]", &World::Nodes, true},
      {"set", "set NAME on|off|NUMBER [at N]", &World::Set, true},
      {"start", "start", &World::Start, true},
      {"times out", "N times out", &World::TimesOut},
      {"deliver", "deliver [first|last] [KIND] [A->B | to B | from A]", &World::Deliver},
      {"copy", "copy [first|last] [KIND] [A->B | to B | from A]", &World::Copy},
      {"drop", "drop [first|last] [KIND] [A->B | to B | from A]", &World::Drop},
      {"sync", "sync [once] at N | sync [N...]", &World::Sync},
      {"settle", "settle", &World::Settle},
      {"cut", "cut A B | C D | ... (groups) or cut A->B", &World::Cut},
      {"heal", "heal", &World::Heal},
      {"propose", "propose at N: RECORD...", &World::Propose},
      {"crash", "crash N [with log | with vote]", &World::Crash},
      {"restart", "restart N", &World::Restart},
      {"advance", "advance MILLISECONDSms", &World::Advance},
      {"transfer", "transfer A -> B", &World::Transfer},
      {"read", "read at N", &World::Read},
      {"change", "change [jointly] at N: add M [learner], remove M, ... | leave", &World::Change},
      {"snapshot", "snapshot at N", &World::Snapshot},
      {"install", "install at N | install fails at N", &World::Install},
      {"reconnect", "reconnect A B", &World::Reconnect},
      {"disk", "disk full|free|hangs|works at N", &World::Disk},
      {"show", "show [N...]", &World::Show},
      {"flight", "flight [KIND] [A->B | to B | from A]", &World::Flight},
      {"must", "must REQUIREMENT", &World::Must},
  };
  return statements;
}

absl::Status World::Nodes(Words& words) {
  if (cluster_ != nullptr) return Senseless("the nodes have started already");
  const std::optional<uint64_t> count = words.TakeNumber();
  if (!count || *count == 0 || *count > kNodesOfAScenario)
    return Wrong("1 to 9 nodes are possible");
  node_count_ = voter_count_ = *count;
  if (!words.TakeIf("voters")) return absl::OkStatus();
  const std::optional<uint64_t> voters = words.TakeNumber();
  if (!voters || *voters == 0 || *voters > *count) return Wrong("at least one node votes");
  voter_count_ = *voters;
  return absl::OkStatus();
}

absl::Status World::Set(Words& words) {
  const std::string name = words.Take();
  const std::string value = words.Take();
  NodeId node;
  if (words.TakeIf("at")) {
    const absl::StatusOr<NodeId> at = Node(words);
    if (!at.ok()) return at.status();
    node = *at;
  }
  std::vector<std::string> names;
  for (const Switch& known : kSwitches) {
    names.emplace_back(known.name);
    if (known.name != name) continue;
    if (value != "on" && value != "off") return Wrong(absl::StrCat(name, " is on or off"));
    const bool on = value == "on";
    settings_.emplace_back(node, [known, on](raft::Config& config) { config.*known.member = on; });
    return absl::OkStatus();
  }
  for (const Number& known : kNumbers) {
    names.emplace_back(known.name);
    if (known.name != name) continue;
    const std::optional<uint64_t> number = Words(value).TakeNumber();
    if (!number) return Wrong(absl::StrCat(name, " is a number"));
    settings_.emplace_back(
        node, [known, number](raft::Config& config) { config.*known.member = *number; });
    return absl::OkStatus();
  }
  return Wrong(absl::StrCat("there is no setting `", name, "`, but ", absl::StrJoin(names, ", ")));
}

void World::Configure(raft::Config& config) const {
  for (const auto& [node, apply] : settings_) {
    if (node == kNoNode || node == config.self) apply(config);
  }
}

absl::Status World::Start(Words& /*words*/) {
  if (cluster_ != nullptr) return Senseless("the nodes have started already");
  if (node_count_ == 0) return Senseless("say first how many there are: nodes COUNT");
  raft::Config config;
  config.election_timeout = Duration::Millis(100);
  config.heartbeat_interval = Duration::Millis(50);
  raft::ClusterOptions options;
  options.nodes = node_count_;
  options.voters = voter_count_;
  options.config = config;
  options.by_hand = true;
  options.configure = [this](raft::Config& of_node) { Configure(of_node); };
  cluster_ = std::make_unique<raft::Cluster>(std::move(options));
  Observe();
  // What a node without a past looks like goes without saying.
  const std::string members = MembershipText(cluster_->raft(NodeId{1}).membership());
  for (const NodeId id : cluster_->ids()) {
    told_[id] = absl::StrCat(id.value(), " follower  term 0  log  commit 0");
    told_members_[id] = members;
  }
  Say(members);
  return absl::OkStatus();
}

absl::Status World::TimesOut(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  words.TakeIf("times out");
  if (!cluster_->TimeOut(*node)) {
    Say(absl::StrCat(node->value(), " waits for no election"));
  }
  return absl::OkStatus();
}

absl::Status World::DeliverSelected(const Selection& selection, bool keep) {
  const std::vector<size_t> places = Places(selection);
  if (places.empty()) return Senseless("no such message is in flight");
  // What is sent meanwhile comes behind these.
  size_t gone = 0;
  for (const size_t place : places) {
    cluster_->DeliverAt(place - gone, keep);
    gone += keep ? 0 : 1;
  }
  return absl::OkStatus();
}

absl::Status World::Deliver(Words& words) {
  const absl::StatusOr<Selection> selection = Select(words);
  if (!selection.ok()) return selection.status();
  return DeliverSelected(*selection, /*keep=*/false);
}

absl::Status World::Copy(Words& words) {
  const absl::StatusOr<Selection> selection = Select(words);
  if (!selection.ok()) return selection.status();
  return DeliverSelected(*selection, /*keep=*/true);
}

absl::Status World::Drop(Words& words) {
  const absl::StatusOr<Selection> selection = Select(words);
  if (!selection.ok()) return selection.status();
  std::vector<size_t> places = Places(*selection);
  if (places.empty()) return Senseless("no such message is in flight");
  std::reverse(places.begin(), places.end());
  for (const size_t place : places) cluster_->LoseAt(place);
  return absl::OkStatus();
}

absl::Status World::Sync(Words& words) {
  const bool once = words.TakeIf("once");
  words.TakeIf("at");
  const absl::StatusOr<std::vector<NodeId>> nodes = NodesOrAll(words);
  if (!nodes.ok()) return nodes.status();
  bool any = false;
  for (const NodeId node : *nodes) {
    while (cluster_->EndWrite(node)) {
      any = true;
      if (once) break;
    }
  }
  if (!any) return Senseless("nothing is being written there");
  return absl::OkStatus();
}

absl::Status World::Settle(Words& /*words*/) {
  show_messages_ = false;
  quiet_messages_ = 0;
  for (size_t round = 0; round < kSettleRounds; ++round) {
    bool any = false;
    for (const NodeId node : cluster_->ids()) {
      any |= !cluster_->disk_stalled(node) && cluster_->EndWrite(node);
    }
    for (size_t left = cluster_->in_flight().size(); left > 0; --left) {
      cluster_->DeliverAt(0);
      any = true;
    }
    if (any) continue;
    show_messages_ = true;
    Say(absl::StrCat(quiet_messages_, quiet_messages_ == 1 ? " message" : " messages"));
    return absl::OkStatus();
  }
  return absl::InternalError("the nodes do not come to rest");
}

absl::Status World::Cut(Words& words) {
  std::vector<std::vector<NodeId>> groups(1);
  while (!words.empty()) {
    if (words.TakeIf("|")) {
      groups.emplace_back();
      continue;
    }
    const absl::StatusOr<NodeId> node = Node(words);
    if (!node.ok()) return node.status();
    groups.back().push_back(*node);
    if (!words.TakeIf("->")) continue;
    const absl::StatusOr<NodeId> to = Node(words);
    if (!to.ok()) return to.status();
    if (groups.size() > 1 || groups.back().size() > 1) return Wrong("groups or one direction");
    cluster_->Cut(*node, *to);
    return absl::OkStatus();
  }
  if (groups.size() < 2) return Wrong("there are no two groups");
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = i + 1; j < groups.size(); ++j) {
      for (const NodeId a : groups[i]) {
        for (const NodeId b : groups[j]) cluster_->CutBoth(a, b);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status World::Heal(Words& /*words*/) {
  for (const NodeId a : cluster_->ids()) {
    for (const NodeId b : cluster_->ids()) cluster_->Mend(a, b);
  }
  return absl::OkStatus();
}

absl::Status World::Propose(Words& words) {
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (!words.TakeIf(":")) return Wrong("`:` is missing behind the node");
  const std::vector<std::string> records = words.TakeRest();
  if (records.empty()) return Wrong("there is no record");
  if (!cluster_->ProposeAll(*node, records)) {
    SayIfRefused(absl::FailedPreconditionError(
        absl::StrCat("node ", node->value(), " takes no proposals now")));
  }
  return absl::OkStatus();
}

absl::Status World::Crash(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (!cluster_->up(*node)) return Senseless("it is down already");
  const bool log = words.TakeIf("with log");
  const bool vote = words.TakeIf("with vote");
  cluster_->CrashWith(*node, log ? SIZE_MAX : 0, vote);
  return absl::OkStatus();
}

absl::Status World::Restart(Words& words) {
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (cluster_->up(*node)) return Senseless("it runs; crash it first");
  cluster_->Restart(*node);
  return absl::OkStatus();
}

absl::Status World::Advance(Words& words) {
  std::string word = words.Take();
  if (!word.ends_with("ms")) return Wrong("time is given like 150ms");
  word.resize(word.size() - 2);
  const std::optional<uint64_t> time = Words(word).TakeNumber();
  if (!time || *time > 100'000) return Wrong("time is given like 150ms");
  cluster_->RunFor(Duration::Millis(static_cast<int64_t>(*time)));
  return absl::OkStatus();
}

absl::Status World::Transfer(Words& words) {
  const absl::StatusOr<NodeId> from = Node(words);
  if (!from.ok()) return from.status();
  if (!words.TakeIf("->")) return Wrong("`->` is missing");
  const absl::StatusOr<NodeId> to = Node(words);
  if (!to.ok()) return to.status();
  SayIfRefused(cluster_->Transfer(*from, *to));
  return absl::OkStatus();
}

absl::Status World::Read(Words& words) {
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (!cluster_->up(*node)) return Senseless("it is down");
  cluster_->Read(*node);
  Say(absl::StrCat("read ", cluster_->last_read().value(), " begins"));
  return absl::OkStatus();
}

absl::Status World::Change(Words& words) {
  raft::ConfChange change;
  if (words.TakeIf("jointly")) change.transition = raft::ConfChange::Transition::kJointExplicit;
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> at = Node(words);
  if (!at.ok()) return at.status();
  if (!words.TakeIf(":")) return Wrong("`:` is missing behind the node");
  const bool leave = words.TakeIf("leave");
  while (!leave) {
    raft::Change step;
    if (words.TakeIf("remove")) {
      step.kind = raft::Change::Kind::kRemove;
    } else if (!words.TakeIf("add")) {
      return Wrong("`add` or `remove` is missing");
    }
    const absl::StatusOr<NodeId> node = Node(words);
    if (!node.ok()) return node.status();
    step.node = *node;
    if (step.kind == raft::Change::Kind::kAddVoter && words.TakeIf("learner")) {
      step.kind = raft::Change::Kind::kAddLearner;
    }
    change.changes.push_back(step);
    if (!words.TakeIf(",")) break;
  }
  SayIfRefused(cluster_->ProposeChange(*at, change));
  return absl::OkStatus();
}

absl::Status World::Snapshot(Words& words) {
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  const LogIndex before = cluster_->disk_snapshot(*node).index;
  cluster_->Compact(*node);
  if (cluster_->disk_snapshot(*node).index == before) {
    return Senseless("nothing is applied there that is not in a snapshot, or it is writing");
  }
  return absl::OkStatus();
}

absl::Status World::Install(Words& words) {
  const bool fails = words.TakeIf("fails");
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (!cluster_->EndInstall(*node, !fails)) {
    return Senseless("nothing is being installed there, or a write is under way");
  }
  return absl::OkStatus();
}

absl::Status World::Reconnect(Words& words) {
  const absl::StatusOr<NodeId> a = Node(words);
  if (!a.ok()) return a.status();
  const absl::StatusOr<NodeId> b = Node(words);
  if (!b.ok()) return b.status();
  cluster_->Reconnect(*a, *b);
  cluster_->Reconnect(*b, *a);
  return absl::OkStatus();
}

absl::Status World::Disk(Words& words) {
  const std::string what = words.Take();
  if (!words.TakeIf("at")) return Wrong("`at` is missing");
  const absl::StatusOr<NodeId> node = Node(words);
  if (!node.ok()) return node.status();
  if (what == "full" || what == "free") {
    cluster_->log(*node).set_has_room(what == "free");
  } else if (what == "hangs" || what == "works") {
    cluster_->StallDisk(*node, what == "hangs");
  } else {
    return Wrong(absl::StrCat("a disk does not do `", what, "`"));
  }
  return absl::OkStatus();
}

absl::Status World::Show(Words& words) {
  const absl::StatusOr<std::vector<NodeId>> nodes = NodesOrAll(words);
  if (!nodes.ok()) return nodes.status();
  for (const NodeId node : *nodes) {
    told_.erase(node);
    told_members_.erase(node);
  }
  return absl::OkStatus();
}

absl::Status World::Flight(Words& words) {
  const absl::StatusOr<Selection> selection = Select(words);
  if (!selection.ok()) return selection.status();
  const std::vector<size_t> places = Places(*selection);
  for (const size_t place : places) Say(MessageText(cluster_->in_flight()[place]));
  if (places.empty()) Say("nothing");
  return absl::OkStatus();
}

}  // namespace tidemark::scenario
