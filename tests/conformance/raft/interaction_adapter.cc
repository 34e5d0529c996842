#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"
#include "engine/raft/conf_entry.h"
#include "tests/conformance/raft/adapters.h"
#include "tests/conformance/raft/etcd_text.h"
#include "tests/conformance/raft/interaction_node.h"
#include "tests/conformance/raft/interaction_output.h"
#include "tests/conformance/raft/normal_form.h"
#include "tests/conformance/raft/wire.h"

namespace tidemark::conformance {
namespace {

// What etcd's harness would give up on: no output of the directive, but the end of the run.
absl::Status Fatal(const std::string& why) { return absl::InvalidArgumentError(why); }
// What it prints as the directive's error.
absl::Status Printed(const std::string& error) { return absl::FailedPreconditionError(error); }

// etcd's "unlimited", as far as our engine can count.
constexpr uint64_t kUnlimitedBytes = uint64_t{1} << 40;
constexpr size_t kUnlimitedMessages = 1 << 16;

constexpr char kReadyTitle[] = "handling Ready";
constexpr char kAppendTitle[] = "processing append thread";
constexpr char kApplyTitle[] = "processing apply thread";
constexpr char kEarlyVotes[] = "early vote requests";
constexpr int kHeartbeatTicks = 1;
// More rounds than any group of correct nodes needs to come to rest.
constexpr size_t kRoundsMax = 10'000;

struct Recipient {
  uint64_t id = 0;
  bool drop = false;
};

class InteractionAdapter final : public Adapter {
 public:
  absl::StatusOr<std::string> Run(const Directive& directive) override;
  Comparison Compare(std::string_view expected, std::string_view got) const override {
    Comparison comparison = CompareInNormalForm(expected, got);
    for (const std::unique_ptr<InteractionNode>& node : nodes_) {
      if (comparison.same && node->votes_asked_early()) comparison.tolerated = kEarlyVotes;
    }
    return comparison;
  }
  bool ends_at_difference() const override { return true; }

 private:
  using Arguments = std::vector<Argument>;
  using Nodes = std::vector<InteractionNode*>;
  // One of a node's queues.
  using Has = bool (InteractionNode::*)() const;
  using Process = void (InteractionNode::*)(std::vector<WireMessage>&);

  // The directive's own line, and each line of its input as another.
  absl::Status RunLines(const Directive& directive);
  absl::Status RunLine(const std::string& command, const Arguments& arguments);
  absl::Status AddNodes(const Arguments& arguments);
  absl::Status Campaign(const Arguments& arguments);
  absl::Status Compact(const Arguments& arguments);
  absl::Status DeliverMessages(const Arguments& arguments);
  absl::Status ForgetLeader(const Arguments& arguments);
  absl::Status LogLevel(const std::string& name);
  absl::Status Propose(const Arguments& arguments);
  absl::Status ProposeConfChange(const Directive& directive);
  absl::Status RaftLog(const Arguments& arguments);
  absl::Status RaftState();
  absl::Status ReportUnreachable(const Arguments& arguments);
  absl::Status SendSnapshot(const Arguments& arguments);
  absl::Status SetElectionTimeout(const Arguments& arguments);
  absl::Status Stabilize(const Arguments& arguments);
  absl::Status Status(const Arguments& arguments);
  absl::Status Tick(const Arguments& arguments, int ticks);
  absl::Status TransferLeadership(const Arguments& arguments);

  absl::Status ProcessEach(const Arguments& arguments, const char* title, Process process);
  // Whether any of `nodes` had something to do.
  bool ProcessAll(const Nodes& nodes, const char* title, Has has, Process process,
                  bool until_empty);
  absl::StatusOr<bool> ReceiveAll(const Nodes& nodes);
  // How many messages there were.
  absl::StatusOr<size_t> Deliver(const std::string& type, Recipient recipient);
  void PrintLog(InteractionNode& node);

  absl::StatusOr<InteractionNode*> NodeOf(const std::string& id);
  // The node that is argument number `position`.
  absl::StatusOr<InteractionNode*> NodeAt(const Arguments& arguments, size_t position);
  // All that are arguments without a value.
  absl::StatusOr<Nodes> NodesIn(const Arguments& arguments);

  std::vector<std::unique_ptr<InteractionNode>> nodes_;
  // Under way, in the order sent.
  std::vector<WireMessage> network_;
  InteractionOutput output_;
};

bool EndsRun(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument;
}

absl::StatusOr<std::string> InteractionAdapter::Run(const Directive& directive) {
  output_.Take();
  const absl::Status status = RunLines(directive);
  if (EndsRun(status)) return status;
  // Errors are printed at every log level.
  const std::string text = output_.Take() + std::string(status.message());
  return text.empty() ? "ok" : text;
}

absl::Status InteractionAdapter::RunLines(const Directive& directive) {
  if (directive.command == "propose-conf-change") return ProposeConfChange(directive);
  TIDEMARK_RETURN_IF_ERROR(RunLine(directive.command, directive.arguments));
  if (directive.input.empty()) return absl::OkStatus();
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(directive.input, '\n'))) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::vector<Directive> more, ReadScript(line));
    if (more.empty()) continue;
    const absl::Status status = RunLine(more.front().command, more.front().arguments);
    if (EndsRun(status) || output_.quiet()) TIDEMARK_RETURN_IF_ERROR(status);
    output_.Write(std::string(status.message()));
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::RunLine(const std::string& command, const Arguments& arguments) {
  if (command == "_breakpoint") return absl::OkStatus();
  if (command == "add-nodes") return AddNodes(arguments);
  if (command == "campaign") return Campaign(arguments);
  if (command == "compact") return Compact(arguments);
  if (command == "deliver-msgs") return DeliverMessages(arguments);
  if (command == "forget-leader") return ForgetLeader(arguments);
  if (command == "log-level") return LogLevel(arguments.empty() ? "" : arguments.front().key);
  if (command == "process-append-thread") {
    return ProcessEach(arguments, kAppendTitle, &InteractionNode::ProcessAppendThread);
  }
  if (command == "process-apply-thread") {
    return ProcessEach(arguments, kApplyTitle, &InteractionNode::ProcessApplyThread);
  }
  if (command == "process-ready") {
    return ProcessEach(arguments, kReadyTitle, &InteractionNode::ProcessReady);
  }
  if (command == "propose") return Propose(arguments);
  if (command == "raft-log") return RaftLog(arguments);
  if (command == "raft-state") return RaftState();
  if (command == "report-unreachable") return ReportUnreachable(arguments);
  if (command == "send-snapshot") return SendSnapshot(arguments);
  if (command == "set-randomized-election-timeout") return SetElectionTimeout(arguments);
  if (command == "stabilize") return Stabilize(arguments);
  if (command == "status") return Status(arguments);
  if (command == "tick-election") return Tick(arguments, kElectionTicks);
  if (command == "tick-heartbeat") return Tick(arguments, kHeartbeatTicks);
  if (command == "transfer-leadership") return TransferLeadership(arguments);
  return Printed("unknown command");
}

absl::StatusOr<uint64_t> Number(const std::string& text) {
  const absl::StatusOr<uint64_t> number = ParseUint(text);
  if (!number.ok()) return Fatal(std::string(number.status().message()));
  return *number;
}

absl::StatusOr<InteractionNode*> InteractionAdapter::NodeOf(const std::string& id) {
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t number, Number(id));
  if (number == 0 || number > nodes_.size()) return Fatal(absl::StrCat("there is no node ", id));
  return nodes_[number - 1].get();
}

absl::StatusOr<InteractionNode*> InteractionAdapter::NodeAt(const Arguments& arguments,
                                                            size_t position) {
  if (position >= arguments.size()) return Fatal("the directive names too few nodes");
  return NodeOf(arguments[position].key);
}

absl::StatusOr<InteractionAdapter::Nodes> InteractionAdapter::NodesIn(const Arguments& arguments) {
  Nodes nodes;
  for (const Argument& argument : arguments) {
    if (!argument.values.empty()) continue;
    TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeOf(argument.key));
    nodes.push_back(node);
  }
  return nodes;
}

// What add-nodes asks for.
struct NewNodes {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;
  uint64_t index = 0;
  bool content = false;
  InteractionNode::Setup setup;
};

raft::Config EtcdConfig() {
  raft::Config config;
  config.election_timeout = kTick * kElectionTicks;
  config.heartbeat_interval = kTick * kHeartbeatTicks;
  config.pre_vote = false;
  config.check_quorum = false;
  config.quorum_rounds = true;
  config.append_bytes_max = kUnlimitedBytes;
  config.append_entries_max = kUnlimitedMessages;
  config.inflight_bytes_max = kUnlimitedBytes;
  config.inflight_messages_max = kUnlimitedMessages;
  config.single_voter_campaigns_at_start = false;
  config.eager_commit = true;
  config.votes_tell_commit = false;
  config.cumulative_acks = false;
  config.step_down_on_removal = false;
  return config;
}

absl::Status ReadNewNodesOption(const std::string& key, const std::string& value, NewNodes& nodes) {
  raft::Config& config = nodes.setup.config;
  static constexpr const char* kNumbers[] = {"voters", "learners", "inflight", "index",
                                             "max-committed-size-per-ready"};
  bool* const flag = key == "async-storage-writes"   ? &nodes.setup.async_storage_writes
                     : key == "prevote"              ? &config.pre_vote
                     : key == "checkquorum"          ? &config.check_quorum
                     : key == "step-down-on-removal" ? &config.step_down_on_removal
                                                     : nullptr;
  if (flag != nullptr || key == "disable-conf-change-validation") {
    const absl::StatusOr<bool> on = ParseBool(value);
    if (!on.ok()) return Fatal(std::string(on.status().message()));
    if (flag != nullptr) *flag = *on;
    if (flag == nullptr) config.validate_conf_change = !*on;
  } else if (std::find(std::begin(kNumbers), std::end(kNumbers), key) != std::end(kNumbers)) {
    TIDEMARK_ASSIGN_OR_RETURN(const uint64_t number, Number(value));
    if (key == "voters") nodes.voters.push_back(NodeId{number});
    if (key == "learners") nodes.learners.push_back(NodeId{number});
    if (key == "inflight") config.inflight_messages_max = number;
    if (key == "index") nodes.index = number;
    if (key == "max-committed-size-per-ready") nodes.setup.applied_bytes_max = number;
  } else if (key == "read-only") {
    if (value != "safe" && value != "lease-based") {
      return Printed(absl::StrCat("invalid read-only option ", Quoted(value)));
    }
    config.lease_reads = value == "lease-based";
  } else if (key == "content") {
    // What the state machine of the script's nodes holds is never shown.
    nodes.content = true;
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::AddNodes(const Arguments& arguments) {
  if (arguments.empty()) return Fatal("say how many nodes to add");
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t count, Number(arguments.front().key));
  NewNodes nodes{.setup = {.config = EtcdConfig()}};
  for (const Argument& argument : arguments) {
    for (const std::string& value : argument.values) {
      TIDEMARK_RETURN_IF_ERROR(ReadNewNodesOption(argument.key, value, nodes));
    }
  }
  raft::Config& config = nodes.setup.config;
  const bool bootstrap =
      nodes.index > 0 || nodes.content || !nodes.voters.empty() || !nodes.learners.empty();
  if (bootstrap && nodes.index <= 1) {
    return Printed("index must be specified as > 1 due to bootstrap");
  }
  if (config.inflight_messages_max == 0) {
    return Printed("max number of inflight messages must be greater than 0");
  }
  if (nodes.setup.applied_bytes_max == 0) nodes.setup.applied_bytes_max = UINT64_MAX;
  if (config.lease_reads && !config.check_quorum) {
    return Printed("CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased");
  }
  std::sort(nodes.voters.begin(), nodes.voters.end());
  std::sort(nodes.learners.begin(), nodes.learners.end());
  config.membership.voters.incoming = raft::MajorityConfig(nodes.voters);
  config.membership.learners = raft::NodeSet(nodes.learners);
  config.applied = LogIndex{nodes.index};
  nodes.setup.snapshot = raft::SnapshotMeta{.index = LogIndex{nodes.index},
                                            .term = Term{bootstrap ? 1u : 0u},
                                            .membership = config.membership};
  for (uint64_t i = 0; i < count; ++i) {
    config.self = NodeId{nodes_.size() + 1};
    nodes_.push_back(std::make_unique<InteractionNode>(nodes.setup, &output_));
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::Campaign(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  node->Campaign();
  return absl::OkStatus();
}

absl::Status InteractionAdapter::Compact(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  if (arguments.size() < 2) return Fatal("say up to which index to compact");
  TIDEMARK_ASSIGN_OR_RETURN(const uint64_t to, Number(arguments[1].key));
  if (LogIndex{to} > node->log().stored_last()) return Fatal("there is no such entry to compact");
  if (!node->log().Compact(LogIndex{to})) {
    return Printed("requested index is unavailable due to compaction");
  }
  PrintLog(*node);
  return absl::OkStatus();
}

absl::Status InteractionAdapter::DeliverMessages(const Arguments& arguments) {
  std::string type;
  std::vector<Recipient> recipients;
  for (const Argument& argument : arguments) {
    if (argument.values.empty()) {
      TIDEMARK_ASSIGN_OR_RETURN(const uint64_t id, Number(argument.key));
      recipients.push_back({.id = id});
    }
    for (const std::string& value : argument.values) {
      if (argument.key == "drop") {
        TIDEMARK_ASSIGN_OR_RETURN(const uint64_t id, Number(value));
        for (const Recipient& other : recipients) {
          if (other.id == id) return Fatal("cannot both deliver to a node and drop");
        }
        recipients.push_back({.id = id, .drop = true});
      } else if (argument.key == "type") {
        if (!IsTypeText(value)) return Fatal(absl::StrCat("unknown message type ", value));
        type = value;
      }
    }
  }
  size_t count = 0;
  for (const Recipient& recipient : recipients) {
    TIDEMARK_ASSIGN_OR_RETURN(const size_t delivered, Deliver(type, recipient));
    count += delivered;
  }
  if (count == 0) output_.Write("no messages\n");
  return absl::OkStatus();
}

absl::StatusOr<size_t> InteractionAdapter::Deliver(const std::string& type, Recipient recipient) {
  const auto stays = [&](const WireMessage& message) {
    return message.to != recipient.id || (recipient.drop && message.local()) ||
           (!type.empty() && TypeText(message.type) != type);
  };
  const auto rest = std::stable_partition(network_.begin(), network_.end(), stays);
  const std::vector<WireMessage> messages(std::make_move_iterator(rest),
                                          std::make_move_iterator(network_.end()));
  network_.erase(rest, network_.end());
  for (const WireMessage& message : messages) {
    output_.Write(absl::StrCat(recipient.drop ? "dropped: " : "", MessageText(message), "\n"));
    if (recipient.drop) continue;
    TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeOf(absl::StrCat(message.to)));
    const absl::Status status = node->Step(message);
    if (!status.ok()) output_.Write(absl::StrCat(std::string(status.message()), "\n"));
  }
  return messages.size();
}

absl::Status InteractionAdapter::ForgetLeader(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  node->ForgetLeader();
  return absl::OkStatus();
}

absl::Status InteractionAdapter::LogLevel(const std::string& name) {
  static constexpr const char* kNames[] = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"};
  int level = 0;
  for (const char* known : kNames) {
    if (absl::EqualsIgnoreCase(name, known)) {
      output_.set_level(static_cast<InteractionOutput::Level>(level));
      return absl::OkStatus();
    }
    ++level;
  }
  return Printed("log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]");
}

absl::Status InteractionAdapter::ProcessEach(const Arguments& arguments, const char* title,
                                             Process process) {
  TIDEMARK_ASSIGN_OR_RETURN(const Nodes nodes, NodesIn(arguments));
  for (InteractionNode* node : nodes) {
    const auto print = [&] { (node->*process)(network_); };
    if (nodes.size() == 1) {
      print();
    } else {
      output_.Write(absl::StrCat("> ", node->id(), " ", title, "\n"));
      output_.Indented(print);
    }
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::Propose(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  if (arguments.size() != 2) return Fatal("name a node and what it proposes");
  return node->Propose(Payload{.text = arguments[1].key});
}

absl::Status InteractionAdapter::ProposeConfChange(const Directive& directive) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(directive.arguments, 0));
  using Transition = raft::ConfChange::Transition;
  Payload payload{.kind = Payload::Kind::kConfChangeV2};
  for (const Argument& argument : directive.arguments) {
    for (const std::string& value : argument.values) {
      if (argument.key == "v1") {
        const absl::StatusOr<bool> v1 = ParseBool(value);
        if (!v1.ok()) return Printed(std::string(v1.status().message()));
        payload.kind = *v1 ? Payload::Kind::kConfChange : Payload::Kind::kConfChangeV2;
      } else if (argument.key != "transition") {
        return Printed(absl::StrCat("unknown command ", argument.key));
      } else if (value == "auto") {
        payload.change.transition = Transition::kAuto;
      } else if (value == "implicit") {
        payload.change.transition = Transition::kJointImplicit;
      } else if (value == "explicit") {
        payload.change.transition = Transition::kJointExplicit;
      } else {
        return Printed(absl::StrCat("unknown transition ", value));
      }
    }
  }
  absl::StatusOr<std::vector<raft::Change>> changes = ParseChanges(directive.input);
  if (!changes.ok()) return Printed(std::string(changes.status().message()));
  payload.change.changes = *std::move(changes);
  if (payload.kind == Payload::Kind::kConfChange) {
    if (payload.change.changes.size() > 1 || payload.change.transition != Transition::kAuto) {
      return Printed("v1 conf change can only have one operation and no transition");
    }
    if (payload.change.changes.empty()) return Fatal("a v1 change names one operation");
  }
  return node->Propose(std::move(payload));
}

absl::Status InteractionAdapter::RaftLog(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  PrintLog(*node);
  return absl::OkStatus();
}

void InteractionAdapter::PrintLog(InteractionNode& node) {
  const InteractionLog& log = node.log();
  if (log.stored().empty()) {
    output_.Write(absl::StrCat("log is empty: first index=", log.stored_first().value(),
                               ", last index=", log.stored_last().value()));
    return;
  }
  output_.Write(EntriesText(ToWire(log.stored())));
}

absl::Status InteractionAdapter::RaftState() {
  for (const std::unique_ptr<InteractionNode>& node : nodes_) {
    const bool voter = node->raft().membership().voters.Contains(NodeId{node->id()});
    const SoftState state = node->soft_state();
    output_.Write(absl::StrCat(node->id(), ": ", std::string(RoleText(state.role)),
                               voter ? " (Voter)" : " (Non-Voter)", " Term:", node->shown_term(),
                               " Lead:", state.leader, "\n"));
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::ReportUnreachable(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  TIDEMARK_ASSIGN_OR_RETURN(const InteractionNode* peer, NodeAt(arguments, 1));
  node->ReportUnreachable(peer->id());
  return absl::OkStatus();
}

absl::Status InteractionAdapter::SendSnapshot(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * from, NodeAt(arguments, 0));
  TIDEMARK_ASSIGN_OR_RETURN(const InteractionNode* to, NodeAt(arguments, 1));
  WireMessage message = from->MakeSnapshotFor(to->id());
  output_.Write(MessageText(message));
  network_.push_back(std::move(message));
  return absl::OkStatus();
}

absl::Status InteractionAdapter::SetElectionTimeout(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  uint64_t ticks = 0;
  for (const Argument& argument : arguments) {
    if (argument.key != "timeout" || argument.values.empty()) continue;
    TIDEMARK_ASSIGN_OR_RETURN(ticks, Number(argument.values.front()));
  }
  if (ticks == 0 || ticks > INT32_MAX) return Fatal("say timeout=TICKS, at least one");
  node->OverrideElectionTimeout(static_cast<int>(ticks));
  return absl::OkStatus();
}

bool InteractionAdapter::ProcessAll(const Nodes& nodes, const char* title, Has has, Process process,
                                    bool until_empty) {
  bool any = false;
  for (InteractionNode* node : nodes) {
    if (!(node->*has)()) continue;
    any = true;
    output_.Write(absl::StrCat("> ", node->id(), " ", title, "\n"));
    do {
      output_.Indented([&] { (node->*process)(network_); });
    } while (until_empty && (node->*has)());
  }
  return any;
}

absl::StatusOr<bool> InteractionAdapter::ReceiveAll(const Nodes& nodes) {
  bool any = false;
  for (InteractionNode* node : nodes) {
    const bool has =
        std::any_of(network_.begin(), network_.end(),
                    [node](const WireMessage& message) { return message.to == node->id(); });
    if (!has) continue;
    any = true;
    output_.Write(absl::StrCat("> ", node->id(), " receiving messages\n"));
    absl::Status status;
    output_.Indented([&] { status = Deliver("", Recipient{.id = node->id()}).status(); });
    TIDEMARK_RETURN_IF_ERROR(status);
  }
  return any;
}

absl::Status InteractionAdapter::Stabilize(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(Nodes nodes, NodesIn(arguments));
  if (nodes.empty()) {
    for (const std::unique_ptr<InteractionNode>& node : nodes_) nodes.push_back(node.get());
  }
  const InteractionOutput::Level level = output_.level();
  for (const Argument& argument : arguments) {
    if (argument.key != "log-level" || argument.values.empty()) continue;
    TIDEMARK_RETURN_IF_ERROR(LogLevel(argument.values.front()));
  }
  for (size_t round = 0;; ++round) {
    if (round == kRoundsMax) return Fatal("the nodes never come to rest");
    using Node = InteractionNode;
    bool any = ProcessAll(nodes, kReadyTitle, &Node::HasReady, &Node::ProcessReady, false);
    TIDEMARK_ASSIGN_OR_RETURN(const bool received, ReceiveAll(nodes));
    any |= received;
    any |=
        ProcessAll(nodes, kAppendTitle, &Node::has_append_work, &Node::ProcessAppendThread, true);
    any |= ProcessAll(nodes, kApplyTitle, &Node::has_apply_work, &Node::ProcessApplyThread, true);
    if (!any) break;
  }
  output_.set_level(level);
  return absl::OkStatus();
}

absl::Status InteractionAdapter::Status(const Arguments& arguments) {
  TIDEMARK_ASSIGN_OR_RETURN(const InteractionNode* node, NodeAt(arguments, 0));
  for (const raft::PeerStatus& peer : node->raft().Peers(node->now())) {
    output_.Write(absl::StrCat(PeerText(peer), "\n"));
  }
  return absl::OkStatus();
}

absl::Status InteractionAdapter::Tick(const Arguments& arguments, int ticks) {
  TIDEMARK_ASSIGN_OR_RETURN(InteractionNode * node, NodeAt(arguments, 0));
  for (int i = 0; i < ticks; ++i) node->Tick();
  return absl::OkStatus();
}

absl::Status InteractionAdapter::TransferLeadership(const Arguments& arguments) {
  InteractionNode* from = nullptr;
  InteractionNode* to = nullptr;
  for (const Argument& argument : arguments) {
    if (argument.values.empty()) continue;
    if (argument.key == "from") {
      TIDEMARK_ASSIGN_OR_RETURN(from, NodeOf(argument.values.front()));
    } else if (argument.key == "to") {
      TIDEMARK_ASSIGN_OR_RETURN(to, NodeOf(argument.values.front()));
    }
  }
  if (from == nullptr || to == nullptr) return Fatal("say from=NODE to=NODE");
  from->TransferLeadership(to->id());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<Adapter> MakeInteractionAdapter() { return std::make_unique<InteractionAdapter>(); }

}  // namespace tidemark::conformance
