#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/segment.h"
#include "engine/node/replica.h"

// Snapshots of a log: full segments, as they are. A follower asks for them piece by piece and keeps
// them beside its log; once all are durable one write of the hard state makes them the log, and the
// group's files are read again, as after a restart. FORMAT.md section 4.

namespace tidemark {

namespace {

raft::Membership MembershipAt(const SnapshotShipping& shipping, LogIndex index) {
  auto at = shipping.memberships.rbegin();
  while (at != shipping.memberships.rend() && at->first > index) ++at;
  if (at == shipping.memberships.rend()) --at;
  return at->second;
}

// What is derived from a log, its producers and members, is not known behind a compacted segment,
// which another leader than the one that named the snapshot may have instead: what follows tells.
bool EndsDense(const SnapshotReceiver& receiver) {
  return !receiver.segments().empty() && !receiver.segments().back().sparse;
}

// Whether what came stands for the damaged segment. Of who is a member at its end it does not tell:
// that must be known here.
bool CoversDamage(const SnapshotInstall& install, const SnapshotShipping& shipping,
                  LogIndex applied) {
  if (!install.receiver.has_value() || !EndsDense(*install.receiver)) return false;
  const LogIndex end = install.receiver->end_index();
  return end >= install.refetches->end_index && end > install.refetches_upto &&
         applied >= end - 1 && shipping.KnowsMembersAt(end - 1);
}

// Who can send full segments: whoever has them, as what is committed is the same everywhere. The
// leader first: it has all of it, and keeps it for those who ask.
std::vector<NodeId> SnapshotSources(const raft::Raft& raft) {
  std::vector<NodeId> sources;
  if (raft.leader() != kNoNode && raft.leader() != raft.self()) sources.push_back(raft.leader());
  for (const NodeId node : raft::MembersOf(raft.membership())) {
    if (node != raft.self() && node != raft.leader()) sources.push_back(node);
  }
  return sources;
}

}  // namespace

// Sending.

std::optional<raft::SnapshotMeta> Replica::Snapshot() const {
  const LogIndex end = log_->ShippableEnd();
  // The last segment, or all that is left, is still being written: another one is begun.
  shipping_.wanted = end == LogIndex(0) || !ShipsCatalog(end) ||
                     (!shipping_.memberships.empty() && !shipping_.KnowsMembersAt(end - 1));
  if (shipping_.wanted) return std::nullopt;
  const LogIndex index = end - 1;
  const std::optional<Term> term = log_->TermAt(index);
  if (!term.has_value() || index > raft_.commit()) return std::nullopt;
  return raft::SnapshotMeta{
      .index = index, .term = *term, .membership = MembershipAt(shipping_, index)};
}

void Replica::NoteMembership() {
  // What is full was full before this start as well, and may be all that can be shipped: while no
  // majority has what is behind it, nothing else gets committed.
  if (shipping_.memberships.empty()) shipping_.memberships = members_.UpTo(raft_.applied());
  if (!shipping_.memberships.empty() && shipping_.memberships.back().second == raft_.membership())
    return;
  shipping_.memberships.emplace_back(raft_.applied(), raft_.membership());
  // Of what can still be shipped.
  while (shipping_.memberships.size() > 1 && shipping_.memberships[1].first < log_->first_index()) {
    shipping_.memberships.pop_front();
  }
}

void Replica::PrepareSnapshot(Instant now) {
  const bool wanted = std::exchange(shipping_.wanted, false) && raft_.accepts_proposals();
  // Only what was appended since the last one is worth it.
  const bool ended = wanted && log_->EndSegment();
  // Of a topic that keeps next to nothing it would be gone before it is asked for.
  if (std::exchange(shipping_.sent, false) || ended) shipping_.pin.Ask(now, log_->first_index());
  if (!ended) return;
  AppendNoop(raft_.term());
  proposed_ = true;
}

void Replica::OnSnapshotMessage(Now now, NodeId from, const SnapshotMessage& message,
                                Effects& out) {
  if (!active()) return;
  if (const auto* request = std::get_if<SnapshotRequest>(&message)) {
    OnSnapshotRequest(now, from, *request, out);
  } else if (const auto* wanted = std::get_if<FramesRequest>(&message)) {
    OnFramesRequest(now, from, *wanted, out);
  } else if (const auto* frames = std::get_if<FramesReply>(&message)) {
    repair_.OnReply(now, from, *frames, *log_, out);
  } else if (const auto* report = std::get_if<DigestReport>(&message)) {
    OnDigestReport(now, from, *report, out);
  } else {
    OnSnapshotChunk(now, from, std::get<SnapshotChunk>(message), out);
  }
}

void Replica::SendSnapshot(NodeId to, SnapshotMessage message, Effects& out) {
  ++shared_->counters.peer_messages_out;
  raft::Message envelope;
  envelope.from = raft_.self();
  envelope.to = to;
  envelope.term = raft_.term();
  out.push_back(
      SendPeer{to,
               {.group = options_.group,
                .message = std::move(envelope),
                .snapshot = std::make_shared<const SnapshotMessage>(std::move(message))}});
}

void Replica::OnSnapshotRequest(Now now, NodeId from, const SnapshotRequest& request,
                                Effects& out) {
  const size_t reads =
      static_cast<size_t>(std::count_if(reads_.begin(), reads_.end(), [](const auto& read) {
        return read.second.snapshot.has_value();
      }));
  // It asks again.
  if (reads >= kSnapshotReadsMax || request.length > kSnapshotChunkBytes) return;
  const LogIndex wanted = std::max(request.index, LogIndex(1));
  const std::optional<SealedSegment> segment = log_->SealedSegmentAfter(wanted - 1);
  const bool at_front = segment.has_value() && segment->base_index == log_->first_index();
  if (!segment.has_value() || (segment->base_index > wanted && !at_front) ||
      !ShipsCatalog(log_->ShippableEnd())) {
    shipping_.wanted = shipping_.wanted || request.end_segment;
    SendSnapshot(from, SnapshotChunk{.id = request.id}, out);
    return;
  }
  shipping_.pin.Ask(now.instant, segment->base_index);
  // Not believed, but looked into: who receives may be the one with the bad memory.
  if (request.refused) shared_->suspects.push_back(*segment);
  SnapshotChunk chunk{
      .id = request.id,
      .segment = ShippedSegment::Of(*segment, log_->compaction_checkpoint().clean_end),
      .part = request.part,
      .pos = request.pos};
  uint64_t length = request.length;
  if (length == 0) {
    chunk.part = SegmentPart::kFrames;
    chunk.pos = FilePos(kSegmentHeaderBytes);
    length = kSnapshotChunkBytes;
  }
  const bool frames = chunk.part == SegmentPart::kFrames;
  const uint64_t end = frames ? segment->size : segment->sidecar_bytes;
  length = std::min(length, end - std::min(end, chunk.pos.value()));
  if (length == 0) {
    SendSnapshot(from, std::move(chunk), out);
    return;
  }
  const IoToken token = shared_->NewToken(options_.group);
  const FileId file = frames ? segment->file() : segment->sidecar();
  out.push_back(ReadRange{token, file, chunk.pos, static_cast<uint32_t>(length)});
  PendingRead& read = reads_[token];
  read.range = {.file = file, .pos = chunk.pos, .length = static_cast<uint32_t>(length)};
  read.snapshot = SnapshotRead{.to = from, .chunk = std::move(chunk)};
}

void Replica::OnSnapshotRead(Now now, SnapshotRead read, const FileRange& range,
                             const absl::StatusOr<Bytes>& bytes, Effects& out) {
  if (!bytes.ok()) {
    // Removed or compacted meanwhile, or damaged: the receiver asks again.
    NoteFailedRead(range, bytes.status(), out);
    if (absl::IsDataLoss(bytes.status())) OnDamage(now, range.file, out);
    return;
  }
  read.chunk.bytes = *bytes;
  shared_->counters.snapshot_bytes_sent += bytes->size();
  SendSnapshot(read.to, std::move(read.chunk), out);
}

// Receiving.

void Replica::BeginInstall(Now now, const raft::SnapshotMeta& meta, Effects& out) {
  if (install_.has_value()) {
    install_->meta = meta;
    install_->refetches.reset();  // the damaged segment goes anyway
    return;
  }
  install_.emplace(SnapshotInstall{.meta = meta, .next_at = now.instant});
  out.push_back(Note{Note::Level::kInfo,
                     "snapshot_begins",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"index", absl::StrCat(meta.index.value())},
                      {"from", absl::StrCat(raft_.leader().value())},
                      {"last_index", absl::StrCat(log_->last_index().value())}}});
}

void Replica::ReserveForInstall() {
  SnapshotInstall& install = *install_;
  if (install.receiver.has_value() || new_files_.has_value()) return;
  // What is on the disk counts, not what is on its way there.
  const SnapshotFiles& files = durable_files_;
  if (files.receiving()) {
    install.receiver.emplace(options_.group, files, std::exchange(received_, {}));
  } else if (hard_record_.snapshot == files && !log_->has_leftovers()) {
    // None are on their way, and what the numbers there are now keep out is gone for good.
    new_files_ = log_->ReserveForSnapshot(kSnapshotSegmentsMax);
  }
}

void Replica::DriveInstall(Now now, Effects& out) {
  if (!active()) return;
  if (install_wanted_.has_value()) BeginInstall(now, *std::exchange(install_wanted_, {}), out);
  if (!install_.has_value()) {
    DiscardReceived();
    return;
  }
  SnapshotInstall& install = *install_;
  // Another leader had it all the same; or retention has let the damaged segment go.
  if (install.refetches.has_value()
          ? !log_->Holds(*install.refetches) || (!install.refetches->sparse && repair_.whole())
          : raft_.commit() >= install.meta.index) {
    EndInstall(now, out);
    return;
  }
  ReserveForInstall();
  if (new_files_.has_value()) BeginFlush(now, out);
  if (!install.receiver.has_value()) return;
  SnapshotReceiver& receiver = *install.receiver;
  if (HasAll(install)) {
    if (snapshot_flush_.has_value()) return;
    // Who sent it may know of a term of which this replica has not heard yet: it will.
    if (receiver.segments().back().last_term > raft_.term()) return;
    // A leader does not let go of its log.
    if (install.refetches.has_value() && raft_.role() == raft::Role::kLeader) {
      if (now.instant < install.next_at) return;
      install.next_at = now.instant + Duration::Millis(kRepairRetryMillis);
      TransferLeadership(now, out);
      return;
    }
    if (!install.refetches.has_value() &&
        log_->TermAt(receiver.end_index() - 1) == receiver.segments().back().last_term) {
      EndInstall(now, out);
      return;
    }
    if (install.refetches.has_value()) FailWaiting(RefetchesLog(), out);
    log_->CancelCompaction();
    log_->CancelReplacement();
    switching_ = true;
    BeginFlush(now, out);
    return;
  }
  if (receiver.has_batch() && !compaction_.flush.has_value()) {
    const IoToken token = shared_->NewToken(options_.group);
    snapshot_flush_ = token;
    snapshot_flush_begun_ = now.instant;
    out.push_back(Flush{token, options_.group, receiver.TakeBatch()});
  }
  AskForMore(now, out);
}

bool Replica::HasAll(const SnapshotInstall& install) const {
  const SnapshotReceiver& receiver = *install.receiver;
  if (install.refetches.has_value()) {
    // What is behind it comes again from the others, all of whom have it.
    return install.nothing_left && CoversDamage(install, shipping_, raft_.applied()) &&
           !log_->has_staged() && !flush_.has_value() &&
           std::max(all_durable_, raft_.all_durable()) >= log_->last_index();
  }
  if (receiver.end_index() <= install.meta.index || !EndsDense(receiver)) return false;
  if (options_.catalog == nullptr || receiver.segments().front().base_index == LogIndex(1)) {
    return true;
  }
  // What a source had to make anew has none; what comes next does.
  return std::any_of(receiver.segments().begin(), receiver.segments().end(),
                     [](const ReceivedSegment& each) { return each.has_state; });
}

void Replica::AskForMore(Now now, Effects& out) {
  SnapshotInstall& install = *install_;
  if (now.instant < install.next_at || now.instant < shared_->snapshot_next_at) return;
  const std::optional<SnapshotReceiver::Want> want = install.receiver->Next();
  if (!want.has_value()) return;
  const std::vector<NodeId> sources = SnapshotSources(raft_);
  if (sources.empty() || raft_.leader() == kNoNode || !has_room()) {
    install.next_at = now.instant + Duration::Millis(kSnapshotRetryMillis);
    return;
  }
  // Of the others nobody is waited for who does not answer; the leader has all of it.
  if (install.asked != 0 && install.turn % sources.size() != 0) ++install.turn;
  // Only a leader can end a segment, so that there is more to send.
  const bool ends = install.refetches.has_value() && install.nothing_left &&
                    !CoversDamage(install, shipping_, raft_.applied());
  if (ends && raft_.role() == raft::Role::kLeader) {
    install.next_at = now.instant + Duration::Millis(kRepairRetryMillis);
    TransferLeadership(now, out);
    return;
  }
  // And what follows of its segments continues nobody else's.
  if (ends) install.turn = 0;
  const NodeId source = install.source = sources[install.turn % sources.size()];
  // One request is under way; without an answer it is asked again.
  install.asked = ++shared_->last_snapshot_request;
  install.next_at = now.instant + Duration::Millis(kSnapshotRetryMillis);
  const uint64_t rate = shared_->snapshot_bytes_per_second;
  if (rate > 0) {
    const uint64_t bytes = want->length == 0 ? kSnapshotChunkBytes : want->length;
    shared_->snapshot_next_at =
        now.instant + Duration::Nanos(static_cast<int64_t>(bytes * 1'000'000'000 / rate));
  }
  SendSnapshot(source,
               SnapshotRequest{.id = install.asked,
                               .index = want->index,
                               .part = want->part,
                               .pos = want->pos,
                               .length = want->length,
                               .refused = source == std::exchange(install.refused, kNoNode),
                               .end_segment = ends},
               out);
}

void Replica::OnSnapshotChunk(Now now, NodeId from, const SnapshotChunk& chunk, Effects& out) {
  if (!install_.has_value() || !install_->receiver.has_value() || install_->asked == 0 ||
      chunk.id != install_->asked) {
    return;
  }
  install_->asked = 0;
  install_->next_at = now.instant;
  absl::Status status;
  install_->nothing_left = !chunk.segment.has_value();
  if (chunk.segment.has_value()) {
    shared_->counters.snapshot_bytes_received += chunk.bytes.size();
    status = install_->receiver->Feed(*chunk.segment, chunk.part, chunk.pos, chunk.bytes.view());
  } else if (install_->refetches.has_value()) {
    // More may come, until all have what this replica has.
    install_->next_at = now.instant + Duration::Millis(kSnapshotRetryMillis);
  } else {
    status = absl::NotFoundError("it has nothing to send");
    // Where they have compacted differently, what came of one ends where only some go on, if any.
    if (install_->receiver->end_index() > install_->meta.index) {
      ++install_->turn;
      if (from != raft_.leader() || !std::exchange(install_->leader_asked, true)) return;
      install_->leader_asked = false;
      install_->receiver->StartOver();
      install_->next_at = now.instant + Duration::Millis(kSnapshotRetryMillis);
      return;
    }
  }
  if (status.ok()) return;
  if (chunk.segment.has_value()) {
    // It may have repaired the damage; if not, somebody else has what it cannot send.
    if (from == std::exchange(install_->distrusted, from)) ++install_->turn;
    install_->refused = from;
  }
  out.push_back(Note{Note::Level::kWarning,
                     "snapshot_refused",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"source", absl::StrCat(from.value())},
                      {"error", std::string(status.message())}}});
  install_->next_at = now.instant + Duration::Millis(kSnapshotRetryMillis);
  // The leader says anew what there is.
  if (!chunk.segment.has_value()) EndInstall(now, out);
}

// It is not wanted any more, or not to be had.
void Replica::EndInstall(Now now, Effects& out) {
  if (snapshot_flush_.has_value()) return;  // then
  const raft::SnapshotMeta meta = install_->meta;
  const bool refetches = install_->refetches.has_value();
  if (install_->receiver.has_value()) received_ = install_->receiver->Leave();
  install_.reset();
  if (refetches) return;  // raft knows nothing of it
  raft::Effects fx;
  raft_.OnSnapshotFailed(now.instant, meta, fx);
  Absorb(std::move(fx), out);
}

// What was received for nothing.
void Replica::DiscardReceived() {
  const bool useless =
      !received_.segments.empty() && raft_.commit() >= received_.segments.back().end_index - 1;
  if (!useless && received_.strangers.empty()) return;
  std::vector<FileId> files = std::exchange(received_.strangers, {});
  if (useless) {
    for (const ReceivedSegment& each : std::exchange(received_.segments, {})) {
      files.push_back({options_.group, FileKind::kSegment, each.number});
      files.push_back({options_.group, FileKind::kIndex, each.number});
    }
  }
  log_->RemoveStrangers(files);
}

bool Replica::OnSnapshotFlushed(Now now, IoToken token, const absl::Status& status, Effects& out) {
  if (snapshot_flush_ != token) return false;
  snapshot_flush_.reset();
  if (removal_.begun) {
    ContinueRemovalBeside();
    return true;
  }
  if (!status.ok()) {
    // What of the disk is to be believed is found out as after any failure.
    if (!failed()) Fail(now, status, out);
    return true;
  }
  if (install_.has_value() && install_->receiver.has_value() && !failed()) {
    install_->receiver->OnBatchDurable();
  }
  return true;
}

uint64_t Replica::received_bytes() const {
  return install_.has_value() && install_->receiver.has_value()
             ? install_->receiver->received_bytes()
             : 0;
}

std::vector<FileId> Replica::ReceivedFiles() const {
  std::vector<FileId> files = received_.strangers;
  const auto add = [&](const std::vector<ReceivedSegment>& segments) {
    for (const ReceivedSegment& each : segments) {
      files.push_back({options_.group, FileKind::kSegment, each.number});
      files.push_back({options_.group, FileKind::kIndex, each.number});
    }
  };
  add(received_.segments);
  if (install_.has_value() && install_->receiver.has_value()) {
    const std::vector<FileId> more = install_->receiver->Files();
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
}

// The hard state that makes what was received the log, alone in its flush.
void Replica::BeginSwitch(Now now, Effects& out) {
  if (!reads_.empty() || compaction_.flush.has_value() || compaction_.read.has_value() ||
      snapshot_flush_.has_value()) {
    return;
  }
  OutstandingFlush flush;
  flush.begun = now.instant;
  flush.switches = true;
  flush.hard_state = std::exchange(unsaved_, std::nullopt);
  // They are about what is discarded.
  held_.clear();
  ++hard_record_.generation;
  if (flush.hard_state.has_value()) {
    hard_record_.term = flush.hard_state->term;
    hard_record_.vote = flush.hard_state->vote;
  }
  if (install_->discards || install_->refetches.has_value()) {
    // All of it may have been acknowledged.
    const LostEntries all{.term = log_->last_term(), .index = log_->last_index()};
    if (hard_record_.lost.AreIn(all.term, all.index)) hard_record_.lost = all;
  }
  if (install_->discards) {
    // No file there is counts any more.
    hard_record_.start = LogIndex(1);
    hard_record_.commit = LogIndex(0);
    hard_record_.snapshot = {.first = 0, .end = 0, .live = log_->next_number()};
  } else {
    const SnapshotReceiver& receiver = *install_->receiver;
    hard_record_.start = receiver.segments().front().base_index;
    hard_record_.commit = receiver.end_index() - 1;
    // Another leader may want less than the one before did: of the segment that was under way then,
    // and of what was given up for it, files may still be there.
    hard_record_.snapshot.end = receiver.segments().back().number + 1;
    hard_record_.snapshot.live = log_->next_number();
  }
  FileBatch batch;
  AppendHardState(options_.group, hard_record_, batch);
  flush_ = std::move(flush);
  ++shared_->counters.flushes;
  out.push_back(Flush{shared_->NewToken(options_.group), options_.group, std::move(batch)});
}

void Replica::OnSwitched(std::optional<raft::HardState> saved, Effects& out) {
  install_->saved = saved;
  failure_.reopening = true;
  out.push_back(ReopenGroup{.token = shared_->NewToken(options_.group),
                            .group = options_.group,
                            .committed = hard_record_.commit});
}

void Replica::FinishInstall(Now now, RecoveredGroup recovered, Effects& out) {
  if (install_->discards || install_->refetches.has_value()) {
    const bool discards = install_->discards;
    const LogIndex last = recovered.log->last_index();
    // Compaction took changes of members from what came; this replica knew them all.
    if (!discards && !shipping_.memberships.empty()) {
      recovered.members.StartAt(MembershipAt(shipping_, last), last);
    }
    const LogIndex upto = hard_record_.lost.index;
    switching_ = verified_ = false;
    repair_ = {};
    Reset(std::move(recovered));
    regain_ = {};  // an acknowledgement may be under way
    out.push_back(Note{discards ? Note::Level::kWarning : Note::Level::kInfo,
                       discards ? "log_dropped" : "log_refetched",
                       {{"group", absl::StrCat(options_.group.value())},
                        {"upto_index", absl::StrCat(upto.value())}}});
    Start(now, out);
    return;
  }
  const SnapshotInstall install = *std::exchange(install_, std::nullopt);
  const LogIndex index = recovered.log->last_index();
  members_ = std::move(recovered.members);
  // Changes of members are among what compaction takes from the front.
  if (recovered.log->compacted_end() == LogIndex(1)) members_.SetOrigin(options_.origin);
  // The leader may have told of members as of another entry; what came tells better, if it does.
  if (members_.known()) {
    members_.Fold(index);
  } else {
    members_.StartAt(install.meta.membership, index);
  }
  const raft::SnapshotMeta meta{
      .index = index, .term = recovered.log->last_term(), .membership = members_.After(index)};
  switching_ = false;
  log_ = std::move(recovered.log);
  log_->SetCheckpointSource(this);
  hard_record_ = recovered.hard_state;
  durable_files_ = hard_record_.snapshot;
  kept_from_ = recovered.kept_from();
  producers_ = std::move(recovered.producers);
  LoadCatalog(recovered);
  received_ = {};
  repair_ = {};
  repair_.Expect(std::move(recovered.damaged));
  digests_.Clear();
  shipping_.memberships.clear();
  segment_begun_ = false;
  compaction_ = {};
  proposed_ = false;
  uncommitted_.clear();
  uncommitted_bytes_ = 0;
  wall_ = now.wall;
  ++shared_->counters.snapshots_installed;
  if (loaded_.has_value()) ++shared_->counters.catalog_snapshots_installed;
  out.push_back(Note{Note::Level::kInfo,
                     "snapshot_installed",
                     {{"group", absl::StrCat(options_.group.value())},
                      {"first_index", absl::StrCat(log_->first_index().value())},
                      {"last_index", absl::StrCat(index.value())}}});
  raft::Effects fx;
  raft_.OnSnapshotInstalled(now.instant, meta, fx);
  if (install.saved.has_value()) raft_.OnPersisted(now.instant, install.saved, fx);
  Absorb(std::move(fx), out);
  NoteMembership();
  log_->SetCommitted(std::min(raft_.commit(), log_->last_index()));
  // What they wait for may be gone.
  for (const auto& [request, parked] : std::exchange(parked_, {})) {
    FetchNow(now, request, parked.Again(), out);
  }
}

Instant Replica::install_deadline() const {
  if (!install_.has_value() || !active()) return Instant::Never();
  // Else it waits for the disk.
  if (!install_->receiver.has_value()) return Instant::Never();
  const bool all = HasAll(*install_);
  if (all && raft_.role() == raft::Role::kLeader) return install_->next_at;
  if (all || !install_->receiver->Next().has_value()) return Instant::Never();
  return std::max(install_->next_at, shared_->snapshot_next_at);
}

}  // namespace tidemark
