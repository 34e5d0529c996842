#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/raft/quorum.h"
#include "tests/engine/raft/cluster.h"

// The oracles of Cluster: what must hold whatever the schedule was. They look from outside, at the
// wire and at the disks, and share no code with what they judge.

namespace tidemark::raft {
namespace {

// By trying all sets: no quorum of one leaves the others a quorum of the other.
bool AlwaysIntersect(const JointConfig& a, const JointConfig& b, const std::vector<NodeId>& ids) {
  for (uint64_t set = 0; set < uint64_t{1} << ids.size(); ++set) {
    const auto quorum_within = [&](const MajorityConfig& half, bool inside) {
      const NodeSet& voters = half.voters();
      const auto counts = [&](NodeId voter) {
        return ((set >> (voter.value() - 1) & 1) == 1) == inside;
      };
      const auto count = std::count_if(voters.begin(), voters.end(), counts);
      return voters.empty() || static_cast<size_t>(count) * 2 > voters.size();
    };
    if (quorum_within(a.incoming, true) && quorum_within(a.outgoing, true) &&
        quorum_within(b.incoming, false) && quorum_within(b.outgoing, false)) {
      return false;
    }
  }
  return true;
}

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
    if (DiskLast(id) < ack->match || node.disk_state.term < message.term) {
      Fail(absl::StrCat("ack implies durable: node ", id.value(), " acknowledged ",
                        ack->match.value()));
      return;
    }
    const NodeState& to = Node(message.to);
    if (to.raft == nullptr || to.raft->term() != message.term || to.raft->role() != Role::kLeader ||
        ack->match + 1 < to.log.first_index()) {
      return;
    }
    if (to.log.TermAt(ack->match) != DiskTerm(id, ack->match)) {
      Fail(absl::StrCat("acknowledged entry ", ack->match.value(), " of node ", id.value(),
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
    if (committed.in_term >= raft.term() || index < Node(id).log.first_index()) continue;
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
    const auto decided = [&](const MajorityConfig& half) {
      const NodeSet& voters = half.voters();
      const auto holds = [&](NodeId voter) { return DiskTerm(voter, commit) == term; };
      const auto holders = std::count_if(voters.begin(), voters.end(), holds);
      return voters.empty() || static_cast<size_t>(holders) * 2 > voters.size();
    };
    const JointConfig& voters = node.raft->membership().voters;
    if (!decided(voters.incoming) || !decided(voters.outgoing)) {
      Fail(absl::StrCat("committed on a durable quorum: entry ", commit.value()));
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

// The same members everywhere at the same place of the log, and quorums that intersect those of the
// members before.
void Cluster::CheckMembership(NodeId id) {
  const Raft& raft = *Node(id).raft;
  const auto before = std::prev(memberships_.upper_bound(raft.applied()));
  if (before->second == raft.membership()) return;
  if (before->first == raft.applied()) {
    Fail(absl::StrCat("one membership: node ", id.value(), " has others at index ",
                      raft.applied().value()));
    return;
  }
  if (!AlwaysIntersect(before->second.voters, raft.membership().voters, ids_)) {
    Fail(absl::StrCat("quorums intersect: not those before and after index ",
                      raft.applied().value()));
  }
  memberships_.emplace(raft.applied(), raft.membership());
}

// Everything committed anywhere when a read was asked for is at or below the index it gets; and
// every read gets an answer.
void Cluster::CheckReads(NodeId id, const Effects& effects) {
  auto& reads = Node(id).reads;
  for (const ReadResult& result : effects.reads) {
    const auto read = reads.find(result.id);
    if (read == reads.end()) {
      Fail(absl::StrCat("a read of node ", id.value(), " was answered twice"));
      continue;
    }
    if (on_read) on_read(id, result);
    if (result.index.has_value()) {
      ++reads_answered_;
      if (*result.index < read->second.floor) {
        Fail(absl::StrCat("linearizable reads: node ", id.value(), " reads at ",
                          result.index->value(), " though ", read->second.floor.value(),
                          " was committed when it asked"));
      }
    }
    reads.erase(read);
  }
  if (reads.empty()) return;
  const Duration timeout = options_.config.election_timeout;
  if (now_ - reads.begin()->second.asked > timeout * 2 + Duration::Millis(1)) {
    Fail(absl::StrCat("a read of node ", id.value(), " was not answered in time"));
  }
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
