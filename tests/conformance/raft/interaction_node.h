#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/entry.h"
#include "engine/raft/raft.h"
#include "engine/raft/types.h"
#include "tests/conformance/raft/interaction_log.h"
#include "tests/conformance/raft/interaction_output.h"
#include "tests/conformance/raft/wire.h"

namespace tidemark::conformance {

// How many ticks of an interaction script are an election timeout, and how long one is here.
inline constexpr int kElectionTicks = 3;
inline constexpr Duration kTick = Duration::Millis(100);

// The hard state as etcd has it, in its terms.
struct ShownHardState {
  uint64_t term = 0;
  uint64_t vote = 0;
  uint64_t commit = 0;
  friend bool operator==(const ShownHardState&, const ShownHardState&) = default;
};

struct SoftState {
  uint64_t leader = 0;
  raft::Role role = raft::Role::kFollower;
  friend bool operator==(const SoftState&, const SoftState&) = default;
};

// One node of an interaction script: our engine, and around it what etcd-io/raft does itself and
// our engine leaves to its caller. The decisions are the engine's; from etcd come
//   Ready   what became new since the last one, in one piece: our engine says it step by step.
//   acks    a leader's or candidate's word to itself that its own write is done, which etcd sends
//           as a message; here it is Raft::OnPersisted, called when that message arrives.
//   props   etcd forwards proposals and transfers from followers to the leader in messages; our
//           engine leaves that to the servers around it.
//   Source  etcd-io/raft v3.6, rawnode.go, raft.go (forwarding), log.go (what may be applied).
class InteractionNode {
 public:
  struct Setup {
    raft::Config config;
    raft::SnapshotMeta snapshot;  // index 0: an empty node
    bool async_storage_writes = false;
    uint64_t applied_bytes_max = UINT64_MAX;  // per Ready
  };
  InteractionNode(Setup setup, InteractionOutput* output);

  uint64_t id() const { return setup_.config.self.value(); }
  const raft::Raft& raft() const { return raft_; }
  InteractionLog& log() { return log_; }
  Instant now() const { return now_; }
  SoftState soft_state() const { return {raft_.leader().value(), raft_.role()}; }
  uint64_t shown_term() const { return ShownTerm(raft_.term()); }
  bool has_append_work() const { return !append_work_.empty(); }
  bool has_apply_work() const { return !apply_work_.empty(); }

  bool HasReady() const;
  // Each prints, and adds to `network` what the node sends.
  void ProcessReady(std::vector<WireMessage>& network);
  void ProcessAppendThread(std::vector<WireMessage>& network);
  void ProcessApplyThread(std::vector<WireMessage>& network);

  // What etcd's functions of the same names do; errors have etcd's words.
  absl::Status Step(const WireMessage& message);
  absl::Status Propose(Payload payload);
  void Campaign();
  void TransferLeadership(uint64_t to);
  void ForgetLeader();
  void ReportUnreachable(uint64_t peer);
  void Tick();
  // A message that ships what this node has applied, as if its engine had sent it last.
  WireMessage MakeSnapshotFor(uint64_t to);
  // Whether votes were asked for before the candidate's own was written (DIFFERENCES.md, early
  // vote requests).
  bool votes_asked_early() const { return votes_asked_early_; }
  void OverrideElectionTimeout(int ticks) { raft_.OverrideElectionTimeout(kTick * ticks); }

 private:
  struct Ready {
    std::optional<SoftState> soft_state;
    std::optional<ShownHardState> hard_state;
    bool must_sync = false;
    std::vector<Entry> entries;
    std::optional<raft::SnapshotMeta> snapshot;
    std::vector<Entry> committed;
    std::vector<WireMessage> messages;
    // Those of the node to itself; sent with asynchronous storage writes, else stepped afterwards.
    std::vector<WireMessage> to_self;
    // MsgStorageAppendResp: what will have become stable, if anything.
    std::optional<WireMessage> stable;

    std::string Text() const;
  };
  // What the append thread is to write.
  struct AppendWork {
    WireMessage message;
    raft::HardState hard_state;
    std::vector<Entry> entries;
  };
  struct ApplyWork {
    WireMessage message;
    std::vector<Entry> entries;
  };

  ShownHardState shown_hard_state() const;
  void LogMembership();
  // Sorts what a step of the engine wants done into what etcd's Ready would have of it.
  void Absorb(raft::Effects& effects);
  void AbsorbInstall(const raft::SnapshotMeta& meta);
  void Route(raft::Message message);
  void PushToSelf(WireType type, uint64_t term, uint64_t index);
  absl::Status StepEngine(const WireMessage& message);
  void StepToSelf(const WireMessage& message);
  bool Knows(uint64_t node) const;

  Ready MakeReady();
  void AddStorageMessages(Ready& ready);
  void Advance(const Ready& ready);
  WireMessage StableMessage(const std::optional<raft::SnapshotMeta>& snapshot) const;
  void Accept(const Ready& ready);
  void PrintWork(const WireMessage& message);
  // The storage writes; what the engine is told of it is another matter.
  void Write(const raft::HardState& state, const std::vector<Entry>& entries,
             const std::optional<raft::SnapshotMeta>& snapshot);
  // Index below which everything is written and nothing under way overwrites it.
  LogIndex Durable() const;
  // Whether the engine hears of writes by the node's own messages to itself.
  bool waits_for_itself() const {
    return raft_.role() == raft::Role::kLeader || raft_.role() == raft::Role::kCandidate;
  }
  // Tells the engine about all writes so far.
  void TellPersisted();
  void OnStable(const WireMessage& message);
  void Apply(const std::vector<Entry>& entries);
  std::vector<Entry> NextCommitted() const;
  LogIndex MaxAppliable() const;
  void AppliedTo(LogIndex index, uint64_t bytes);

  Setup setup_;
  InteractionOutput* output_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  InteractionLog log_;
  raft::Raft raft_;

  // Sent since the last Ready; the latter only once what the node has is written.
  std::vector<WireMessage> messages_;
  std::vector<WireMessage> after_append_;
  SoftState last_soft_state_;
  ShownHardState last_hard_state_;
  size_t own_appends_ = 0;
  uint64_t pre_votes_ = 0;
  uint64_t elections_ = 0;
  bool votes_asked_early_ = false;
  // Of the last append or snapshot to each peer.
  std::map<NodeId, uint64_t> sequences_;

  // Written, not necessarily told to the engine.
  raft::HardState written_state_;
  std::deque<AppendWork> append_work_;
  std::deque<ApplyWork> apply_work_;

  // Of the committed entries: applied; handed out to be applied; their bytes that are not applied.
  LogIndex applied_;
  LogIndex applying_;
  uint64_t applying_bytes_ = 0;
  bool applying_paused_ = false;
};

// `2: StateProbe match=1 next=2 ...`
std::string PeerText(const raft::PeerStatus& peer);
std::string_view RoleText(raft::Role role);

}  // namespace tidemark::conformance
