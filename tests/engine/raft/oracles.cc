#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/raft/quorum.h"
#include "tests/engine/raft/cluster.h"

// The oracles of Cluster: what must hold whatever the schedule was. They look from outside, at the
// wire and at the disks, and share no code with what they judge.

namespace tidemark::raft {
namespace {

std::string Payload(const Entry& entry) { return std::string(entry.frame.view()); }

}  // namespace

// Vote once per term; recovered hard state; an acknowledgement is durable and true.
void Cluster::CheckPromise(NodeId id, const Message& message) {
  NodeState& node = Node(id);
  const auto voted = [&](NodeId candidate) {
    const auto [at, fresh] = votes_.emplace(std::pair(message.term, id), candidate);
    if (!fresh && at->second != candidate) {
      Fail(absl::StrCat("vote once: node ", id.value(), " voted for ", at->second.value(), " and ",
                        candidate.value(), " in term ", message.term.value()));
    }
    if (message.term >= node.promised.term) {
      node.promised = HardState{.term = message.term, .vote = candidate};
    }
    if (node.disk_state.term < message.term ||
        (node.disk_state.term == message.term && node.disk_state.vote != candidate)) {
      Fail(absl::StrCat("vote of node ", id.value(), " left before it was durable"));
    }
  };
  if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    if (reply->granted && !reply->pre_vote) voted(message.to);
  } else if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (!request->pre_vote) voted(id);
  } else if (const auto* ack = std::get_if<AppendReply>(&message.body)) {
    if (!ack->success) return;
    if (message.term > node.promised.term) node.promised = HardState{.term = message.term};
    const uint64_t match = ack->match.value();
    if (node.disk_log.size() < match || node.disk_state.term < message.term) {
      Fail(absl::StrCat("ack implies durable: node ", id.value(), " acknowledged ", match));
      return;
    }
    const NodeState& to = Node(message.to);
    if (match == 0 || to.raft == nullptr || to.raft->term() != message.term ||
        to.raft->role() != Role::kLeader) {
      return;
    }
    if (to.log.TermAt(ack->match) != node.disk_log[match - 1].term) {
      Fail(absl::StrCat("acknowledged entry ", match, " of node ", id.value(),
                        " is not the leader's"));
    }
  }
}

// Election safety and leader completeness.
void Cluster::CheckRole(NodeId id) {
  const Raft& raft = *Node(id).raft;
  if (raft.role() != Role::kLeader) return;
  const auto [at, fresh] = leaders_.emplace(raft.term(), id);
  if (at->second != id) {
    Fail(absl::StrCat("election safety: nodes ", at->second.value(), " and ", id.value(),
                      " lead term ", raft.term().value()));
  }
  if (!fresh) return;
  for (const auto& [index, committed] : committed_) {
    if (committed.in_term >= raft.term()) continue;
    if (Node(id).log.TermAt(index) != committed.term) {
      Fail(absl::StrCat("leader completeness: the leader of term ", raft.term().value(),
                        " lacks committed entry ", index.value()));
      return;
    }
  }
}

// State-machine safety, and that a leader commits only what a quorum has on disk.
void Cluster::CheckCommit(NodeId id) {
  NodeState& node = Node(id);
  const LogIndex commit = node.raft->commit();
  if (commit < node.commit) Fail(absl::StrCat("commit of node ", id.value(), " fell"));
  if (commit > node.commit && node.raft->role() == Role::kLeader) {
    const Term term = *node.log.TermAt(commit);
    const auto holds = [&](NodeId voter) {
      const std::vector<Entry>& disk = Node(voter).disk_log;
      return disk.size() >= commit.value() && disk[commit.value() - 1].term == term;
    };
    const auto holders = std::count_if(ids_.begin(), ids_.end(), holds);
    if (static_cast<size_t>(holders) * 2 <= ids_.size()) {
      Fail(absl::StrCat("committed on a durable quorum: entry ", commit.value(), " is on ", holders,
                        " of ", ids_.size(), " disks"));
    }
  }
  for (LogIndex index = node.commit + 1; index <= commit; ++index) {
    const Entry& entry = node.log.At(index);
    const auto [at, fresh] = committed_.emplace(
        index,
        Committed{.term = entry.term, .payload = Payload(entry), .in_term = node.raft->term()});
    if (at->second.term != entry.term || at->second.payload != Payload(entry)) {
      Fail(absl::StrCat("state machine safety: node ", id.value(), " committed another entry ",
                        index.value()));
    }
  }
  node.commit = commit;
}

// Log matching, by induction over (index, term), and a well-formed log.
void Cluster::CheckAppended(NodeId id, LogIndex index) {
  const TestLog& log = Node(id).log;
  const Entry& entry = log.At(index);
  const std::pair<Term, std::string> expected(*log.TermAt(index - 1), Payload(entry));
  const auto [at, fresh] = matching_.emplace(std::pair(index, entry.term), expected);
  if (at->second != expected) {
    Fail(absl::StrCat("log matching: entry ", index.value(), " of term ", entry.term.value(),
                      " on node ", id.value()));
  }
}

// No truncation of what is committed.
void Cluster::CheckCut(NodeId id, LogIndex from) {
  if (from <= Node(id).commit) {
    Fail(absl::StrCat("no truncation below commit: node ", id.value(), " from ", from.value()));
  }
}

}  // namespace tidemark::raft
