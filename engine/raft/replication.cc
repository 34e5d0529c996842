#include <algorithm>
#include <utility>

#include "engine/base/check.h"
#include "engine/raft/raft_impl.h"

// The sending side of AppendEntries: thesis 3.5, 10.2.2 (pipelining). A peer is probed until it
// accepts a message, then streamed to; every message, heartbeats included, checks that the stream
// has no gap, so a lost message is noticed at the next one.

namespace tidemark::raft {

void Raft::Impl::OnAppended(Instant /*now*/, Effects& out) {
  TIDEMARK_CHECK(role_ == Role::kLeader);
  TIDEMARK_CHECK_EQ(log_->last_term(), state_.term);
  out.log_staged = true;
  ReplicateToAll(out);
  CommitAndTell(out);
}

void Raft::Impl::ReplicateToAll(Effects& out) {
  for (Progress& peer : peers_) Replicate(peer, out);
}

void Raft::Impl::Replicate(Progress& peer, Effects& out) {
  // What the peer needs next is no longer in the log: appends cannot help it, heartbeats go on.
  if (peer.next < log_->first_index() || peer.no_room) return;
  if (peer.state == Progress::State::kProbe) {
    if (!peer.probe_sent) SendProbe(peer, out);
    return;
  }
  while (peer.next <= log_->last_index() && !peer.inflights.full() && !peer.read_pending) {
    const uint64_t bytes_max = std::min(config_.append_bytes_max, peer.inflights.bytes_left());
    std::vector<Entry> entries = log_->Entries(peer.next, bytes_max, config_.append_entries_max);
    if (entries.empty()) {
      if (peer.read_failed || peer.next > log_->durable_index()) return;
      peer.read_pending = true;
      peer.read_from = peer.next;
      log_->ReadAsync(peer.id, peer.next, config_.append_bytes_max);
      return;
    }
    SendPipelined(peer, std::move(entries), out);
  }
}

void Raft::Impl::SendProbe(Progress& peer, Effects& out) {
  std::vector<Entry> entries;
  if (!peer.guessing && peer.next <= log_->last_index()) {
    entries = log_->Entries(peer.next, config_.append_bytes_max, config_.append_entries_max);
  }
  SendAppend(peer, std::move(entries), out);
  peer.probe_sent = true;
}

void Raft::Impl::SendAppend(Progress& peer, std::vector<Entry> entries, Effects& out) {
  const LogIndex prev = std::max(peer.next - 1, log_->first_index() - 1);
  if (!entries.empty()) TIDEMARK_CHECK_EQ(entries.front().index, prev + 1);
  const std::optional<Term> prev_term = log_->TermAt(prev);
  TIDEMARK_CHECK(prev_term.has_value());
  all_durable_ = AllDurable();
  peer.commit_sent = std::max(peer.commit_sent, std::min(commit_, prev + entries.size()));
  out.messages.push_back(Make(peer.id, AppendRequest{.prev_index = prev,
                                                     .prev_term = *prev_term,
                                                     .commit = commit_,
                                                     .entries = std::move(entries),
                                                     .all_durable = all_durable_,
                                                     .sequence = ++peer.sequence}));
}

void Raft::Impl::SendPipelined(Progress& peer, std::vector<Entry> entries, Effects& out) {
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.frame.size();
  const LogIndex last = entries.back().index;
  SendAppend(peer, std::move(entries), out);
  peer.inflights.Add(last, bytes);
  peer.next = last + 1;
}

void Raft::Impl::Heartbeat(Effects& out) {
  for (Progress& peer : peers_) {
    peer.read_failed = false;
    Replicate(peer, out);
    // Also when the pipeline is full. While probing it is the probe's repetition, without entries:
    // a peer that is down costs no more than this.
    SendAppend(peer, {}, out);
    if (transfer_target_ == peer.id) ContinueTransfer(peer, out);
  }
}

void Raft::Impl::OnAppendReply(Instant now, NodeId from, const AppendReply& reply, Effects& out) {
  if (role_ != Role::kLeader) return;
  Progress* peer = FindPeer(from);
  TIDEMARK_CHECK(peer != nullptr);
  peer->last_heard = std::max(peer->last_heard, now);
  if (!reply.success) return OnRefused(*peer, reply, out);
  if (reply.match > log_->last_index() || reply.sequence > peer->sequence) {
    ++counters_.messages_ignored;
    return;
  }
  peer->no_room = reply.no_room;
  const bool rose = reply.match > peer->match;
  peer->Acknowledge(reply.match);
  if (peer->state == Progress::State::kProbe) {
    // Either this session's probe was accepted, so the logs agree up to next - 1, or the peer is
    // known to have that much by itself.
    const bool accepted = reply.sequence >= peer->session;
    if (accepted || (rose && peer->match + 1 == peer->next)) peer->EnterPipeline();
  }
  // Commit before sending, tell after: what is sent anyway carries the news.
  const bool committed = rose && AdvanceLeaderCommit(out);
  Replicate(*peer, out);
  for (Progress& other : peers_) {
    if (committed || other.id == peer->id) TellCommit(other, out);
  }
  if (transfer_target_ == peer->id) ContinueTransfer(*peer, out);
}

void Raft::Impl::OnRefused(Progress& peer, const AppendReply& reply, Effects& out) {
  // Late: the session it speaks of is over.
  if (reply.sequence < peer.session || reply.sequence > peer.sequence) return;
  // Skips every entry of a term above the hint's: the peer has none of them at or before the hint.
  const LogIndex floor = log_->first_index() - 1;
  const LogIndex hint = std::min(reply.match, log_->last_index());
  const LogIndex agreed = LastWithTermAtMost(hint, floor, reply.hint_term);
  const LogIndex next = std::max(agreed, peer.match) + 1;
  // Nothing learned: a later message has been accepted meanwhile, or the peer refuses what it once
  // acknowledged. The heartbeat asks again, at its own pace.
  if (next >= peer.next) return;
  if (peer.state == Progress::State::kPipeline) ++counters_.pipeline_breaks;
  // Same index, same term: the logs agree up to there (log matching, 3.6.3).
  const bool sure =
      next == peer.match + 1 || (agreed == reply.match && log_->TermAt(agreed) == reply.hint_term);
  peer.EnterProbe(next, /*guess=*/!sure);
  Replicate(peer, out);
}

bool Raft::Impl::StillInLog(LogIndex first, std::span<const Entry> entries) const {
  LogIndex index = first;
  for (const Entry& entry : entries) {
    if (entry.index != index || log_->TermAt(index) != entry.term) return false;
    ++index;
  }
  return true;
}

void Raft::Impl::OnEntriesRead(Instant /*now*/, NodeId to, std::vector<Entry> entries,
                               Effects& out) {
  Progress* peer = FindPeer(to);
  if (peer == nullptr || !peer->read_pending) return;
  peer->read_pending = false;
  if (role_ != Role::kLeader) return;
  if (entries.empty()) {
    peer->read_failed = true;
    return;
  }
  if (entries.size() > config_.append_entries_max) entries.resize(config_.append_entries_max);
  // The read may be of an earlier leadership, or the peer may have moved on.
  const bool wanted = peer->state == Progress::State::kPipeline && peer->next == peer->read_from &&
                      !peer->inflights.full() && StillInLog(peer->next, entries);
  if (wanted) SendPipelined(*peer, std::move(entries), out);
  Replicate(*peer, out);
}

}  // namespace tidemark::raft
