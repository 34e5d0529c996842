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
      kept_from_(recovered.kept_from()) {
  LoadCatalog(recovered);
  leftover_ = std::move(recovered.leftover);
  received_ = std::move(recovered.received);
  durable_files_ = hard_record_.snapshot;
  log_->SetCheckpointSource(this);
}

Replica::~Replica() = default;

void Replica::OnMessage(Now now, raft::Message message, Effects& out) {
  if (!active() || MustIgnore(message, out)) return;
  wall_ = now.wall;
  raft::Effects fx;
  raft_.OnMessage(now.instant, std::move(message), fx);
  Absorb(std::move(fx), out);
}

void Replica::OnPeerLink(Now now, NodeId peer, bool up, Effects& out) {
  if (!active()) return;
  raft::Effects fx;
  if (!up) raft_.OnPeerLost(now.instant, peer, fx);
  raft_.OnPeerReset(now.instant, peer, fx);
  Absorb(std::move(fx), out);
}

void Replica::OnTimer(Now now, Effects& out) {
  if (may_reopen() && now.instant >= reopen_at_) Reopen(out);
  if (!active() || now.instant < raft_.next_deadline()) return;
  wall_ = now.wall;
  raft::Effects fx;
  raft_.OnTimer(now.instant, fx);
  Absorb(std::move(fx), out);
}

void Replica::OnFlushed(Now now, const absl::Status& status, Effects& out) {
  TIDEMARK_CHECK(flush_.has_value());
  OutstandingFlush done = *std::move(flush_);
  flush_.reset();
  if (removing_) {
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
  if (done.has_log) log_->OnBatchDurable();
  if (done.has_replacement) log_->OnReplacementBatchDurable();
  if (done.start.has_value()) log_->TruncatePrefix(*done.start);
  raft::Effects fx;
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
  if (failed() || removing_) return;
  if (read.snapshot.has_value()) {
    OnSnapshotRead(*std::move(read.snapshot), read.range, bytes, out);
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
  if (!status.ok()) NoteFailedRead(read.range, status, out);
  // The log may have been cut since; what is no longer the log must not be sent.
  std::erase_if(entries, [&](const Entry& entry) {
    return entry.index < read.peer->first || log_->TermAt(entry.index) != entry.term;
  });
  raft::Effects fx;
  raft_.OnEntriesRead(now.instant, read.peer->to, std::move(entries), fx);
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
    if (peer.first >= first_index() && peer.first <= log_->durable_index()) {
      ReadForPeer(peer, out);
      continue;
    }
    // The log was cut meanwhile: raft asks again.
    raft::Effects fx;
    raft_.OnEntriesRead(now.instant, peer.to, {}, fx);
    Absorb(std::move(fx), out);
  }
  for (const WaitingFetch& waiting : read.fetches) FetchNow(waiting.request, waiting.fetch, out);
}

Replica::PendingRead& Replica::ReadSidecar(const FileRange& sidecar, Effects& out) {
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

void Replica::TransferLeadership(Now now, Effects& out) {
  if (!active() || raft_.role() != raft::Role::kLeader) return;
  raft::Effects fx;
  // A refusal means that there is nobody to hand over to; the shutdown goes on regardless.
  const absl::Status started = raft_.TransferLeadership(now.instant, kNoNode, fx);
  if (!started.ok()) {
    out.push_back(Note{Note::Level::kInfo,
                       "leadership_kept",
                       {{"group", NumberText(options_.group.value())},
                        {"reason", std::string(started.message())}}});
  }
  Absorb(std::move(fx), out);
}

void Replica::PrepareShutdown(Now now, Effects& out) {
  if (!active()) return;
  log_->StageCheckpoint();
  Settle(now, out);
}

void Replica::Settle(Now now, Effects& out) {
  if (removed_ || failed()) return;
  wall_ = now.wall;
  if (proposed_ && active()) {
    proposed_ = false;
    if (raft_.role() == raft::Role::kLeader) {
      raft::Effects fx;
      raft_.OnAppended(now.instant, fx);
      Absorb(std::move(fx), out);
    }
  }
  if (active()) {
    ApplyMembers(now, out);
    PrepareSnapshot(now.instant);
    log_->SetCommitted(std::min(raft_.commit(), log_->last_index()));
    served_ = served_ || raft_.serving();
    AnswerCommitted(out);
    WakeFetches(out);
    // Last: whatever it lets go has been answered for.
    if (has_retention()) DecideRetention(now, out);
    if (options_.catalog != nullptr) DecideCatalogSnapshot(now);
  }
  BeginFlush(out);
}

void Replica::BeginFlush(Effects& out) {
  if (flush_.has_value() || reopening_ || (removing_ && removal_ == Removal::kReopen)) return;
  if (switching_ && !removing_) {
    BeginSwitch(out);
    return;
  }
  // The identity of the directory goes first and alone: a log without it would be nobody's.
  const bool identity = !removing_ && !node_files_.empty();
  const bool verifies = !verified_ && !removing_ && !identity;
  const bool moved = active() && kept_from_ > std::max(hard_record_.start, LogIndex(1));
  // Where room is short, what retention lets go may be what the log needs: it goes first.
  const bool first = moved && (shared_->no_room || failures_ > 0);
  const bool alone = identity || verifies || first;
  const bool files = active() && !alone && new_files_.has_value();
  const bool has_log = !removing_ && !alone && log_->has_staged();
  const bool has_replacement = active() && !alone && log_->has_replacement_batch();
  if (!has_log && !has_replacement && !verifies && !unsaved_.has_value() && !moved && !files &&
      node_files_.empty()) {
    // Nothing has to become durable first: what is held hangs on nothing.
    for (raft::Message& message : std::exchange(held_, {})) Send(std::move(message), out);
    return;
  }
  OutstandingFlush flush;
  flush.has_log = has_log;
  FileBatch batch = std::exchange(node_files_, {});
  if (identity) flush.identity = batch;
  flush.verifies = verifies;
  if (verifies) RewriteHardState(options_.group, hard_record_, batch);
  if (has_log) {
    shared_->written_bytes += log_->staged_bytes();
    FileBatch staged = log_->TakeBatch();
    for (const FileOp& op : staged.ops) {
      const auto* create = std::get_if<CreateFile>(&op);
      segment_begun_ |= create != nullptr && create->file.kind == FileKind::kSegment;
    }
    std::move(staged.ops.begin(), staged.ops.end(), std::back_inserter(batch.ops));
    batch.sync.insert(batch.sync.end(), staged.sync.begin(), staged.sync.end());
  }
  if (has_replacement) AddReplacement(flush, batch);
  if ((unsaved_.has_value() || moved || files) && !identity) {
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
  for (const PeerRead& read : std::exchange(wanted_reads_, {})) {
    if (const std::optional<FileRange> sidecar = log_->IndexOf(read.first)) {
      ReadSidecar(*sidecar, out).peers.push_back(read);
    } else {
      ReadForPeer(read, out);
    }
  }
  if (fx.install.has_value()) install_wanted_ = std::move(fx.install);
  if (fx.membership_changed) NoteMembership();
  if (fx.role_changed) {
    leadership_changed_ = true;
    if (raft_.role() == raft::Role::kLeader) ++shared_->counters.elections_won;
  }
  membership_changed_ |= fx.membership_changed;
}

void Replica::Send(raft::Message message, Effects& out) {
  if (fenced() && std::holds_alternative<raft::VoteRequest>(message.body)) return;
  ++shared_->counters.peer_messages_out;
  snapshot_sent_ |= std::holds_alternative<raft::InstallSnapshot>(message.body);
  const NodeId to = message.to;
  out.push_back(SendPeer{to, {.group = options_.group, .message = std::move(message)}});
}

std::optional<RpcError> Replica::RefusalOfProposal() const {
  if (failed()) return StorageFailed();
  if (!raft_.accepts_proposals()) {
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
  Waiting waiting{.index = verdict.index,
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
        .metadata = {{"expected_sequence", absl::StrCat(verdict.expected_sequence)}}};
  }
  *index = waiting.index;
  if (request.value() != 0) {
    // Retries wait for an earlier index than the newest append; the queue stays ordered.
    auto at = waiting_.end();
    while (at != waiting_.begin() && std::prev(at)->index > waiting.index) --at;
    waiting_.insert(at, waiting);
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
    const Waiting& front = waiting_.front();
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
  for (const Waiting& waiting : std::exchange(waiting_, {})) {
    out.push_back(Reply{waiting.request, error});
  }
}

LogIndex Replica::visible_index() const {
  const LogIndex index = std::min(raft_.commit(), log_->durable_index());
  return std::max(index, log_->first_index() - 1);
}

Offset Replica::visible_end() const { return log_->EndOffsetOf(visible_index()); }

void Replica::Fetch(Now now, RequestId request, const FetchRequest& fetch, Effects& out) {
  (void)now;
  ++shared_->counters.fetches;
  if (failed()) {
    // What is known durable and committed can be read on, unless the files proved to be damaged.
    const Offset from = BeginningOf(fetch);
    const bool here = from < visible_end() || (from == visible_end() && !fetch.wait);
    if (reopen_at_ == Instant::Never() || from < log_->start_offset() || !(here || knows_end())) {
      out.push_back(Reply{request, StorageFailed()});
    } else {
      FetchNow(request, fetch, out);
    }
    return;
  }
  // While the files change nothing may be read of them.
  const std::optional<FileRange> sidecar =
      switching_ ? std::nullopt : log_->IndexOfOffset(BeginningOf(fetch));
  if (sidecar.has_value()) {
    ReadSidecar(*sidecar, out).fetches.push_back({.request = request, .fetch = fetch});
  } else {
    FetchNow(request, fetch, out);
  }
}

bool Replica::knows_end() const {
  if (!failed()) return raft_.serving();
  // Nobody else goes on where there is nobody else.
  return served_ && raft::MembersOf(raft_.membership()).size() == 1;
}

Offset Replica::BeginningOf(const FetchRequest& fetch) const {
  switch (fetch.start) {
    case FetchRequest::Start::kEarliest:
      return log_->start_offset();
    case FetchRequest::Start::kLatest:
      return visible_end();
    case FetchRequest::Start::kAppendTime:
      return std::min(visible_end(), log_->OffsetAtTime(fetch.append_time));
    case FetchRequest::Start::kOffset:
      return fetch.offset;
  }
  TIDEMARK_CHECK(false);
  return fetch.offset;
}

void Replica::FetchNow(RequestId request, const FetchRequest& fetch, Effects& out) {
  const Offset end = visible_end();
  const Offset from = BeginningOf(fetch);
  const uint32_t max_bytes =
      static_cast<uint32_t>(std::clamp<uint64_t>(fetch.max_bytes, 1, kFetchBytesMax));
  if (from < log_->start_offset() || from > end) {
    // Only who knows the end, and whose whole log ends before, knows that the offset does not
    // exist: what a leader does not know to be committed (or has not on its own disk yet) a
    // follower may have shown already.
    const bool behind = from > end && (!knows_end() || from <= log_->next_offset());
    out.push_back(Reply{
        request,
        RpcError{.code = behind ? absl::StatusCode::kUnavailable : absl::StatusCode::kOutOfRange,
                 .reason = behind ? "OFFSET_NOT_AVAILABLE" : "OFFSET_OUT_OF_RANGE",
                 .message = absl::StrCat(
                     "offset ", from.value(),
                     behind ? " is past what this replica has; ask another one or the leader. "
                     : from > end ? " is not in the log. "
                                  : " was removed by the topic's retention; begin at the earliest "
                                    "offset. ",
                     "Readable here: ", log_->start_offset().value(), " up to ", end.value()),
                 .metadata = {{"start_offset", NumberText(log_->start_offset().value())},
                              {"high_watermark", NumberText(end.value())}}}});
    return;
  }
  if (from == end && fetch.wait) {
    parked_.emplace(request, Parked{from, max_bytes});
    return;
  }
  AnswerFetch(request, from, max_bytes, out);
}

void Replica::AnswerFetch(RequestId request, Offset from, uint32_t max_bytes, Effects& out) {
  FetchResponse response{.range = std::nullopt,
                         .from = from,
                         .limit = visible_end(),
                         .start_offset = log_->start_offset(),
                         .compacted = options_.compaction.has_value()};
  if (from < response.limit) {
    absl::StatusOr<FileRange> range = log_->RangeOfOffset(from, visible_index(), max_bytes);
    TIDEMARK_CHECK(range.ok());
    if (range->length > 0) response.range = *std::move(range);
    if (!response.range.has_value()) response.from = response.limit;  // all was compacted away
  }
  out.push_back(Reply{request, std::move(response)});
}

void Replica::WakeFetches(Effects& out) {
  const Offset end = visible_end();
  if (end == woken_to_) return;
  woken_to_ = end;
  for (auto at = parked_.begin(); at != parked_.end();) {
    if (at->second.from < end) {
      AnswerFetch(at->first, at->second.from, at->second.max_bytes, out);
      at = parked_.erase(at);
    } else {
      ++at;
    }
  }
}

bool Replica::CancelFetch(RequestId request) {
  for (auto& [token, read] : reads_) {
    const auto is_it = [&](const WaitingFetch& each) { return each.request == request; };
    if (std::erase_if(read.fetches, is_it) > 0) return true;
  }
  return parked_.erase(request) > 0;
}

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
  for (const Waiting& waiting : std::exchange(waiting_, {})) {
    out.push_back(Reply{waiting.request, error});
  }
  for (const auto& [request, parked] : std::exchange(parked_, {})) {
    out.push_back(Reply{request, error});
  }
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
  if (may_reopen()) return reopen_at_;
  if (!active()) return Instant::Never();
  return std::min(
      {raft_.next_deadline(), retention_deadline_, compaction_deadline(), install_deadline()});
}

bool Replica::idle_disk() const {
  return !flush_.has_value() && !compaction_.flush.has_value() && !snapshot_flush_.has_value() &&
         (failed() || removing_ || !log_->has_staged());
}

}  // namespace tidemark
