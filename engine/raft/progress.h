#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/raft/inflights.h"
#include "engine/raft/quorum.h"

namespace tidemark::raft {

// Stands for "never yet".
inline constexpr Instant kLongAgo = Instant();

// What a leader (or candidate) knows of one other member.
struct Progress {
  enum class State : uint8_t {
    // Where the logs agree, or whether the peer is there at all, is not known: one message at a
    // time.
    kProbe,
    // The peer has accepted a message: appends are sent without waiting, `next` runs ahead of what
    // is acknowledged.
    kReplicate,
    // It needs what the log does not have any more, and was told of a snapshot. No appends.
    kSnapshot,
  };

  // A progress that follows `sequence_floor`, the last sequence an earlier one of the same peer can
  // have used: what it is answered does not count for this one.
  Progress(NodeId peer, size_t inflight_messages_max, uint64_t inflight_bytes_max,
           uint64_t sequence_floor = 0)
      : id(peer),
        sequence(sequence_floor),
        session(sequence_floor + 1),
        born(sequence_floor + 1),
        inflights(inflight_messages_max, inflight_bytes_max) {}

  NodeId id;
  // Gets everything, is asked for nothing.
  bool is_learner = false;
  // This election's answer.
  Vote vote = Vote::kUnknown;
  // Last index known to match the leader's log and to be durable on the peer. Never falls during a
  // term: a reply that claims less is late.
  LogIndex match;
  // First index to send. match < next <= last index + 1, or behind the pending snapshot.
  LogIndex next{1};
  State state = State::kProbe;
  // Nothing more until an answer, to an append or a heartbeat: a probe is out, or the window is
  // full.
  bool paused = false;
  // kSnapshot: the one the peer was told of.
  LogIndex pending_snapshot;
  Instant snapshot_sent;
  // Sequence of the last message sent. Runs on through terms, so an answer to an earlier leadership
  // of this node never looks current. 0 is never used.
  uint64_t sequence = 0;
  // First sequence of the present session: refusals of anything earlier are late and mean nothing.
  uint64_t session = 1;
  // First sequence of this progress: no answer to anything earlier means anything.
  uint64_t born = 1;
  // The commit index the peer was last told, whether or not what it had been sent let it use it.
  LogIndex commit_sent;
  // It said that it has no room: only heartbeats, until one of its answers says otherwise.
  bool no_room = false;
  // An asynchronous read for this peer is under way; survives role changes, because the log allows
  // one per peer.
  bool read_pending = false;
  LogIndex read_from;
  // The last read failed: not asked again before the next heartbeat.
  bool read_failed = false;
  // With Config::paced_catch_up: it lacked what had to be read, and has not been sent all that is
  // committed since.
  bool behind = false;
  // When it was last heard, in this leadership or when it became a member; else when it began.
  Instant last_heard;
  // Whether it was heard at all; with Config::quorum_rounds, in the present round.
  bool heard = false;
  // When the latest heartbeat that it answered was sent.
  Instant lease_from = kLongAgo;
  // The latest round of reads it answered.
  uint64_t read_round = 0;
  uint32_t priority = 0;
  // It expects no heartbeats, as it answered to the present offer.
  bool quiet = false;
  Inflights inflights;

  // A new session: whatever was in flight is presumed lost.
  void EnterProbe() {
    next = match + 1;
    if (state == State::kSnapshot) next = std::max(next, pending_snapshot + 1);
    Enter(State::kProbe);
    session = sequence + 1;
  }

  // The connection broke. A probe that was out asked the right question: it is asked again.
  void Reset() {
    if (state != State::kProbe) return EnterProbe();
    paused = false;
    session = sequence + 1;
  }

  void EnterReplicate() {
    next = match + 1;
    Enter(State::kReplicate);
  }

  void EnterSnapshot(LogIndex snapshot, Instant now) {
    Enter(State::kSnapshot);
    session = sequence + 1;
    pending_snapshot = commit_sent = snapshot;
    next = snapshot + 1;
    snapshot_sent = now;
  }

  // The peer holds everything up to `index` durably. Whether that is news.
  bool Acknowledge(LogIndex index) {
    if (index <= match) return false;
    match = index;
    next = std::max(next, match + 1);
    paused = false;
    return true;
  }

  // The peer refused what follows `refused`, and may agree up to `guess`. Whether that is news: if
  // so, what is sent next is a probe.
  bool Refused(LogIndex refused, LogIndex guess) {
    if (state == State::kSnapshot) return false;
    if (refused <= match) {
      if (state != State::kProbe || refused != next - 1) return false;
      // In answer to a probe only a member refuses that which came back without its disk: it begins
      // anew, and nothing that it said before means anything.
      match = LogIndex{0};
      next = std::max(std::min(refused, guess + 1), LogIndex{1});
      commit_sent = std::min(commit_sent, next - 1);
      paused = false;
      born = session = sequence + 1;
      return true;
    }
    if (state == State::kReplicate) {
      EnterProbe();
      inflights.StartSlowly();
      return true;
    }
    if (refused != next - 1) return false;
    next = std::max(std::min(refused, guess + 1), match + 1);
    commit_sent = std::min(commit_sent, next - 1);
    paused = false;
    session = sequence + 1;
    return true;
  }

  // The start of a leadership at log position `last`.
  void ResetForTerm(LogIndex last, Instant now) {
    match = LogIndex{0};
    read_failed = false;
    behind = false;
    no_room = false;
    quiet = false;
    last_heard = now;
    heard = false;
    lease_from = kLongAgo;
    read_round = 0;
    commit_sent = LogIndex{0};
    EnterProbe();
    inflights.OpenWindow();
    next = last + 1;
  }

 private:
  void Enter(State to) {
    state = to;
    paused = false;
    pending_snapshot = LogIndex{0};
    inflights.Reset();
    commit_sent = std::min(commit_sent, next - 1);
  }
};

}  // namespace tidemark::raft
