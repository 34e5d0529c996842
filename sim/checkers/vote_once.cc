#include "sim/checkers/vote_once.h"

#include <variant>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

std::string Text(const raft::HardState& state) {
  return absl::StrCat("term ", state.term.value(), " with a vote for ", state.vote.value());
}

// Whether `later` keeps what `earlier` said.
bool Keeps(const raft::HardState& earlier, const raft::HardState& later) {
  if (later.term != earlier.term) return later.term > earlier.term;
  return earlier.vote == kNoNode || later.vote == earlier.vote;
}

}  // namespace

void VoteOnce::OnHardState(GroupId group, NodeId node, const raft::HardState& state) {
  const auto [seen, first] = seen_.try_emplace({node, group}, state);
  if (first) {
    const auto promised = promised_.find({node, group});
    if (promised != promised_.end() && !Keeps(promised->second, state)) {
      verdict_->Fail("vote_once", absl::StrCat("group ", group.value(), ": node ", node.value(),
                                               " came back with ", Text(state),
                                               " but had promised ", Text(promised->second)));
    }
    return;
  }
  if (seen->second == state) return;
  if (!Keeps(seen->second, state)) {
    verdict_->Fail("vote_once",
                   absl::StrCat("group ", group.value(), ": node ", node.value(), " went from ",
                                Text(seen->second), " to ", Text(state)));
  }
  seen->second = state;
}

void VoteOnce::OnSent(GroupId group, const raft::Message& message) {
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    if (reply->granted && !reply->pre_vote) Promise(group, message.from, message.term, message.to);
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (!request->pre_vote) Promise(group, message.from, message.term, message.from);
  } else if (const auto* ack = std::get_if<raft::AppendReply>(&message.body)) {
    if (ack->success) Promise(group, message.from, message.term, kNoNode);
  }
}

void VoteOnce::Promise(GroupId group, NodeId node, Term term, NodeId vote) {
  const auto lost = lost_.find({node, group});
  if (lost != lost_.end() && term == lost->second.term && vote != kNoNode &&
      lost->second.vote != kNoNode && lost->second.vote != vote) {
    verdict_->Fail(
        "vote_once",
        absl::StrCat("group ", group.value(), ": node ", node.value(), " voted twice in term ",
                     term.value(), ": for ", lost->second.vote.value(),
                     " before its disk was lost and for ", vote.value(), " after"));
  }
  raft::HardState& promised = promised_[{node, group}];
  if (term > promised.term) {
    promised = {.term = term, .vote = vote};
  } else if (term == promised.term && vote != kNoNode) {
    if (promised.vote != kNoNode && promised.vote != vote) {
      verdict_->Fail("vote_once", absl::StrCat("group ", group.value(), ": node ", node.value(),
                                               " voted twice in term ", term.value(), ": for ",
                                               promised.vote.value(), " and for ", vote.value()));
    }
    promised.vote = vote;
  }
}

void VoteOnce::OnRestart(NodeId node) {
  std::erase_if(seen_, [&](const auto& entry) { return entry.first.first == node; });
}

void VoteOnce::OnWiped(NodeId node) {
  OnRestart(node);
  for (auto at = promised_.begin(); at != promised_.end();) {
    if (at->first.first != node) {
      ++at;
      continue;
    }
    lost_[at->first] = at->second;
    at = promised_.erase(at);
  }
}

void VoteOnce::OnLetIn(GroupId group, NodeId node) { lost_.erase({node, group}); }

void VoteOnce::OnReopened(GroupId group, NodeId node) { seen_.erase({node, group}); }

void VoteOnce::Forget(GroupId group, NodeId node) {
  seen_.erase({node, group});
  promised_.erase({node, group});
}

}  // namespace tidemark::sim
