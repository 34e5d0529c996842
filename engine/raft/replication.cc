#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/raft/raft_impl.h"

// The sending side of AppendEntries: thesis 3.5, 10.2.2 (pipelining). A peer is probed until it
// accepts a message, then streamed to. A message that was lost is noticed when a later one is
// refused; the answer to a heartbeat is the occasion for one. When an append goes out is as in
// etcd-io/raft, but that the news of a commit may wait for one (Config::eager_commit).

namespace tidemark::raft {

void Raft::Impl::OnAppended(Instant now, Effects& out) {
  TIDEMARK_CHECK(role_ == Role::kLeader);
  TIDEMARK_CHECK_EQ(log_->last_term(), state_.term);
  out.log_staged = true;
  Stir(now);
  for (Progress& peer : peers_) Replicate(now, peer, out);
  CommitAndTell(now, out);
}

void Raft::Impl::Replicate(Instant now, Progress& peer, Effects& out) {
  while (SendAppend(now, peer, /*also_empty=*/false, out)) {
  }
}

void Raft::Impl::BroadcastAppend(Instant now, Effects& out) {
  for (Progress& peer : peers_) SendAppend(now, peer, /*also_empty=*/true, out);
}

bool Raft::Impl::SendAppend(Instant now, Progress& peer, bool also_empty, Effects& out) {
  if (peer.state == Progress::State::kSnapshot || peer.paused) return false;
  // Most calls: all that there is was sent.
  if (!also_empty && peer.next > log_->last_index()) return false;
  const std::optional<Term> prev_term = log_->TermAt(peer.next - 1);
  if (!prev_term.has_value()) return SendSnapshot(now, peer, out);
  EntryList entries = NextEntries(now, peer);
  if (entries.empty() && !also_empty) return false;
  EmitAppend(peer, *prev_term, std::move(entries), out);
  return true;
}

EntryList Raft::Impl::NextEntries(Instant now, Progress& peer) {
  if (peer.no_room || peer.next > log_->last_index()) return {};
  const bool streaming = peer.state == Progress::State::kReplicate;
  if (streaming && (peer.inflights.full() || peer.read_pending)) return {};
  const uint64_t bytes_max = streaming
                                 ? std::min(config_.append_bytes_max, peer.inflights.bytes_left())
                                 : config_.append_bytes_max;
  EntryList entries = log_->Entries(peer.next, bytes_max, config_.append_entries_max);
  // A probe goes without what would have to be read: it may be refused.
  if (!streaming || peer.read_failed || peer.next > log_->durable_index()) return entries;
  if (entries.empty()) {
    peer.behind = config_.paced_catch_up;
  } else if (entries.back().index >= commit_) {
    peer.behind = false;
  }
  if (entries.empty() || MayWait(now, peer)) {
    entries.clear();
    peer.read_pending = true;
    peer.read_from = peer.next;
    log_->ReadAsync(peer.id, peer.next, config_.append_bytes_max);
  }
  return entries;
}

bool Raft::Impl::MayWait(Instant now, const Progress& peer) const {
  if (!peer.behind || role_ != Role::kLeader || peer.id == transfer_target_ ||
      !committed_in_own_term()) {
    return false;
  }
  const LogIndex without = voters().CommittedIndex([&](NodeId voter) {
    if (voter == config_.self) return own_match();
    const Progress& other = *FindPeer(voter);
    const bool counts =
        voter != peer.id && other.state == Progress::State::kReplicate && Active(other, now);
    return counts ? other.match : LogIndex{0};
  });
  return without >= commit_;
}

void Raft::Impl::EmitAppend(Progress& peer, Term prev_term, EntryList entries, Effects& out) {
  const LogIndex prev = peer.next - 1;
  if (!entries.empty()) TIDEMARK_CHECK_EQ(entries.front().index, peer.next);
  peer.commit_sent = commit_;
  if (peer.state == Progress::State::kReplicate) {
    if (!entries.empty()) {
      uint64_t bytes = 0;
      for (const Entry& entry : entries) bytes += entry.frame.size();
      peer.next = entries.back().index + 1;
      peer.inflights.Add(entries.back().index, bytes);
    }
    peer.paused = peer.inflights.full();
  } else if (peer.next <= log_->last_index()) {
    peer.paused = true;
  }
  all_durable_ = AllDurable();
  ++peer.sequence;
  Emit(peer.id,
       AppendRequest{.prev_index = prev,
                     .prev_term = prev_term,
                     .commit = commit_,
                     .entries = std::move(entries),
                     .all_durable = all_durable_,
                     .sequence = peer.sequence},
       out.messages);
}

void Raft::Impl::OnAppendReply(Instant now, NodeId from, const AppendReply& reply, Effects& out) {
  if (role_ != Role::kLeader) return;
  Progress& peer = *FindPeer(from);
  // An answer to what was sent before this progress began, or in an older term.
  if (reply.sequence < peer.born) return;
  if (reply.sequence > peer.sequence || (reply.success && reply.match > log_->last_index())) {
    ++counters_.messages_ignored;
    return;
  }
  peer.last_heard = std::max(peer.last_heard, now);
  peer.heard = true;
  if (!reply.success) return OnRefused(now, peer, reply, out);
  const bool room_again = peer.no_room && !reply.no_room;
  peer.no_room = reply.no_room;
  const bool probing = peer.state == Progress::State::kProbe;
  const bool rose = peer.Acknowledge(reply.match);
  if (!rose && !(probing && reply.match == peer.match)) {
    if (room_again) Replicate(now, peer, out);
    return;
  }
  if (peer.state == Progress::State::kReplicate) {
    peer.inflights.FreeTo(peer.match);
  } else if (probing || peer.match + 1 >= log_->first_index()) {
    // Whichever snapshot it installed, the log goes on from there.
    peer.EnterReplicate();
  }
  // With eager_commit the news is a message of its own, otherwise what is sent anyway carries it.
  const bool committed = AdvanceLeaderCommit(out);
  if (committed) BeginReadRound(now, out);
  if (config_.eager_commit) {
    if (committed) {
      BroadcastAppend(now, out);
    } else if (commit_ > peer.commit_sent && peer.commit_sent < peer.next - 1) {
      SendAppend(now, peer, /*also_empty=*/true, out);
    }
  }
  Replicate(now, peer, out);
  if (!config_.eager_commit) {
    for (Progress& other : peers_) {
      if (committed || other.id == peer.id) TellCommit(now, other, out);
    }
  }
  if (transfer_target_ == peer.id) ContinueTransfer(peer, out);
}

void Raft::Impl::OnRefused(Instant now, Progress& peer, const AppendReply& reply, Effects& out) {
  // Late: the session it speaks of is over.
  if (reply.sequence < peer.session) return;
  const bool streaming = peer.state == Progress::State::kReplicate;
  if (!peer.Refused(reply.refused, MayAgreeAt(reply.match, reply.hint_term))) return;
  if (streaming) ++counters_.pipeline_breaks;
  SendAppend(now, peer, /*also_empty=*/true, out);
}

void Raft::Impl::ReportUnreachable(NodeId id) {
  Progress* peer = FindPeer(id);
  if (role_ != Role::kLeader || peer == nullptr) return;
  if (peer->state == Progress::State::kReplicate) peer->EnterProbe();
}

LogIndex Raft::Impl::MayAgreeAt(LogIndex hint, Term hint_term) const {
  const LogIndex before_first = log_->first_index() - 1;
  if (hint < before_first) return hint;
  if (*log_->TermAt(before_first) > hint_term) {
    return before_first == LogIndex{0} ? before_first : before_first - 1;
  }
  // Skips every entry of a term above the hint's: the peer has none of them at or before the hint.
  return LastWithTermAtMost(std::min(hint, log_->last_index()), before_first, hint_term);
}

LogIndex Raft::Impl::LastWithTermAtMost(LogIndex from, LogIndex floor, Term term) const {
  // Invariant: the answer lies in [low, high].
  LogIndex low = floor;
  LogIndex high = std::max(from, floor);
  while (low < high) {
    const LogIndex middle = low + ((high - low) + 1) / 2;
    const std::optional<Term> at = log_->TermAt(middle);
    TIDEMARK_CHECK(at.has_value());
    if (*at <= term) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

bool Raft::Impl::StillInLog(LogIndex first, std::span<const Entry> entries) const {
  LogIndex index = first;
  for (const Entry& entry : entries) {
    if (entry.index != index || log_->TermAt(index) != entry.term) return false;
    ++index;
  }
  return true;
}

void Raft::Impl::OnEntriesRead(Instant now, NodeId to, EntryList entries, Effects& out) {
  if (orphan_reads_.Erase(to)) {
    if (Progress* again = FindPeer(to)) again->read_pending = false;
    return;
  }
  Progress* peer = FindPeer(to);
  if (peer == nullptr || !peer->read_pending) return;
  peer->read_pending = false;
  if (role_ != Role::kLeader) return;
  if (entries.empty()) {
    peer->read_failed = true;
    return;
  }
  if (entries.size() > config_.append_entries_max) entries.resize(config_.append_entries_max);
  // The read may be of an earlier leadership, or the peer may have moved on, or the log's
  // beginning.
  const bool wanted = peer->state == Progress::State::kReplicate && !peer->paused &&
                      !peer->no_room && peer->next == peer->read_from && !peer->inflights.full() &&
                      peer->next >= log_->first_index() && StillInLog(peer->next, entries);
  if (wanted) EmitAppend(*peer, *log_->TermAt(peer->next - 1), std::move(entries), out);
  Replicate(now, *peer, out);
}

}  // namespace tidemark::raft
