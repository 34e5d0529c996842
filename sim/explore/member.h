#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/raft/raft.h"
#include "sim/explore/disk_log.h"
#include "sim/explore/options.h"

namespace tidemark::sim::explore {

// What can happen at one member. What happens at two of them at once does not exist, so events at
// different members commute, but for what they take from each other: messages and budgets.
struct Event {
  enum class Kind : uint8_t {
    kDeliver,    // a message arrives
    kDuplicate,  // a message arrives and stays under way
    kDrop,       // a message is lost with its connection, and its sender is told
    kSync,       // the write that is under way is durable
    kCrash,      // the member crashes and starts again
    kTimeout,    // its election timeout ends; an election timeout passes at a leader
    kLapse,      // so long a time passes that its leader is not recent any more
    kBeat,       // its heartbeats are due
    kAppend,     // a client's record
    kChange,     // a change of members
    kTransfer,   // leadership is handed over
    kRead,       // a linearizable read
  };
  static constexpr size_t kKinds = 12;

  Kind kind = Kind::kDeliver;
  // The member that it happens at (of a loss: the sender).
  uint32_t node = 0;
  // Messages: which. kCrash: how much of the write under way was on the disk, see Member. kChange:
  // see ChangeOf. kTransfer: to whom. kRead: what is committed anywhere.
  uint32_t arg = 0;
  friend bool operator==(const Event&, const Event&) = default;
};

// What takes from which supply; nullopt for what only the members bring about.
std::optional<Budget> BudgetOf(Event::Kind kind);

// The changes of members that are proposed, by number: for each node adding a voter, adding a
// learner, removing it; then for each pair, by a joint configuration, one out and the other in.
size_t ChangesOf(const Options& options);
raft::ConfChange ChangeOf(const Options& options, uint32_t number);

// One member: the production Raft between a disk and a network, executing its effects as
// engine/node/replica.cc does. At most one write is under way; what is promised leaves when the
// write that makes it true is done, unless the term is over by then; what is staged meanwhile waits
// for the next write.
//   The model leaves out: snapshots and removed prefixes, leases (the stamps of heartbeats are
//   erased), priorities, failed writes, and the write with which a restarted replica makes sure of
//   its hard state (a disk here gives back what it has).
class Member {
 public:
  Member(const Options* options, NodeId self);
  Member(const Member& other);
  Member& operator=(const Member&) = delete;

  struct Outcome {
    // Leaves now.
    std::vector<raft::Message> sent;
    // An oracle that needs no other member has spoken.
    std::string_view oracle;
    std::string what;
  };

  // Does `event`; `message` is the one that arrives or is lost. False if it cannot happen here:
  // then this member is not to be used any more.
  [[nodiscard]] bool Step(const Event& event, const raft::Message* message, Outcome& outcome);
  // Everything but deliveries, losses and reads that can happen here, budgets apart.
  std::vector<Event> Enabled() const;

  // Equal for two members only if both behave alike from here on.
  std::string Fingerprint() const;

  const raft::Raft& raft() const { return *raft_; }
  const DiskLog& log() const { return *log_; }
  const std::vector<Entry>& disk() const { return disk_; }
  // The part of disk() that no crash takes.
  const raft::HardState& disk_state() const { return disk_state_; }
  bool writing() const { return write_.has_value(); }

 private:
  struct Write {
    std::vector<DiskLog::Op> ops;
    std::optional<raft::HardState> state;
    LogIndex commit;
    std::vector<raft::Message> held;
  };

  raft::Config ConfigOf() const;
  void Boot(Outcome& outcome);
  void Crash(uint32_t survives);
  bool Dispatch(const Event& event, const raft::Message* message, raft::Effects& fx);
  void Sync(raft::Effects& fx, Outcome& outcome);
  void Absorb(raft::Effects fx, Outcome& outcome);
  // What a replica does at the end of each step.
  void Settle(Outcome& outcome);
  void Send(raft::Message message, Outcome& outcome);
  void CheckPromise(const raft::Message& message, Outcome& outcome);
  void CheckCommit(LogIndex before, raft::Role role, Term term, Outcome& outcome) const;
  void OnRead(const raft::ReadResult& read, Outcome& outcome);

  const Options* options_;
  NodeId self_;
  Instant now_;
  // Starts so far.
  uint64_t lives_ = 0;

  // The disk: what is durable, and the write under way.
  std::vector<Entry> disk_;
  raft::HardState disk_state_;
  LogIndex disk_commit_;
  std::optional<Write> write_;

  // Memory.
  std::unique_ptr<DiskLog> log_;
  std::optional<raft::Raft> raft_;
  std::optional<raft::HardState> unsaved_;
  std::vector<raft::Message> held_;
  uint64_t next_read_ = 1;

  // What it said to others, which no crash unsays.
  raft::HardState promised_;
  // Reads under way, and what was committed when they were asked for.
  std::map<raft::ReadId, LogIndex> reads_;
};

}  // namespace tidemark::sim::explore
