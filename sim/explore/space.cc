#include "sim/explore/space.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "sim/explore/message_text.h"

namespace tidemark::sim::explore {
namespace {

bool IsOfMessage(Event::Kind kind) {
  return kind == Event::Kind::kDeliver || kind == Event::Kind::kDuplicate ||
         kind == Event::Kind::kDrop;
}

constexpr std::string_view kNames[Event::kKinds] = {"deliver", "duplicate", "drop",     "sync",
                                                    "crash",   "timeout",   "lapse",    "beat",
                                                    "append",  "change",    "transfer", "read"};

std::string ChangeText(const raft::ConfChange& change) {
  constexpr std::string_view kKinds[] = {"add voter", "add learner", "remove", "update"};
  std::string text = change.enters_joint() ? " jointly:" : ":";
  for (const raft::Change& each : change.changes) {
    absl::StrAppend(&text, " ", std::string(kKinds[static_cast<size_t>(each.kind)]), " ",
                    each.node.value());
  }
  return text;
}

std::string LogText(const std::vector<Entry>& entries) {
  std::string text = "[";
  for (const Entry& entry : entries) {
    absl::StrAppend(&text, text.size() > 1 ? " " : "", entry.term.value(), ":",
                    raft::IsConfChange(entry.frame.view()) ? std::string("members")
                                                           : std::string(entry.frame.view()));
  }
  return text + "]";
}

}  // namespace

Space::Space(const Options& options) : cache_(options), witness_(&cache_, options) {
  networks_.Intern({});
}

State Space::Initial() const {
  State state;
  for (uint32_t node = 1; node <= options().nodes; ++node) {
    state.locals[node - 1] = cache_.Initial(node);
  }
  for (size_t i = 0; i < kBudgets; ++i) state.budgets |= options().budgets[i] << (i * 4);
  state.witness = Witness::Initial();
  return state;
}

std::vector<Event> Space::Prelude() {
  std::vector<Event> events;
  if (!options().elected) return events;
  State state = Initial();
  // Not at the expense of what is explored.
  state.budgets = ~uint64_t{0};
  const auto step = [&](const Event& event) {
    State to = state;
    Verdict verdict;
    const Result result = Step(state, event, to, verdict);
    TIDEMARK_CHECK(verdict.ok());
    events.push_back(event);
    if (result == Result::kStep) {
      state = to;
    } else {
      // Under way for ever, it would be in the way.
      scratch_.assign(networks_[state.network].begin(), networks_[state.network].end());
      scratch_.erase(std::find(scratch_.begin(), scratch_.end(), event.arg));
      state.network = networks_.Intern(scratch_);
      events.pop_back();
    }
  };
  step({.kind = Event::Kind::kTimeout, .node = 1});
  while (true) {
    std::optional<Event> next;
    ForEachEvent(state, [&](const Event& event) {
      if (next.has_value()) return;
      if (event.kind == Event::Kind::kDeliver || event.kind == Event::Kind::kSync) next = event;
    });
    if (!next.has_value()) return events;
    step(*next);
  }
}

Space::Result Space::Step(const State& from, const Event& event, State& to, Verdict& verdict) {
  const size_t at = event.node - 1;
  const Transition& transition = cache_.Step(from.locals[at], event);
  const uint8_t flags = transition.flags;
  if ((flags & Transition::kImpossible) != 0) return Result::kNothing;
  // Whoever still has a message under way, or a budget to spend, can do all that others can: but in
  // a channel, where a message is in the way of those behind it.
  const bool in_the_way =
      options().fifo && (event.kind == Event::Kind::kDeliver || event.kind == Event::Kind::kDrop);
  if ((flags & Transition::kNothing) != 0 && !in_the_way) return Result::kNothing;
  if ((flags & Transition::kBeyond) != 0) return Result::kBeyond;
  if ((flags & Transition::kViolates) != 0) verdict = cache_.VerdictOf(transition);
  to = from;
  to.locals[at] = transition.next;
  if (const std::optional<Budget> budget = BudgetOf(event.kind)) {
    to.budgets -= uint64_t{1} << (static_cast<unsigned>(*budget) * 4);
  }
  const std::span<const uint32_t> sent = cache_.SentBy(transition);
  const bool aged =
      cache_.local(transition.next).durable_term > cache_.local(from.locals[at]).durable_term;
  if (IsOfMessage(event.kind) || !sent.empty() || aged) {
    // A copy: finding out what is too old may make steps.
    sent_.assign(sent.begin(), sent.end());
    to.network = Deliver(from, event, to, sent_, aged);
  }
  if ((flags & Transition::kVisible) != 0) {
    to.witness =
        witness_.After(from.witness, from.locals[at], std::span(to.locals.data(), options().nodes),
                       at, event.kind == Event::Kind::kCrash, verdict);
  }
  return Result::kStep;
}

uint32_t Space::Channel(uint32_t message) const {
  const StepCache::Address& address = cache_.address(message);
  return address.from * 8 + address.to;
}

bool Space::IsHead(std::span<const uint32_t> network, uint32_t message) const {
  const uint32_t channel = Channel(message);
  for (const uint32_t each : network) {
    if (Channel(each) == channel) return each == message;
  }
  return false;
}

void Space::Put(uint32_t message) {
  // One order for one set of messages, or for one content of all channels.
  const auto before = [this](uint32_t a, uint32_t b) {
    return options().fifo ? Channel(a) < Channel(b) : a < b;
  };
  scratch_.insert(std::upper_bound(scratch_.begin(), scratch_.end(), message, before), message);
}

bool Space::Expired(const State& to, uint32_t message) {
  const StepCache::Address address = cache_.address(message);
  const uint32_t receiver = to.locals[address.to - 1];
  if (!address.expires || address.term >= cache_.local(receiver).durable_term) return false;
  // Not because it should do nothing: because it does nothing.
  const Event event{.kind = Event::Kind::kDeliver, .node = address.to, .arg = message};
  return (cache_.Step(receiver, event).flags & Transition::kNothing) != 0;
}

uint32_t Space::Deliver(const State& from, const Event& event, const State& to,
                        std::span<const uint32_t> sent, bool aged) {
  scratch_.clear();
  const bool takes = event.kind == Event::Kind::kDeliver || event.kind == Event::Kind::kDrop;
  bool taken = !takes;
  for (const uint32_t message : networks_[from.network]) {
    if (!taken && message == event.arg) {
      taken = true;
    } else if (aged && cache_.address(message).to == event.node && Expired(to, message)) {
      ++expired_;
    } else {
      scratch_.push_back(message);
    }
  }
  for (const uint32_t message : sent) {
    // To a node of the log that is none here.
    if (cache_.address(message).to > options().nodes) continue;
    if (Expired(to, message)) {
      ++expired_;
    } else {
      Put(message);
    }
  }
  return networks_.Intern(scratch_);
}

bool Space::Commutes(const State& parent, const Event& last, const Event& event) const {
  if (event.node == last.node) return false;
  // A read is named after what is committed, which the other one may change.
  if (event.kind == Event::Kind::kRead || last.kind == Event::Kind::kRead) return false;
  if (!IsOfMessage(event.kind)) return true;
  // They take it from each other, even if the last one sent it again.
  if (IsOfMessage(last.kind) && last.arg == event.arg) return false;
  const std::span<const uint32_t> network = networks_[parent.network];
  if (options().fifo && event.kind != Event::Kind::kDrop) return IsHead(network, event.arg);
  return std::find(network.begin(), network.end(), event.arg) != network.end();
}

std::string Space::Text(const Event& event) const {
  std::string text(kNames[static_cast<size_t>(event.kind)]);
  if (IsOfMessage(event.kind)) {
    return absl::StrCat(text, " ", explore::Text(cache_.message(event.arg)));
  }
  absl::StrAppend(&text, " ", event.node);
  if (event.kind == Event::Kind::kCrash && event.arg > 0) {
    absl::StrAppend(&text, ", of its write ", event.arg / 2, " steps of the log",
                    event.arg % 2 == 1 ? " and the hard state" : "", " were on the disk");
  }
  if (event.kind == Event::Kind::kTransfer) absl::StrAppend(&text, " to ", event.arg);
  if (event.kind == Event::Kind::kChange) {
    absl::StrAppend(&text, ChangeText(ChangeOf(options(), event.arg)));
  }
  return text;
}

std::string Space::LocalText(const State& state, uint32_t node) const {
  const Local& local = cache_.local(state.locals[node - 1]);
  const Member& member = *local.member;
  const raft::Raft& raft = member.raft();
  const raft::HardState memory = raft.hard_state();
  const raft::HardState disk = member.disk_state();
  return absl::StrCat("node ", node, ": ", raft::NameOf(raft.role()), " of term ",
                      memory.term.value(), ", vote ", memory.vote.value(), ", follows ",
                      raft.leader().value(), ", log ", LogText(member.log().entries()), ", commit ",
                      local.commit, "; disk: term ", disk.term.value(), ", vote ",
                      disk.vote.value(), ", log ", LogText(member.disk()),
                      member.writing() ? ", a write under way" : "");
}

std::string Space::Text(const State& state) const {
  std::string text;
  for (uint32_t node = 1; node <= options().nodes; ++node) {
    absl::StrAppend(&text, LocalText(state, node), "\n");
  }
  for (const uint32_t message : networks_[state.network]) {
    absl::StrAppend(&text, "under way: ", explore::Text(cache_.message(message)), "\n");
  }
  return text;
}

}  // namespace tidemark::sim::explore
