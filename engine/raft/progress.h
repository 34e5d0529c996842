#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/raft/inflights.h"
#include "engine/raft/quorum.h"

namespace tidemark::raft {

// What a leader (or candidate) knows of one other member.
struct Progress {
  enum class State : uint8_t {
    // Where the logs agree, or whether the peer is there at all, is not known: one message at a
    // time.
    kProbe,
    // The peer has accepted a message of this session: appends are sent without waiting, `next`
    // runs ahead of what is acknowledged.
    kPipeline,
  };

  Progress(NodeId peer, size_t inflight_messages_max, uint64_t inflight_bytes_max)
      : id(peer), inflights(inflight_messages_max, inflight_bytes_max) {}

  NodeId id;
  // Gets everything, is asked for nothing.
  bool is_learner = false;
  // This election's answer.
  Vote vote = Vote::kUnknown;
  // Last index known to match the leader's log and to be durable on the peer. Never falls during a
  // term: a reply that claims less is late.
  LogIndex match;
  // First index to send. match < next <= last index + 1.
  LogIndex next{1};
  State state = State::kProbe;
  // kProbe: a probe is out; the next one waits for its answer or for the heartbeat.
  bool probe_sent = false;
  // kProbe: whether the entry before `next` is only a guess, so that sending entries behind it
  // would likely be a waste.
  bool guessing = true;
  // Sequence of the last message sent. Runs on through terms, so an answer to an earlier leadership
  // of this node never looks current. 0 is never used.
  uint64_t sequence = 0;
  // First sequence of the present session: refusals of anything earlier are late and mean nothing.
  uint64_t session = 1;
  // The commit index the peer has been told, as far as what it had been sent let it use it.
  LogIndex commit_sent;
  // It said that it has no room: only heartbeats, until one of its answers says otherwise.
  bool no_room = false;
  // An asynchronous read for this peer is under way; survives role changes, because the log allows
  // one per peer.
  bool read_pending = false;
  LogIndex read_from;
  // The last read failed: not asked again before the next heartbeat.
  bool read_failed = false;
  Instant last_heard;
  Inflights inflights;

  // A new session at `from`: whatever was in flight is presumed lost.
  void EnterProbe(LogIndex from, bool guess) {
    state = State::kProbe;
    next = from;
    probe_sent = false;
    guessing = guess;
    session = sequence + 1;
    commit_sent = LogIndex{0};
    inflights.Reset();
  }

  void EnterPipeline() {
    state = State::kPipeline;
    probe_sent = false;
    guessing = false;
  }

  // The peer holds everything up to `index` durably.
  void Acknowledge(LogIndex index) {
    match = std::max(match, index);
    next = std::max(next, match + 1);
    inflights.FreeTo(match);
  }

  // The start of a leadership at log position `last`.
  void ResetForTerm(LogIndex last, Instant now) {
    match = LogIndex{0};
    read_failed = false;
    no_room = false;
    last_heard = now;
    EnterProbe(last + 1, /*guess=*/false);
  }
};

}  // namespace tidemark::raft
