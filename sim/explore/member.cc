#include "sim/explore/member.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/prng.h"
#include "sim/explore/message_text.h"

namespace tidemark::sim::explore {
namespace {

constexpr Duration kElectionTimeout = Duration::Millis(1000);
// Enough for what a path of this kind of length sends, and small to copy.
constexpr size_t kInflightMessages = 4;

// Whether `later` keeps what `earlier` said.
bool Keeps(const raft::HardState& earlier, const raft::HardState& later) {
  if (later.term != earlier.term) return later.term > earlier.term;
  return earlier.vote == kNoNode || later.vote == earlier.vote;
}

std::string Text(const raft::HardState& state) {
  return absl::StrCat("term ", state.term.value(), " with a vote for ", state.vote.value());
}

void Fail(Member::Outcome& outcome, std::string_view oracle, std::string what) {
  if (!outcome.oracle.empty()) return;
  outcome.oracle = oracle;
  outcome.what = std::move(what);
}

}  // namespace

std::optional<Budget> BudgetOf(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kDeliver:
    case Event::Kind::kSync:
      return std::nullopt;
    case Event::Kind::kDuplicate:
      return Budget::kDuplicate;
    case Event::Kind::kDrop:
      return Budget::kDrop;
    case Event::Kind::kCrash:
      return Budget::kCrash;
    case Event::Kind::kTimeout:
    case Event::Kind::kLapse:
      return Budget::kTimeout;
    case Event::Kind::kBeat:
      return Budget::kBeat;
    case Event::Kind::kAppend:
      return Budget::kAppend;
    case Event::Kind::kChange:
      return Budget::kChange;
    case Event::Kind::kTransfer:
      return Budget::kTransfer;
    case Event::Kind::kRead:
      return Budget::kRead;
  }
  TIDEMARK_CHECK(false);
  return std::nullopt;
}

size_t ChangesOf(const Options& options) {
  return options.nodes * 3 + options.nodes * (options.nodes - 1);
}

raft::ConfChange ChangeOf(const Options& options, uint32_t number) {
  using Kind = raft::Change::Kind;
  const uint32_t nodes = static_cast<uint32_t>(options.nodes);
  if (number < nodes * 3) {
    constexpr Kind kKinds[] = {Kind::kAddVoter, Kind::kAddLearner, Kind::kRemove};
    return {.changes = {{.kind = kKinds[number / nodes], .node = NodeId{number % nodes + 1}}}};
  }
  const uint32_t out = (number - nodes * 3) / (nodes - 1);
  uint32_t in = (number - nodes * 3) % (nodes - 1);
  if (in >= out) ++in;
  return {.transition = raft::ConfChange::Transition::kJointImplicit,
          .changes = {{.kind = Kind::kAddVoter, .node = NodeId{in + 1}},
                      {.kind = Kind::kRemove, .node = NodeId{out + 1}}}};
}

Member::Member(const Options* options, NodeId self)
    : options_(options), self_(self), now_(Instant() + kElectionTimeout * 10) {
  Outcome outcome;
  Boot(outcome);
  TIDEMARK_CHECK(outcome.sent.empty());
}

Member::Member(const Member& other)
    : options_(other.options_),
      self_(other.self_),
      now_(other.now_),
      lives_(other.lives_),
      disk_(other.disk_),
      disk_state_(other.disk_state_),
      disk_commit_(other.disk_commit_),
      write_(other.write_),
      log_(std::make_unique<DiskLog>(*other.log_)),
      raft_(other.raft_->Clone(log_.get())),
      unsaved_(other.unsaved_),
      held_(other.held_),
      next_read_(other.next_read_),
      promised_(other.promised_),
      reads_(other.reads_) {}

raft::Config Member::ConfigOf() const {
  raft::Config config{.self = self_,
                      .election_timeout = kElectionTimeout,
                      .pre_vote = options_->pre_vote,
                      .check_quorum = options_->check_quorum,
                      .inflight_messages_max = kInflightMessages,
                      .single_voter_campaigns_at_start = false,
                      .noop_at_election = options_->noop};
  for (uint64_t i = 1; i <= options_->initial_voters(); ++i) config.voters.push_back(NodeId{i});
  return config;
}

void Member::Boot(Outcome& outcome) {
  // Names of reads must be new in each life; otherwise randomness has nothing to decide here.
  const uint64_t seed = self_.value() + (options_->of(Budget::kRead) > 0 ? ++lives_ * 16 : 0);
  log_ = std::make_unique<DiskLog>(self_, disk_);
  raft_.emplace(ConfigOf(), disk_state_, disk_commit_, log_.get(), Prng(seed));
  raft::Effects fx;
  raft_->Start(now_, fx);
  Absorb(std::move(fx), outcome);
  Settle(outcome);
}

bool Member::Step(const Event& event, const raft::Message* message, Outcome& outcome) {
  if (event.kind == Event::Kind::kCrash) {
    Crash(event.arg);
    Boot(outcome);
    if (!Keeps(promised_, raft_->hard_state())) {
      Fail(outcome, "vote_once",
           absl::StrCat("node ", self_.value(), " came back with ", Text(raft_->hard_state()),
                        " but had promised ", Text(promised_)));
    }
    return true;
  }
  const LogIndex commit = raft_->commit();
  const raft::Role role = raft_->role();
  const Term term = raft_->term();
  raft::Effects fx;
  if (event.kind == Event::Kind::kSync) {
    if (!write_.has_value()) return false;
    Sync(fx, outcome);
  } else if (!Dispatch(event, message, fx)) {
    return false;
  }
  Absorb(std::move(fx), outcome);
  Settle(outcome);
  CheckCommit(commit, role, term, outcome);
  return true;
}

bool Member::Dispatch(const Event& event, const raft::Message* message, raft::Effects& fx) {
  const bool leads = raft_->role() == raft::Role::kLeader;
  switch (event.kind) {
    case Event::Kind::kDeliver:
    case Event::Kind::kDuplicate:
      raft_->OnMessage(now_, *message, fx);
      return true;
    case Event::Kind::kDrop:
      raft_->OnPeerReset(now_, message->to, fx);
      return true;
    case Event::Kind::kTimeout:
      now_ = now_ + kElectionTimeout * (leads ? 1 : 2);
      raft_->OnTimer(now_, fx);
      return true;
    case Event::Kind::kLapse:
      now_ = now_ + kElectionTimeout;
      return true;
    case Event::Kind::kBeat:
      if (!leads) return false;
      now_ = std::max(now_, raft_->next_deadline());
      raft_->OnTimer(now_, fx);
      return true;
    case Event::Kind::kAppend:
      if (!raft_->accepts_proposals()) return false;
      log_->AppendRecord(raft_->term());
      raft_->OnAppended(now_, fx);
      return true;
    case Event::Kind::kChange:
      return raft_->ProposeConfChange(now_, ChangeOf(*options_, event.arg), fx).ok();
    case Event::Kind::kTransfer:
      return raft_->TransferLeadership(now_, NodeId{event.arg}, fx).ok();
    case Event::Kind::kRead:
      reads_.emplace(next_read_, event.arg);
      raft_->ReadIndex(now_, raft::ReadId{next_read_++}, fx);
      return true;
    case Event::Kind::kSync:
    case Event::Kind::kCrash:
      break;
  }
  TIDEMARK_CHECK(false);
  return false;
}

std::vector<Event> Member::Enabled() const {
  std::vector<Event> events;
  const uint32_t node = static_cast<uint32_t>(self_.value());
  const auto add = [&](Event::Kind kind, uint32_t arg = 0) {
    events.push_back({.kind = kind, .node = node, .arg = arg});
  };
  const bool leads = raft_->role() == raft::Role::kLeader;
  if (write_.has_value()) add(Event::Kind::kSync);
  if (leads && raft_->accepts_proposals()) add(Event::Kind::kAppend);
  if (leads) add(Event::Kind::kBeat);
  if (leads ? options_->check_quorum : raft_->promotable()) add(Event::Kind::kTimeout);
  if (options_->check_quorum && raft_->role() == raft::Role::kFollower &&
      raft_->leader() != kNoNode && now_ + kElectionTimeout < raft_->next_deadline()) {
    add(Event::Kind::kLapse);
  }
  if (leads && options_->of(Budget::kChange) > 0) {
    for (uint32_t i = 0; i < ChangesOf(*options_); ++i) add(Event::Kind::kChange, i);
  }
  if (leads && options_->of(Budget::kTransfer) > 0) {
    for (uint32_t to = 1; to <= options_->nodes; ++to) {
      if (to != node) add(Event::Kind::kTransfer, to);
    }
  }
  if (options_->of(Budget::kCrash) > 0) {
    const uint32_t ops = write_.has_value() ? static_cast<uint32_t>(write_->ops.size()) : 0;
    const bool state = write_.has_value() && write_->state.has_value();
    for (uint32_t i = 0; i <= ops; ++i) {
      add(Event::Kind::kCrash, i * 2);
      if (state) add(Event::Kind::kCrash, i * 2 + 1);
    }
  }
  return events;
}

// `survives` / 2 steps of the log's part of the write under way were on the disk, and the hard
// state if it is odd: the two are different files.
void Member::Crash(uint32_t survives) {
  if (write_.has_value()) {
    Replay(write_->ops, survives / 2, disk_);
    if (survives % 2 == 1) {
      disk_state_ = *write_->state;
      disk_commit_ = std::max(disk_commit_, write_->commit);
    }
  }
  if (options_->canary && !disk_.empty()) disk_.pop_back();
  write_.reset();
  unsaved_.reset();
  held_.clear();
  reads_.clear();
}

void Member::Sync(raft::Effects& fx, Outcome& outcome) {
  const Write done = *std::exchange(write_, std::nullopt);
  Replay(done.ops, done.ops.size(), disk_);
  if (done.state.has_value()) {
    disk_state_ = *done.state;
    disk_commit_ = std::max(disk_commit_, done.commit);
  }
  if (!done.ops.empty()) log_->WriteDone();
  raft_->OnPersisted(now_, done.state, fx);
  for (const raft::Message& message : done.held) {
    if (message.term == raft_->term()) Send(message, outcome);
  }
}

void Member::Absorb(raft::Effects fx, Outcome& outcome) {
  for (raft::Message& message : fx.messages) Send(std::move(message), outcome);
  if (fx.persist.has_value()) unsaved_ = fx.persist;
  std::move(fx.messages_after_persist.begin(), fx.messages_after_persist.end(),
            std::back_inserter(held_));
  for (const raft::ReadResult& read : fx.reads) OnRead(read, outcome);
}

void Member::Settle(Outcome& outcome) {
  while (raft_->applied() < raft_->commit()) {
    raft::Effects fx;
    raft_->OnApplied(now_, raft_->commit(), fx);
    Absorb(std::move(fx), outcome);
  }
  if (raft_->membership().auto_leave) {
    raft::Effects fx;
    raft_->OnApplied(now_, raft_->applied(), fx);
    Absorb(std::move(fx), outcome);
  }
  raft_->OverrideElectionTimeout(kElectionTimeout * 2 - Duration::Nanos(1));
  if (write_.has_value()) return;
  if (!log_->has_staged() && !unsaved_.has_value()) {
    for (raft::Message& message : std::exchange(held_, {})) Send(std::move(message), outcome);
    return;
  }
  const LogIndex commit = std::min(raft_->commit(), log_->durable_index());
  write_.emplace(Write{.ops = log_->TakeStaged(),
                       .state = std::exchange(unsaved_, std::nullopt),
                       .commit = commit,
                       .held = std::exchange(held_, {})});
}

void Member::Send(raft::Message message, Outcome& outcome) {
  // Without leases nothing is counted from when a heartbeat was sent.
  if (auto* beat = std::get_if<raft::Heartbeat>(&message.body)) beat->sent = Instant();
  CheckPromise(message, outcome);
  outcome.sent.push_back(std::move(message));
}

void Member::CheckPromise(const raft::Message& message, Outcome& outcome) {
  NodeId vote;
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    if (!reply->granted || reply->pre_vote) return;
    vote = message.to;
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (request->pre_vote) return;
    vote = self_;
  } else if (const auto* ack = std::get_if<raft::AppendReply>(&message.body)) {
    if (!ack->success) return;
    if (ack->match.value() > disk_.size() || message.term > disk_state_.term) {
      Fail(outcome, "ack_durable",
           absl::StrCat("node ", self_.value(), " acknowledged up to ", ack->match.value(),
                        " in term ", message.term.value(), " with ", disk_.size(),
                        " entries and term ", disk_state_.term.value(), " on its disk"));
    }
  } else {
    return;
  }
  const raft::HardState said{.term = message.term, .vote = vote};
  if (said.term > promised_.term) {
    promised_ = said;
  } else if (said.term == promised_.term && vote != kNoNode) {
    if (promised_.vote != kNoNode && promised_.vote != vote) {
      Fail(outcome, "vote_once",
           absl::StrCat("node ", self_.value(), " voted twice in term ", said.term.value(),
                        ": for ", promised_.vote.value(), " and for ", vote.value()));
    }
    promised_.vote = vote;
  }
}

void Member::CheckCommit(LogIndex before, raft::Role role, Term term, Outcome& outcome) const {
  const LogIndex commit = raft_->commit();
  if (commit < before) {
    Fail(outcome, "commit_rules",
         absl::StrCat("the commit index of node ", self_.value(), " fell from ", before.value(),
                      " to ", commit.value()));
  }
  const bool led = role == raft::Role::kLeader && raft_->role() == raft::Role::kLeader;
  if (!led || raft_->term() != term || commit <= before) return;
  if (log_->TermAt(commit) != term) {
    Fail(outcome, "commit_rules",
         absl::StrCat("node ", self_.value(), ", leader of term ", term.value(),
                      ", committed up to ", commit.value(), ", which is of term ",
                      log_->TermAt(commit).value_or(Term{}).value()));
  }
}

std::string Member::Fingerprint() const {
  std::string out;
  const auto put = [&](uint64_t value) { AppendVarint(out, static_cast<int64_t>(value)); };
  const auto put_state = [&](const std::optional<raft::HardState>& state) {
    put(state.has_value() ? 1 : 0);
    if (!state.has_value()) return;
    put(state->term.value());
    put(state->vote.value());
  };
  const auto put_messages = [&](const std::vector<raft::Message>& messages) {
    put(messages.size());
    for (const raft::Message& message : messages) AppendFingerprint(message, out);
  };
  put(self_.value());
  raft_->AppendFingerprint(now_, out);
  log_->AppendFingerprint(out);
  put(lives_);
  put(disk_.size());
  for (const Entry& entry : disk_) AppendFingerprint(entry, out);
  put_state(disk_state_);
  put(disk_commit_.value());
  put(write_.has_value() ? 1 : 0);
  if (write_.has_value()) {
    AppendFingerprint(write_->ops, out);
    put_state(write_->state);
    put(write_->commit.value());
    put_messages(write_->held);
  }
  put_state(unsaved_);
  put_messages(held_);
  put_state(promised_);
  put(next_read_);
  for (const auto& [id, floor] : reads_) {
    put(id.value());
    put(floor.value());
  }
  return out;
}

void Member::OnRead(const raft::ReadResult& read, Outcome& outcome) {
  const auto asked = reads_.find(read.id);
  if (asked == reads_.end()) {
    return Fail(outcome, "reads",
                absl::StrCat("a read of node ", self_.value(), " was answered twice"));
  }
  if (read.index.has_value() && *read.index < asked->second) {
    Fail(outcome, "reads",
         absl::StrCat("node ", self_.value(), " reads at ", read.index->value(), " though ",
                      asked->second.value(), " was committed when it asked"));
  }
  reads_.erase(asked);
}

}  // namespace tidemark::sim::explore
