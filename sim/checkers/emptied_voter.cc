#include "sim/checkers/emptied_voter.h"

#include <string_view>
#include <variant>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

constexpr std::string_view kVotes = "votes";
constexpr std::string_view kCampaigns = "campaigns";

// What it does for others with `message`; empty: nothing.
std::string_view Promise(const raft::Message& message) {
  if (std::holds_alternative<raft::VoteRequest>(message.body)) return kCampaigns;
  if (std::holds_alternative<raft::HeartbeatReply>(message.body)) return "answers a heartbeat";
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    return reply->granted ? kVotes : std::string_view();
  }
  if (const auto* ack = std::get_if<raft::AppendReply>(&message.body)) {
    return ack->success ? "acknowledges" : std::string_view();
  }
  return "";
}

}  // namespace

void EmptiedVoter::Fail(const Key& key, std::string_view what) {
  verdict_->Fail("emptied_voter",
                 absl::StrCat("group ", key.first.value(), ": node ", key.second.value(),
                              ", whose disk came back empty, ", std::string(what)));
}

void EmptiedVoter::OnWiped(GroupId group, NodeId node, LogIndex committed) {
  lost_[{group, node}] = committed;
  returning_.erase({group, node});
}

std::vector<NodeId> EmptiedVoter::OnMembers(GroupId group, LogIndex applied,
                                            const raft::NodeSet& members) {
  std::vector<NodeId> gone;
  for (auto at = lost_.lower_bound({group, kNoNode});
       at != lost_.end() && at->first.first == group;) {
    // Of before it may have been no member either.
    if (applied < at->second || members.Contains(at->first.second)) {
      ++at;
      continue;
    }
    gone.push_back(at->first.second);
    returning_[at->first] = applied;
    at = lost_.erase(at);
  }
  return gone;
}

void EmptiedVoter::OnState(GroupId group, NodeId node, raft::Role role, LogIndex durable) {
  const auto at = returning_.find({group, node});
  if (at == returning_.end()) return;
  if (durable >= at->second) {
    returning_.erase(at);
  } else if (role != raft::Role::kFollower) {
    Fail(at->first, absl::StrCat("campaigns with a log that ends at index ", durable.value(),
                                 ", before it has the removal of its former self, at index ",
                                 at->second.value()));
  }
}

void EmptiedVoter::OnSent(GroupId group, const raft::Message& message) {
  const Key key{group, message.from};
  const bool lost = lost_.contains(key);
  const std::string_view promise = Promise(message);
  if (promise.empty()) return;
  if (lost) {
    Fail(key, absl::StrCat(std::string(promise), " in term ", message.term.value(), " to node ",
                           message.to.value(), ", and its former self is a member still"));
  } else if (returning_.contains(key) && (promise == kVotes || promise == kCampaigns)) {
    Fail(key, absl::StrCat(std::string(promise), " in term ", message.term.value(),
                           " before it has the removal of its former self"));
  }
}

}  // namespace tidemark::sim
