#include "engine/node/replica.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

std::string NumberText(uint64_t value) { return absl::StrCat(value); }

}  // namespace

Replica::Replica(Options options, RecoveredGroup recovered, NodeShared* shared, Prng prng)
    : options_(std::move(options)),
      shared_(shared),
      log_(std::move(recovered.log)),
      hard_record_(recovered.hard_state),
      prng_(prng),
      members_(std::move(recovered.members)),
      raft_(RaftConfig(), HardStateAtStart(), CommitAtStart(), this, prng_.Fork()),
      producers_(std::move(recovered.producers)),
      kept_from_(recovered.kept_from()),
      fresh_(options_.raft.election_timeout * 2, options_.raft.lease_drift_permille) {
  LoadCatalog(recovered);
  removal_.leftover = std::move(recovered.leftover);
  received_ = std::move(recovered.received);
  given_up_ = std::move(recovered.given_up);
  repair_.Expect(std::move(recovered.damaged));
  regain_.since_start = true;
  durable_files_ = hard_record_.snapshot;
  log_->SetCheckpointSource(this);
}

Replica::~Replica() = default;

void Replica::OnMessage(Now now, const raft::Message& message, Effects& out) {
  if (!active() || MustIgnore(message, out)) return;
  wall_ = now.wall;
  raft::Effects fx = NoEffects();
  raft_.OnMessage(now.instant, message, fx);
  Absorb(std::move(fx), out);
  HearWhatWasCommitted(message);
}

void Replica::OnPeerLink(Now now, NodeId peer, bool up, Effects& out) {
  if (!active()) return;
  raft::Effects fx;
  if (up) repair_.OnPeerUp(now.instant, peer);
  if (!up) raft_.OnPeerLost(now.instant, peer, fx);
  raft_.OnPeerReset(now.instant, peer, fx);
  Absorb(std::move(fx), out);
}

void Replica::OnTimer(Now now, Effects& out) {
  if (may_reopen() && now.instant >= failure_.reopen_at) Reopen(out);
  if (!active() || now.instant < raft_.next_deadline()) return;
  wall_ = now.wall;
  raft::Effects fx = NoEffects();
  raft_.OnTimer(now.instant, fx);
  Absorb(std::move(fx), out);
}

void Replica::OnFlushed(Now now, const absl::Status& status, Effects& out) {
  TIDEMARK_CHECK(flush_.has_value());
  OutstandingFlush done = *std::move(flush_);
  flush_.reset();
  if (removal_.begun) {
    OnRemovalFlushed(now, status, out);
    return;
  }
  if (!status.ok()) {
    if (done.identity.has_value()) StageIdentityAgain(*std::move(done.identity));
    Fail(now, status, out);
    return;
  }
  wall_ = now.wall;
  durable_generation_ = hard_record_.generation;
  durable_files_ = hard_record_.snapshot;
  if (done.switches) {
    OnSwitched(done.hard_state, out);
    return;
  }
  if (done.verifies) {
    StartRaft(now, out);
    return;
  }
  if (!started_) return;
  if (done.has_log) log_->OnBatchDurable();
  if (done.has_replacement) log_->OnReplacementBatchDurable();
  if (done.start.has_value()) log_->TruncatePrefix(*done.start);
  raft::Effects fx = NoEffects();
  raft_.OnPersisted(now.instant, done.hard_state, fx);
  // A promise made in an older term is void: its receiver could count it against what this node
  // has agreed to since.
  for (raft::Message& message : done.held) {
    if (message.term == raft_.term()) Send(std::move(message), out);
  }
  Absorb(std::move(fx), out);
}

void Replica::OnRead(Now now, IoToken token, absl::StatusOr<Bytes> bytes, Effects& out) {
  const auto found = reads_.find(token);
  TIDEMARK_CHECK(found != reads_.end());
  PendingRead read = std::move(found->second);
  reads_.erase(found);
  if (read.peer.has_value() && read.peer->turn.has_value()) {
    const uint64_t brought = bytes.ok() ? bytes->size() : 0;
    shared_->catch_up.OnRead(*read.peer->turn, brought);
    shared_->counters.catch_up_bytes += brought;
  }
  if (failed() || removal_.begun) return;
  if (read.snapshot.has_value()) {
    OnSnapshotRead(now, *std::move(read.snapshot), read.range, bytes, out);
    return;
  }
  if (read.frames.has_value()) {
    OnFramesRead(now, read, bytes, out);
    return;
  }
  if (!read.peer.has_value()) {
    OnSidecarRead(now, std::move(read), bytes, out);
    return;
  }
  std::vector<Entry> entries;
  absl::Status status = bytes.status();
  if (bytes.ok()) {
    absl::StatusOr<std::vector<Entry>> all = EntriesIn(read.range, *bytes);
    status = all.status();
    if (all.ok()) entries = *std::move(all);
  }
  // Of the term no checksum tells, and what is committed is not cut.
  for (const Entry& entry : entries) {
    if (status.ok() && entry.index >= first_index() && entry.index <= visible_index() &&
        log_->TermAt(entry.index) != entry.term) {
      status = absl::DataLossError(
          absl::StrCat(PathOf(read.range.file), " is damaged: it has entry ", entry.index.value(),
                       " in term ", entry.term.value(), ", which was not written"));
    }
  }
  if (!status.ok()) {
    NoteFailedRead(read.range, status, out);
    if (absl::IsDataLoss(status)) OnDamage(now, read.range.file, out);
  }
  // The log may have been cut since; what is no longer the log must not be sent.
  std::erase_if(entries, [&](const Entry& entry) {
    return entry.index < read.peer->first || log_->TermAt(entry.index) != entry.term;
  });
  raft::Effects fx;
  raft_.OnEntriesRead(
      now.instant, read.peer->to,
      EntryList(std::make_move_iterator(entries.begin()), std::make_move_iterator(entries.end())),
      fx);
  Absorb(std::move(fx), out);
}

void Replica::OnSidecarRead(Now now, PendingRead read, const absl::StatusOr<Bytes>& bytes,
                            Effects& out) {
  wall_ = now.wall;
  if (bytes.ok()) {
    log_->OnIndexRead(read.range, bytes->view());
  } else {
    // Look-ups go on without it, from further ahead.
    NoteFailedRead(read.range, bytes.status(), out);
  }
  for (const PeerRead& peer : read.peers) {
    if (Readable(peer)) {
      ReadForPeer(peer, out);
      continue;
    }
    // The log was cut meanwhile: raft asks again.
    raft::Effects fx;
    raft_.OnEntriesRead(now.instant, peer.to, {}, fx);
    Absorb(std::move(fx), out);
  }
  for (const FramesRead& wanted : read.repairs) {
    // Else it asks again.
    if (wanted.request.first >= first_index() && wanted.request.first <= visible_index()) {
      ReadForRepair(wanted, log_->RangeOf(wanted.request.first, wanted.request.max_bytes), out);
    }
  }
  for (const WaitingFetch& waiting : read.fetches) {
    FetchNow(now, waiting.request, waiting.fetch, out);
  }
}

PendingRead& Replica::ReadSidecar(const FileRange& sidecar, Effects& out) {
  for (auto& [token, read] : reads_) {
    if (read.range.file == sidecar.file && !read.snapshot.has_value()) return read;
  }
  const IoToken token = shared_->NewToken(options_.group);
  out.push_back(ReadRange{token, sidecar.file, sidecar.pos, sidecar.length});
  PendingRead& read = reads_[token];
  read.range = sidecar;
  return read;
}

void Replica::ReadForPeer(const PeerRead& peer, Effects& out) {
  const FileRange range = log_->RangeOf(peer.first, peer.max_bytes);
  const IoToken token = shared_->NewToken(options_.group);
  out.push_back(ReadRange{token, range.file, range.pos, range.length});
  PendingRead& read = reads_[token];
  read.range = range;
  read.peer = peer;
}

void Replica::NoteFailedRead(const FileRange& range, const absl::Status& status, Effects& out) {
  // Removed while it was being read: nobody needs it any more.
  const std::vector<FileId> files = log_->Files();
  if (std::find(files.begin(), files.end(), range.file) == files.end()) return;
  out.push_back(Note{Note::Level::kError,
                     "cold_read_failed",
                     {{"group", NumberText(options_.group.value())},
                      {"file", PathOf(range.file)},
                      {"error", std::string(status.message())}}});
}

void Replica::PrepareShutdown(Now now, Effects& out) {
  if (!active()) return;
  log_->StageCheckpoint();
  Settle(now, out);
}

void Replica::Settle(Now now, Effects& out) {
  if (removal_.done || failed()) return;
  wall_ = now.wall;
  if (proposed_ && active()) {
    proposed_ = false;
    if (raft_.role() == raft::Role::kLeader) {
      raft::Effects fx = NoEffects();
      raft_.OnAppended(now.instant, fx);
      Absorb(std::move(fx), out);
    }
  }
  if (!active()) RefuseWaitingReads(now);
  if (active()) {
    OnDiskStall(now, out);
    ApplyMembers(now, out);
    PrepareSnapshot(now.instant);
    log_->SetCommitted(std::min(raft_.commit(), log_->last_index()));
    served_ = served_ || raft_.serving();
    AnswerCommitted(out);
    SettleReads(now, out);
    WakeFetches(now, out);
    DriveLagging(now, out);
    TellDigest(now, out);
    // Last: whatever it lets go has been answered for.
    if (has_retention()) DecideRetention(now, out);
    if (options_.catalog != nullptr) DecideCatalogSnapshot(now);
  }
  BeginFlush(now, out);
}

void Replica::BeginFlush(Now now, Effects& out) {
  if (flush_.has_value() || failure_.reopening ||
      (removal_.begun && removal_.step == RemovalUnderWay::Step::kReopen))
    return;
  if (switching_ && !removal_.begun) {
    BeginSwitch(now, out);
    return;
  }
  // The identity of the directory goes first and alone: a log without it would be nobody's.
  const bool identity = !removal_.begun && !node_files_.empty();
  const bool verifies = started_ && !verified_ && !removal_.begun && !identity;
  const bool moved = active() && kept_from_ > std::max(hard_record_.start, LogIndex(1));
  // Where room is short, what retention lets go may be what the log needs: it goes first.
  const bool first = moved && (shared_->no_room || failure_.in_a_row > 0);
  const bool alone_in_it = identity || verifies || first;
  const bool files = active() && !alone_in_it && new_files_.has_value();
  // What it has been told of that, a restart would have to be told again.
  const bool regained =
      active() && !alone_in_it && hard_record_.lost.index > LogIndex(0) && !lacks();
  const bool has_log = !removal_.begun && !alone_in_it && log_->has_staged();
  const bool has_replacement = active() && !alone_in_it && log_->has_replacement_batch();
  if (!has_log && !has_replacement && !verifies && !unsaved_.has_value() && !moved && !files &&
      !regained && node_files_.empty()) {
    // Nothing has to become durable first: what is held hangs on nothing.
    for (raft::Message& message : std::exchange(held_, {})) Send(std::move(message), out);
    return;
  }
  OutstandingFlush flush;
  flush.begun = now.instant;
  flush.has_log = has_log;
  FileBatch batch = std::exchange(node_files_, {});
  if (identity) flush.identity = batch;
  flush.verifies = verifies;
  if (verifies) StageHardStateAgain(batch);
  if (has_log) {
    shared_->written_bytes += log_->staged_bytes();
    FileBatch staged = log_->TakeBatch();
    for (const FileOp& op : staged.ops) {
      const auto* create = std::get_if<CreateFile>(&op);
      segment_begun_ |= create != nullptr && create->file.kind == FileKind::kSegment;
    }
    if (batch.empty()) {
      batch = std::move(staged);
    } else {
      std::move(staged.ops.begin(), staged.ops.end(), std::back_inserter(batch.ops));
      batch.sync.insert(batch.sync.end(), staged.sync.begin(), staged.sync.end());
    }
  }
  if (has_replacement) AddReplacement(flush, batch);
  if ((unsaved_.has_value() || moved || files || regained) && !identity) {
    if (!first) flush.hard_state = std::exchange(unsaved_, std::nullopt);
    ++hard_record_.generation;
    if (flush.hard_state.has_value()) {
      hard_record_.term = flush.hard_state->term;
      hard_record_.vote = flush.hard_state->vote;
    }
    if (moved) {
      hard_record_.start = kept_from_;
      flush.start = kept_from_;
    }
    if (files) hard_record_.snapshot = *std::exchange(new_files_, std::nullopt);
    if (!lacks()) hard_record_.lost = {};
    hard_record_.commit =
        std::max(hard_record_.commit, std::min(raft_.commit(), log_->durable_index()));
    AppendHardState(options_.group, hard_record_, batch);
  }
  if (!identity && !first) flush.held = std::exchange(held_, {});
  flush_ = std::move(flush);
  ++shared_->counters.flushes;
  out.push_back(Flush{shared_->NewToken(options_.group), options_.group, std::move(batch)});
}

void Replica::Absorb(raft::Effects fx, Effects& out) {
  for (raft::Message& message : fx.messages) Send(std::move(message), out);
  if (fx.persist.has_value()) unsaved_ = fx.persist;
  std::move(fx.messages_after_persist.begin(), fx.messages_after_persist.end(),
            std::back_inserter(held_));
  for (PeerRead& read : std::exchange(wanted_reads_.now, {})) {
    if (options_.raft.paced_catch_up) {
      LetWait(std::move(read));
    } else {
      BeginPeerRead(read, out);
    }
  }
  for (const raft::ReadResult& read : fx.reads) fresh_.OnResult(read);
  if (fx.install.has_value()) install_wanted_ = std::move(fx.install);
  if (fx.membership_changed) NoteMembership();
  if (fx.role_changed) {
    leadership_changed_ = true;
    if (raft_.role() == raft::Role::kLeader) ++shared_->counters.elections_won;
  }
  membership_changed_ |= fx.membership_changed;
  fx.Clear();
  shared_->raft_effects = std::move(fx);
}

raft::Effects Replica::NoEffects() { return std::exchange(shared_->raft_effects, {}); }

void Replica::Send(raft::Message message, Effects& out) {
  if (lacks() && std::holds_alternative<raft::VoteRequest>(message.body)) return;
  shipping_.sent |= std::holds_alternative<raft::InstallSnapshot>(message.body);
  const NodeId to = message.to;
  const auto beat = [&](const auto& body) {
    shared_->beats[to].push_back({.group = options_.group, .term = message.term, .body = body});
  };
  if (const auto* heartbeat = std::get_if<raft::Heartbeat>(&message.body)) return beat(*heartbeat);
  if (const auto* reply = std::get_if<raft::HeartbeatReply>(&message.body)) return beat(*reply);
  ++shared_->counters.peer_messages_out;
  out.push_back(SendPeer{to, {.group = options_.group, .message = std::move(message)}});
}

std::optional<RpcError> Replica::RefusalOfProposal() const {
  if (failed()) return StorageFailed();
  if (switching_ || !raft_.accepts_proposals()) {
    if (raft_.leader() == kNoNode || raft_.leader() == raft_.self()) {
      return RpcError{.code = absl::StatusCode::kUnavailable,
                      .reason = "NO_LEADER",
                      .message =
                          "no leader is known for this partition; an election is under way, "
                          "try again shortly",
                      .metadata = {{"term", NumberText(raft_.term().value())}}};
    }
    return RpcError{.code = absl::StatusCode::kFailedPrecondition,
                    .reason = "NOT_LEADER",
                    .message = "this node does not lead the partition; send to the leader",
                    .metadata = {{"leader_id", NumberText(raft_.leader().value())},
                                 {"term", NumberText(raft_.term().value())}}};
  }
  if (uncommitted_bytes_ > kUncommittedBytesMax) {
    return RpcError{.code = absl::StatusCode::kResourceExhausted,
                    .reason = "BACK_PRESSURE",
                    .message = absl::StrCat(uncommitted_bytes_,
                                            " bytes wait to be committed; slow down and retry"),
                    .metadata = {}};
  }
  return std::nullopt;
}

std::optional<RpcError> Replica::Propose(Now now, const BatchHeader& header, std::string batch,
                                         RequestId request, LogIndex* index) {
  if (std::optional<RpcError> refusal = RefusalOfProposal()) return refusal;
  const ProducerTable::Verdict verdict = producers_.Check(header);
  WaitingProduce waiting{.index = verdict.index,
                         .term = raft_.term(),
                         .request = request,
                         .response = {.base_offset = verdict.base_offset,
                                      .record_count = header.record_count,
                                      .term = raft_.term(),
                                      .duplicate = true}};
  using Outcome = ProducerTable::Outcome;
  if (verdict.outcome == Outcome::kDuplicate) {
    waiting.entry_term = log_->TermAt(verdict.index).value_or(Term());
    ++shared_->counters.duplicates;
  } else if (verdict.outcome == Outcome::kAppend) {
    wall_ = now.wall;
    waiting.index = log_->last_index() + 1;
    waiting.entry_term = raft_.term();
    waiting.response.base_offset = log_->next_offset();
    waiting.response.duplicate = false;
    PatchBatch(batch.data(), log_->next_offset(), raft_.term());
    const uint64_t bytes = batch.size();
    Append(Entry{.index = waiting.index,
                 .term = raft_.term(),
                 .kind = EntryKind::kData,
                 .base_offset = log_->next_offset(),
                 .offset_span = header.offset_span(),
                 .frame = Bytes::From(std::move(batch))});
    uncommitted_.emplace_back(waiting.index, bytes);
    uncommitted_bytes_ += bytes;
    proposed_ = true;
    ++shared_->counters.batches_appended;
    shared_->counters.records_appended += header.record_count;
    shared_->counters.bytes_appended += bytes;
    shared_->catch_up.OnAppended(now.instant, bytes);
  } else {
    const bool fenced = verdict.outcome == Outcome::kOldEpoch;
    return RpcError{
        .code = absl::StatusCode::kFailedPrecondition,
        .reason = fenced                                ? "PRODUCER_FENCED"
                  : verdict.outcome == Outcome::kTooOld ? "DUPLICATE_SEQUENCE"
                                                        : "OUT_OF_ORDER_SEQUENCE",
        .message = fenced
                       ? "a newer incarnation of this producer has written; stop this one"
                       : absl::StrCat("sequence ", header.base_sequence, " is not the next one, ",
                                      verdict.expected_sequence, ", of this producer"),
        .metadata = {{"expected_sequence", absl::StrCat(verdict.expected_sequence)},
                     {"term", absl::StrCat(raft_.term().value())}}};
  }
  *index = waiting.index;
  if (request.value() != 0) {
    // Retries wait for an earlier index than the newest append; the queue stays ordered.
    waiting_.push_back(waiting);
    for (auto at = std::prev(waiting_.end());
         at != waiting_.begin() && std::prev(at)->index > at->index; --at) {
      std::swap(*std::prev(at), *at);
    }
  }
  return std::nullopt;
}

void Replica::AnswerCommitted(Effects& out) {
  const LogIndex commit = raft_.commit();
  while (!uncommitted_.empty() && uncommitted_.front().first <= commit) {
    uncommitted_bytes_ -= uncommitted_.front().second;
    uncommitted_.pop_front();
  }
  while (!waiting_.empty() && waiting_.front().index <= commit) {
    const WaitingProduce& front = waiting_.front();
    // Another leader's entry may have taken the place within this step. (What is removed is
    // committed: a retry of something that old.)
    if (front.index >= log_->first_index() && log_->TermAt(front.index) != front.entry_term) break;
    out.push_back(Reply{front.request, front.response});
    waiting_.pop_front();
  }
  if (waiting_.empty()) return;
  if (raft_.role() == raft::Role::kLeader && raft_.term() == waiting_.front().term) return;
  // No longer the leader that took them: they may yet be committed or not; the client's retry,
  // which carries the same sequence, finds out.
  RpcError error{.code = absl::StatusCode::kUnavailable,
                 .reason = "NO_LEADER",
                 .message =
                     "leadership was lost before this batch was committed; it may or may "
                     "not be in the log, retry it with the same sequence",
                 .metadata = {{"term", NumberText(raft_.term().value())}}};
  if (raft_.leader() != kNoNode && raft_.leader() != raft_.self()) {
    error.code = absl::StatusCode::kFailedPrecondition;
    error.reason = "NOT_LEADER";
    error.metadata["leader_id"] = NumberText(raft_.leader().value());
  }
  for (const WaitingProduce& waiting : std::exchange(waiting_, {})) {
    out.push_back(Reply{waiting.request, error});
  }
}

LogIndex Replica::visible_index() const {
  const LogIndex index = std::min(raft_.commit(), log_->durable_index());
  return std::max(index, log_->first_index() - 1);
}

Offset Replica::visible_end() const { return log_->EndOffsetOf(visible_index()); }

std::vector<Entry> Replica::TakeCommitted() {
  std::vector<Entry> committed;
  while (!unapplied_.empty() && unapplied_.front().index <= raft_.commit()) {
    taken_ = unapplied_.front().index;
    committed.push_back(std::move(unapplied_.front()));
    unapplied_.pop_front();
  }
  return committed;
}

void Replica::FailWaiting(const RpcError& error, Effects& out) {
  for (const WaitingProduce& waiting : std::exchange(waiting_, {})) {
    out.push_back(Reply{waiting.request, error});
  }
  for (const auto& [request, parked] : std::exchange(parked_, {})) {
    out.push_back(Reply{request, error});
  }
  for (const WaitingFetch& read : fresh_.TakeAll()) out.push_back(Reply{read.request, error});
  for (auto& [token, read] : reads_) {
    for (const WaitingFetch& fetch : std::exchange(read.fetches, {})) {
      out.push_back(Reply{fetch.request, error});
    }
  }
}

void Replica::StageNodeFiles(FileBatch batch) {
  TIDEMARK_CHECK(node_files_.empty());
  node_files_ = std::move(batch);
}

Instant Replica::next_deadline() const {
  if (may_reopen()) return failure_.reopen_at;
  if (!active()) return stall_deadline();
  return std::min({raft_.next_deadline(), retention_.deadline, compaction_deadline(),
                   install_deadline(), fresh_.next_deadline(), stall_deadline(),
                   repair_.next_deadline(*log_, *shared_)});
}

bool Replica::idle_disk() const {
  return !flush_.has_value() && !compaction_.flush.has_value() && !snapshot_flush_.has_value() &&
         (failed() || removal_.begun || !log_->has_staged());
}

}  // namespace tidemark
