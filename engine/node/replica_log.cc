#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/node/replica.h"

// The log of a replica as raft sees it.

namespace tidemark {

bool Replica::Fits(const Entry& entry) const {
  return entry.base_offset == log_->EndOffsetOf(entry.index - 1);
}

std::optional<Term> Replica::TermAt(LogIndex index) const {
  // Terms of what was compacted are known still, but what cannot be sent must not look as if it
  // could: whoever lacks it gets a snapshot.
  if (index + 1 < first_index()) return std::nullopt;
  return log_->TermAt(index);
}

void Replica::Append(const Entry& entry) {
  // First: a checkpoint that it brings about holds what came before.
  log_->Append(entry, wall_);
  digests_.OnAppended(entry.index, log_->digest());
  if (entry.kind == EntryKind::kData) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(entry.frame.view());
    TIDEMARK_CHECK(header.ok());
    producers_.Record(*header, entry.index, entry.base_offset);
  } else {
    // What a peer sent was looked at when it came (MustIgnore).
    TIDEMARK_CHECK(members_.AppendFrame(entry.index, entry.kind, entry.frame.view()).ok());
  }
  if (options_.catalog != nullptr && entry.index > taken_) unapplied_.push_back(entry);
}

void Replica::TruncateSuffix(LogIndex from) {
  producers_.TruncateSuffix(from);
  members_.TruncateSuffix(from);
  while (!states_.empty() && states_.back().index >= from) states_.pop_back();
  while (!unapplied_.empty() && unapplied_.back().index >= from) unapplied_.pop_back();
  while (!uncommitted_.empty() && uncommitted_.back().first >= from) {
    uncommitted_bytes_ -= uncommitted_.back().second;
    uncommitted_.pop_back();
  }
  log_->TruncateSuffix(from);
  digests_.OnTruncated(from);
}

void Replica::AppendControl(Term term, std::string_view payload) {
  std::string frame = EncodeControlFrame(payload);
  PatchBatch(frame.data(), log_->next_offset(), term);
  Append(Entry{.index = log_->last_index() + 1,
               .term = term,
               .kind = EntryKind::kControl,
               .base_offset = log_->next_offset(),
               .offset_span = 0,
               .frame = Bytes::From(std::move(frame))});
}

EntryList Replica::Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) {
  return log_->CachedEntries(first, max_bytes, max_entries);
}

void Replica::ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) {
  wanted_reads_.now.push_back({.to = to, .first = first, .max_bytes = max_bytes});
}

bool Replica::Readable(const PeerRead& read) const {
  return read.first >= first_index() && read.first <= log_->durable_index();
}

void Replica::BeginPeerRead(const PeerRead& read, Effects& out) {
  if (const std::optional<FileRange> sidecar = log_->IndexOf(read.first)) {
    ReadSidecar(*sidecar, out).peers.push_back(read);
  } else {
    ReadForPeer(read, out);
  }
}

void Replica::LetWait(PeerRead read) {
  const auto same = [&](const PeerRead& other) { return other.to == read.to; };
  // What an earlier incarnation of raft wanted nobody wants any more; its place is as good.
  const auto old = std::find_if(wanted_reads_.lagging.begin(), wanted_reads_.lagging.end(), same);
  if (old == wanted_reads_.lagging.end()) {
    wanted_reads_.lagging.push_back(std::move(read));
  } else {
    read.queued = old->queued;
    *old = std::move(read);
  }
}

void Replica::DriveLagging(Now now, Effects& out) {
  for (PeerRead& read : std::exchange(wanted_reads_.lagging, {})) {
    if (!Readable(read)) {
      // The log was cut meanwhile: raft asks again.
      raft::Effects fx;
      raft_.OnEntriesRead(now.instant, read.to, {}, fx);
      Absorb(std::move(fx), out);
    } else if (!raft_.MayWait(now.instant, read.to)) {
      BeginPeerRead(read, out);
    } else {
      if (!std::exchange(read.queued, true)) shared_->catch_up.Wait(options_.group, read.to);
      LetWait(std::move(read));
    }
  }
}

void Replica::ReadForLagging(const CatchUpPace::Turn& turn, Effects& out) {
  std::vector<PeerRead>& lagging = wanted_reads_.lagging;
  const auto found = std::find_if(lagging.begin(), lagging.end(),
                                  [&](const PeerRead& read) { return read.to == turn.to; });
  // What cannot be read any more is seen to when the group is settled.
  if (!active() || found == lagging.end() || !Readable(*found)) {
    shared_->catch_up.OnRead(turn, 0);
    return;
  }
  PeerRead read = *found;
  lagging.erase(found);
  read.max_bytes = std::min(read.max_bytes, turn.bytes);
  read.turn = turn;
  ++shared_->counters.catch_up_turns;
  BeginPeerRead(read, out);
}

}  // namespace tidemark
