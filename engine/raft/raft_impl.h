#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
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
#include "engine/raft/reads.h"
#include "engine/raft/types.h"

// The inside of Raft, shared by the files that each implement one concern. Not for clients.

namespace tidemark::raft {

struct Raft::Impl {
  Impl(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng);

  // step.cc: what arrives, terms and roles.
  void Start(Instant now, Effects& out);
  void OnMessage(Instant now, const Message& message, Effects& out);
  void OnTimer(Instant now, Effects& out);
  void OnPersisted(Instant now, std::optional<HardState> state, Effects& out);
  void OnPeerReset(Instant now, NodeId peer, Effects& out);
  void OnPeerLost(Instant now, NodeId peer, Effects& out);
  Instant next_deadline() const;
  // Whether `message` can be what a correct member sent to this one. Everything behind it may rely
  // on the shape it checks (and on nothing else).
  bool Admissible(const Message& message) const;
  void OnOldTerm(NodeId from, const Message& message, Effects& out);
  // Steps down or moves to `term` (>= the present one); `leader` may be unknown.
  void BecomeFollower(Instant now, Term term, NodeId leader, Effects& out);
  void SetLeader(Instant now, NodeId leader, Effects& out);
  void SetRole(Role role, Effects& out);
  // A leader of this term has spoken. False if it cannot be one: there is another.
  bool HearLeader(Instant now, NodeId from, Effects& out);
  void ForgetLeader(Instant now, Effects& out);
  // The hard state changed: it wants to become durable.
  void Persist(Effects& out) const { out.persist = state_; }
  bool hard_state_durable() const { return durable_ == state_; }
  template <typename Body>
  Message Make(NodeId to, Body body) const {
    return Message{.from = config_.self, .to = to, .term = state_.term, .body = std::move(body)};
  }
  // The same where it is to stay: a message is large to move.
  template <typename Body>
  void Emit(NodeId to, Body&& body, std::vector<Message>& messages) const {
    messages.emplace_back(config_.self, to, state_.term, std::forward<Body>(body));
  }
  // O(members), which are few.
  Progress* FindPeer(NodeId id);
  const Progress* FindPeer(NodeId id) const;
  bool Active(const Progress& peer, Instant now) const {
    if (config_.quorum_rounds) return peer.heard;
    // Who would not answer is woken about.
    if (quiet_) return true;
    return now - peer.last_heard < config_.election_timeout;
  }
  void CheckInvariants();
  // Around each step that comes from outside.
  class Step {
   public:
    // Callers append in one step and tell of it at its end (Raft::OnAppended): by then whatever
    // else the step is about must not find a leader that sleeps beside what it was given.
    Step(Impl& impl, Instant now) : impl_(impl) { impl_.StirIfAppended(now); }
    ~Step() { impl_.CheckInvariants(); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Impl& impl_;
  };

  // election.cc
  // Campaigns, by way of a pre-vote if configured.
  //   Errors  as Raft::Campaign.
  absl::Status Campaign(Instant now, bool leadership_transfer, Effects& out);
  absl::Status CampaignAtTimeout(Instant now, Effects& out);
  // As somebody other than the timer or the leader wants it.
  absl::Status CampaignUnasked(Instant now, Effects& out);
  absl::Status MayCampaign() const;
  void ArmElection(Instant now);
  void OverrideElectionTimeout(Duration wait);
  void BecomePreCandidate(Instant now, Effects& out);
  void BecomeCandidate(Instant now, bool leadership_transfer, Effects& out);
  void BecomeLeader(Instant now, Effects& out);
  VoteRequest MakeVoteRequest() const;
  // Asks a voter that has not answered again.
  void AskAgain(const Progress& peer, Effects& out) const;
  void OnVoteRequest(Instant now, NodeId from, Term term, const VoteRequest& request, Effects& out);
  void OnVoteReply(Instant now, NodeId from, Term term, const VoteReply& reply, Effects& out);
  // From somebody who has `commit` committed. The last leader may have left, demoted by that entry,
  // before everybody knew: then nobody else could tell.
  void LearnCommit(Instant now, LogIndex commit, Term term, Effects& out);
  void DecideElection(Instant now, Effects& out);
  // Whether a leader is so recent that nobody may be helped to depose it.
  bool StickyToLeader(Instant now) const;
  bool FreeToVoteFor(NodeId candidate) const;
  bool UpToDate(LogIndex last_index, Term last_term) const;
  template <typename Visit>
  void ForEachVoter(const Visit& visit) {
    for (Progress& peer : peers_) {
      if (voters().Contains(peer.id)) visit(peer);
    }
  }

  // follower.cc: the receiving side of AppendEntries.
  void OnAppendRequest(Instant now, NodeId from, const AppendRequest& request, Effects& out);
  // Stages what is new. False if that contradicts what is committed or acknowledged.
  bool StageEntries(std::span<const Entry> entries, Effects& out);
  bool ContradictsCommitted(const AppendRequest& request) const;
  std::optional<bool> AgreesAt(LogIndex prev_index, Term prev_term) const;
  void Refuse(const AppendRequest& request, Effects& out);
  void Answer(AppendReply reply, Effects& out);
  // Owes the leader an answer to its message `sequence`: that everything up to `match` agrees and
  // is durable. Gives it if it is true by now.
  void Owe(LogIndex match, uint64_t sequence, Effects& out);
  void Acknowledge(Effects& out);
  // What comes before the first entry that is not to be stored.
  std::span<const Entry> BeforeNewRecords(std::span<const Entry> entries) const;
  bool takes_records() const { return log_->has_room() && !install_.has_value(); }
  void CountContradiction() {
    ++counters_.contradictions;
    ++counters_.messages_ignored;
  }

  // replication.cc: the sending side.
  void OnAppended(Instant now, Effects& out);
  void OnAppendReply(Instant now, NodeId from, const AppendReply& reply, Effects& out);
  void OnRefused(Instant now, Progress& peer, const AppendReply& reply, Effects& out);
  void OnEntriesRead(Instant now, NodeId to, EntryList entries, Effects& out);
  void ReportUnreachable(NodeId peer);
  // Sends `peer` one append, if it may be sent to and there are entries for it, or `also_empty`.
  // Instead a snapshot, if it needs what is gone. Whether anything was sent.
  bool SendAppend(Instant now, Progress& peer, bool also_empty, Effects& out);
  // All appends with entries that `peer` may get now.
  void Replicate(Instant now, Progress& peer, Effects& out);
  // The entries to send to `peer` next; empty if there are none, if its window is full, or if they
  // must be read first, which is begun.
  EntryList NextEntries(Instant now, Progress& peer);
  // As Raft::MayWait.
  bool MayWait(Instant now, const Progress& peer) const;
  void EmitAppend(Progress& peer, Term prev_term, EntryList entries, Effects& out);
  // An append to everybody who may be sent to, empty if need be.
  void BroadcastAppend(Instant now, Effects& out);
  // Whether `entries` are what the log has from `first` on.
  bool StillInLog(LogIndex first, std::span<const Entry> entries) const;
  // The highest index in [floor, from] whose entry has a term of at most `term`; `floor` if none.
  // Terms never fall along a log, so a binary search finds it.
  LogIndex LastWithTermAtMost(LogIndex from, LogIndex floor, Term term) const;
  // The highest index at which a peer may agree that gave this hint; below the log if none in it.
  LogIndex MayAgreeAt(LogIndex hint, Term hint_term) const;

  // heartbeat.cc
  // What is due every interval.
  void OnHeartbeatDue(Instant now, Effects& out);
  void SendHeartbeats(Instant now, Effects& out);
  void OnHeartbeat(Instant now, NodeId from, const Heartbeat& heartbeat, Effects& out);
  void AnswerHeartbeat(const Heartbeat& heartbeat, Effects& out);
  void OnHeartbeatReply(Instant now, NodeId from, const HeartbeatReply& reply, Effects& out);
  // Leader: steps down if no quorum was heard from for an election timeout. True if it did.
  bool CheckQuorum(Instant now, Effects& out);
  void ArmCheckQuorum(Instant now);

  // commit.cc
  // Leader: commits what a quorum holds durably; whether that was news.
  bool AdvanceLeaderCommit(Effects& out);
  // The same, and tells the peers.
  void CommitAndTell(Instant now, Effects& out);
  void TellAll(Instant now, Effects& out);
  // Follower: commits what the leader says and this log is known to have.
  void AdvanceFollowerCommit(LogIndex leader_commit, Effects& out);
  void SetCommit(LogIndex commit, Effects& out);
  // Tells `peer` about a commit no append is about to carry.
  void TellCommit(Instant now, Progress& peer, Effects& out);
  LogIndex own_match() const;
  // The greater of what is known of old and, on the leader, the lowest match of all members.
  LogIndex AllDurable() const;
  bool committed_in_own_term() const { return commit_ >= term_start_; }

  // membership.cc
  absl::Status ProposeConfChange(Instant now, const ConfChange& change, Effects& out);
  absl::Status CheckConfChange(const ConfChange& change) const;
  void AppendConfChange(Instant now, const ConfChange& change, Effects& out);
  void OnApplied(Instant now, LogIndex applied, Effects& out);
  void ApplyChanges(Instant now, LogIndex applied, Effects& out);
  // At the start: a leader appends a change only when it has applied the one before, so that one is
  // committed whatever this node remembered of it. Otherwise it could be elected by members that
  // are two changes old.
  void CommitAllButTheLastChange();
  void ApplyChange(Instant now, const ConfChange& change, Effects& out);
  void SwitchTo(Instant now, Membership membership, Effects& out);
  void LeaderSwitched(Instant now, Effects& out);
  // Makes the peers those of membership_, keeping what is known of who stays.
  void AdoptPeers(Instant now);
  void LeaveJointIfDue(Instant now, Effects& out);
  Tracker MakeTracker() const;
  bool HasUnappliedChange() const;
  const JointConfig& voters() const { return membership_.voters; }
  bool promotable() const { return is_voter_ && !install_.has_value(); }
  bool fenced() const { return log_->durable_index() < config_.fence; }

  // snapshot.cc
  bool SendSnapshot(Instant now, Progress& peer, Effects& out);
  void OnInstallSnapshot(Instant now, NodeId from, const InstallSnapshot& message, Effects& out);
  void OnSnapshotInstalled(Instant now, const SnapshotMeta& meta, Effects& out);
  void OnSnapshotFailed(const SnapshotMeta& meta);
  void ReportSnapshot(NodeId peer, bool ok);

  // read_index.cc
  void ReadIndex(Instant now, ReadId id, Effects& out);
  void OnReadIndexRequest(Instant now, NodeId from, const ReadIndexRequest& request, Effects& out);
  void OnReadIndexReply(NodeId from, const ReadIndexReply& reply, Effects& out);
  // Leader: takes a read of this node (from == self) or of another.
  void LeadRead(Instant now, NodeId from, ReadId id, Effects& out);
  void AnswerRead(NodeId from, ReadId id, std::optional<LogIndex> index, Effects& out);
  // Leader: the reads that wait for a round get the next one. False if there are none, or none may
  // begin.
  bool AssignReadRound();
  // The same and begins it, unless one is under way.
  void BeginReadRound(Instant now, Effects& out);
  // Leader: answers the reads whose round a quorum has answered, and begins the next.
  void FinishReadRounds(Instant now, Effects& out);
  bool ReachedByQuorum(uint64_t round) const;
  // Refuses what waits: all of it, or only what has waited for an election timeout.
  void RefuseReads(Effects& out);
  void RefuseOldReads(Instant now, Effects& out);
  Instant LeaseEnd() const;

  // quiet.cc
  bool Idle(Instant now) const;
  // Leader, when a heartbeat is due: whether it may say that the group goes quiet.
  bool OffersQuiet(Instant now);
  void OnQuietReply(Instant now, Progress& peer, const HeartbeatReply& reply);
  bool AcceptsQuiet(const Heartbeat& heartbeat) const;
  void FallAsleep();
  // Something happens in the group: heartbeats and timers again.
  void Stir(Instant now);
  // What arrives wakes this member, unless it is what a quiet group says.
  void StirBy(Instant now, const Message& message, Effects& out);
  // A leader that was given entries it has not been told of yet is quiet no more.
  void StirIfAppended(Instant now);
  void TellAwake(Effects& out);
  // Whoever leads is told that this node is awake, and cannot vouch for all it once had.
  void CallLeader(Effects& out);
  void Wake(Instant now, const std::function<Instant(NodeId)>& heard, Effects& out);
  // When the next heartbeat is due.
  Instant NextHeartbeat(Instant now) const;

  // stall.cc
  void SetDiskStalled(Instant now, bool stalled, Effects& out);
  void LeaveStalled(Instant now, Effects& out);
  bool HandOverStalled(Instant now, Effects& out);

  // priority.cc
  // The highest priority among the voters that are there, but this node.
  uint32_t HighestPriority(Instant now) const;
  void HandOverIfDue(Instant now, Effects& out);

  // transfer.cc
  absl::Status TransferLeadership(Instant now, NodeId to, Effects& out);
  Progress* MostUpToDate(Instant now);
  void ContinueTransfer(Progress& peer, Effects& out);
  void OnTimeoutNow(Instant now, NodeId from, Effects& out);
  void AbortTransferIfDue(Instant now, Effects& out);
  void AbortTransfer(Effects& out);
  void ForgetTransfer();

  // fingerprint.cc
  void AppendFingerprint(Instant now, std::string& out) const;

  Config config_;
  Membership membership_;
  bool is_voter_ = false;
  bool is_member_ = false;
  RaftLog* log_;
  Prng prng_;
  Counters counters_;

  HardState state_;
  // What a crash now would bring back at least.
  HardState durable_;
  LogIndex commit_;
  LogIndex applied_;
  // Outlives roles and terms: what all members have, every later leader has.
  LogIndex all_durable_;
  Role role_ = Role::kFollower;
  NodeId leader_;
  std::optional<Instant> leaderless_since_;
  Instant started_;

  // Followers and candidates: when to campaign. Never() for leaders and for those who only follow.
  Instant election_deadline_ = Instant::Never();
  // When the deadline was last put off, and the random time in force, which is drawn anew at every
  // campaign, not at every heartbeat.
  Instant election_armed_;
  Duration election_wait_;
  // Follower: when the leader was last heard.
  Instant leader_heard_;
  // The highest priority among other voters than the leader, as it last told.
  uint32_t priority_known_ = 0;

  // Follower: what is owed to the leader of this term.
  struct Acknowledgement {
    // Highest index known to agree with the leader's log. It only rises while the leader stays.
    LogIndex verified;
    // Highest index acknowledged.
    LogIndex acked;
    // With cumulative_acks: an answer is owed, the latest to this message.
    bool owed = false;
    uint64_t sequence = 0;
  } ack_;
  // The snapshot that is being installed. Outlives leaders: it is committed.
  struct Install {
    SnapshotMeta meta;
    NodeId leader;  // who asked last, in which term, by which message
    Term term;
    uint64_t sequence = 0;
  };
  std::optional<Install> install_;

  // No heartbeats are sent (leader) or expected, see quiet.cc. Never with a deadline.
  bool quiet_ = false;
  // Leader: heartbeats in a row at which nothing was going on; since when they say so; whether one
  // did in this term.
  uint32_t idle_beats_ = 0;
  Instant quiet_offered_ = Instant::Never();
  bool vouches_ = false;
  bool disk_stalled_ = false;

  // Leader.
  Instant heartbeat_deadline_ = Instant::Never();
  Instant quorum_deadline_ = Instant::Never();
  // First index of this leadership.
  LogIndex term_start_;
  // No change of members is pending in the log behind this index.
  LogIndex pending_change_;
  NodeId transfer_target_;
  Instant transfer_deadline_ = Instant::Never();
  // A voter was told to campaign in this term, whatever the others have heard of this leader.
  bool timeout_now_sent_ = false;
  // Since when a voter of a higher priority could lead.
  Instant outranked_since_ = Instant::Never();
  Reads reads_;

  // The other members, ascending.
  std::vector<Progress> peers_;
  // Sequences up to here may have been used with peers that were removed since.
  uint64_t sequence_floor_ = 0;
  // Removed peers an asynchronous read is under way for.
  NodeSet orphan_reads_;
  Invariants invariants_;
};

}  // namespace tidemark::raft
