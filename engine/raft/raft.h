#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/raft/conf_entry.h"
#include "engine/raft/confchange.h"
#include "engine/raft/types.h"

namespace tidemark::raft {

struct Config {
  NodeId self;
  // Who was a member after the entries up to `applied` (`self` need not be one: such a node only
  // follows). If it has no members, `voters` and `learners` stand for it.
  Membership membership = {};
  // Ascending; learners are no voters.
  std::vector<NodeId> voters = {};
  std::vector<NodeId> learners = {};
  // What the caller has applied of the log before the start; raised to first_index() - 1, lowered
  // to the commit index. Changes of members behind it are applied with OnApplied.
  LogIndex applied = LogIndex{0};
  // Added to a running group of which it may have been a member before, and has forgotten what it
  // promised then: before the log is durable here up to this index, its own addition in it, this
  // node neither votes nor campaigns, whatever the members are as far as it has applied.
  LogIndex fence = LogIndex{0};
  // An election starts after a random time in [election_timeout, 2 * election_timeout) without a
  // leader; a leader sends heartbeats this often.
  Duration election_timeout = Duration::Millis(1000);
  Duration heartbeat_interval = Duration::Millis(150);
  // Off only in simulations that must see what pre-vote hides.
  bool pre_vote = true;
  // A leader that has not heard from a quorum for an election timeout steps down, and nobody helps
  // to depose one heard within an election timeout.
  bool check_quorum = true;
  // Whether the leader looks once per election timeout who was heard since it last looked, and else
  // takes members for present, as etcd does: a silent quorum is noticed later, after two timeouts
  // at most. Otherwise whoever was not heard for an election timeout is not there.
  bool quorum_rounds = false;
  uint64_t append_bytes_max = 0;     // 0: limits.h kAppendBytesMax
  size_t append_entries_max = 0;     // 0: limits.h
  uint64_t inflight_bytes_max = 0;   // 0: limits.h
  size_t inflight_messages_max = 0;  // 0: limits.h
  // Whoever lags and may wait (MayWait) is sent only what RaftLog::ReadAsync brings, whatever is in
  // memory: so the log decides when, and how much at a time.
  bool paced_catch_up = false;
  // Campaign at Start instead of waiting for a timeout (the preferred first leader of a new group).
  // The only voter of a group does so anyway.
  bool campaign_at_start = false;
  bool single_voter_campaigns_at_start = true;
  // A new leader appends a no-op, so that it can commit (and serve) without waiting for a proposal.
  // Off only in simulations that must see what the no-op hides.
  bool noop_at_election = true;
  // Whenever the commit index rises every peer that may be sent to gets an append, empty if need
  // be. Otherwise the news rides on what is sent anyway, and only who is idle is told.
  bool eager_commit = false;
  // Whoever asks for a vote or gives one also tells how far it knows the log to be committed. Off
  // only where votes shall change nothing else, as in etcd.
  bool votes_tell_commit = true;
  // Acknowledgements that wait for one write leave as one, if it still is to the present leader.
  // Otherwise each append gets its own with the write that makes it true, in
  // Effects::messages_after_persist.
  bool cumulative_acks = true;
  // A leader that is no voter any more steps down once that is applied.
  bool step_down_on_removal = true;
  // Off only in simulations: changes of members are not checked against the present ones.
  bool validate_conf_change = true;
  // Reads are answered without asking a quorum while the lease lasts, which is counted from when
  // the heartbeats that a quorum answered were sent: election_timeout, less this many thousandths.
  // That is the assumption: while one member's clock counts an election timeout, no other's counts
  // less than this share of it less. Needs check_quorum.
  bool lease_reads = false;
  uint32_t lease_drift_permille = 100;
  // Who should rather lead: a voter below the highest priority that is there waits an election
  // timeout longer before it campaigns, and hands over, once it leads, to one that has caught up.
  uint32_t priority = 0;
  // A group in which nothing happens goes quiet: no heartbeats, no timers (quiet.cc has the rules).
  // Whoever turns it on vouches for the nodes in the place of heartbeats, and calls Wake when it
  // cannot any longer. All members should have it alike: with one that has not a group never is.
  bool quiet = false;
  // Heartbeats are sent when the clock shows a multiple of the interval, so that those of all
  // groups of a node are due at one time and can travel together.
  bool aligned_heartbeats = false;
};

// The log as raft sees it; engine/node adapts engine/log to it, tests use a vector.
class RaftLog {
 public:
  virtual ~RaftLog() = default;
  virtual LogIndex first_index() const = 0;
  virtual LogIndex last_index() const = 0;
  virtual Term last_term() const = 0;
  // nullopt outside [first_index - 1, last_index].
  virtual std::optional<Term> TermAt(LogIndex index) const = 0;
  // Last index durable on this node; falls on truncation.
  virtual LogIndex durable_index() const = 0;
  // Whether `entry` may be staged behind the entry before it (its base offset continues the log).
  // Asked once per message of a leader, for the first new entry; a message that does not fit is
  // ignored. Guards the log against a peer that is not what it says.
  virtual bool Fits(const Entry& /*entry*/) const { return true; }
  // Whether there is space for more records. Without it a member goes on voting, following and
  // storing control entries, but takes no records of a leader's.
  virtual bool has_room() const { return true; }
  // Whether all of the log is there, as far as it is known. Without, a member votes and follows,
  // and does not campaign: it could not send what it cannot read.
  virtual bool is_whole() const { return true; }
  // Stages `entry` (index last_index() + 1).
  virtual void Append(const Entry& entry) = 0;
  virtual void TruncateSuffix(LogIndex from) = 0;
  // Builds the control frame of a leader's no-op and stages it at last_index() + 1.
  virtual void AppendNoop(Term term) = 0;
  // Builds the control frame of a change of members and stages it at last_index() + 1.
  virtual void AppendConfChange(Term term, const ConfChange& change) = 0;
  // The change of members that the entry at `index` is, nullopt if it is none. Asked only for
  // entries that are not applied (at the start for all of them, else for committed ones), which the
  // log must know without IO.
  virtual std::optional<ConfChange> ConfChangeAt(LogIndex /*index*/) const { return std::nullopt; }
  // What could be sent to a peer instead of entries the log does not have any more; nullopt if
  // nothing is ready. Then such a peer gets heartbeats alone.
  virtual std::optional<SnapshotMeta> Snapshot() const { return std::nullopt; }
  // Entries from `first`; empty when they are not in memory. Then the log has begun (or is about)
  // to read them asynchronously and Raft::OnEntriesRead will bring them.
  virtual EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) = 0;
  // Asks for entries from `first` (durable here) to be read for peer `to`; at most one read per
  // peer at a time, each answered by Raft::OnEntriesRead.
  virtual void ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) = 0;
};

// What came of a read.
struct ReadResult {
  ReadId id;
  // Everything acknowledged before the read was asked for is at or below this index: read when it
  // is applied here. nullopt: refused, nothing is known; ask again, perhaps another node.
  std::optional<LogIndex> index;
  friend bool operator==(const ReadResult&, const ReadResult&) = default;
};

// What a step of raft wants done. A step only adds: one Effects may collect several steps, and the
// latest `persist` and `commit` stand for the earlier ones.
struct Effects {
  // Send at once: nothing in them depends on local durability that is not reached.
  std::vector<Message> messages;
  // Non-empty `persist`: the hard state must be made durable together with everything staged in the
  // log; `messages_after_persist` may leave only then. The caller keeps them with that write, so a
  // vote or an append acknowledgement cannot overtake its promise.
  std::optional<HardState> persist;
  std::vector<Message> messages_after_persist;
  // The log has staged changes that want to become durable.
  bool log_staged = false;
  // The commit index rose to this.
  std::optional<LogIndex> commit;
  // Role, term, known leader or accepts_proposals() changed; read them from the accessors.
  bool role_changed = false;
  // membership() changed.
  bool membership_changed = false;
  // Get this snapshot from the leader and install it, in place of any asked for before; end with
  // OnSnapshotInstalled or OnSnapshotFailed.
  std::optional<SnapshotMeta> install;
  std::vector<ReadResult> reads;

  // Empty again, with the space that it has: who keeps one for its steps asks for no memory.
  void Clear() {
    messages.clear();
    persist.reset();
    messages_after_persist.clear();
    log_staged = false;
    commit.reset();
    role_changed = false;
    membership_changed = false;
    install.reset();
    reads.clear();
  }
};

// What happened so far; for metrics, and for tests that must see that something did happen.
struct Counters {
  // Not for this node, not from a voter, impossible term, malformed, or contradicting itself.
  uint64_t messages_ignored = 0;
  // Of these: a leader's message that contradicts a committed or acknowledged entry, or a second
  // leader in one term. Correct members never cause one: some member lost or forged its state.
  uint64_t contradictions = 0;
  uint64_t pre_votes_started = 0;
  uint64_t elections_started = 0;
  uint64_t elections_won = 0;
  // Leaderships given up because no quorum was heard for an election timeout.
  uint64_t quorum_losses = 0;
  // Leaderships given up or handed over because the disk hung.
  uint64_t stall_step_downs = 0;
  // Times this member went quiet, as a leader or otherwise.
  uint64_t quieted = 0;
  // Times it was woken by Wake.
  uint64_t woken = 0;
  // Suffixes cut because they contradicted the leader.
  uint64_t truncations = 0;
  // Times a peer that was being streamed to had to be probed again.
  uint64_t pipeline_breaks = 0;
  uint64_t transfers_aborted = 0;
  uint64_t conf_changes_applied = 0;
  // Committed, but not applicable (nobody validated them): they changed nothing.
  uint64_t conf_changes_void = 0;
  uint64_t snapshots_sent = 0;
  uint64_t snapshots_installed = 0;
  uint64_t reads_answered = 0;
  uint64_t reads_by_lease = 0;  // of these, as leader, for itself or others
  uint64_t reads_refused = 0;
  // Rounds of heartbeats begun for the sake of reads.
  uint64_t read_rounds = 0;
  // Handed over to a voter of higher priority.
  uint64_t priority_transfers = 0;
};

// One member of one raft group: elections, replication, commitment, changes of members, reads.
// Pure; single-threaded.
// The caller reports durability with OnPersisted and calls OnTimer when next_deadline() has come.
// Invariants are checked after every step (invariants.h) and stay on in production.
//   Source  Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014);
//           Ongaro, "Consensus: Bridging Theory and Practice" (2014), cited as "thesis". Where they
//           leave a choice it is that of etcd-io/raft v3.6, whose interaction scripts are run
//           against this.
class Raft {
 public:
  // `state` and `log` are what recovery found. `commit` may be 0 or any index known committed; if
  // the log has several changes of members behind Config::applied, all but the last are, too.
  // A commit index recorded for a restart must not have been above log.durable_index() at that
  // time: what lay behind it may have been rewritten in memory only. `log` outlives this object.
  //   Checks  dies if `config` makes no sense: voters not ascending, no self, a heartbeat interval
  //           that is not shorter than the election timeout, lease reads without check_quorum.
  Raft(Config config, HardState state, LogIndex commit, RaftLog* log, Prng prng);
  ~Raft();
  Raft(Raft&&) noexcept;
  Raft& operator=(Raft&&) noexcept;

  // Arms the timers; once, before any other call.
  void Start(Instant now, Effects& out);
  void OnMessage(Instant now, const Message& message, Effects& out);
  void OnTimer(Instant now, Effects& out);
  // The caller appended entries of the current term to the log as leader (index and term already
  // set): replicate them. Other calls may come between the two.
  //   Checks  dies if not leader or if the entries are not of the current term.
  void OnAppended(Instant now, Effects& out);
  // A write of the caller completed: log.durable_index() may have risen, and `state`, if the write
  // carried one, is durable. Messages held for it are the caller's to send. log.durable_index() is
  // the authority: the completion of a write that a truncation overtook changes nothing.
  //   Shape   call it for every completed write, in the order the writes were issued.
  void OnPersisted(Instant now, std::optional<HardState> state, Effects& out);
  // Entries read for ReadAsync; empty if the read failed (it is asked for again later).
  void OnEntriesRead(Instant now, NodeId to, EntryList entries, Effects& out);
  // The connection to `peer` broke or came up: in-flight appends are presumed lost; probe.
  void OnPeerReset(Instant now, NodeId peer, Effects& out);
  // It broke, and that was not this node's doing: if the peer leads, its process may be gone. With
  // pre-vote this node asks soon whether the others have lost it, too, instead of waiting for the
  // election timeout; whoever still hears the leader says no. Call OnPeerReset as well.
  void OnPeerLost(Instant now, NodeId peer, Effects& out);
  // A message to `peer` could not be delivered: what was streamed to it may be lost. Unlike after a
  // reset nothing is sent before the next heartbeat.
  void ReportUnreachable(Instant now, NodeId peer, Effects& out);
  // The transfer of a snapshot to `peer` is over. `ok`: its answer will follow. Otherwise it is
  // tried again after a heartbeat.
  void ReportSnapshot(Instant now, NodeId peer, bool ok, Effects& out);
  // Campaigns now instead of waiting for the timeout.
  //   Errors  kFailedPrecondition with the reason: leads already, is no voter, has changes of
  //           members to apply or a snapshot to install first.
  absl::Status Campaign(Instant now, Effects& out);
  // Follows nobody until a leader is heard again, and helps whoever campaigns meanwhile: for a
  // caller that knows better that the leader is gone. No effect on leaders and candidates, and with
  // lease_reads, which rest on remembering it.
  void ForgetLeader(Instant now, Effects& out);
  // Quiet, and the caller does not know any longer that the nodes of all members are there, are the
  // same processes as when this group went quiet, and can reach this one. `heard` is when a node
  // was last heard, on this node's clock. A leader asks for answers again, and steps down at once
  // if a quorum was silent for an election timeout; a follower waits for the rest of an election
  // timeout and tells its leader that it does. No effect if the group is not quiet here.
  void Wake(Instant now, const std::function<Instant(NodeId)>& heard, Effects& out);
  // The local disk hangs, or does so no longer: writes that are under way may never end. A leader
  // hands over to the voter that has most, or steps down where nobody could take over, or did
  // within an election timeout; whoever hangs neither campaigns nor answers votes, which it could
  // not keep. Everything else goes on: entries are taken and the commit index is followed.
  void SetDiskStalled(Instant now, bool stalled, Effects& out);
  // In place of the random one: the election timeout in force ends `wait` after it last began.
  void OverrideElectionTimeout(Duration wait);

  // Replicates a change of members, which takes effect at every member as it is applied there.
  //   Errors  kFailedPrecondition with the reason: does not lead, hands leadership over, is no
  //           member, an earlier change is not applied yet, the group is joint and this does not
  //           leave that, or it leaves what is not joint. As confchange.h for what cannot be
  //           applied; kInvalidArgument more than kConfChangesMax changes.
  //   Source  thesis 4; applied rather than appended entries count, as in etcd-io/raft: until then
  //           a leader neither proposes another one nor is elected.
  absl::Status ProposeConfChange(Instant now, const ConfChange& change, Effects& out);
  // The caller has applied all entries up to `applied`, at most commit(): the changes of members
  // among them take effect now, in order. Call it as entries are applied, often; a leader leaves a
  // joint configuration from here.
  void OnApplied(Instant now, LogIndex applied, Effects& out);
  // The first half of it, for a caller that applies in one place and reports in another: the
  // changes take effect, and leaving a joint configuration waits for OnApplied.
  void ApplyConfChanges(Instant now, LogIndex applied, Effects& out);

  // The snapshot asked for by Effects::install, or one that reaches further, is durable, and the
  // log ends with its index, everything it had before discarded: from this call on, not before. It
  // may have entries up to there, all of them the snapshot's. If commit() meanwhile passed the
  // snapshot, do not reset the log, and call OnSnapshotFailed.
  void OnSnapshotInstalled(Instant now, const SnapshotMeta& meta, Effects& out);
  void OnSnapshotFailed(Instant now, const SnapshotMeta& meta, Effects& out);

  // Asks for an index to read at; the answer comes in Effects::reads, perhaps of this step, at the
  // latest after two election timeouts. A leader asks a quorum whether it still leads (all reads
  // that wait share the next round), a follower asks its leader.
  //   Source  thesis 6.4; held back until the leader committed an entry of its own term.
  void ReadIndex(Instant now, ReadId id, Effects& out);

  // Hands leadership to `to` (kNoNode: the most up-to-date voter). Proposals are refused meanwhile;
  // after an election timeout without success they are accepted again.
  //   Errors  kFailedPrecondition: not leader, or no such other voter.
  //   Source  thesis 3.10.
  absl::Status TransferLeadership(Instant now, NodeId to, Effects& out);

  // When OnTimer must be called; Instant::Never() if there is nothing to wait for. After OnTimer it
  // is in the future.
  Instant next_deadline() const;

  Role role() const;
  Term term() const;
  NodeId leader() const;  // kNoNode if unknown
  NodeId self() const;
  LogIndex commit() const;
  // Highest index that every member is known to have durable: the leader counts, the others are
  // told (they know it late). May be above this node's commit or durable index; after a restart 0.
  LogIndex all_durable() const;
  HardState hard_state() const;
  // Leader, not handing over, and an entry of its own term is committed (safe to answer reads).
  bool serving() const;
  // Whether a proposal may be appended now: leader and not handing leadership over.
  bool accepts_proposals() const;
  // Leader: a change of members may be in its log that is not applied yet.
  bool change_pending() const;
  // Since when this node has known no leader; nullopt while it knows one.
  std::optional<Instant> leaderless_since() const;
  const Membership& membership() const;
  // Last index applied, as far as OnApplied told.
  LogIndex applied() const;
  // Whether this node may campaign, as far as its membership goes: a voter, not installing.
  bool promotable() const;
  // Leader: it sends no heartbeats. Others: they expect none, whoever leads by now.
  bool quiet() const;
  // Leader: told its followers in this term that the group may go quiet: some may expect no
  // heartbeats of it.
  bool vouches() const;
  bool disk_stalled() const;
  // Until when reads are answered without asking anybody (lease_reads only).
  Instant lease_end() const;
  // Every member as the leader knows it, ascending; empty at others.
  std::vector<PeerStatus> Peers(Instant now) const;
  // Whether what `peer` lacks may be sent to it slowly (Config::paced_catch_up): it lacked what had
  // to be read, not all that is committed was sent to it since, and nobody waits for it, as members
  // that are there commit without it and leadership is not handed to it. Leader only, else false.
  bool MayWait(Instant now, NodeId peer) const;
  // For status pages: last index known replicated on `peer` (leader only, else 0).
  LogIndex MatchOf(NodeId peer) const;
  // Whether `peer` was heard from within an election timeout (leader only).
  bool PeerActive(Instant now, NodeId peer) const;
  // The same member again, on `log`: from here on either does what the other would, told the same.
  //   Shape   `log` equals the log of this one, now.
  //   Lives   `log` outlives what is returned.
  Raft Clone(RaftLog* log) const;
  // Appends what this member goes by, as bytes that are equal for two members with one
  // configuration and equal logs only if both will do the same whenever they are told the same.
  //   Shape   instants count from `now`, and an election timeout back is as long ago as any time.
  //           Left out: what no decision of the present role can depend on, the generator of
  //           election timeouts (OverrideElectionTimeout decides them), and what is only reported.
  void AppendFingerprint(Instant now, std::string& out) const;
  // With the zeros replaced by the defaults of limits.h.
  const Config& config() const;
  const Counters& counters() const;

 private:
  struct Impl;
  explicit Raft(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::raft
