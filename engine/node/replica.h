#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/base/prng.h"
#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "engine/log/finding.h"
#include "engine/log/hard_state.h"
#include "engine/log/log.h"
#include "engine/log/segment_scrub.h"
#include "engine/node/digest_watch.h"
#include "engine/node/effect.h"
#include "engine/node/fresh_reads.h"
#include "engine/node/membership_log.h"
#include "engine/node/node.h"
#include "engine/node/node_shared.h"
#include "engine/node/pending_read.h"
#include "engine/node/producers.h"
#include "engine/node/recovered_group.h"
#include "engine/node/replica_options.h"
#include "engine/node/replica_parts.h"
#include "engine/node/segment_repair.h"
#include "engine/node/snapshot_install.h"
#include "engine/node/snapshot_message.h"
#include "engine/raft/raft.h"

namespace tidemark {

// One raft group at this node: consensus, log, producer table and the clients waiting on it.
//
// It is where durability and consensus meet: everything raft stages goes out in one Flush at a time
// (the next one fills meanwhile: group commit), and messages that promise something leave only when
// the flush that carries the promise is done.
//
// It takes no part before what its hard state promises has been written again and synced: what was
// read may be in the page cache alone, and after a failed sync no later one tells. A failed write
// or sync ends its part at once; then its files are read again (ReopenGroup), after a while and
// again if need be, and it takes part as after a restart. Rot ends it for good.
class Replica : private raft::RaftLog, private CheckpointSource {
 public:
  using Options = ReplicaOptions;
  using Fence = ReplicaFence;

  Replica(Options options, RecoveredGroup recovered, NodeShared* shared, Prng prng);
  ~Replica() override;

  // Each may add to `out`; call Settle at the end of the step. Before Start it only writes what the
  // node stages.
  void Start(Now now, Effects& out);
  bool started() const { return started_; }
  void OnMessage(Now now, const raft::Message& message, Effects& out);
  void OnPeerLink(Now now, NodeId peer, bool up, Effects& out);
  void OnTimer(Now now, Effects& out);
  void OnFlushed(Now now, const absl::Status& status, Effects& out);
  void OnRead(Now now, IoToken token, absl::StatusOr<Bytes> bytes, Effects& out);
  void OnReopened(Now now, absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered, Effects& out);
  // There is space again: a replica that failed for lack of it need not wait any longer.
  void OnSpaceBack(Now now);
  void TransferLeadership(Now now, Effects& out);
  // As raft::Raft::Wake.
  void Wake(Now now, const std::function<Instant(NodeId)>& heard, Effects& out);
  // Whether one of its flushes takes longer than it may.
  bool CheckStall(Now now);
  // Follows what the node thinks of the disk (NodeShared::disk_stalled).
  void OnDiskStall(Now now, Effects& out);

  // replica_members.cc. Both as of raft::Raft; kUnavailable while the storage has failed.
  absl::Status TransferLeadershipTo(Now now, NodeId to, Effects& out);
  absl::Status ProposeConfChange(Now now, const raft::ConfChange& change, Effects& out);
  // Leader: writes who founded the group into its log, unless a change of members is there.
  void RecordOrigin(Now now, Effects& out);
  // Leader: writes who votes now, at the index given; nullopt: a change is under way.
  std::optional<LogIndex> WriteRoster(Now now, Effects& out);
  // The same behind the last change, once a term. Whether no restart can undo that any more.
  bool SealMembers(Now now, Effects& out);
  // Why nothing can be proposed here; nullopt: it can.
  std::optional<RpcError> RefusalOfProposal() const;
  // Since the last call, at this node.
  bool membership_changed() { return std::exchange(membership_changed_, false); }
  // Flushes a checkpoint, so that the next start has little to read.
  void PrepareShutdown(Now now, Effects& out);
  // Replicates what was proposed in this step, answers whom it can, and begins the next flush.
  void Settle(Now now, Effects& out);

  // Appends a validated batch for `request` (RequestId 0: nobody waits), or finds that it is a
  // retry; answered when committed.
  //   Errors  as RpcError: NOT_LEADER, NO_LEADER, BACK_PRESSURE, OUT_OF_ORDER_SEQUENCE,
  //           STORAGE_FAILED; without the leader's address, which the node knows.
  //   Result  the index the answer waits for.
  std::optional<RpcError> Propose(Now now, const BatchHeader& header, std::string batch,
                                  RequestId request, LogIndex* index);

  // replica_reads.cc. Answers `request` now, when enough is known for its consistency and, where it
  // may wait, when there is something to read. `out` gets the Reply, TakeRefusedReads the refusals.
  void Fetch(Now now, RequestId request, const FetchRequest& fetch, Effects& out);
  // Reads that were refused since the last call, without the leader's address, which the node
  // knows.
  std::vector<std::pair<RequestId, RpcError>> TakeRefusedReads();
  // A waiting fetch that nobody waits for any more. False if it is not one of this replica's.
  bool CancelFetch(RequestId request);
  size_t parked_fetches() const { return parked_.size() + fresh_.waiting(); }

  // replica_catalog.cc. A state that was read from a checkpoint, here or in a snapshot that came,
  // and is ahead of the state machine: takes its place, before TakeCommitted is called again.
  std::optional<CatalogSnapshot> TakeCatalog() { return std::exchange(loaded_, std::nullopt); }
  // Entries committed since the last call, which the state machine applies at once.
  std::vector<Entry> TakeCommitted();
  const std::deque<Entry>& unapplied() const { return unapplied_; }
  // The newest state that a segment begins with and that a crash leaves.
  std::optional<CatalogStateMark> DurableCatalog() const;
  // A turn in the node's CatchUpPace has come: reads what waits for it, if there is still
  // something.
  void ReadForLagging(const CatchUpPace::Turn& turn, Effects& out);
  void FailWaiting(const RpcError& error, Effects& out);  // turns every waiting client away
  // Adds file operations of the node's own to the next flush.
  void StageNodeFiles(FileBatch batch);
  bool node_files_durable() const;  // all of them
  // A read of one of the log's files for the node's scrubber, which is told instead of OnRead; then
  // this is told that it is over.
  IoToken ReadForScrub(const ScrubRead& read, Effects& out);
  void OnScrubRead(IoToken token);
  // Makes a sidecar anew from its frames, which the node reads for it: what RebuildRead names (none
  // while the disk is behind). A failure ends it.
  absl::Status BeginRebuild(const Finding& stale);
  bool rebuilding() const { return active() && log_->replacing(); }
  std::optional<ScrubRead> RebuildRead() const;
  absl::Status OnRebuildRead(const absl::StatusOr<Bytes>& bytes);
  // Removes the group's files. The replica takes no further part; removed() once they are gone.
  void Remove(Now now, Effects& out);
  bool removing() const { return removal_.begun; }
  bool removed() const { return removal_.done; }

  // replica_compaction.cc. What a pass of compaction would find now; nullopt if it is not worth it.
  std::optional<CompactionSizes> CompactionWork(Now now) const;
  // Begins a pass. DriveCompaction, once a step, does a part of it and keeps one read or write of
  // it under way, beside the flushes of the log.
  void BeginCompaction(Now now, KeySeed seed);
  bool compacts() const { return options_.compaction.has_value(); }
  bool compacting() const { return log_->compacting(); }
  void DriveCompaction(Now now, Effects& out);
  void CancelCompaction() { log_->CancelCompaction(); }
  // The flush or read with this token is done. False: it is none of a pass.
  bool OnCompactionFlushed(Now now, IoToken token, const absl::Status& status, Effects& out);
  bool OnCompactionRead(Now now, IoToken token, const absl::StatusOr<Bytes>& bytes, Effects& out);

  // replica_snapshot.cc
  void OnSnapshotMessage(Now now, NodeId from, const SnapshotMessage& message, Effects& out);
  // Once a step: goes on receiving, if raft asked for it, with one request and one flush under way,
  // beside the flushes of the log and not at the same time as one of compaction.
  void DriveInstall(Now now, Effects& out);
  bool OnSnapshotFlushed(Now now, IoToken token, const absl::Status& status, Effects& out);

  // replica_repair.cc. Damage was found in `file`, a segment of the log: it is repaired from other
  // replicas, and until then this one does not lead. False: nobody could help.
  bool OnDamage(Now now, const FileId& file, Effects& out, SegmentRepair::Part part = {});
  void DriveRepair(Now now, Effects& out);  // once a step
  std::string DescribeRepair() const;
  // It may have acknowledged entries that it does not have any more: the disk changed them.
  bool lacks() const;
  // What was received becomes the log, and the files are read again: it takes no part meanwhile.
  bool switching() const { return switching_; }
  uint64_t received_bytes() const;  // of another log
  Instant next_deadline() const;
  // Whether Settle has left something to the next step, whatever that brings.
  bool wants_settling() const { return segment_begun_ && has_retention(); }
  bool idle_disk() const;  // nothing staged, nothing in flight

  const raft::Raft& raft() const { return raft_; }
  const Log& log() const { return *log_; }
  const std::string& failure() const { return failure_.what; }
  GroupId group() const { return options_.group; }
  // First offset consumers may not see here yet: committed and durable on this node.
  Offset visible_end() const;
  // Since the last call.
  bool leadership_changed() { return std::exchange(leadership_changed_, false); }
  // First index to keep: what is before is removed, or will be once this is durable.
  LogIndex kept_from() const { return kept_from_; }

 private:
  bool MustIgnore(const raft::Message& message, Effects& out);
  void HearWhatWasCommitted(const raft::Message& message);
  raft::Config RaftConfig() const;
  raft::HardState HardStateAtStart() const;
  LogIndex CommitAtStart() const;
  void ApplyMembers(Now now, Effects& out);
  void RestartRaft(Now now, Effects& out);
  void AppendControl(Term term, std::string_view payload);

  // raft::RaftLog
  // What was compacted is gone for raft, as a removed prefix is: every voter has had it, and it
  // cannot be sent any more.
  LogIndex first_index() const override { return log_->compacted_end(); }
  LogIndex last_index() const override { return log_->last_index(); }
  Term last_term() const override { return log_->last_term(); }
  std::optional<Term> TermAt(LogIndex index) const override;
  LogIndex durable_index() const override { return log_->durable_index(); }
  bool Fits(const Entry& entry) const override;
  bool has_room() const override { return options_.catalog != nullptr || !shared_->no_room; }
  bool is_whole() const override {
    return !lacks() && (repair_.whole() || repair_.hopeless() || alone());
  }
  void Append(const Entry& entry) override;
  void TruncateSuffix(LogIndex from) override;
  void AppendNoop(Term term) override { AppendControl(term, ""); }
  void AppendConfChange(Term term, const raft::ConfChange& change) override {
    AppendControl(term, raft::EncodeConfChange(change));
  }
  std::optional<raft::ConfChange> ConfChangeAt(LogIndex index) const override {
    return members_.ChangeAt(index);
  }
  EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) override;
  void ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) override;
  std::optional<raft::SnapshotMeta> Snapshot() const override;

  // CheckpointSource
  void AppendState(std::string& out) const override;

  bool active() const {
    return verified_ && failure_.what.empty() && !removal_.begun && !switching_;
  }
  bool failed() const { return !failure_.what.empty(); }
  LogIndex visible_index() const;
  // Whether there is nothing committed behind visible_end(), or about to be shown by others.
  bool knows_end() const;
  void Absorb(raft::Effects fx, Effects& out);
  // For a step of raft: with the space of earlier ones, which Absorb gives back.
  raft::Effects NoEffects();
  void Send(raft::Message message, Effects& out);
  void AnswerCommitted(Effects& out);
  void WakeFetches(Now now, Effects& out);
  void AnswerFetch(Now now, RequestId request, const ParkedFetch& fetch, Effects& out);
  // Answers by what is shown here; reads the sidecar that it needs first.
  void FetchHere(Now now, RequestId request, const FetchRequest& fetch, Effects& out);
  // Answers or parks `fetch`. Look-ups point early where a sidecar could not be read.
  void FetchNow(Now now, RequestId request, const FetchRequest& fetch, Effects& out);
  Offset BeginningOf(const FetchRequest& fetch) const;
  bool Readable(const PeerRead& read) const;
  void LetWait(PeerRead read);
  void DriveLagging(Now now, Effects& out);
  void BeginPeerRead(const PeerRead& read, Effects& out);
  void ReadForPeer(const PeerRead& read, Effects& out);
  void NoteFailedRead(const FileRange& range, const absl::Status& status, Effects& out);
  // The read of `sidecar` that is under way, or a new one.
  PendingRead& ReadSidecar(const FileRange& sidecar, Effects& out);
  void OnSidecarRead(Now now, PendingRead read, const absl::StatusOr<Bytes>& bytes, Effects& out);
  void BeginFlush(Now now, Effects& out);
  // When the oldest flush under way will have taken too long.
  Instant stall_at() const;
  Instant stall_deadline() const { return stalled_ ? Instant::Never() : stall_at(); }
  // replica_storage.cc
  void StartRaft(Now now, Effects& out);
  void StageIdentityAgain(FileBatch batch);
  void StageHardStateAgain(FileBatch& batch);
  void Fail(Now now, const absl::Status& status, Effects& out);
  void ScheduleReopen(Now now);
  bool may_reopen() const;
  void Reopen(Effects& out);
  // kDataLoss if `recovered` lacks what is known to be on the disk.
  absl::Status CheckAllThere(const RecoveredGroup& recovered) const;
  void Reset(RecoveredGroup recovered);
  RpcError StorageFailed() const;
  // Stages the hard state that says that the group is being removed.
  void MarkRemoved();
  // The flush of one step of the removal is done: stages the next one.
  void ContinueRemoval();
  // Of a removal, after what failed before it: the files were read again, or cannot be.
  void OnRemovalFlushed(Now now, const absl::Status& status, Effects& out);
  void RemoveLater(Now now, const absl::Status& status, Effects& out);
  void RemoveReopened(Now now, absl::StatusOr<std::shared_ptr<RecoveredGroup>> recovered,
                      Effects& out);
  void AddReplacement(OutstandingFlush& flush, FileBatch& batch);
  // replica_reads.cc: asks raft on behalf of the reads that wait, and ends those that need not.
  void SettleReads(Now now, Effects& out);
  void RefuseWaitingReads(Now now);
  void RefuseRead(Now now, const WaitingFetch& read, bool too_stale);
  // replica_retention.cc: decides what of the log may go, and says once who holds it back.
  bool has_retention() const;
  void DecideRetention(Now now, Effects& out);
  void NoteHeldBack(LogIndex wanted, Effects& out);
  // replica_catalog.cc
  void LoadCatalog(RecoveredGroup& recovered);
  void DecideCatalogSnapshot(Now now);
  // The sidecar of the segment that begins at `base` is made anew, without the state.
  void OnCatalogSidecarRebuilt(LogIndex base);
  // Whether what can be shipped up to `end` has what whoever lacks the beginning needs.
  bool ShipsCatalog(LogIndex end) const;
  // replica_snapshot.cc
  void NoteMembership();
  void PrepareSnapshot(Instant now);  // sees to it that there is something to ship, and stays
  void SendSnapshot(NodeId to, SnapshotMessage message, Effects& out);
  void OnSnapshotRequest(Now now, NodeId from, const SnapshotRequest& request, Effects& out);
  void OnSnapshotRead(Now now, SnapshotRead read, const FileRange& range,
                      const absl::StatusOr<Bytes>& bytes, Effects& out);
  void BeginInstall(Now now, const raft::SnapshotMeta& meta, Effects& out);
  void ReserveForInstall();
  // Whether what was received can become the log.
  bool HasAll(const SnapshotInstall& install) const;
  void AskForMore(Now now, Effects& out);
  void OnSnapshotChunk(Now now, NodeId from, const SnapshotChunk& chunk, Effects& out);
  void EndInstall(Now now, Effects& out);
  void DiscardReceived();
  std::vector<FileId> ReceivedFiles() const;
  void BeginSwitch(Now now, Effects& out);
  void OnSwitched(std::optional<raft::HardState> saved, Effects& out);
  void FinishInstall(Now now, RecoveredGroup recovered, Effects& out);
  Instant install_deadline() const;
  void ContinueRemovalBeside();  // when what ran beside it is over
  // replica_repair.cc
  bool alone() const;
  std::vector<NodeId> RepairSources() const;
  void OnFramesRequest(Now now, NodeId from, const FramesRequest& request, Effects& out);
  void ReadForRepair(const FramesRead& wanted, const FileRange& range, Effects& out);
  void AnswerFrames(Now now, NodeId to, FramesReply reply, Effects& out);
  void OnFramesRead(Now now, const PendingRead& read, const absl::StatusOr<Bytes>& bytes,
                    Effects& out);
  void TellDigest(Now now, Effects& out);
  void OnDigestReport(Now now, NodeId from, const DigestReport& report, Effects& out);
  // replica_compaction.cc
  LogIndex CompactionLimit(Now now) const;
  void NoteFailedCompaction(Now now, const absl::Status& status, Effects& out);
  void CountCompaction();
  Instant compaction_deadline() const;

  const Options options_;
  NodeShared* const shared_;
  std::optional<Log> log_;
  HardStateRecord hard_record_;  // as last handed to the disk
  Prng prng_;
  MembershipLog members_;
  raft::Raft raft_;
  ProducerTable producers_;
  std::deque<Entry> unapplied_;
  LogIndex taken_;  // last entry handed out by TakeCommitted
  LogIndex kept_from_;
  WallTime wall_;  // of the step under way
  bool started_ = false;
  bool proposed_ = false;  // appended as leader, raft not told yet
  std::optional<raft::HardState> unsaved_;
  std::vector<raft::Message> held_;
  FileBatch node_files_;
  std::optional<OutstandingFlush> flush_;
  WantedReads wanted_reads_;
  std::map<IoToken, PendingRead> reads_;
  FileId rebuilt_;  // the segment whose sidecar is made anew

  std::deque<WaitingProduce> waiting_;  // ascending by index
  std::map<RequestId, ParkedFetch> parked_;
  FreshReads fresh_;
  std::vector<std::pair<RequestId, RpcError>> refused_reads_;
  // (index, bytes) of own appends not known committed, for back pressure.
  std::deque<std::pair<LogIndex, uint64_t>> uncommitted_;
  uint64_t uncommitted_bytes_ = 0;
  Offset woken_to_;
  bool served_ = false;  // has led and committed in its term
  bool leadership_changed_ = false, membership_changed_ = false;
  bool unreadable_noted_ = false;  // a control entry of a newer version
  bool segment_begun_ = false;     // since retention was last decided
  RetentionSight retention_;
  LogIndex all_durable_;  // what every voter was known to have durable when the files were reopened
  CompactionUnderWay compaction_;
  std::optional<raft::SnapshotMeta> install_wanted_;  // by raft
  std::optional<SnapshotInstall> install_;
  std::optional<IoToken> snapshot_flush_;  // of the receiver
  Instant snapshot_flush_begun_;
  std::optional<SnapshotFiles> new_files_;  // for the next hard state
  ReceivedSegments received_;               // while nobody goes on receiving
  std::string given_up_;  // damage at the end of the log, until the hard state says so
  Regaining regain_;
  SegmentRepair repair_;
  DigestWatch digests_;
  bool switching_ = false;
  mutable SnapshotShipping shipping_;
  // Of the catalog: a state that the state machine has not taken yet, and which segments of the log
  // begin with one (the first: or the checkpoint that a restart read), ascending.
  std::optional<CatalogSnapshot> loaded_;
  mutable std::deque<CatalogStateMark> states_;
  RemovalUnderWay removal_;
  MembersSeal seal_;
  uint64_t durable_generation_ = 0;  // of hard_record_
  SnapshotFiles durable_files_;      // likewise
  bool stalled_ = false;             // as CheckStall last said
  bool verified_ = false;            // the hard state is known to be on the disk
  Instant healthy_since_ = Instant::Never();
  StorageFailure failure_;
};

}  // namespace tidemark
