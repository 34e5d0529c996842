#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/raft/raft.h"

// A small deterministic world for raft: a log in a vector with an explicit disk, a network that
// loses, repeats, delays and reorders, crashes that take what is not durable, and oracles that look
// at every step from outside. Unit tests drive Member directly; scenarios and properties drive
// Cluster.

namespace tidemark::raft {

// A log in memory plus what of it is on disk.
class TestLog final : public RaftLog {
 public:
  LogIndex first_index() const override { return first_; }
  LogIndex last_index() const override { return LogIndex{first_.value() + entries_.size() - 1}; }
  Term last_term() const override { return *TermAt(last_index()); }
  std::optional<Term> TermAt(LogIndex index) const override;
  LogIndex durable_index() const override { return durable_; }
  void Append(const Entry& entry) override;
  void TruncateSuffix(LogIndex from) override;
  void AppendNoop(Term term) override { AppendNew(term, ""); }
  void AppendConfChange(Term term, const ConfChange& change) override;
  std::optional<ConfChange> ConfChangeAt(LogIndex index) const override;
  std::optional<SnapshotMeta> Snapshot() const override { return snapshot; }
  EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) override;
  void ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) override;
  bool Fits(const Entry& entry) const override;
  bool has_room() const override { return has_room_; }
  void set_has_room(bool has_room) { has_room_ = has_room; }

  // Adds an entry of `term` at the end, as a leader's caller would.
  void AppendNew(Term term, const std::string& payload);
  // Drops the entries before `first` (retention).
  void RemovePrefix(LogIndex first);
  const Entry& At(LogIndex index) const { return entries_[index - first_]; }
  const std::vector<Entry>& entries() const { return entries_; }

  // One write to the disk: what was staged since the one before.
  struct Op {
    LogIndex cut;  // non-zero: remove everything from here on
    Entry entry;   // else append this
  };
  std::vector<Op> TakeStaged();
  // The write taken last is on disk. Entries cut since it was taken do not count.
  void WriteDone();
  bool has_staged() const { return !staged_.empty(); }
  // Appends and cuts so far.
  uint64_t changes() const { return changes_; }

  // What is behind a prefix that is gone.
  struct Before {
    LogIndex index;
    Term term;
    Offset end_offset;
  };
  // The image after a crash.
  void Restore(std::vector<Entry> disk, const Before& before = {});
  Offset EndOffset(LogIndex index) const {
    return index == first_ - 1 ? before_offset_ : At(index).end_offset();
  }

  // What could be sent instead of what is gone.
  std::optional<SnapshotMeta> snapshot;
  // Entries below this are not in memory.
  LogIndex cached_from{1};
  struct Read {
    NodeId to;
    LogIndex first;
    uint64_t max_bytes;
  };
  std::deque<Read> reads;
  // For oracles: after an entry was added, before a suffix is cut.
  std::function<void(LogIndex)> on_append;
  std::function<void(LogIndex)> on_truncate;

 private:
  Offset NextOffset() const { return EndOffset(last_index()); }

  LogIndex first_{1};
  Term before_first_;
  Offset before_offset_;
  std::vector<Entry> entries_;
  LogIndex durable_;
  // What the outstanding write will make durable; lowered by truncation.
  LogIndex writing_;
  std::vector<Op> staged_;
  uint64_t changes_ = 0;
  bool has_room_ = true;
};

struct ClusterOptions {
  size_t nodes = 3;
  // The first of them that vote in the beginning (0: all); the others are no members.
  size_t voters = 0;
  Config config;  // self and members are filled in
  uint64_t seed = 1;
  // Chances in 1000.
  uint64_t drop = 0;
  uint64_t duplicate = 0;
  Duration delay_min = Duration::Micros(100);
  Duration delay_max = Duration::Micros(200);
  Duration write_min = Duration::Micros(500);
  Duration write_max = Duration::Micros(600);
  uint64_t read_failure = 0;
  // Of a step, that what is committed is applied after it.
  uint64_t apply = 1000;
  // Of a snapshot, that it cannot be installed.
  uint64_t install_failure = 0;
  // Keeps only this many newest entries in memory (0: all).
  uint64_t cached_entries = 0;
  // Nothing happens by itself but what timers do: messages, writes and installations wait for
  // DeliverAt, EndWrite and EndInstall (by_hand.cc), and election timeouts are HandTimeout's.
  bool by_hand = false;
  // Has the last word about the configuration of a member that starts.
  std::function<void(Config&)> configure = nullptr;
};

// The members of one group and everything between them. What an oracle has to say is in failures().
class Cluster {
 public:
  explicit Cluster(ClusterOptions options);
  ~Cluster();

  // Runs events until `until` (virtual time).
  void RunUntil(Instant until);
  void RunFor(Duration time) { RunUntil(now_ + time); }
  // Runs until `done` holds or `limit` has passed; whether it holds.
  bool RunUntilTrue(const std::function<bool()>& done, Duration limit);

  Instant now() const { return now_; }
  Prng& prng() { return prng_; }
  ClusterOptions& options() { return options_; }
  const std::vector<NodeId>& ids() const { return ids_; }

  bool up(NodeId id) const { return Node(id).raft != nullptr; }
  Raft& raft(NodeId id) { return *Node(id).raft; }
  TestLog& log(NodeId id) { return Node(id).log; }
  // What a crash now would leave, behind the snapshot.
  const std::vector<Entry>& disk(NodeId id) const { return Node(id).disk_log; }
  LogIndex DiskLast(NodeId id) const;
  // Of an entry on the disk of `id`; what a snapshot covers is what was committed.
  std::optional<Term> DiskTerm(NodeId id, LogIndex index) const;

  // The one leader with the highest term, kNoNode if none.
  NodeId leader() const;
  NodeId WaitForLeader(Duration limit = Duration::Seconds(20));
  // Appends a record at `id`; its index, or nullopt if it does not take proposals.
  std::optional<LogIndex> Propose(NodeId id, const std::string& payload);
  // Several in one step; the index of the last.
  std::optional<LogIndex> ProposeAll(NodeId id, const std::vector<std::string>& payloads);
  absl::Status ProposeChange(NodeId id, const ConfChange& change);
  // A snapshot of what is applied at `id` takes the place of its log's prefix.
  void Compact(NodeId id);
  void Read(NodeId id);
  // Changes the members, one by one, until all nodes vote.
  bool MakeAllVoters(Duration limit = Duration::Seconds(30));
  // Proposes at the leader and waits until every running member has committed it.
  bool ProposeAndSettle(const std::string& payload, Duration limit = Duration::Seconds(20));

  void Crash(NodeId id);
  // The same, and of the write under way so much has reached the disk: the first `ops` changes of
  // the log (or all there are), and its hard state or not.
  void CrashWith(NodeId id, size_t ops, bool state);
  void Restart(NodeId id);
  // Directed: messages from `from` to `to` vanish.
  void Cut(NodeId from, NodeId to) { cut_.insert({from, to}); }
  void Mend(NodeId from, NodeId to) { cut_.erase({from, to}); }
  void CutBoth(NodeId a, NodeId b);
  void Isolate(NodeId id);
  void Heal();
  // Writes of `id` do not complete while stalled.
  void StallDisk(NodeId id, bool stalled) { Node(id).disk_stalled = stalled; }
  // Messages in flight are lost.
  void DropInFlight();
  // Delivers `count` messages again that were sent at any time before.
  void ReplayOld(uint64_t count);
  void ResetPeer(NodeId at, NodeId peer);
  absl::Status Transfer(NodeId from, NodeId to);

  // by_hand.cc: what ClusterOptions::by_hand leaves to the caller.
  // Sent and neither delivered nor lost, oldest first.
  const std::deque<Message>& in_flight() const { return in_flight_; }
  // `keep`: a copy stays in flight. What is down or cut off loses it.
  void DeliverAt(size_t place, bool keep = false);
  void LoseAt(size_t place);
  // The write under way is on the disk, and the next one begins; false if there is none.
  bool EndWrite(NodeId id);
  // The same for an installation, which may fail.
  bool EndInstall(NodeId id, bool ok);
  // The election timeout of `id` is over; false if it waits for none.
  bool TimeOut(NodeId id);
  // Long enough for everybody to have forgotten a leader, different for each.
  Duration HandTimeout(NodeId id) const;
  // Messages that wait for a write of `id`.
  std::vector<Message> HeldAt(NodeId id) const;
  const HardState& disk_state(NodeId id) const { return Node(id).disk_state; }
  const SnapshotMeta& disk_snapshot(NodeId id) const { return Node(id).disk_snapshot; }
  bool disk_stalled(NodeId id) const { return Node(id).disk_stalled; }
  bool installing(NodeId id) const { return Node(id).installing.has_value(); }
  // The connection of `at` to `peer` broke and is there again.
  void Reconnect(NodeId at, NodeId peer);
  ReadId last_read() const { return next_read_ - 1; }
  // Sees what leaves a node, `lost` at once or not, and what comes of reads.
  std::function<void(const Message&, bool lost)> on_send;
  std::function<void(NodeId, const ReadResult&)> on_read;

  // Sees every message that leaves a node, before loss; false drops it.
  std::function<bool(const Message&)> filter;
  uint64_t messages_delivered() const { return delivered_; }
  const std::vector<std::string>& failures() const { return failures_; }
  // For a person: what every node is at.
  std::string Describe() const;
  // Entries committed anywhere, by index: term and payload.
  struct Committed {
    Term term;
    std::string payload;
    Term in_term;  // the lowest term of a node that knew it committed
  };
  const std::map<LogIndex, Committed>& committed() const { return committed_; }

  // What campaigns must have seen; summed over crashes.
  Counters totals() const;
  uint64_t reads_answered() const { return reads_answered_; }

 private:
  struct Write {
    std::vector<TestLog::Op> ops;
    std::optional<HardState> state;
    std::vector<Message> held;
  };
  struct NodeState {
    std::unique_ptr<Raft> raft;
    TestLog log;
    std::vector<Entry> disk_log;
    HardState disk_state;
    LogIndex disk_commit;
    SnapshotMeta disk_snapshot;  // index 0: none, the members of the beginning
    std::optional<SnapshotMeta> installing;
    Instant install_due;
    struct PendingRead {
      Instant asked;
      LogIndex floor;  // what was committed anywhere when it was asked for
    };
    std::map<ReadId, PendingRead> reads;
    bool disk_stalled = false;
    std::optional<Write> writing;
    Instant write_due;
    std::multimap<Instant, TestLog::Read> reads_due;
    // Collected for the next write.
    std::optional<HardState> next_state;
    std::vector<Message> next_held;
    // The strongest promise that left this node.
    HardState promised;
    LogIndex commit;
    uint64_t changes_seen = 0;
    Counters counters;
  };

  NodeState& Node(NodeId id) { return nodes_.at(id); }
  const NodeState& Node(NodeId id) const { return nodes_.at(id); }
  // Executes the earliest event at or before `until`; false if there is none.
  bool StepOnce(Instant until);
  void Start(NodeId id);
  void Absorb(NodeId id, Effects& effects);
  void AbsorbStep(NodeId id, Effects& effects);
  void SendOut(NodeId id, Message message);
  void StartWrite(NodeId id);
  void FinishWrite(NodeId id);
  void FinishInstall(NodeId id, bool ok);
  void ApplyOps(NodeState& node, const std::vector<TestLog::Op>& ops);
  void Apply(NodeId id);
  void Fail(const std::string& what);

  // checks.cc: the oracles.
  void CheckPromise(NodeId id, const Message& message);
  void CheckRole(NodeId id);
  void CheckCommit(NodeId id);
  void CheckAppended(NodeId id, LogIndex index);
  void CheckCut(NodeId id, LogIndex from);
  void CheckMembership(NodeId id);
  void CheckReads(NodeId id, const Effects& effects);

  ClusterOptions options_;
  Prng prng_;
  Instant now_ = Instant::FromNanos(1);
  std::vector<NodeId> ids_;
  Membership initial_;
  // By the index it took effect at.
  std::map<LogIndex, Membership> memberships_;
  // Behind the entry a snapshot ends with.
  std::map<LogIndex, Offset> snapshot_offsets_;
  ReadId next_read_{1};
  uint64_t reads_answered_ = 0;
  std::map<NodeId, NodeState> nodes_;
  std::multimap<Instant, Message> flights_;
  std::deque<Message> in_flight_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  uint64_t delivered_ = 0;
  // A sample of everything ever sent.
  std::vector<Message> old_;
  uint64_t sent_ = 0;
  std::vector<std::string> failures_;
  std::map<LogIndex, Committed> committed_;
  std::map<Term, NodeId> leaders_;
  std::map<std::pair<Term, NodeId>, NodeId> votes_;
  // (index, term) -> (term before, payload): log matching by induction.
  std::map<std::pair<LogIndex, Term>, std::pair<Term, std::string>> matching_;
};

// A quick configuration: 100 ms timeouts.
Config TestConfig();

}  // namespace tidemark::raft
