#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/raft/confchange.h"
#include "engine/raft/invariants.h"
#include "engine/raft/progress.h"
#include "engine/raft/quorum.h"
#include "engine/raft/raft.h"
#include "engine/raft/types.h"

// The inside of Raft, shared by the files that each implement one concern. Not for clients.

namespace tidemark::raft {

struct Raft::Impl {
  Impl(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng);

  // raft.cc: entry points, dispatch, terms and roles.
  void Start(Instant now, Effects& out);
  void OnMessage(Instant now, Message message, Effects& out);
  void OnTimer(Instant now, Effects& out);
  void OnPersisted(Instant now, std::optional<HardState> state, Effects& out);
  void OnPeerReset(Instant now, NodeId peer, Effects& out);
  Instant next_deadline() const;
  // Whether `message` can be what a correct member sent to this one. Everything behind it may rely
  // on the shape it checks (and on nothing else).
  bool Admissible(const Message& message) const;
  // Steps down or moves to `term` (>= the present one); `leader` may be unknown.
  void BecomeFollower(Instant now, Term term, NodeId leader, Effects& out);
  void SetLeader(Instant now, NodeId leader, Effects& out);
  void SetRole(Role role, Effects& out);
  void ArmElection(Instant now);
  // The hard state changed: it wants to become durable.
  void Persist(Effects& out) const { out.persist = state_; }
  bool hard_state_durable() const { return durable_ == state_; }
  template <typename Body>
  Message Make(NodeId to, Body body) const {
    return Message{.from = config_.self, .to = to, .term = state_.term, .body = std::move(body)};
  }
  Progress* FindPeer(NodeId id);
  const Progress* FindPeer(NodeId id) const;
  // The highest index in [floor, from] whose entry has a term of at most `term`; `floor` if none.
  // Terms never fall along a log, so a binary search finds it.
  LogIndex LastWithTermAtMost(LogIndex from, LogIndex floor, Term term) const;
  const JointConfig& voters() const { return membership_.voters; }
  void CheckInvariants();

  // election.cc
  // Campaigns, by way of a pre-vote if configured, unless this node cannot or must not.
  void Campaign(Instant now, bool leadership_transfer, Effects& out);
  void BecomePreCandidate(Instant now, Effects& out);
  void BecomeCandidate(Instant now, bool leadership_transfer, Effects& out);
  void BecomeLeader(Instant now, Effects& out);
  VoteRequest MakeVoteRequest() const;
  void OnVoteRequest(Instant now, NodeId from, Term term, const VoteRequest& request, Effects& out);
  void OnVoteReply(Instant now, NodeId from, Term term, const VoteReply& reply, Effects& out);
  void DecideElection(Instant now, Effects& out);
  // Whether a leader is so recent that nobody may be helped to depose it.
  bool StickyToLeader(Instant now) const;
  bool UpToDate(LogIndex last_index, Term last_term) const;

  // follower.cc: the receiving side of AppendEntries.
  void OnAppendRequest(Instant now, NodeId from, AppendRequest& request, Effects& out);
  enum class Stage : uint8_t { kNothingNew, kStaged, kContradiction };
  Stage StageEntries(AppendRequest& request, Effects& out);
  std::optional<bool> AgreesAt(LogIndex prev_index, Term prev_term) const;
  void Refuse(NodeId leader, const AppendRequest& request, Effects& out);
  // Acknowledges what is verified and durable, if that is news or an answer is owed.
  void MaybeAcknowledge(bool answer_owed, Effects& out);
  // Cuts a message before the first record that is not in the log yet.
  void DropNewRecords(std::vector<Entry>& entries) const;

  // replication.cc: the sending side.
  void OnAppended(Instant now, Effects& out);
  void OnAppendReply(Instant now, NodeId from, const AppendReply& reply, Effects& out);
  void OnRefused(Progress& peer, const AppendReply& reply, Effects& out);
  void OnEntriesRead(Instant now, NodeId to, std::vector<Entry> entries, Effects& out);
  // Sends whatever `peer` may get now.
  void Replicate(Progress& peer, Effects& out);
  void ReplicateToAll(Effects& out);
  void SendProbe(Progress& peer, Effects& out);
  // An append of `entries` from peer.next on (or without entries, a heartbeat). Does not move next.
  void SendAppend(Progress& peer, std::vector<Entry> entries, Effects& out);
  void SendPipelined(Progress& peer, std::vector<Entry> entries, Effects& out);
  void Heartbeat(Effects& out);
  // Whether `entries` are what the log has from `first` on.
  bool StillInLog(LogIndex first, std::span<const Entry> entries) const;

  // commit.cc
  // Leader: commits what a quorum holds durably; whether that was news.
  bool AdvanceLeaderCommit(Effects& out);
  // The same, and tells the peers.
  void CommitAndTell(Effects& out);
  // Follower: commits what the leader says and this log is known to have.
  void AdvanceFollowerCommit(LogIndex leader_commit, Effects& out);
  void SetCommit(LogIndex commit, Effects& out);
  // Tells `peer` about a commit no append is about to carry.
  void TellCommit(Progress& peer, Effects& out);
  LogIndex own_match() const;
  // The greater of what is known of old and, on the leader, the lowest match of all members.
  LogIndex AllDurable() const;
  // Leader: steps down if no quorum was heard from for an election timeout. True if it did.
  bool CheckQuorum(Instant now, Effects& out);

  // transfer.cc
  absl::Status TransferLeadership(Instant now, NodeId to, Effects& out);
  void ContinueTransfer(Progress& peer, Effects& out);
  void OnTimeoutNow(Instant now, NodeId from, Effects& out);
  void AbortTransferIfDue(Instant now, Effects& out);
  void ForgetTransfer();

  Config config_;
  Membership membership_;
  bool is_voter_;
  RaftLog* log_;
  Prng prng_;
  Counters counters_;

  HardState state_;
  // What a crash now would bring back at least.
  HardState durable_;
  LogIndex commit_;
  // Outlives roles and terms: what all members have, every later leader has.
  LogIndex all_durable_;
  Role role_ = Role::kFollower;
  NodeId leader_;
  std::optional<Instant> leaderless_since_;

  // Followers and candidates: when to campaign. Never() for leaders and for those who only follow.
  Instant election_deadline_ = Instant::Never();
  // The random time in force; drawn anew at every campaign, not at every heartbeat.
  Duration election_wait_;
  // Follower: when the leader was last heard.
  Instant leader_heard_;

  // Follower: what is owed to the leader of this term.
  struct Acknowledgement {
    uint64_t sequence = 0;
    // Highest index known to agree with the leader's log. It only rises while the leader stays.
    LogIndex verified;
    // Highest index acknowledged.
    LogIndex acked;
    // An answer is owed even if nothing rose.
    bool owed = false;
  } ack_;

  // Leader.
  Instant heartbeat_deadline_ = Instant::Never();
  Instant quorum_deadline_ = Instant::Never();
  // First index of this leadership.
  LogIndex term_start_;
  NodeId transfer_target_;
  Instant transfer_deadline_ = Instant::Never();

  // The other members, ascending.
  std::vector<Progress> peers_;
  Invariants invariants_;
};

}  // namespace tidemark::raft
