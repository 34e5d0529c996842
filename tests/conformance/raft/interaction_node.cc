#include "tests/conformance/raft/interaction_node.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/prng.h"
#include "tests/conformance/raft/etcd_text.h"

namespace tidemark::conformance {
namespace {

constexpr char kDropped[] = "raft proposal dropped";
constexpr char kUnknownPeer[] = "raft: cannot step as peer not found";

raft::HardState FirstState() { return raft::HardState{.term = Term{1}}; }

bool IsResponse(WireType type) {
  switch (type) {
    case WireType::kAppResp:
    case WireType::kVoteResp:
    case WireType::kPreVoteResp:
    case WireType::kHeartbeatResp:
    case WireType::kReadIndexResp:
      return true;
    default:
      return false;
  }
}

// What leaves only once everything before it is written.
bool WaitsForWrites(WireType type) {
  return type == WireType::kAppResp || type == WireType::kVoteResp ||
         type == WireType::kPreVoteResp;
}

}  // namespace

InteractionNode::InteractionNode(Setup setup, InteractionOutput* output)
    : setup_(std::move(setup)),
      output_(output),
      log_(setup_.snapshot),
      raft_(setup_.config, FirstState(), setup_.snapshot.index, &log_, Prng(id())),
      written_state_(FirstState()),
      applied_(setup_.snapshot.index),
      applying_(applied_) {
  raft::Effects effects;
  // With lease-based reads our engine votes for nobody in the first election timeout after a
  // restart: it may have heard a leader before that counts on it. Scripts begin after that.
  const Duration before = setup_.config.lease_reads ? kTick * kElectionTicks : Duration();
  raft_.Start(Instant::FromNanos((now_ - Instant() - before).nanos()), effects);
  if (setup_.config.lease_reads)
    raft_.OverrideElectionTimeout(before + kTick * (kElectionTicks + 1));
  Absorb(effects);
  last_soft_state_ = soft_state();
  last_hard_state_ = shown_hard_state();
  LogMembership();
}

void InteractionNode::LogMembership() {
  output_->LogInfo(absl::StrCat(NodeText(id()), " switched to configuration ",
                                MembershipText(raft_.membership())));
}

ShownHardState InteractionNode::shown_hard_state() const {
  return {.term = shown_term(),
          .vote = raft_.hard_state().vote.value(),
          .commit = raft_.commit().value()};
}

bool InteractionNode::Knows(uint64_t node) const {
  return raft::MembersOf(raft_.membership()).Contains(NodeId{node});
}

void InteractionNode::Absorb(raft::Effects& effects) {
  for (raft::Message& message : effects.messages) Route(std::move(message));
  for (raft::Message& message : effects.messages_after_persist) {
    const bool asks = std::holds_alternative<raft::VoteRequest>(message.body);
    votes_asked_early_ |= asks && setup_.async_storage_writes;
    Route(std::move(message));
  }
  // Who campaigns votes for itself, and a leader acknowledges to itself what it appends.
  const raft::Counters& counters = raft_.counters();
  if (pre_votes_ != counters.pre_votes_started) {
    pre_votes_ = counters.pre_votes_started;
    PushToSelf(WireType::kPreVoteResp, shown_term() + 1, 0);
  }
  if (elections_ != counters.elections_started) {
    elections_ = counters.elections_started;
    PushToSelf(WireType::kVoteResp, shown_term(), 0);
  }
  for (; own_appends_ < log_.own_appends(); ++own_appends_) {
    const LogIndex index = log_.last_index() - (log_.own_appends() - own_appends_ - 1);
    PushToSelf(WireType::kAppResp, shown_term(), index.value());
  }
  if (effects.install) AbsorbInstall(*effects.install);
}

void InteractionNode::Route(raft::Message message) {
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    sequences_[message.to] = append->sequence;
  } else if (const auto* snapshot = std::get_if<raft::InstallSnapshot>(&message.body)) {
    sequences_[message.to] = snapshot->sequence;
  }
  WireMessage wire = ToWire(std::move(message));
  (WaitsForWrites(wire.type) ? after_append_ : messages_).push_back(std::move(wire));
}

void InteractionNode::PushToSelf(WireType type, uint64_t term, uint64_t index) {
  after_append_.push_back(
      WireMessage{.type = type, .from = id(), .to = id(), .term = term, .index = index});
}

// etcd restores a snapshot's metadata as soon as it hears of it, and answers once a Ready has
// stored it. Here the answer is made at once and held like all answers.
void InteractionNode::AbsorbInstall(const raft::SnapshotMeta& meta) {
  log_.Restore(meta);
  raft::Effects effects;
  raft_.OnSnapshotInstalled(now_, meta, effects);
  applying_ = std::max(applying_, meta.index);
  LogMembership();
  Absorb(effects);
}

absl::Status InteractionNode::Step(const WireMessage& message) {
  switch (message.type) {
    case WireType::kProp:
      return Propose(message.entries.front().payload);
    case WireType::kTransferLeader:
      if (message.term == shown_term()) TransferLeadership(message.from);
      return absl::OkStatus();
    case WireType::kStorageAppendResp:
      OnStable(message);
      return absl::OkStatus();
    case WireType::kStorageApplyResp:
      AppliedTo(LogIndex{message.entries.back().index}, EncodedSize(message.entries));
      return absl::OkStatus();
    default:
      break;
  }
  if (message.from != message.to) return StepEngine(message);
  if (!Knows(id())) {
    TellPersisted();
    return absl::NotFoundError(kUnknownPeer);
  }
  StepToSelf(message);
  return absl::OkStatus();
}

absl::Status InteractionNode::StepEngine(const WireMessage& message) {
  TIDEMARK_CHECK(message.engine != nullptr);
  const uint64_t ignored = raft_.counters().messages_ignored;
  const bool unknown = IsResponse(message.type) && !Knows(message.from);
  raft::Effects effects;
  raft_.OnMessage(now_, *message.engine, effects);
  Absorb(effects);
  // The engine must have noticed by itself.
  if (unknown && raft_.counters().messages_ignored > ignored) {
    return absl::NotFoundError(kUnknownPeer);
  }
  return absl::OkStatus();
}

void InteractionNode::StepToSelf(const WireMessage& message) {
  if (message.term != shown_term()) return;
  const bool vote = message.type == WireType::kVoteResp;
  const bool ack = message.type == WireType::kAppResp;
  if (ack && raft_.role() == raft::Role::kLeader) {
    const LogIndex index = std::min(LogIndex{message.index}, Durable());
    log_.set_durable(std::max(log_.durable_index(), index));
    raft::Effects effects;
    raft_.OnPersisted(now_, written_state_, effects);
    Absorb(effects);
  } else if (vote || ack) {
    TellPersisted();
  }
}

absl::Status InteractionNode::Propose(Payload payload) {
  if (raft_.role() == raft::Role::kFollower && raft_.leader() != kNoNode) {
    messages_.push_back(WireMessage{.type = WireType::kProp,
                                    .from = id(),
                                    .to = raft_.leader().value(),
                                    .entries = {WireEntry{.payload = std::move(payload)}}});
    return absl::OkStatus();
  }
  if (!raft_.accepts_proposals()) return absl::FailedPreconditionError(kDropped);
  raft::Effects effects;
  bool refused = false;
  if (payload.kind != Payload::Kind::kNormal) {
    log_.set_conf_change_kind(payload.kind);
    refused = !raft_.ProposeConfChange(now_, payload.change, effects).ok();
    log_.set_conf_change_kind(Payload::Kind::kConfChangeV2);
    // etcd then appends an entry without any effect.
    payload = Payload{};
  } else {
    refused = true;
  }
  if (refused) {
    log_.AppendNew(raft_.term(), std::move(payload));
    raft_.OnAppended(now_, effects);
  }
  Absorb(effects);
  return absl::OkStatus();
}

void InteractionNode::Campaign() {
  // The engine believes that it is installed already.
  if (log_.has_snapshot()) return;
  raft::Effects effects;
  // A refusal is a line in etcd's log and nothing else.
  raft_.Campaign(now_, effects).IgnoreError();
  Absorb(effects);
}

void InteractionNode::TransferLeadership(uint64_t to) {
  if (raft_.role() == raft::Role::kLeader) {
    raft::Effects effects;
    raft_.TransferLeadership(now_, NodeId{to}, effects).IgnoreError();
    Absorb(effects);
  } else if (raft_.role() == raft::Role::kFollower && raft_.leader() != kNoNode) {
    messages_.push_back(WireMessage{.type = WireType::kTransferLeader,
                                    .from = to,
                                    .to = raft_.leader().value(),
                                    .term = shown_term()});
  }
}

void InteractionNode::ForgetLeader() {
  raft::Effects effects;
  raft_.ForgetLeader(now_, effects);
  Absorb(effects);
}

void InteractionNode::ReportUnreachable(uint64_t peer) {
  raft::Effects effects;
  raft_.ReportUnreachable(now_, NodeId{peer}, effects);
  Absorb(effects);
}

WireMessage InteractionNode::MakeSnapshotFor(uint64_t to) {
  return ToWire(raft::Message{
      .from = NodeId{id()},
      .to = NodeId{to},
      .term = raft_.term(),
      .body = raft::InstallSnapshot{.meta = *log_.Snapshot(),
                                    .sequence = std::max<uint64_t>(1, sequences_[NodeId{to}])}});
}

void InteractionNode::Tick() {
  now_ = now_ + kTick;
  if (now_ < raft_.next_deadline()) return;
  raft::Effects effects;
  raft_.OnTimer(now_, effects);
  Absorb(effects);
}

std::string PeerText(const raft::PeerStatus& peer) {
  using State = raft::PeerStatus::State;
  const char* state = peer.state == State::kProbe       ? "StateProbe"
                      : peer.state == State::kReplicate ? "StateReplicate"
                                                        : "StateSnapshot";
  std::string text = absl::StrCat(peer.id.value(), ": ", state, " match=", peer.match.value(),
                                  " next=", peer.next.value());
  if (peer.is_learner) text += " learner";
  if (peer.paused) text += " paused";
  if (peer.pending_snapshot > LogIndex{0}) {
    absl::StrAppend(&text, " pendingSnap=", peer.pending_snapshot.value());
  }
  if (!peer.active) text += " inactive";
  if (peer.inflight_messages > 0) {
    absl::StrAppend(&text, " inflight=", peer.inflight_messages,
                    peer.inflight_full ? "[full]" : "");
  }
  return text;
}

std::string_view RoleText(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "StateFollower";
    case raft::Role::kPreCandidate:
      return "StatePreCandidate";
    case raft::Role::kCandidate:
      return "StateCandidate";
    case raft::Role::kLeader:
      break;
  }
  return "StateLeader";
}

}  // namespace tidemark::conformance
